//! SwAV: each view predicts the cluster codes of the other views' embeddings.
//!
//! One step, in the reference's order: prototypes to length 1, network on all views, codes of the two global
//! views (with the queue when it is full), their embeddings into the queue, loss, gradients, optimizer. There is
//! no teacher.

use burn::module::{Module, RunningState};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::head::swav::reinitialize;
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::{
    Backbone, BackboneKind, BatchMode, SwavHead, SwavHeadConfig, UnavailableBackbone,
};

use super::probe::{add_probe, probe_loss};
use super::views::features_of_views;
use super::{Method, MethodSetup, StepOutput, StochasticDepth, ViewBatch};
use crate::loss::queue::push_front;
use crate::loss::swav::{Assignment, codes, swav_terms};
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
    /// Largest gradient norm of a network parameter; 0 does not clip.
    pub clip_grad: f64,
    /// Stochastic depth of the network.
    pub depth: StochasticDepth,
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
                clip_grad: config.optim.clip_grad,
                depth: setup.depth(),
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

/// Past embeddings of each global view, newest first.
#[derive(Module, Debug)]
pub struct SwavQueue<B: Backend> {
    /// `[2, length, out_dim]`, zeros where nothing has been pushed yet.
    pub rows: RunningState<Tensor<B, 3>>,
}

impl<B: Backend> SwavQueue<B> {
    /// An empty queue of `length` embeddings of `dim` numbers for each of `views`.
    pub fn new(views: usize, length: usize, dim: usize, device: &B::Device) -> Self {
        Self {
            rows: RunningState::new(Tensor::zeros([views, length, dim], device)),
        }
    }

    /// Whether `pushes` batches fill it, which is when it begins to be used.
    pub fn is_full_after(&self, pushes: usize, batch: usize) -> bool {
        let [_, length, _] = self.rows.value().dims();
        pushes * batch >= length
    }

    /// Pushes the embeddings of the global views of a batch; view-major `[views b, dim]`, without gradient.
    pub fn push(&self, embeddings: Tensor<B, 2>, batch: usize) {
        let queue = self.rows.value();
        let [views, _, _] = queue.dims();
        let pushed = (0..views)
            .map(|view| {
                let rows = embeddings.clone().narrow(0, view * batch, batch);
                push_front(of_view(&queue, view), rows).unsqueeze::<3>()
            })
            .collect();
        self.rows.update(Tensor::cat(pushed, 0));
        // See BatchNorm: folds the update in at once.
        self.rows.value_sync();
    }
}

/// `[views, length, dim]` to `[length, dim]`.
fn of_view<B: Backend>(queue: &Tensor<B, 3>, view: usize) -> Tensor<B, 2> {
    queue.clone().narrow(0, view, 1).squeeze_dim(0)
}

/// The codes of the global views, each together with its own queue. Nothing may carry a gradient.
///
/// # Shapes
/// scores `[views b, k]`, view-major, of which the first two views count; prototypes `[k, dim]` to `[2 b, k]`.
pub fn codes_of_views<B: Backend>(
    scores: Tensor<B, 2>,
    prototypes: Tensor<B, 2>,
    queue: Option<&SwavQueue<B>>,
    batch: usize,
    assignment: Assignment,
) -> Tensor<B, 2> {
    let queue = queue.map(|queue| queue.rows.value());
    let views = (0..GLOBAL_VIEWS)
        .map(|view| {
            let queued = queue
                .as_ref()
                .map(|queue| of_view(queue, view).matmul(prototypes.clone().transpose()));
            let own = scores.clone().narrow(0, view * batch, batch);
            codes(own, queued, assignment)
        })
        .collect();
    Tensor::cat(views, 0)
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
    /// Whether the queue takes part in the clock's step.
    ///
    /// The reference looks whether the queue's last row is zero. As every step of a run pushes one batch, the
    /// step tells the same, without a transfer from the device and without a flag that a resumed run could lose.
    pub fn queue_is_used(&self, batch: usize) -> bool {
        let values = self.clock.now();
        self.queue.as_ref().is_some_and(|queue| {
            self.queue_exists(&values) && {
                let first = self.step.queue_start_epoch * self.clock.schedule().steps_per_epoch;
                queue.is_full_after(values.step - first, batch)
            }
        })
    }

    fn queue_exists(&self, values: &StepValues) -> bool {
        values.epoch >= self.step.queue_start_epoch
    }

    fn codes(&self, embeddings: Tensor<B, 2>, scores: Tensor<B, 2>, batch: usize) -> Tensor<B, 2> {
        let prototypes = self.network.head.prototypes.weight.val().detach();
        let used = self.queue_is_used(batch);
        let queue = self.queue.as_ref();
        let codes = codes_of_views(
            scores,
            prototypes,
            queue.filter(|_| used),
            batch,
            self.step.assignment,
        );
        if let Some(queue) = queue
            && self.queue_exists(&self.clock.now())
        {
            queue.push(embeddings, batch);
        }
        codes
    }
}

impl<B: AutodiffBackend> Method<B> for Swav<B> {
    fn learn(&self, batch: &ViewBatch<B>) -> (StepOutput<B>, GradientsParams) {
        let values = self.clock.now();
        // Shares identities and buffers with `self`; only the prototypes' values differ.
        let this = self.clone().before_update();
        let network = &this.network;
        let depth = this.step.depth;
        let features = features_of_views(&network.backbone, &batch.groups, depth, values.step);
        let output = network.head.forward(features.clone(), BatchMode::Batch);
        let codes = this.codes(
            output.embeddings.detach(),
            output.scores.clone().detach(),
            batch.batch,
        );
        let stats = target_stats(codes.clone());
        let terms = swav_terms(output.scores, codes, this.step.temperature);

        let first_view = features.narrow(0, 0, batch.batch);
        let probe = probe_loss(this.classifier.as_ref(), first_view, batch.labels.as_ref());
        let loss = add_probe(this.step.weights.combine(&terms), probe.as_ref());
        let mut grads = GradientsParams::from_grads(loss.backward(), &this);
        if this.step.clip_grad > 0.0 {
            grads::clip_each::<B, _>(network, &mut grads, this.step.clip_grad);
        }
        if values.freeze_last_layer {
            grads::drop_all::<B, _>(&network.head.prototypes, &mut grads);
        }
        let output = StepOutput {
            targets: Some(stats),
            ..StepOutput::new(loss, values)
        };
        (output.with_terms(terms).with_probe(probe), grads)
    }

    /// Prototypes have length 1 when a step begins.
    fn before_update(mut self) -> Self {
        self.network.head = self.network.head.with_normalized_prototypes();
        self
    }

    fn backbone(&self) -> &Backbone<B> {
        &self.network.backbone
    }

    fn classifier(&self) -> Option<&Linear<B>> {
        self.classifier.as_ref()
    }
}
