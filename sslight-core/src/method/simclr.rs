//! SimCLR: the two views of an image are told from all other views of the batch.
//!
//! One step: network on the two global views in one pass, loss, gradients, optimizer. There is no teacher and no
//! queue; the other images of the batch are the negatives, so that large batches help.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::activation::l2_normalize;
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::{
    Backbone, BackboneKind, BatchMode, MocoHead, MocoHeadConfig, UnavailableBackbone,
};

use super::probe::{add_probe, probe_loss};
use super::views::features_of_views;
use super::{Method, MethodSetup, StepOutput, StochasticDepth, ViewBatch};
use crate::loss::simclr::nt_xent;
use crate::loss::{GLOBAL_VIEWS, PairTerms};
use crate::optim::grads;
use crate::schedule::Clock;

/// What a [`Simclr`] is made from.
#[derive(Debug, Clone)]
pub struct SimclrConfig {
    /// The network.
    pub backbone: BackboneKind,
    /// Whether its stem is the one for small images.
    pub small_input: bool,
    /// The projection head, which is MoCo's: linear layers with ReLU between them.
    pub head: MocoHeadConfig,
    /// Classes of the online probe; `None` has no probe.
    pub probe_classes: Option<usize>,
    /// The constants of a step.
    pub step: SimclrStep,
}

/// The constants of a training step.
#[derive(Debug, Clone)]
pub struct SimclrStep {
    /// Divides similarities.
    pub temperature: f64,
    /// Largest gradient norm of a network parameter; 0 does not clip.
    pub clip_grad: f64,
    /// Stochastic depth of the network.
    pub depth: StochasticDepth,
}

impl SimclrConfig {
    /// The method that a configuration describes.
    pub fn of(setup: &MethodSetup<'_>) -> Self {
        let config = setup.config;
        let simclr = &config.simclr;
        let backbone = BackboneKind::from(config.backbone);
        Self {
            backbone,
            small_input: config.small_input(),
            head: MocoHeadConfig {
                in_dim: backbone.features_dim(),
                out_dim: simclr.out_dim,
                hidden_dim: simclr.hidden_dim,
                layers: simclr.layers,
                use_bn: simclr.use_bn,
            },
            probe_classes: setup.probe_classes(),
            step: SimclrStep {
                temperature: simclr.temperature,
                clip_grad: config.optim.clip_grad,
                depth: setup.depth(),
            },
        }
    }

    /// A network with fresh weights.
    ///
    /// # Errors
    /// If this version lacks the backbone.
    pub fn init<B: Backend>(
        &self,
        seed: u64,
        clock: Clock,
        device: &B::Device,
    ) -> Result<Simclr<B>, UnavailableBackbone> {
        let mut init = ParamInit::new(seed, device);
        let network = SimclrNetwork {
            backbone: self.backbone.init(self.small_input, &mut init)?,
            head: self.head.init(&mut init),
        };
        // Drawn last, so that a probe changes nothing else.
        let classifier = self
            .probe_classes
            .map(|classes| Linear::uniform(&mut init, self.backbone.features_dim(), classes));
        Ok(Simclr {
            network,
            classifier,
            step: self.step.clone(),
            clock,
        })
    }
}

/// Backbone and head.
#[derive(Module, Debug)]
pub struct SimclrNetwork<B: Backend> {
    /// The part that is kept after pre-training.
    pub backbone: Backbone<B>,
    /// The projection head.
    pub head: MocoHead<B>,
}

/// The network of SimCLR.
///
/// Should be created with [`SimclrConfig`].
#[derive(Module, Debug)]
pub struct Simclr<B: Backend> {
    /// The network that is trained.
    pub network: SimclrNetwork<B>,
    /// The online probe, a linear classifier on detached features of the first view.
    pub classifier: Option<Linear<B>>,
    #[module(skip)]
    step: SimclrStep,
    #[module(skip)]
    clock: Clock,
}

impl<B: AutodiffBackend> Method<B> for Simclr<B> {
    fn learn(&self, batch: &ViewBatch<B>) -> (StepOutput<B>, GradientsParams) {
        let values = self.clock.now();
        let rows = GLOBAL_VIEWS * batch.batch;
        let globals: Tensor<B, 4> = batch.groups[0].clone().narrow(0, 0, rows);
        let network = &self.network;
        let features =
            features_of_views(&network.backbone, &[globals], self.step.depth, values.step);
        let embeddings = network.head.forward(features.clone(), BatchMode::Batch);
        let terms = PairTerms {
            global: nt_xent(l2_normalize(embeddings), self.step.temperature),
            local: None,
        };

        let first_view = features.narrow(0, 0, batch.batch);
        let probe = probe_loss(self.classifier.as_ref(), first_view, batch.labels.as_ref());
        let loss = add_probe(terms.global.clone(), probe.as_ref());
        let mut grads = GradientsParams::from_grads(loss.backward(), self);
        if self.step.clip_grad > 0.0 {
            grads::clip_each::<B, _>(network, &mut grads, self.step.clip_grad);
        }
        let output = StepOutput::new(loss, values);
        (output.with_terms(terms).with_probe(probe), grads)
    }

    fn backbone(&self) -> &Backbone<B> {
        &self.network.backbone
    }

    fn classifier(&self) -> Option<&Linear<B>> {
        self.classifier.as_ref()
    }
}
