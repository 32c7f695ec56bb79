//! Words of the verbs on this program and machine: checks, measurements, lists, completions, pages.

use std::path::PathBuf;

use clap::builder::TypedValueParser as _;
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::Output;

/// `sslight selftest`.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// Folder of fixtures: manifest.json and the files it names
    pub dir: PathBuf,
    /// backend=NAME, and names or kinds of cases to run (all that start so)
    #[arg(value_name = "backend=NAME | CASE")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to measure
    #[command(subcommand)]
    pub verb: BenchVerb,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchVerb {
    /// A training step of a configuration
    Step(BenchStepArgs),
    /// The features of a batch, with the backbone in evaluation
    Inference(BenchInferenceArgs),
    /// An exact search of nearest neighbours among random features
    Knn(BenchKnnArgs),
    /// Single operations, beside the matrix speed and the memory bandwidth of this machine
    Ops(BenchOpsArgs),
    /// The views of images, from files to batches
    Views(BenchViewsArgs),
}

/// `sslight bench step`.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys: those of pretrain.\n\nExample:\n  sslight bench step --breakdown backbone=resnet18 data=/images batch_size=32"
)]
pub struct BenchStepArgs {
    /// A configuration and key=value words; without any: the built-in demonstration
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// Say what takes the time, by part of the step and by operation
    #[arg(long)]
    pub breakdown: bool,
    /// Make the views of one batch before and take them in every step, so that nothing runs beside it
    #[arg(long)]
    pub fixed_views: bool,
    /// Steps that are measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub steps: usize,
    /// Steps taken before
    #[arg(long, default_value_t = 1)]
    pub warmup: usize,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight bench inference`.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys: those of pretrain; backbone, model.small_input, batch_size and views.global.size count.\n\nExample:\n  sslight bench inference backbone=mobilenet_v2 batch_size=8"
)]
pub struct BenchInferenceArgs {
    /// A configuration and key=value words
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// Say what takes the time, by operation
    #[arg(long)]
    pub breakdown: bool,
    /// Batches that are measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub steps: usize,
    /// Batches computed before
    #[arg(long, default_value_t = 1)]
    pub warmup: usize,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight bench knn`.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys: backend.\n\nExample:\n  sslight bench knn --queries 50000 --bank 200000 --dim 1280"
)]
pub struct BenchKnnArgs {
    /// backend=NAME
    #[arg(value_name = "key=value")]
    pub words: Vec<String>,
    /// Vectors that neighbours are searched for
    #[arg(long, default_value = "10000", value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub queries: usize,
    /// Vectors that they are searched among
    #[arg(long, default_value = "60000", value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub bank: usize,
    /// Length of a vector
    #[arg(long, default_value = "512", value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub dim: usize,
    /// Neighbours of each query
    #[arg(long, default_value = "20", value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub k: usize,
    /// How often the search is made; the median counts
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub tries: usize,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight bench ops`.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys: backend, of the CPU engines.\n\nExample:\n  sslight bench ops --filter depthwise"
)]
pub struct BenchOpsArgs {
    /// backend=flex or backend=ndarray
    #[arg(value_name = "key=value")]
    pub words: Vec<String>,
    /// Only operations whose name contains this
    #[arg(long, default_value = "")]
    pub filter: String,
    /// How often each is measured; the best counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub tries: usize,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight bench views`.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys: those of pretrain; data, batch_size, workers and views count.\n\nExample:\n  sslight bench views data=/photos workers=1"
)]
pub struct BenchViewsArgs {
    /// A configuration and key=value words
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// Images whose views are made in a pass
    #[arg(long, default_value = "200", value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub images: usize,
    /// Passes that are measured; the median counts
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub passes: usize,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list
    #[arg(value_enum)]
    pub what: Listing,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Listing {
    /// Ways to learn
    Methods,
    /// Networks
    Backbones,
    /// Built-in configurations
    Configs,
    /// Engines
    Backends,
}

/// `sslight doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A configuration and key=value words: its data are checked, and a few steps tell time, memory and disk
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// Take no steps: check only what needs none
    #[arg(long)]
    pub no_trial: bool,
    /// Seconds for the steps, about; what a batch takes that is too slow for it is estimated from a part
    #[arg(long, default_value = "60", value_parser = seconds)]
    pub seconds: f64,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// A positive number of seconds.
fn seconds(word: &str) -> Result<f64, String> {
    match word.parse() {
        Ok(seconds) if seconds > 0.0 && f64::is_finite(seconds) => Ok(seconds),
        _ => Err("must be a positive number of seconds".to_owned()),
    }
}

/// `sslight completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

const COMPLETIONS_HELP: &str = "Examples:
  sslight completions bash > ~/.local/share/bash-completion/completions/sslight
  sslight completions zsh > ~/.zfunc/_sslight      # with fpath+=~/.zfunc before compinit
  sslight completions fish > ~/.config/fish/completions/sslight.fish";

/// `sslight man`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sslight man pretrain | man -l -\n  sslight man --dir ~/.local/share/man/man1"
)]
pub struct ManArgs {
    /// The verb whose page is printed, as `views preview`; without one: the page of the program
    #[arg(value_name = "VERB")]
    pub verb: Vec<String>,
    /// Write the pages of the program and of all verbs to this folder instead, which is made
    #[arg(long, conflicts_with = "verb")]
    pub dir: Option<PathBuf>,
}
