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
use super::{Features, Lesson, Method, MethodSetup, StepOptions, StepOutput, ViewBatch};
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
    /// What all methods do alike.
    pub options: StepOptions,
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
                options: setup.options(),
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
    type Trace = ();

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

    fn student_views(&self, batch: &ViewBatch<B>) -> Vec<Tensor<B, 4>> {
        vec![batch.global_views(0..GLOBAL_VIEWS)]
    }

    fn learn(&self, features: Features<B>, batch: &ViewBatch<B>) -> Lesson<B, ()> {
        let features = features.student;
        let first_view = features.clone().narrow(0, 0, batch.batch);
        let embeddings = self.network.head.forward(features, BatchMode::Batch);
        let embeddings = l2_normalize(embeddings);
        let of_one_view = embeddings.clone().narrow(0, 0, batch.batch);
        let others = (GLOBAL_VIEWS * batch.batch - 1) as f64;
        let terms = PairTerms {
            global: nt_xent(embeddings, self.step.temperature),
            local: None,
        };
        let probe = probe_loss(self.classifier.as_ref(), first_view, batch.labels.as_ref());
        let loss = add_probe(terms.global.clone(), probe.as_ref());
        let output = StepOutput::new(loss.clone(), self.clock.now())
            .with_embeddings(of_one_view, others.ln());
        Lesson {
            loss,
            output: output.with_terms(terms).with_probe(probe),
            trace: (),
        }
    }

    fn remember(&self, _: Vec<()>) {}

    fn restrain(&self, grads: &mut GradientsParams) {
        grads::clip_each::<B, _>(&self.network, grads, self.step.options.clip_grad);
    }
}
