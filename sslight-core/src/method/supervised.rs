//! Supervised training: cross entropy of a linear classifier, in the loop of all methods. It is the control of
//! the paper's upper rows, and a check of every network.

use burn::module::Module;
use burn::optim::GradientsParams;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::{Backbone, BackboneKind, UnavailableBackbone};

use super::views::features_of_views;
use super::{Method, MethodSetup, StepOutput, StochasticDepth, ViewBatch};
use crate::loss::cross_entropy;
use crate::optim::grads;
use crate::schedule::Clock;

/// What a [`Supervised`] is made from.
#[derive(Debug, Clone)]
pub struct SupervisedConfig {
    /// The network.
    pub backbone: BackboneKind,
    /// Whether its stem is the one for small images.
    pub small_input: bool,
    /// Number of classes.
    pub classes: usize,
    /// The constants of a step.
    pub step: SupervisedStep,
}

/// The constants of a training step.
#[derive(Debug, Clone)]
pub struct SupervisedStep {
    /// Largest gradient norm of a parameter; 0 does not clip.
    pub clip_grad: f64,
    /// Stochastic depth of the backbone.
    pub depth: StochasticDepth,
}

impl SupervisedConfig {
    /// The method that a configuration describes.
    pub fn of(setup: &MethodSetup<'_>) -> Self {
        Self {
            backbone: setup.config.backbone.into(),
            small_input: setup.config.small_input(),
            classes: setup.classes,
            step: SupervisedStep {
                clip_grad: setup.config.optim.clip_grad,
                depth: setup.depth(),
            },
        }
    }

    /// A network with a classifier of PyTorch's default initialisation.
    ///
    /// # Errors
    /// If this version lacks the backbone.
    pub fn init<B: Backend>(
        &self,
        seed: u64,
        clock: Clock,
        device: &B::Device,
    ) -> Result<Supervised<B>, UnavailableBackbone> {
        let mut init = ParamInit::new(seed, device);
        let backbone = self.backbone.init(self.small_input, &mut init)?;
        let features_dim = backbone.features_dim();
        Ok(Supervised {
            backbone,
            classifier: Linear::uniform(&mut init, features_dim, self.classes),
            step: self.step.clone(),
            clock,
        })
    }
}

/// A backbone with a classifier.
///
/// Should be created with [`SupervisedConfig`].
#[derive(Module, Debug)]
pub struct Supervised<B: Backend> {
    /// The part that is kept after pre-training.
    pub backbone: Backbone<B>,
    /// The classifier, whose gradient reaches the backbone.
    pub classifier: Linear<B>,
    #[module(skip)]
    step: SupervisedStep,
    #[module(skip)]
    clock: Clock,
}

impl<B: AutodiffBackend> Method<B> for Supervised<B> {
    fn learn(&self, batch: &ViewBatch<B>) -> (StepOutput<B>, GradientsParams) {
        let values = self.clock.now();
        let Some(labels) = batch.labels.clone() else {
            panic!(
                "Supervised::learn: the batch of {} has no labels",
                batch.batch
            )
        };
        let view = batch.groups[0].clone().narrow(0, 0, batch.batch);
        let features = features_of_views(&self.backbone, &[view], self.step.depth, values.step);
        let loss = cross_entropy(self.classifier.forward(features), labels);
        let mut grads = GradientsParams::from_grads(loss.backward(), self);
        if self.step.clip_grad > 0.0 {
            grads::clip_each::<B, _>(self, &mut grads, self.step.clip_grad);
        }
        (StepOutput::new(loss, values), grads)
    }

    fn backbone(&self) -> &Backbone<B> {
        &self.backbone
    }

    fn classifier(&self) -> Option<&Linear<B>> {
        Some(&self.classifier)
    }
}
