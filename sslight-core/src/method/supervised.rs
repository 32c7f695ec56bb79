//! Supervised training: cross entropy of a linear classifier, in the loop of all methods. It is the control of
//! the paper's upper rows, and a check of every network.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::{Backbone, BackboneKind, UnavailableBackbone};

use super::{Features, Lesson, Method, MethodSetup, StepOptions, StepOutput, ViewBatch};
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
    /// What all methods do alike.
    pub options: StepOptions,
}

impl SupervisedConfig {
    /// The method that a configuration describes.
    pub fn of(setup: &MethodSetup<'_>) -> Self {
        Self {
            backbone: setup.config.backbone.into(),
            small_input: setup.config.small_input(),
            classes: setup.classes,
            step: SupervisedStep {
                options: setup.options(),
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
    type Trace = ();

    fn options(&self) -> StepOptions {
        self.step.options
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn backbone(&self) -> &Backbone<B> {
        &self.backbone
    }

    fn classifier(&self) -> Option<&Linear<B>> {
        Some(&self.classifier)
    }

    fn student_views(&self, batch: &ViewBatch<B>) -> Vec<Tensor<B, 4>> {
        vec![batch.global_views(0..1)]
    }

    /// # Panics
    /// Without labels: a configuration whose data has none is refused before a method is made.
    fn learn(&self, features: Features<B>, batch: &ViewBatch<B>) -> Lesson<B, ()> {
        let Some(labels) = batch.labels.clone() else {
            panic!(
                "Supervised::learn: the batch of {} has no labels",
                batch.batch
            )
        };
        let loss = cross_entropy(self.classifier.forward(features.student), labels);
        Lesson {
            output: StepOutput::new(loss.clone(), self.clock.now()),
            loss,
            trace: (),
        }
    }

    fn remember(&self, _: Vec<()>) {}

    fn restrain(&self, grads: &mut GradientsParams) {
        grads::clip_each::<B, _>(self, grads, self.step.options.clip_grad);
    }
}
