//! The scores under a run.

use burn::module::AutodiffModule;
use serde::{Deserialize, Serialize};
use sslight_models::backend::AutodiffBackend;

use super::{Evaluator, RunError, exact};
use crate::method::AnyMethod;

/// The kNN scores that training has to beat, in percent; absent without labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    /// Of the pixels, if they are not too many.
    #[serde(with = "exact::optional")]
    pub pixels: Option<f64>,
    /// Of the network before training.
    #[serde(with = "exact::optional")]
    pub before: Option<f64>,
}

impl Floors {
    /// Measures both, as far as there are scores.
    ///
    /// # Errors
    /// If images cannot be read.
    pub fn measure<B: AutodiffBackend>(
        evaluator: &Evaluator,
        method: &AnyMethod<B>,
        device: &B::Device,
    ) -> Result<Self, RunError> {
        if evaluator.protocol().is_none() {
            return Ok(Self::default());
        }
        let pixels = match evaluator.scores_pixels() {
            true => evaluator.pixels::<B::InnerBackend>(device)?.top1,
            false => None,
        };
        Ok(Self {
            pixels,
            before: evaluator
                .backbone(&method.backbone().valid(), None, device)?
                .top1,
        })
    }
}
