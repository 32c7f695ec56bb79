//! A detector as what the loop trains.

use burn::module::{AutodiffModule, Module};
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::Tensor;
use burn_train::metric::Adaptor;
use burn_train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};
use sslight_core::learner::Trained;
use sslight_core::method::GradientSummary;
use sslight_core::optim::grads;
use sslight_core::schedule::{Clock, StepValues};
use sslight_models::BatchMode;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::params::host_values;

use super::supply::DeviceBatch;
use super::{DetectConfig, Norm};
use crate::annotations::AveragePrecision;
use crate::geometry::BoundingBox;
use crate::loading::Targets;
use crate::model::{ImageSize, MaskRcnn, ObjectMasks, TrainingImage};

/// Where the backbone is, in the names of a [`Detector`]'s parameters. All of its parameters of one dimension are normalisation.
pub const BACKBONE: &str = "network.backbone.body.";

/// A network that learns to detect.
#[derive(Module, Debug)]
pub struct Detector<B: Backend> {
    /// The network.
    pub network: MaskRcnn<B>,
    #[module(skip)]
    step: Step,
    #[module(skip)]
    clock: Clock,
}

/// The constants of a step.
#[derive(Debug, Clone)]
struct Step {
    seed: u64,
    norm: Norm,
    clip_grad: f64,
    /// Parameters that get no update.
    frozen: Vec<String>,
}

impl<B: Backend> Detector<B> {
    /// `network` with the losses of a configuration, at the steps that `clock` tells.
    pub fn new(network: MaskRcnn<B>, config: &DetectConfig, clock: Clock) -> Self {
        let mut detector = Self {
            network,
            step: Step {
                seed: config.seed,
                norm: config.norm,
                clip_grad: config.optim.clip_grad,
                frozen: Vec::new(),
            },
            clock,
        };
        if config.norm == Norm::Frozen {
            let parameters = sslight_models::params::parameters::<B, _>(&detector);
            let frozen = parameters
                .into_iter()
                .filter(|of| of.shape.len() == 1 && of.name.starts_with(BACKBONE));
            detector.step.frozen = frozen.map(|of| of.name).collect();
        }
        detector
    }

    /// The same with this network.
    pub fn with_network(self, network: MaskRcnn<B>) -> Self {
        Self { network, ..self }
    }
}

impl ObjectMasks for Targets {
    fn target(&self, object: usize, region: BoundingBox, side: usize) -> Option<Vec<f32>> {
        let mask = self.masks.get(object)?.as_ref()?;
        // Fails only for sides beyond what a run-length code can hold, and this one is 28.
        mask.target(region, side).ok()
    }
}

impl<B: AutodiffBackend> Detector<B> {
    /// The losses of a batch, and the gradients that the optimizer is to see.
    pub fn learn(&self, batch: DeviceBatch<B>) -> (DetectionOutput<B>, GradientsParams) {
        let values = self.clock.now();
        let lessons: Vec<TrainingImage<'_>> = batch
            .sizes
            .iter()
            .zip(&batch.targets)
            .map(|(size, targets)| TrainingImage {
                size: *size,
                objects: &targets.boxes,
                classes: &targets.classes,
                masks: targets,
            })
            .collect();
        let mode = match self.step.norm {
            Norm::Batch => BatchMode::Batch,
            Norm::Frozen => BatchMode::Running,
        };
        // A stream of its own for each step, so that a run that goes on draws what one that was not stopped draws.
        let mut random = ChaCha8Rng::seed_from_u64(self.step.seed);
        random.set_stream(values.step as u64 + 1);
        let losses = self
            .network
            .losses(batch.images, &lessons, mode, &mut random);
        let total = losses.total();
        let mut gradients = GradientsParams::from_grads(total.backward(), self);
        let norms = grads::norm_of_each(self, &mut gradients, &total.device());
        if !self.step.frozen.is_empty() {
            let frozen = |name: &str| self.step.frozen.iter().any(|frozen| frozen == name);
            grads::drop_some(self, &mut gradients, frozen);
        }
        grads::clip_each(self, &mut gradients, self.step.clip_grad);
        let output = DetectionOutput {
            loss: total.detach(),
            objectness: losses.objectness.detach(),
            proposal_boxes: losses.proposal_boxes.detach(),
            classes: losses.classes.detach(),
            boxes: losses.boxes.detach(),
            masks: losses.masks.map(Tensor::detach),
            grad_norms: Tensor::from_inner(norms),
            values,
        };
        (output, gradients)
    }
}

/// The losses of a step, still on the device, `[1]` each.
#[derive(Debug, Clone)]
pub struct DetectionOutput<B: Backend> {
    /// Their sum.
    pub loss: Tensor<B, 1>,
    /// Whether anchors hold objects.
    pub objectness: Tensor<B, 1>,
    /// Where anchors' objects are.
    pub proposal_boxes: Tensor<B, 1>,
    /// Classes of proposals.
    pub classes: Tensor<B, 1>,
    /// Boxes of proposals.
    pub boxes: Tensor<B, 1>,
    /// Masks of proposals.
    pub masks: Option<Tensor<B, 1>>,
    /// Norm of each parameter's gradient before clipping.
    pub grad_norms: Tensor<B, 1>,
    /// The schedule's values.
    pub values: StepValues,
}

/// [`DetectionOutput`] on the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectionStats {
    /// The sum of the losses.
    pub loss: f64,
    /// Whether anchors hold objects.
    pub objectness: f64,
    /// Where anchors' objects are.
    pub proposal_boxes: f64,
    /// Classes of proposals.
    pub classes: f64,
    /// Boxes of proposals.
    pub boxes: f64,
    /// Masks of proposals.
    pub masks: Option<f64>,
    /// The gradients.
    pub gradients: GradientSummary,
    /// The schedule's values.
    pub values: StepValues,
}

impl DetectionStats {
    /// The single losses by their names in `metrics.jsonl`, which are torchvision's.
    pub fn losses(&self) -> Map<String, Value> {
        let losses = [
            ("loss_objectness", Some(self.objectness)),
            ("loss_rpn_box_reg", Some(self.proposal_boxes)),
            ("loss_classifier", Some(self.classes)),
            ("loss_box_reg", Some(self.boxes)),
            ("loss_mask", self.masks),
        ];
        let there = losses
            .into_iter()
            .filter_map(|(name, loss)| Some((name, loss?)));
        there
            .map(|(name, loss)| (name.to_owned(), loss.into()))
            .collect()
    }
}

impl<B: Backend> ItemLazy for DetectionOutput<B> {
    type ItemSync = DetectionStats;

    fn sync(self) -> DetectionStats {
        let mut losses = vec![
            self.loss,
            self.objectness,
            self.proposal_boxes,
            self.classes,
            self.boxes,
        ];
        let has_masks = self.masks.is_some();
        losses.extend(self.masks);
        // One read for all.
        let losses = host_values(Tensor::cat(losses, 0));
        let at = |index: usize| losses.get(index).map_or(f64::NAN, |loss| f64::from(*loss));
        DetectionStats {
            loss: at(0),
            objectness: at(1),
            proposal_boxes: at(2),
            classes: at(3),
            boxes: at(4),
            masks: has_masks.then(|| at(5)),
            gradients: GradientSummary::of(&host_values(self.grad_norms)),
            values: self.values,
        }
    }
}

impl Adaptor<DetectionStats> for DetectionStats {
    fn adapt(&self) -> DetectionStats {
        *self
    }
}

/// What is measured at the end of an epoch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// Of boxes; `None` if it was not measured.
    pub boxes: Option<AveragePrecision>,
    /// Of masks.
    pub masks: Option<AveragePrecision>,
}

impl ItemLazy for Scores {
    type ItemSync = Self;

    fn sync(self) -> Self {
        self
    }
}

impl Adaptor<Scores> for Scores {
    fn adapt(&self) -> Scores {
        self.clone()
    }
}

impl<B: AutodiffBackend> TrainStep for Detector<B> {
    type Input = DeviceBatch<B>;
    type Output = DetectionOutput<B>;

    fn step(&self, batch: DeviceBatch<B>) -> TrainOutput<DetectionOutput<B>> {
        let (item, grads) = self.learn(batch);
        TrainOutput { grads, item }
    }

    fn optimize<O2, O>(self, optim: &mut O, lr: f64, grads: GradientsParams) -> Self
    where
        O2: burn::tensor::backend::AutodiffBackend,
        O: Optimizer<Self, O2>,
        Self: AutodiffModule<O2>,
    {
        optim.step(lr, self, grads)
    }
}

impl<B: Backend> InferenceStep for Detector<B> {
    type Input = Scores;
    type Output = Scores;

    fn step(&self, measured: Scores) -> Scores {
        measured
    }
}

impl<B: AutodiffBackend> Trained<B> for Detector<B> {
    type Batch = DeviceBatch<B>;
    type Taken = DetectionOutput<B>;
    type Valid = Detector<B::InnerBackend>;
    type Measured = Scores;
}

/// The size of an image as the network counts.
pub(super) fn image_size((height, width): (usize, usize)) -> ImageSize {
    ImageSize { height, width }
}
