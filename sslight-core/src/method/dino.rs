//! DINO: a student learns the centred and sharpened outputs of a teacher that is its moving average.
//!
//! One step, in the reference's order: teacher on the two global views, student on all views, loss, centre,
//! gradients, optimizer, teacher. Both networks normalise with batch statistics of their own rows.

use burn::module::{AutodiffModule, Module, RunningState};
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::Tensor;
use burn_train::{InferenceStep, TrainOutput, TrainStep};
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::params::{copy_values, ema_update};
use sslight_models::{
    Backbone, BackboneKind, BatchMode, DinoHead, DinoHeadConfig, UnavailableBackbone,
};

use super::{Method, StepOutput, ValidationStats, ViewBatch};
use crate::loss::dino::{Temps, dino_terms, update_center};
use crate::loss::{GLOBAL_VIEWS, PairTerms, PairWeights, cross_entropy};
use crate::optim::grads;
use crate::schedule::Clock;

/// What a [`Dino`] is made from.
#[derive(Debug, Clone)]
pub struct DinoConfig {
    /// The network.
    pub backbone: BackboneKind,
    /// Whether its stem is the one for small images.
    pub small_input: bool,
    /// Number of outputs K.
    pub out_dim: usize,
    /// Width of the head's hidden layers.
    pub hidden_dim: usize,
    /// Width of the head's bottleneck.
    pub bottleneck_dim: usize,
    /// Linear layers up to the bottleneck.
    pub layers: usize,
    /// Batch normalisation in the head.
    pub use_bn: bool,
    /// Keep the rows of the last layer at length 1.
    pub norm_last_layer: bool,
    /// Classes of the online probe; `None` has no probe.
    pub probe_classes: Option<usize>,
    /// The constants of a step.
    pub step: DinoStep,
}

/// The constants of a training step.
#[derive(Debug, Clone)]
pub struct DinoStep {
    /// Weights of the pair terms.
    pub weights: PairWeights,
    /// Temperature of the student's softmax.
    pub student_temp: f64,
    /// Momentum of the centre.
    pub center_momentum: f64,
    /// Largest gradient norm of a student parameter; 0 does not clip.
    pub clip_grad: f64,
}

impl DinoConfig {
    /// Student, teacher with the student's values, centre at zero.
    ///
    /// # Errors
    /// If this version lacks the backbone.
    pub fn init<B: Backend>(
        &self,
        seed: u64,
        clock: Clock,
        device: &B::Device,
    ) -> Result<Dino<B>, UnavailableBackbone> {
        let mut init = ParamInit::new(seed, device);
        let student = self.network(&mut init)?;
        let teacher = self.network(&mut init)?;
        let classifier = self
            .probe_classes
            .map(|classes| Linear::uniform(&mut init, self.backbone.features_dim(), classes));
        Ok(Dino {
            teacher: copy_values(teacher, &student).no_grad(),
            student,
            classifier,
            center: RunningState::new(Tensor::zeros([1, self.out_dim], device)),
            step: self.step.clone(),
            clock,
        })
    }

    fn network<B: Backend>(
        &self,
        init: &mut ParamInit<B>,
    ) -> Result<DinoNetwork<B>, UnavailableBackbone> {
        let backbone = self.backbone.init(self.small_input, init)?;
        let head = DinoHeadConfig {
            in_dim: backbone.features_dim(),
            out_dim: self.out_dim,
            hidden_dim: self.hidden_dim,
            bottleneck_dim: self.bottleneck_dim,
            layers: self.layers,
            use_bn: self.use_bn,
            norm_last_layer: self.norm_last_layer,
        };
        Ok(DinoNetwork {
            backbone,
            head: head.init(init),
        })
    }
}

/// Backbone and head.
#[derive(Module, Debug)]
pub struct DinoNetwork<B: Backend> {
    /// The part that is kept after pre-training.
    pub backbone: Backbone<B>,
    /// The projection head.
    pub head: DinoHead<B>,
}

/// Both outputs of a network.
struct Outputs<B: Backend> {
    /// `[rows, features_dim]`.
    features: Tensor<B, 2>,
    /// `[rows, out_dim]`.
    logits: Tensor<B, 2>,
}

impl<B: Backend> DinoNetwork<B> {
    /// One pass of the backbone for each size of view, one pass of the head over all rows: the statistics
    /// of the backbone's normalisation are those of one size, the head's those of all views.
    fn forward(&self, groups: &[Tensor<B, 4>]) -> Outputs<B> {
        let features = groups
            .iter()
            .map(|images| self.backbone.forward(images.clone(), BatchMode::Batch))
            .collect();
        let features = Tensor::cat(features, 0);
        Outputs {
            logits: self.head.forward(features.clone(), BatchMode::Batch),
            features,
        }
    }
}

/// The networks and buffers of DINO.
///
/// Should be created with [`DinoConfig`].
#[derive(Module, Debug)]
pub struct Dino<B: Backend> {
    /// The network that is trained.
    pub student: DinoNetwork<B>,
    /// Its moving average. It lives on the training backend without gradients: see
    /// docs/adr/0002-teacher-on-the-autodiff-backend.md.
    pub teacher: DinoNetwork<B>,
    /// The online probe, a linear classifier on detached features of the first view.
    pub classifier: Option<Linear<B>>,
    /// The centre of the teacher's outputs, `[1, out_dim]`.
    pub center: RunningState<Tensor<B, 2>>,
    #[module(skip)]
    step: DinoStep,
    #[module(skip)]
    clock: Clock,
}

impl<B: AutodiffBackend> Dino<B> {
    fn losses(&self, batch: &ViewBatch<B>) -> (PairTerms<B>, Option<Tensor<B, 1>>) {
        let values = self.clock.now();
        let rows = GLOBAL_VIEWS * batch.batch;
        let globals = batch.groups[0].clone().narrow(0, 0, rows);
        let teacher = self.teacher.forward(&[globals]).logits.detach();
        let student = self.student.forward(&batch.groups);

        let temps = Temps {
            student: self.step.student_temp,
            teacher: values.teacher_temp,
        };
        let center = self.center.value();
        let terms = dino_terms(student.logits, teacher.clone(), center.clone(), temps);
        self.center
            .update(update_center(center, teacher, self.step.center_momentum));
        // See BatchNorm: folds the update in at once.
        self.center.value_sync();

        let probe = self.probe_loss(student.features, batch);
        (terms, probe)
    }

    fn probe_loss(&self, features: Tensor<B, 2>, batch: &ViewBatch<B>) -> Option<Tensor<B, 1>> {
        let classifier = self.classifier.as_ref()?;
        let labels = batch.labels.clone()?;
        let logits = classifier.forward(features.narrow(0, 0, batch.batch).detach());
        Some(cross_entropy(logits, labels))
    }
}

impl<B: AutodiffBackend> TrainStep for Dino<B> {
    type Input = ViewBatch<B>;
    type Output = StepOutput<B>;

    fn step(&self, batch: ViewBatch<B>) -> TrainOutput<StepOutput<B>> {
        let values = self.clock.now();
        let (terms, probe) = self.losses(&batch);
        let ssl_loss = self.step.weights.combine(&terms);
        let loss = match &probe {
            Some(probe) => ssl_loss + probe.clone(),
            None => ssl_loss,
        };
        let mut grads = GradientsParams::from_grads(loss.backward(), self);
        if self.step.clip_grad > 0.0 {
            grads::clip_each::<B, _>(&self.student, &mut grads, self.step.clip_grad);
        }
        if values.freeze_last_layer {
            grads::drop_all::<B, _>(&self.student.head.last_layer, &mut grads);
        }
        TrainOutput {
            grads,
            item: StepOutput {
                loss: loss.detach(),
                loss_global: Some(terms.global.detach()),
                loss_local: terms.local.map(Tensor::detach),
                loss_probe: probe.map(Tensor::detach),
                values,
            },
        }
    }

    fn optimize<O2, O>(self, optim: &mut O, lr: f64, grads: GradientsParams) -> Self
    where
        O2: burn::tensor::backend::AutodiffBackend,
        O: Optimizer<Self, O2>,
        Self: AutodiffModule<O2>,
    {
        let mut updated = optim.step(lr, self, grads);
        let momentum = updated.clock.now().ema_momentum;
        updated.teacher = ema_update(updated.teacher, &updated.student, momentum);
        updated
    }
}

impl<B: AutodiffBackend> Method<B> for Dino<B> {
    fn backbone(&self) -> &Backbone<B> {
        &self.student.backbone
    }
}

impl<B: Backend> InferenceStep for Dino<B> {
    type Input = ValidationStats;
    type Output = ValidationStats;

    fn step(&self, measured: ValidationStats) -> ValidationStats {
        measured
    }
}
