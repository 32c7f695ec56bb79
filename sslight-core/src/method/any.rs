//! One type over all methods, and the registry: a method is one line in the list at the end.

// There is one value of it in a run; the record that burn derives is such an enum too.
#![allow(clippy::large_enum_variant)]

use burn::module::{AutodiffModule, Module};
use burn::optim::{GradientsParams, Optimizer};
use burn_train::{InferenceStep, TrainOutput, TrainStep};
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::Linear;
use sslight_models::{Backbone, UnavailableBackbone};

use super::step::learn_batch;
use super::{Method, MethodSetup, Phase, StepOutput, ValidationStats, ViewBatch};
use crate::config::Method as MethodChoice;
use crate::learner::Trained;
use crate::schedule::Clock;

/// Declares [`AnyMethod`] over `Variant(type, configuration)`, where the variant is that of the choice in a
/// configuration.
macro_rules! methods {
    ($($(#[$doc:meta])* $Variant:ident($Type:ident, $Config:ident) in $module:ident;)+) => {
        /// Any method: what the learner trains and a checkpoint holds.
        ///
        /// The variant is no part of parameter names, see [`sslight_models::params`].
        #[derive(Module, Debug)]
        pub enum AnyMethod<B: Backend> {
            $($(#[$doc])* $Variant(super::$module::$Type<B>),)+
        }

        impl<B: Backend> AnyMethod<B> {
            /// The method of a configuration, with fresh weights.
            ///
            /// # Errors
            /// If this version lacks the backbone.
            pub fn init(
                setup: &MethodSetup<'_>,
                clock: Clock,
                device: &B::Device,
            ) -> Result<Self, UnavailableBackbone> {
                let seed = setup.config.seed;
                match setup.config.method {
                    $(MethodChoice::$Variant => {
                        let config = super::$module::$Config::of(setup);
                        Ok(Self::$Variant(config.init(seed, clock, device)?))
                    })+
                }
            }
        }

        impl<B: AutodiffBackend> AnyMethod<B> {
            /// The losses of a batch, and the gradients that the optimizer is to see: clipped, and without
            /// those of frozen layers. Buffers move, parameters do not.
            pub fn learn(&self, batch: &ViewBatch<B>) -> (StepOutput<B>, GradientsParams) {
                self.learn_watched(batch, &mut |_| {})
            }

            /// [`learn`](Self::learn), with a call at the end of each phase.
            pub fn learn_watched(
                &self,
                batch: &ViewBatch<B>,
                watch: &mut dyn FnMut(Phase),
            ) -> (StepOutput<B>, GradientsParams) {
                match self { $(Self::$Variant(method) => learn_batch(method, batch, watch),)+ }
            }

            /// See [`Method::before_update`].
            pub fn before_update(self) -> Self {
                match self { $(Self::$Variant(method) => Self::$Variant(method.before_update()),)+ }
            }

            /// See [`Method::after_update`].
            pub fn after_update(self) -> Self {
                match self { $(Self::$Variant(method) => Self::$Variant(method.after_update()),)+ }
            }

            /// See [`Method::backbone`].
            pub fn backbone(&self) -> &Backbone<B> {
                match self { $(Self::$Variant(method) => method.backbone(),)+ }
            }

            /// See [`Method::teacher_backbone`].
            pub fn teacher_backbone(&self) -> Option<&Backbone<B>> {
                match self { $(Self::$Variant(method) => method.teacher_backbone(),)+ }
            }

            /// See [`Method::classifier`].
            pub fn classifier(&self) -> Option<&Linear<B>> {
                match self { $(Self::$Variant(method) => method.classifier(),)+ }
            }
        }
    };
}

impl<B: AutodiffBackend> TrainStep for AnyMethod<B> {
    type Input = ViewBatch<B>;
    type Output = StepOutput<B>;

    fn step(&self, batch: ViewBatch<B>) -> TrainOutput<StepOutput<B>> {
        let (item, grads) = self.learn(&batch);
        TrainOutput { grads, item }
    }

    fn optimize<O2, O>(self, optim: &mut O, lr: f64, grads: GradientsParams) -> Self
    where
        O2: burn::tensor::backend::AutodiffBackend,
        O: Optimizer<Self, O2>,
        Self: AutodiffModule<O2>,
    {
        optim.step(lr, self.before_update(), grads).after_update()
    }
}

impl<B: AutodiffBackend> Trained<B> for AnyMethod<B> {
    type Batch = ViewBatch<B>;
    type Taken = StepOutput<B>;
    type Valid = AnyMethod<B::InnerBackend>;
    type Measured = ValidationStats;
}

impl<B: Backend> InferenceStep for AnyMethod<B> {
    type Input = ValidationStats;
    type Output = ValidationStats;

    fn step(&self, measured: ValidationStats) -> ValidationStats {
        measured
    }
}

methods! {
    /// See [`Dino`](super::dino::Dino).
    Dino(Dino, DinoConfig) in dino;
    /// See [`Swav`](super::swav::Swav).
    Swav(Swav, SwavConfig) in swav;
    /// See [`Moco`](super::moco::Moco).
    Moco(Moco, MocoConfig) in moco;
    /// See [`Simclr`](super::simclr::Simclr).
    Simclr(Simclr, SimclrConfig) in simclr;
    /// See [`Supervised`](super::supervised::Supervised).
    Supervised(Supervised, SupervisedConfig) in supervised;
}
