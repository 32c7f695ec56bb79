//! Words of `sslight detect`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

/// `sslight detect`.
#[derive(Debug, Args)]
pub struct DetectArgs {
    /// What to do
    #[command(subcommand)]
    pub verb: DetectVerb,
}

/// What can be done with detectors.
#[derive(Debug, Subcommand)]
pub enum DetectVerb {
    /// Train Mask R-CNN on annotated images, from a pre-trained backbone
    Train(DetectTrainArgs),
    /// Measure a detector: COCO's average precision of boxes and masks
    Eval(DetectEvalArgs),
    /// Find objects on images: pictures with boxes and masks, and a file of results
    Predict(DetectPredictArgs),
    /// Compose scenes with exact masks, to train and measure on
    Compose(DetectComposeArgs),
}

impl DetectVerb {
    /// What it prints.
    pub fn output(&self) -> Output {
        match self {
            Self::Train(args) => args.output,
            Self::Eval(args) => args.output,
            Self::Predict(args) => args.output,
            Self::Compose(args) => args.output,
        }
    }
}

/// `sslight detect train`.
#[derive(Debug, Args)]
pub struct DetectTrainArgs {
    /// A configuration (a name of `sslight list configs`, or a file) and key=value words
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// Show every value, where it came from and what follows from it, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Show graphs on the whole terminal instead of a progress bar
    #[arg(long)]
    pub dashboard: bool,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight detect eval`.
#[derive(Debug, Args)]
pub struct DetectEvalArgs {
    /// A run folder of `detect train`, one of its checkpoints, or its detector.safetensors
    pub detector: PathBuf,
    /// Key=value words on top of the configuration of the run
    #[arg(value_name = "key=value")]
    pub words: Vec<String>,
    /// Write what was found as COCO's result file
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight detect predict`.
#[derive(Debug, Args)]
pub struct DetectPredictArgs {
    /// A run folder of `detect train`, one of its checkpoints, or its detector.safetensors
    pub detector: PathBuf,
    /// Images, folders of images, and key=value words
    #[arg(value_name = "IMAGE | FOLDER | key=value", required = true)]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight detect compose`.
#[derive(Debug, Args)]
pub struct DetectComposeArgs {
    /// Key=value words
    #[arg(value_name = "key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}
