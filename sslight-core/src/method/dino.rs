//! DINO: a student learns the centred and sharpened outputs of a teacher that is its moving average.
//!
//! One step: student on all views, teacher on the two global views, loss, gradients, centre, optimizer, teacher.
//! Both networks normalise with batch statistics of their own rows.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::{Buffer, Linear, ParamInit};
use sslight_models::params::{copy_values, ema_update};
use sslight_models::{
    Backbone, BackboneKind, BatchMode, DinoHead, DinoHeadConfig, UnavailableBackbone,
};

use super::probe::{add_probe, probe_loss};
use super::views::features_without_tape;
use super::{Features, Lesson, Method, MethodSetup, StepOptions, StepOutput, ViewBatch};
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
    /// What all methods do alike.
    pub options: StepOptions,
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
                options: setup.options(),
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
            center: Buffer::new(Tensor::zeros([1, self.out_dim], device)),
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
    pub center: Buffer<B, 2>,
    #[module(skip)]
    step: DinoStep,
    #[module(skip)]
    clock: Clock,
}

impl<B: AutodiffBackend> Method<B> for Dino<B> {
    /// The mean of the teacher's logits, `[1, out_dim]`.
    type Trace = Tensor<B, 2>;

    fn options(&self) -> StepOptions {
        self.step.options
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn backbone(&self) -> &Backbone<B> {
        &self.student.backbone
    }

    fn teacher_backbone(&self) -> Option<&Backbone<B>> {
        Some(&self.teacher.backbone)
    }

    fn classifier(&self) -> Option<&Linear<B>> {
        self.classifier.as_ref()
    }

    fn teacher_features(&self, batch: &ViewBatch<B>) -> Option<Tensor<B, 2>> {
        let globals = batch.global_views(0..GLOBAL_VIEWS);
        Some(features_without_tape(&self.teacher.backbone, globals))
    }

    fn learn(&self, features: Features<B>, batch: &ViewBatch<B>) -> Lesson<B, Tensor<B, 2>> {
        let values = self.clock.now();
        let Features { student, teacher } = features;
        let Some(teacher) = teacher else {
            panic!("Dino::learn: the teacher's features are missing")
        };
        let teacher = self
            .teacher
            .head
            .forward(teacher, BatchMode::Batch)
            .detach();
        let targets = dino_targets(teacher.clone(), self.center.value(), values.teacher_temp);
        let stats = target_stats(targets.clone());

        let first_view = student.clone().narrow(0, 0, batch.batch);
        // One pass over all rows: the statistics of the head's normalisation are those of all views.
        let student = self.student.head.forward(student, BatchMode::Batch);
        let terms = terms_of_targets(student, targets, self.step.student_temp);
        let probe = probe_loss(self.classifier.as_ref(), first_view, batch.labels.as_ref());
        let loss = add_probe(self.step.weights.combine(&terms), probe.as_ref());
        let output = StepOutput {
            ema_momentum: Some(values.ema_momentum),
            teacher_temp: Some(values.teacher_temp),
            targets: Some(stats),
            ..StepOutput::new(loss.clone(), values)
        };
        Lesson {
            loss,
            output: output.with_terms(terms).with_probe(probe),
            trace: teacher.mean_dim(0),
        }
    }

    fn remember(&self, means: Vec<Tensor<B, 2>>) {
        let center = self.center.value();
        // Parts are of one size, so that the mean of their means is that of all rows.
        let teacher = Tensor::cat(means, 0);
        self.center
            .set(update_center(center, teacher, self.step.center_momentum));
    }

    fn restrain(&self, grads: &mut GradientsParams) {
        grads::clip_each::<B, _>(&self.student, grads, self.step.options.clip_grad);
        if self.clock.now().freeze_last_layer {
            grads::drop_all::<B, _>(&self.student.head.last_layer, grads);
        }
    }

    fn after_update(mut self) -> Self {
        let momentum = self.clock.now().ema_momentum;
        self.teacher = ema_update(self.teacher, &self.student, momentum);
        self
    }
}
