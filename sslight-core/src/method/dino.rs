//! DINO: a student learns the centred and sharpened outputs of a teacher that is its moving average.
//!
//! One step, in the reference's order: teacher on the two global views, student on all views, loss, centre,
//! gradients, optimizer, teacher. Both networks normalise with batch statistics of their own rows.

use burn::module::{Module, RunningState};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::params::{copy_values, ema_update};
use sslight_models::{
    Backbone, BackboneKind, BatchMode, DinoHead, DinoHeadConfig, UnavailableBackbone,
};

use super::probe::{add_probe, probe_loss};
use super::views::features_of_views;
use super::{Method, MethodSetup, StepOutput, StochasticDepth, ViewBatch};
use crate::loss::dino::{dino_targets, terms_of_targets, update_center};
use crate::loss::{GLOBAL_VIEWS, PairWeights, target_stats};
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
    /// Stochastic depth of the student.
    pub depth: StochasticDepth,
}

impl DinoConfig {
    /// The method that a configuration describes.
    pub fn of(setup: &MethodSetup<'_>) -> Self {
        let config = setup.config;
        let dino = &config.dino;
        Self {
            backbone: config.backbone.into(),
            small_input: config.small_input(),
            out_dim: config.dino_out_dim(setup.images),
            hidden_dim: dino.hidden_dim,
            bottleneck_dim: dino.bottleneck_dim,
            layers: dino.layers,
            use_bn: dino.use_bn,
            norm_last_layer: dino.norm_last_layer,
            probe_classes: setup.probe_classes(),
            step: DinoStep {
                weights: setup.weights(dino.global_only),
                student_temp: dino.student_temp,
                center_momentum: dino.center_momentum,
                clip_grad: config.optim.clip_grad,
                depth: setup.depth(),
            },
        }
    }

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
    fn forward(&self, groups: &[Tensor<B, 4>], depth: StochasticDepth, step: usize) -> Outputs<B> {
        let features = features_of_views(&self.backbone, groups, depth, step);
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

impl<B: AutodiffBackend> Method<B> for Dino<B> {
    fn learn(&self, batch: &ViewBatch<B>) -> (StepOutput<B>, GradientsParams) {
        let values = self.clock.now();
        let globals = batch.groups[0]
            .clone()
            .narrow(0, 0, GLOBAL_VIEWS * batch.batch);
        let teacher = self
            .teacher
            .forward(&[globals], StochasticDepth::OFF, values.step);
        let teacher = teacher.logits.detach();
        let student = self
            .student
            .forward(&batch.groups, self.step.depth, values.step);

        let center = self.center.value();
        let targets = dino_targets(teacher.clone(), center.clone(), values.teacher_temp);
        let stats = target_stats(targets.clone());
        let terms = terms_of_targets(student.logits, targets, self.step.student_temp);
        self.center
            .update(update_center(center, teacher, self.step.center_momentum));
        // See BatchNorm: folds the update in at once.
        self.center.value_sync();

        let first_view = student.features.narrow(0, 0, batch.batch);
        let probe = probe_loss(self.classifier.as_ref(), first_view, batch.labels.as_ref());
        let loss = add_probe(self.step.weights.combine(&terms), probe.as_ref());
        let mut grads = GradientsParams::from_grads(loss.backward(), self);
        if self.step.clip_grad > 0.0 {
            grads::clip_each::<B, _>(&self.student, &mut grads, self.step.clip_grad);
        }
        if values.freeze_last_layer {
            grads::drop_all::<B, _>(&self.student.head.last_layer, &mut grads);
        }
        let output = StepOutput {
            ema_momentum: Some(values.ema_momentum),
            teacher_temp: Some(values.teacher_temp),
            targets: Some(stats),
            ..StepOutput::new(loss, values)
        };
        (output.with_terms(terms).with_probe(probe), grads)
    }

    fn after_update(mut self) -> Self {
        let momentum = self.clock.now().ema_momentum;
        self.teacher = ema_update(self.teacher, &self.student, momentum);
        self
    }

    fn backbone(&self) -> &Backbone<B> {
        &self.student.backbone
    }

    fn classifier(&self) -> Option<&Linear<B>> {
        self.classifier.as_ref()
    }
}
