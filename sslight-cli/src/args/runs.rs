//! Words of the verbs that train: `pretrain`, `sweep`, and `watch`, which looks at it.

use std::path::PathBuf;

use clap::Args;

use super::Output;

/// `sslight pretrain`.
#[derive(Debug, Args)]
pub struct PretrainArgs {
    /// A configuration (a name of `sslight list configs`, or a file) and key=value words;
    /// without any: the built-in demonstration
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

/// `sslight watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sslight watch runs/a\n  sslight watch runs/a --once\n  sslight watch runs/a --json | jq .loss"
)]
pub struct WatchArgs {
    /// A run folder
    pub run: PathBuf,
    /// Print lines as pretrain does, also on a terminal, until the run ends
    #[arg(long, conflicts_with_all = ["once", "json"])]
    pub plain: bool,
    /// Say how the run stands, and end
    #[arg(long)]
    pub once: bool,
    /// Pass on the lines of metrics.jsonl as they are, until the run ends; with --once, those that are there
    #[arg(long)]
    pub json: bool,
}

/// `sslight sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// A sweep (a name of `sslight sweep`, or a file) and key=value words for all of its points;
    /// without any: the list of built-in sweeps
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// Show the points, what differs between them and where each will be written, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}
