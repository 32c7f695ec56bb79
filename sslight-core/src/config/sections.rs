//! The groups of keys: one struct a group, one field a key.

use serde::{Deserialize, Serialize};
use sslight_data::EvalView;

use super::{Interpolation, KnnProtocol, OnCollapse, OptimizerKind, ScheduleKind, words};

/// Keys `model.*`: choices inside the backbone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Whether the stem keeps the resolution of small images; `None` (auto) decides by `views.global.size`,
    /// see [`super::RunConfig::small_input`].
    #[serde(with = "words::auto")]
    pub small_input: Option<bool>,
    /// Probability with which stochastic depth leaves out the branches of a vision transformer's last block in
    /// training; earlier blocks have proportionally less, convolutional networks none.
    pub drop_path: f64,
    /// Whether the forward pass keeps nothing for gradients and is repeated, one size of views at a time, when they
    /// are due: less memory, more time.
    pub grad_checkpointing: bool,
}

/// Keys `views.*`: how the views of an image are drawn. The order of views is two global, then the locals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Views {
    /// The two global views.
    pub global: Crop,
    /// The local views.
    pub local: Crop,
    /// Number of local views.
    pub locals: usize,
    /// Probability of a horizontal flip.
    pub flip: f64,
    /// Colour jitter.
    pub jitter: Jitter,
    /// Probability of turning grey.
    pub grayscale: f64,
    /// Probability of a Gaussian blur: first global view, second global view, local views.
    pub blur: [f64; 3],
    /// Probability that the second global view is solarised.
    pub solarize: f64,
    /// Channel means taken off, for pixels in 0..1.
    pub mean: [f64; 3],
    /// Channel standard deviations divided by, for pixels in 0..1.
    pub std: [f64; 3],
}

/// Keys `views.global.*` and `views.local.*`: the random crop of one kind of view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Smallest and largest share of the image's area that a crop covers.
    pub scale: [f64; 2],
    /// Side of the view in pixels.
    pub size: usize,
}

/// Keys `views.jitter.*`: random changes of colour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    /// Probability that a view is jittered at all.
    pub probability: f64,
    /// Brightness factors are drawn from `1 - brightness` to `1 + brightness`.
    pub brightness: f64,
    /// Contrast factors, likewise.
    pub contrast: f64,
    /// Saturation factors, likewise.
    pub saturation: f64,
    /// Hue shifts are drawn from `-hue` to `hue`, in turns of the colour circle (at most 0.5).
    pub hue: f64,
}

/// Keys `loss.*`: the weights of global-global and global-local pairs (paper, Eq. 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Weight of global-global pairs; `None` (auto) weighs all pairs alike, see [`super::RunConfig::alpha`].
    #[serde(with = "words::auto")]
    pub alpha: Option<f64>,
    /// Weight of global-local pairs; `None` (auto) is `1 - alpha`, see [`super::RunConfig::beta`].
    #[serde(with = "words::auto")]
    pub beta: Option<f64>,
}

/// Keys `dino.*`: head, temperatures, centre and teacher of DINO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dino {
    /// Number of outputs K of the head; `None` (auto) depends on the number of images, see
    /// [`super::RunConfig::dino_out_dim`].
    #[serde(with = "words::auto")]
    pub out_dim: Option<usize>,
    /// Width of the hidden layers of the head.
    pub hidden_dim: usize,
    /// Width of the normalised layer before the outputs.
    pub bottleneck_dim: usize,
    /// Number of linear layers before the outputs.
    pub layers: usize,
    /// Whether the head has batch normalisation.
    pub use_bn: bool,
    /// Whether the rows of the last layer keep unit length.
    pub norm_last_layer: bool,
    /// Number of first epochs in which the last layer stands still.
    pub freeze_last_layer_epochs: usize,
    /// Temperature of the student's softmax.
    pub student_temp: f64,
    /// Temperature of the teacher's softmax in the first epoch.
    pub warmup_teacher_temp: f64,
    /// Temperature of the teacher's softmax after its warm-up.
    pub teacher_temp: f64,
    /// Length of the temperature's warm-up in epochs, as written; a run uses
    /// [`super::RunConfig::teacher_temp_warmup_epochs`], which is never longer than the run and says what `None`
    /// (auto) is.
    #[serde(with = "words::auto")]
    pub warmup_teacher_temp_epochs: Option<usize>,
    /// Momentum of the centre.
    pub center_momentum: f64,
    /// Momentum of the teacher at the first step.
    pub ema_momentum: f64,
    /// Momentum of the teacher at the last step.
    pub ema_momentum_end: f64,
    /// Whether only global-global pairs enter the loss.
    pub global_only: bool,
}

/// Keys `swav.*`: head, prototypes, codes and queue of SwAV.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swav {
    /// Length of an embedding.
    pub out_dim: usize,
    /// Width of the hidden layers of the head.
    pub hidden_dim: usize,
    /// Number of linear layers of the head.
    pub layers: usize,
    /// Whether the head has batch normalisation.
    pub use_bn: bool,
    /// Number of prototypes; `None` (auto) depends on the number of images, see
    /// [`super::RunConfig::swav_prototypes`].
    #[serde(with = "words::auto")]
    pub prototypes: Option<usize>,
    /// Number of first epochs in which the prototypes stand still.
    pub freeze_prototypes_epochs: usize,
    /// Temperature of the softmax over scores.
    pub temperature: f64,
    /// Regularisation of the codes: the smaller, the harder.
    pub epsilon: f64,
    /// Sinkhorn iterations that make the codes.
    pub sinkhorn_iterations: usize,
    /// Past embeddings of each global view that codes are computed with, as written; 0 is no queue. A run uses
    /// [`super::RunConfig::swav_queue_length`], whole batches, which says what `None` (auto) is.
    #[serde(with = "words::auto")]
    pub queue_length: Option<usize>,
    /// First epoch whose embeddings enter the queue; `None` (auto) is
    /// [`super::RunConfig::swav_queue_start_epoch`].
    #[serde(with = "words::auto")]
    pub queue_start_epoch: Option<usize>,
}

/// Keys `moco.*`: head, key encoder and queue of MoCo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moco {
    /// Length of queries and keys.
    pub out_dim: usize,
    /// Width of the hidden layers of the head.
    pub hidden_dim: usize,
    /// Number of linear layers of the head.
    pub layers: usize,
    /// Whether the head has batch normalisation.
    pub use_bn: bool,
    /// Number of past keys that queries are told from; `None` (auto) depends on the number of images, see
    /// [`super::RunConfig::moco_queue_length`].
    #[serde(with = "words::auto")]
    pub queue_length: Option<usize>,
    /// Temperature of the softmax over similarities.
    pub temperature: f64,
    /// Momentum of the key encoder.
    pub ema_momentum: f64,
    /// Whether the two global views alone are used: MoCo v2 as published.
    pub global_only: bool,
}

/// Keys `simclr.*`: head and temperature of SimCLR.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simclr {
    /// Length of an embedding.
    pub out_dim: usize,
    /// Width of the hidden layers of the head.
    pub hidden_dim: usize,
    /// Number of linear layers of the head.
    pub layers: usize,
    /// Whether the head has batch normalisation.
    pub use_bn: bool,
    /// Temperature of the softmax over similarities.
    pub temperature: f64,
}

/// Keys `optim.*`: optimizer and schedules. Schedules run over steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optim {
    /// The optimizer.
    pub kind: OptimizerKind,
    /// Learning rate for a batch of 256 images; the peak is [`super::RunConfig::peak_lr`].
    pub base_lr: f64,
    /// Learning rate at the end, not scaled by the batch.
    pub min_lr: f64,
    /// Learning rate at the first step, not scaled by the batch.
    pub start_warmup_lr: f64,
    /// Length of the warm-up in epochs, as written; a run uses
    /// [`super::RunConfig::warmup_epochs`], which is never longer than the run and says what `None` (auto) is.
    #[serde(with = "words::auto")]
    pub warmup_epochs: Option<f64>,
    /// Weight decay at the first step.
    pub weight_decay: f64,
    /// Weight decay at the last step; in between half a cosine.
    pub weight_decay_end: f64,
    /// Momentum of LARS and SGD.
    pub momentum: f64,
    /// Trust coefficient of LARS.
    pub lars_eta: f64,
    /// Whether biases and normalisation parameters are left out of LARS' adaptation.
    pub lars_exclude_bias: bool,
    /// Whether depthwise convolutions are left out of LARS' adaptation: the paper's text says yes, its code no.
    pub lars_exclude_depthwise: bool,
    /// Factor on the weight decay of biases and normalisation parameters.
    pub wd_factor_bias: f64,
    /// Factor on the weight decay of depthwise convolutions.
    pub wd_factor_depthwise: f64,
    /// Largest norm of a parameter's gradient; 0 does not clip.
    pub clip_grad: f64,
    /// The learning rate after the warm-up.
    pub schedule: ScheduleKind,
    /// Epochs at which `schedule = "multistep"` divides the learning rate by 10.
    pub milestones: Vec<usize>,
    /// Decay of AdamW's first and second moments.
    pub betas: [f64; 2],
    /// AdamW's term against division by zero.
    pub eps: f64,
}

/// Keys `eval.*`: what is measured while a run trains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eval {
    /// Epochs between kNN evaluations; 0 evaluates only at the end.
    pub knn_every: usize,
    /// Number of neighbours.
    pub knn_k: usize,
    /// Temperature of the neighbours' weights `exp(similarity / temperature)`.
    pub knn_temperature: f64,
    /// Where neighbours come from.
    pub knn_protocol: KnnProtocol,
    /// Length of an image's shorter side after resizing, in pixels; by default 256/224 of `views.global.size`.
    pub resize: usize,
    /// Side of the centre crop, in pixels; by default `views.global.size`.
    pub crop: usize,
    /// How images are resized.
    pub interpolation: Interpolation,
    /// Largest number of training images in the bank; `None` is all of them.
    #[serde(with = "words::all")]
    pub bank_size: Option<usize>,
}

impl Eval {
    /// What is shown of an image.
    pub fn view(&self) -> EvalView {
        EvalView {
            resize: self.resize,
            crop: self.crop,
            interpolation: self.interpolation.into(),
        }
    }
}

/// Keys `checkpoint.*`: when a checkpoint is written, beside the end of the run, an interruption and a request, and which
/// ones stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Epochs between checkpoints.
    pub every: usize,
    /// Steps between checkpoints.
    #[serde(with = "words::none")]
    pub every_steps: Option<usize>,
    /// Minutes after the last checkpoint, or the start, after which a step gets one.
    #[serde(with = "words::none")]
    pub every_minutes: Option<f64>,
    /// Number of newest checkpoints that are kept.
    pub keep_last: usize,
    /// Epochs between checkpoints that are kept for good.
    #[serde(with = "words::none")]
    pub keep_every: Option<usize>,
}

/// Keys `health.*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What a run does when its features collapse.
    pub on_collapse: OnCollapse,
}
