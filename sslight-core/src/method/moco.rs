//! MoCo, version 2, with several crops: queries are told from a queue of keys that a momentum encoder made.
//!
//! One step: key encoder towards the query encoder, query encoder on global view 1 and the local views, keys of
//! global view 0, loss against the queue, gradients, keys into the queue, optimizer.
//! The whole batch is on one device, so that shuffling it between devices has nothing to hide.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::activation::l2_normalize;
use sslight_models::nn::{Buffer, Linear, ParamInit};
use sslight_models::params::{constant, copy_values, ema_update};
use sslight_models::{
    Backbone, BackboneKind, BatchMode, MocoHead, MocoHeadConfig, UnavailableBackbone,
};

use super::probe::{add_probe, probe_loss};
use super::views::features_without_tape;
use super::{Features, Lesson, Method, MethodSetup, StepOptions, StepOutput, ViewBatch};
use crate::loss::PairWeights;
use crate::loss::moco::{moco_terms, query_losses, similarities};
use crate::loss::queue::write_ring;
use crate::optim::grads;
use crate::schedule::Clock;

/// What a [`Moco`] is made from.
#[derive(Debug, Clone)]
pub struct MocoConfig {
    /// The network.
    pub backbone: BackboneKind,
    /// Whether its stem is the one for small images.
    pub small_input: bool,
    /// Length of queries and keys.
    pub out_dim: usize,
    /// Width of the head's hidden layers.
    pub hidden_dim: usize,
    /// Linear layers of the head.
    pub layers: usize,
    /// Batch normalisation in the head.
    pub use_bn: bool,
    /// Keys in the queue, at least a batch.
    pub queue_length: usize,
    /// Classes of the online probe; `None` has no probe.
    pub probe_classes: Option<usize>,
    /// The constants of a step.
    pub step: MocoStep,
}

/// The constants of a training step.
#[derive(Debug, Clone)]
pub struct MocoStep {
    /// Weights of the terms; `global_only` leaves the local views out of the forward pass too.
    pub weights: PairWeights,
    /// Divides similarities.
    pub temperature: f64,
    /// What all methods do alike.
    pub options: StepOptions,
}

impl MocoConfig {
    /// The method that a configuration describes.
    pub fn of(setup: &MethodSetup<'_>) -> Self {
        let config = setup.config;
        let moco = &config.moco;
        Self {
            backbone: config.backbone.into(),
            small_input: config.small_input(),
            out_dim: moco.out_dim,
            hidden_dim: moco.hidden_dim,
            layers: moco.layers,
            use_bn: moco.use_bn,
            queue_length: config.moco_queue_length(setup.images),
            probe_classes: setup.probe_classes(),
            step: MocoStep {
                weights: setup.weights(moco.global_only),
                temperature: moco.temperature,
                options: setup.options(),
            },
        }
    }

    /// Query encoder, key encoder with its values, a queue of random keys.
    ///
    /// # Errors
    /// If this version lacks the backbone.
    pub fn init<B: Backend>(
        &self,
        seed: u64,
        clock: Clock,
        device: &B::Device,
    ) -> Result<Moco<B>, UnavailableBackbone> {
        let mut init = ParamInit::new(seed, device);
        let query = self.network(&mut init)?;
        let key = self.network(&mut init)?;
        let random = init.normal([self.queue_length, self.out_dim], 1.0).val();
        let queue = l2_normalize(constant(random)).transpose();
        // Drawn last, so that a probe changes nothing else.
        let classifier = self
            .probe_classes
            .map(|classes| Linear::uniform(&mut init, self.backbone.features_dim(), classes));
        Ok(Moco {
            key: copy_values(key, &query).no_grad(),
            query,
            classifier,
            queue: Buffer::new(queue),
            step: self.step.clone(),
            clock,
        })
    }

    fn network<B: Backend>(
        &self,
        init: &mut ParamInit<B>,
    ) -> Result<MocoNetwork<B>, UnavailableBackbone> {
        let backbone = self.backbone.init(self.small_input, init)?;
        let head = MocoHeadConfig {
            in_dim: backbone.features_dim(),
            out_dim: self.out_dim,
            hidden_dim: self.hidden_dim,
            layers: self.layers,
            use_bn: self.use_bn,
        };
        Ok(MocoNetwork {
            backbone,
            head: head.init(init),
        })
    }
}

/// Backbone and head.
#[derive(Module, Debug)]
pub struct MocoNetwork<B: Backend> {
    /// The part that is kept after pre-training.
    pub backbone: Backbone<B>,
    /// The projection head.
    pub head: MocoHead<B>,
}

impl<B: Backend> MocoNetwork<B> {
    /// Features to vectors of length 1, `[rows, out_dim]`.
    fn embed(&self, features: Tensor<B, 2>) -> Tensor<B, 2> {
        l2_normalize(self.head.forward(features, BatchMode::Batch))
    }
}

/// The networks and the queue of MoCo.
///
/// Should be created with [`MocoConfig`].
#[derive(Module, Debug)]
pub struct Moco<B: Backend> {
    /// The network that is trained.
    pub query: MocoNetwork<B>,
    /// Its moving average, on the training backend without gradients like DINO's teacher.
    pub key: MocoNetwork<B>,
    /// The online probe, a linear classifier on detached features of the global query view.
    pub classifier: Option<Linear<B>>,
    /// Past keys as columns, `[out_dim, queue_length]`.
    pub queue: Buffer<B, 2>,
    #[module(skip)]
    step: MocoStep,
    #[module(skip)]
    clock: Clock,
}

impl<B: Backend> Moco<B> {
    /// The column of the queue that the first key of the clock's step goes to.
    ///
    /// Every step of a run writes one batch, so that the step alone tells, and a resumed run has nothing to lose.
    pub fn queue_pointer(&self, batch: usize) -> usize {
        let [_, length] = self.queue.value().dims();
        (self.clock.now().step * batch) % length
    }
}

impl<B: AutodiffBackend> Method<B> for Moco<B> {
    /// The keys.
    type Trace = Tensor<B, 2>;

    fn options(&self) -> StepOptions {
        self.step.options
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn backbone(&self) -> &Backbone<B> {
        &self.query.backbone
    }

    fn teacher_backbone(&self) -> Option<&Backbone<B>> {
        Some(&self.key.backbone)
    }

    fn classifier(&self) -> Option<&Linear<B>> {
        self.classifier.as_ref()
    }

    /// Global view 1, then the local views.
    fn student_views(&self, batch: &ViewBatch<B>) -> Vec<Tensor<B, 4>> {
        let first = &batch.groups[0];
        if self.step.weights.global_only {
            return vec![batch.global_views(1..2)];
        }
        let rows = first.dims()[0];
        let others = batch.groups[1..].iter().cloned();
        std::iter::once(first.clone().narrow(0, batch.batch, rows - batch.batch))
            .chain(others)
            .collect()
    }

    fn teacher_features(&self, batch: &ViewBatch<B>) -> Option<Tensor<B, 2>> {
        let key_view = batch.global_views(0..1);
        Some(features_without_tape(&self.key.backbone, key_view))
    }

    fn learn(&self, features: Features<B>, batch: &ViewBatch<B>) -> Lesson<B, Tensor<B, 2>> {
        let values = self.clock.now();
        let Features { student, teacher } = features;
        let Some(keys) = teacher else {
            panic!("Moco::learn: the key encoder's features are missing")
        };
        let keys = self.key.embed(keys).detach();

        let global_view = student.clone().narrow(0, 0, batch.batch);
        let queries = self.query.embed(student);
        let of_one_view = queries.clone().narrow(0, 0, batch.batch);
        let [_, negatives] = self.queue.value().dims();
        let similarities = similarities(
            queries,
            keys.clone(),
            self.queue.value(),
            self.step.temperature,
        );
        let terms = moco_terms(query_losses(similarities), batch.batch);
        let probe = probe_loss(self.classifier.as_ref(), global_view, batch.labels.as_ref());
        let loss = add_probe(self.step.weights.combine(&terms), probe.as_ref());
        let output = StepOutput {
            ema_momentum: Some(values.ema_momentum),
            ..StepOutput::new(loss.clone(), values)
        };
        let output = output.with_embeddings(of_one_view, ((1 + negatives) as f64).ln());
        Lesson {
            loss,
            output: output.with_terms(terms).with_probe(probe),
            trace: keys,
        }
    }

    fn remember(&self, keys: Vec<Tensor<B, 2>>) {
        let keys = Tensor::cat(keys, 0);
        let pointer = self.queue_pointer(keys.dims()[0]);
        self.queue
            .set(write_ring(self.queue.value(), keys, pointer));
    }

    fn restrain(&self, grads: &mut GradientsParams) {
        grads::clip_each::<B, _>(&self.query, grads, self.step.options.clip_grad);
    }

    /// The key encoder follows the query encoder before it makes keys, thus before the optimizer moves the latter.
    fn before_update(mut self) -> Self {
        let momentum = self.clock.now().ema_momentum;
        self.key = ema_update(self.key, &self.query, momentum);
        self
    }
}
