//! SwAV: each view predicts the cluster codes of the other views' embeddings.
//!
//! One step: prototypes to length 1, network on all views, codes of the two global views (with the queue when it
//! is full), loss, gradients, the embeddings of the global views into the queue, optimizer. There is no teacher.

mod queue;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::head::swav::reinitialize;
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::params::constant;
use sslight_models::{
    Backbone, BackboneKind, BatchMode, SwavHead, SwavHeadConfig, UnavailableBackbone,
};

pub use queue::{SwavQueue, codes_of_views};

use super::probe::{add_probe, probe_loss};
use super::{Features, Lesson, Method, MethodSetup, StepOptions, StepOutput, ViewBatch};
use crate::loss::swav::{Assignment, swav_terms};
use crate::loss::{GLOBAL_VIEWS, PairWeights, target_stats};
use crate::optim::grads;
use crate::schedule::{Clock, StepValues};

/// What a [`Swav`] is made from.
#[derive(Debug, Clone)]
pub struct SwavConfig {
    /// The network.
    pub backbone: BackboneKind,
    /// Whether its stem is the one for small images.
    pub small_input: bool,
    /// Length of an embedding.
    pub out_dim: usize,
    /// Width of the head's hidden layers.
    pub hidden_dim: usize,
    /// Linear layers of the head.
    pub layers: usize,
    /// Batch normalisation in the head.
    pub use_bn: bool,
    /// Number of prototypes.
    pub prototypes: usize,
    /// Embeddings of each global view in the queue, a multiple of the batch; 0 has no queue.
    pub queue_length: usize,
    /// Classes of the online probe; `None` has no probe.
    pub probe_classes: Option<usize>,
    /// The constants of a step.
    pub step: SwavStep,
}

/// The constants of a training step.
#[derive(Debug, Clone)]
pub struct SwavStep {
    /// Weights of the pair terms.
    pub weights: PairWeights,
    /// Temperature of the softmax over scores.
    pub temperature: f64,
    /// How scores become codes.
    pub assignment: Assignment,
    /// First epoch whose embeddings enter the queue.
    pub queue_start_epoch: usize,
    /// What all methods do alike.
    pub options: StepOptions,
}

impl SwavConfig {
    /// The method that a configuration describes.
    pub fn of(setup: &MethodSetup<'_>) -> Self {
        let config = setup.config;
        let swav = &config.swav;
        Self {
            backbone: config.backbone.into(),
            small_input: config.small_input(),
            out_dim: swav.out_dim,
            hidden_dim: swav.hidden_dim,
            layers: swav.layers,
            use_bn: swav.use_bn,
            prototypes: config.swav_prototypes(setup.images),
            queue_length: config.swav_queue_length(setup.images),
            probe_classes: setup.probe_classes(),
            step: SwavStep {
                weights: setup.weights(false),
                temperature: swav.temperature,
                assignment: Assignment {
                    epsilon: swav.epsilon,
                    iterations: swav.sinkhorn_iterations,
                },
                queue_start_epoch: config.swav_queue_start_epoch(),
                options: setup.options(),
            },
        }
    }

    /// A network with the reference's initialisation and an empty queue.
    ///
    /// # Errors
    /// If this version lacks the backbone.
    pub fn init<B: Backend>(
        &self,
        seed: u64,
        clock: Clock,
        device: &B::Device,
    ) -> Result<Swav<B>, UnavailableBackbone> {
        let mut init = ParamInit::new(seed, device);
        let backbone = self.backbone.init(self.small_input, &mut init)?;
        let features_dim = backbone.features_dim();
        let head = SwavHeadConfig {
            in_dim: features_dim,
            out_dim: self.out_dim,
            hidden_dim: self.hidden_dim,
            layers: self.layers,
            use_bn: self.use_bn,
            prototypes: self.prototypes,
        };
        let network = SwavNetwork {
            backbone,
            head: head.init(&mut init),
        };
        let network = reinitialize(network, &mut init);
        let classifier = self.probe_classes.map(|classes| {
            let classifier = Linear::uniform(&mut init, features_dim, classes);
            reinitialize(classifier, &mut init)
        });
        let queue = (self.queue_length > 0)
            .then(|| SwavQueue::new(GLOBAL_VIEWS, self.queue_length, self.out_dim, device));
        Ok(Swav {
            network,
            classifier,
            queue,
            step: self.step.clone(),
            clock,
        })
    }
}

/// Backbone and head.
#[derive(Module, Debug)]
pub struct SwavNetwork<B: Backend> {
    /// The part that is kept after pre-training.
    pub backbone: Backbone<B>,
    /// The projection head and the prototypes.
    pub head: SwavHead<B>,
}

/// The network and the queue of SwAV.
///
/// Should be created with [`SwavConfig`].
#[derive(Module, Debug)]
pub struct Swav<B: Backend> {
    /// The network that is trained.
    pub network: SwavNetwork<B>,
    /// The online probe, a linear classifier on detached features of the first view.
    pub classifier: Option<Linear<B>>,
    /// Past embeddings; `None` if there is no queue.
    pub queue: Option<SwavQueue<B>>,
    #[module(skip)]
    step: SwavStep,
    #[module(skip)]
    clock: Clock,
}

impl<B: Backend> Swav<B> {
    /// Whether the queue takes part in the clock's step: from its first epoch on, once it is full.
    pub fn queue_is_used(&self) -> bool {
        self.queue
            .as_ref()
            .is_some_and(|queue| self.queue_exists(&self.clock.now()) && queue.is_full())
    }

    fn queue_exists(&self, values: &StepValues) -> bool {
        values.epoch >= self.step.queue_start_epoch
    }
}

impl<B: AutodiffBackend> Method<B> for Swav<B> {
    /// The embeddings of the global views.
    type Trace = Tensor<B, 2>;

    fn options(&self) -> StepOptions {
        self.step.options
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn backbone(&self) -> &Backbone<B> {
        &self.network.backbone
    }

    fn classifier(&self) -> Option<&Linear<B>> {
        self.classifier.as_ref()
    }

    fn learn(&self, features: Features<B>, batch: &ViewBatch<B>) -> Lesson<B, Tensor<B, 2>> {
        let values = self.clock.now();
        let head = &self.network.head;
        let features = features.student;
        let first_view = features.clone().narrow(0, 0, batch.batch);
        let outputs = head.forward(features, BatchMode::Batch);
        let queue_is_used = self.queue_is_used();
        let codes = codes_of_views(
            outputs.scores.clone().detach(),
            constant(head.prototypes.weight.val()),
            self.queue.as_ref().filter(|_| queue_is_used),
            batch.batch,
            self.step.assignment,
        );
        let stats = target_stats(codes.clone());
        let terms = swav_terms(outputs.scores, codes, self.step.temperature);
        let probe = probe_loss(self.classifier.as_ref(), first_view, batch.labels.as_ref());
        let loss = add_probe(self.step.weights.combine(&terms), probe.as_ref());
        let output = StepOutput {
            targets: Some(stats),
            ..StepOutput::new(loss.clone(), values)
        };
        let globals = outputs.embeddings.detach();
        Lesson {
            loss,
            output: output.with_terms(terms).with_probe(probe),
            trace: globals.narrow(0, 0, GLOBAL_VIEWS * batch.batch),
        }
    }

    fn remember(&self, embeddings: Vec<Tensor<B, 2>>) {
        if let Some(queue) = &self.queue
            && self.queue_exists(&self.clock.now())
        {
            queue.push(&embeddings);
        }
    }

    fn restrain(&self, grads: &mut GradientsParams) {
        grads::clip_each::<B, _>(&self.network, grads, self.step.options.clip_grad);
        if self.clock.now().freeze_last_layer {
            grads::drop_all::<B, _>(&self.network.head.prototypes, grads);
        }
    }

    /// Prototypes have length 1 when a step begins.
    fn before_update(mut self) -> Self {
        self.network.head = self.network.head.with_normalized_prototypes();
        self
    }
}
