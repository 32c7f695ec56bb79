//! What a run is told: typed keys, their defaults, and where each value came from.
//!
//! ```text
//! defaults of the paper < recipe < named configuration or file < command line  ->  ResolvedConfig
//! ```
//!
//! [`keys`] is the registry of keys (type, range, one line of help), [`resolve`] turns the words of a command
//! line into a [`ResolvedConfig`] or into every problem found at once, and [`configs`] holds the files that
//! are built in. Derived values (peak learning rate, steps, loss weights) are methods of [`RunConfig`] and
//! never written back.

mod annotated;
mod auto;
mod checks;
mod choices;
mod defaults;
mod derived;
mod error;
mod evaluation;
mod fit;
mod handover;
mod keys;
mod kind;
mod layers;
mod named;
mod nearest;
mod provenance;
mod resolve;
mod sections;
mod show;
#[cfg(test)]
mod tests;
mod verb;
pub mod words;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use annotated::{Annotated, read_annotated};
pub use choices::{
    Backbone, BackendChoice, Cache, Family, FinetuneHead, Interpolation, KnnProtocol, LrUpdate,
    Method, OnCollapse, OptimizerKind, Recipe, ScheduleKind,
};
pub use defaults::paper_defaults;
pub use error::{ConfigError, Problem, Problems, UnknownWord};
pub use evaluation::{Finetune, FinetuneSettings, Probe, ProbeSettings, scaled_lr};
pub use fit::DataFacts;
pub(crate) use keys::key;
pub use keys::{Key, keys};
pub use kind::{Kind, Range};
pub(crate) use layers::{
    Entry, base_entries, document, key_value, line_of, override_entry, table_entries,
};
pub(crate) use named::sweep;
pub use named::{NamedConfig, configs, sweeps};
pub use nearest::{did_you_mean, nearest};
pub use provenance::{Origin, Provenance};
pub(crate) use resolve::resolve_entries;
pub use resolve::{ResolvedConfig, resolve};
pub use sections::{
    Checkpoint, Crop, Dino, Eval, Health, Jitter, Loss, Moco, Model, Optim, Simclr, Swav, Views,
};
pub use show::{Difference, FREE_TO_CHANGE};
pub use verb::{ResolvedVerb, VerbKeys, split_words};

/// The complete configuration of a pre-training run; every field is a key of the same name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Training images: a path whose kind is detected, or `embedded`; empty when not given.
    pub data: String,
    /// Validation images; `None` (auto) looks for them beside the training images.
    #[serde(with = "words::auto")]
    pub val_data: Option<String>,
    /// Whether folders, label files and label columns give classes.
    pub use_labels: bool,
    /// So many images of each class are held out of the training images to measure on, in place of `val_data`.
    #[serde(with = "words::none")]
    pub holdout_per_class: Option<usize>,
    /// This share of each class is held out likewise.
    #[serde(with = "words::none")]
    pub holdout_fraction: Option<f64>,
    /// Draws the images that are held out; apart from `seed`, so that runs of several seeds are measured on the same ones.
    pub holdout_seed: u64,
    /// Share of the images of each class that is trained on, drawn with `holdout_seed`.
    pub train_fraction: f64,
    /// What is kept in memory of images that were read.
    pub cache: Cache,
    /// Gigabytes that are kept at most.
    pub cache_gb: f64,
    /// Whether images are turned as their EXIF data say; the paper's code does not.
    pub exif_orientation: bool,
    /// Images of more pixels count as unreadable.
    pub max_pixels: u64,
    /// Whether batches are made as 8-bit samples and normalised on the device: a quarter of the memory and of the upload, and
    /// another rounding.
    pub u8_batches: bool,
    /// Whether large JPEG files are decoded at a half, a quarter or an eighth of their size where all views allow it; their
    /// pixels are others then.
    pub scaled_decoding: bool,
    /// The run folder; `None` (auto) is named after the run, see [`RunConfig::out_dir`].
    #[serde(with = "words::auto")]
    pub out: Option<String>,
    /// What is learned.
    pub method: Method,
    /// How views are drawn and weighted.
    pub recipe: Recipe,
    /// The network.
    pub backbone: Backbone,
    /// The engine.
    pub backend: BackendChoice,
    /// Length of the run, and of its schedules, in epochs.
    pub epochs: usize,
    /// Stop after this many optimizer steps, with the schedules of the whole run; `None` does not stop early.
    #[serde(with = "words::none")]
    pub max_steps: Option<usize>,
    /// Images per optimizer step.
    pub batch_size: usize,
    /// Parts that a batch is taken in, one after the other, before the optimizer steps: less memory for the same
    /// batch. docs/adr/0008-accumulation-and-repeated-passes.md says what stays equal.
    pub accumulate: usize,
    /// Seed of initial weights, data order and views.
    pub seed: u64,
    /// Threads that prepare views; `None` (auto) is one per core.
    #[serde(with = "words::auto")]
    pub workers: Option<usize>,
    /// Whether an earlier run is continued.
    pub resume: Resume,
    /// Weights to start from; empty starts from random weights.
    pub init: String,
    /// Whether weights to start from may be incomplete; the rest stays random.
    pub init_partial: bool,
    /// Steps between progress reports.
    pub log_every: usize,
    /// Whether a linear classifier on the features is trained along, which needs labels.
    pub probe: bool,
    /// Largest share of undecodable images that a run passes over.
    pub max_bad_images: f64,
    /// Choices inside the backbone.
    pub model: Model,
    /// How views are drawn.
    pub views: Views,
    /// How pairs of views are weighted.
    pub loss: Loss,
    /// DINO's own keys.
    pub dino: Dino,
    /// SwAV's own keys.
    pub swav: Swav,
    /// MoCo's own keys.
    pub moco: Moco,
    /// SimCLR's own keys.
    pub simclr: Simclr,
    /// Optimizer and schedules.
    pub optim: Optim,
    /// Evaluation during the run.
    pub eval: Eval,
    /// Checkpoints.
    pub checkpoint: Checkpoint,
    /// Watch over the run.
    pub health: Health,
}

/// Whether a run continues an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Resume {
    /// Continue the run that the run folder holds, if it holds one.
    Auto,
    /// Start anew; a run folder that holds a run is refused.
    Never,
    /// Continue from this run folder or checkpoint folder.
    Path(PathBuf),
}

impl From<String> for Resume {
    fn from(word: String) -> Self {
        match word.as_str() {
            "auto" => Self::Auto,
            "never" => Self::Never,
            _ => Self::Path(word.into()),
        }
    }
}

impl From<Resume> for String {
    fn from(resume: Resume) -> Self {
        resume.to_string()
    }
}

impl fmt::Display for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Never => f.write_str("never"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}
