//! Words of the verbs that measure, and of those that show what was measured.

use std::path::PathBuf;

use clap::builder::TypedValueParser as _;
use clap::{Args, ValueEnum};

use super::Output;

/// `sslight knn`.
#[derive(Debug, Args)]
pub struct KnnArgs {
    /// A run folder, a checkpoint folder, a safetensors or PyTorch file, `random` (the network before training) or
    /// `pixels` (no network)
    pub weights: PathBuf,
    /// A configuration and key=value words, on top of the configuration of the run
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// Numbers of neighbours, instead of eval.knn_k: several in one search, as in --k 10,20,200
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..).map(|n| n as usize))]
    pub k: Vec<usize>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight probe` and `sslight finetune`.
#[derive(Debug, Args)]
pub struct EvaluationArgs {
    /// A run folder, a checkpoint folder, a safetensors or PyTorch file, or `random`: the network before training
    /// (`pixels` for a probe: no network)
    pub subject: PathBuf,
    /// A configuration and key=value words, on top of the configuration of the run
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Run folders and key=value words
    #[arg(value_name = "RUN | key=value", required = true)]
    pub words: Vec<String>,
    #[command(flatten)]
    pub output: Output,
}

/// `sslight results`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sslight results runs/a runs/b\n  sslight results runs/a --format csv > a.csv"
)]
pub struct ResultsArgs {
    /// Run folders
    #[arg(required = true)]
    pub runs: Vec<PathBuf>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub format: TableFormat,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// Forms of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// Columns for the terminal
    Table,
    /// A Markdown table
    Markdown,
    /// Comma-separated values
    Csv,
}
