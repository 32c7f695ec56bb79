//! What a method is made from beside its own keys.

use super::{StepOptions, StochasticDepth};
use crate::config::RunConfig;
use crate::loss::PairWeights;

/// A configuration together with what is known of its data.
#[derive(Debug, Clone, Copy)]
pub struct MethodSetup<'a> {
    /// The configuration.
    pub config: &'a RunConfig,
    /// Training images, on which sizes that are `auto` depend.
    pub images: usize,
    /// Classes of the training images; 0 without labels.
    pub classes: usize,
}

impl MethodSetup<'_> {
    /// Classes of the online probe, if there is to be one.
    pub(super) fn probe_classes(&self) -> Option<usize> {
        self.config.probe.then_some(self.classes)
    }

    /// The weights of Eq. 3.
    pub(super) fn weights(&self, global_only: bool) -> PairWeights {
        PairWeights {
            alpha: self.config.alpha(),
            beta: self.config.beta(),
            global_only,
        }
    }

    /// What all methods do alike in a step.
    pub(super) fn options(&self) -> StepOptions {
        let config = self.config;
        StepOptions {
            accumulate: config.accumulate,
            repeat_forward: config.model.grad_checkpointing,
            clip_grad: config.optim.clip_grad,
            depth: StochasticDepth {
                rate: config.model.drop_path,
                seed: config.seed,
            },
        }
    }
}
