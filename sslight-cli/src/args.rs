//! Verbs and flags. Keys are not flags: trailing `key=value` words go to the configuration as they are.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::TypedValueParser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use sslight_core::config::{did_you_mean, keys, nearest};

use crate::exit::CliError;
use crate::help;

#[derive(Debug, Parser)]
#[command(
    name = "sslight",
    version,
    about = "Self-supervised pre-training of small networks",
    after_help = "Start with `sslight pretrain`: it runs the built-in demonstration.\n\n\
                  On a terminal a verb ends with a hint at the next one; SSLIGHT_HINTS=0 switches that off, NO_COLOR=1 the colours.",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// What the user wants done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Pre-train a network on images
    Pretrain(PretrainArgs),
    /// Follow a run from another terminal: graphs, or lines
    Watch(WatchArgs),
    /// Pre-train at each point of a sweep, and compare the scores
    Sweep(SweepArgs),
    /// Score the features of a run or of saved weights by their nearest neighbours
    Knn(KnnArgs),
    /// Train a linear classifier on frozen features
    Probe(EvaluationArgs),
    /// Train network and classifier on labelled images, few or all
    Finetune(EvaluationArgs),
    /// Show the evaluations of runs, beside the paper's
    Results(ResultsArgs),
    /// Make one page of a run, or of several: curves, pictures, results, configuration
    Report(ReportArgs),
    /// Write a network as a file for torchvision or timm, or as an ONNX model
    Export(ExportArgs),
    /// Read other people's weights into a file of ours, with a report of every tensor
    Import(ImportArgs),
    /// Say what a file of weights, a run or a checkpoint holds
    Inspect(InspectArgs),
    /// Write the features of images to a file: safetensors, CSV or Parquet
    Embed(EmbedArgs),
    /// Draw images beside those that are nearest to them by their features
    #[command(alias = "neighbors")]
    Neighbours(PictureArgs),
    /// Draw the features of images as points of a plane: PCA or t-SNE
    Project(PictureArgs),
    /// Draw what a vision transformer looks at in images
    Attention(AttentionArgs),
    /// Say what a supervised checkpoint sees in images
    Classify(ClassifyArgs),
    /// Show, measure or recommend views of images
    Views(ViewsArgs),
    /// Check this build and machine against golden numbers
    Selftest(SelftestArgs),
    /// Measure this machine
    Bench(BenchArgs),
    /// List what there is: methods, backbones, configs or backends
    List(ListArgs),
    /// Say what this build and machine can do, and what a run will take
    Doctor(DoctorArgs),
    /// Print what makes a shell complete verbs, flags, keys and configurations
    Completions(CompletionsArgs),
    /// Print a manual page, or write all of them to a folder
    Man(ManArgs),
}

/// What every verb with results prints, and what not.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Output {
    /// Print the result as one JSON object, and nothing else on standard output
    #[arg(long)]
    pub json: bool,
    /// Show no progress, notes and hints: only results, warnings and errors
    #[arg(long, short)]
    pub quiet: bool,
}

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

/// `sslight export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A run folder, a checkpoint folder, or a safetensors or PyTorch file
    pub weights: PathBuf,
    /// Keys of the verb
    #[arg(value_name = "key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A safetensors or PyTorch file
    pub file: PathBuf,
    /// Keys of the verb
    #[arg(value_name = "key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A safetensors or PyTorch file, a run folder or a checkpoint folder
    pub path: PathBuf,
    /// Keys of the verb
    #[arg(value_name = "key=value")]
    pub words: Vec<String>,
    /// List every tensor
    #[arg(long)]
    pub all: bool,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight classify`.
#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// A safetensors or PyTorch file with a backbone and its linear classifier
    pub weights: PathBuf,
    /// labels=FILE, top=NUMBER, a configuration and key=value words
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight embed`.
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// A run folder, a checkpoint folder, or a safetensors or PyTorch file
    pub weights: PathBuf,
    /// key=value words, and a configuration on top of that of the run
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight neighbours` and `sslight project`.
#[derive(Debug, Args)]
pub struct PictureArgs {
    /// A run folder, a checkpoint folder, or a safetensors or PyTorch file
    pub weights: PathBuf,
    /// key=value words, and a configuration on top of that of the run
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight attention`.
#[derive(Debug, Args)]
pub struct AttentionArgs {
    /// A run folder, a checkpoint folder, or a safetensors or PyTorch file
    pub weights: PathBuf,
    /// Image files, key=value words, and a configuration on top of that of the run
    #[arg(value_name = "IMAGE | CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight views`.
#[derive(Debug, Args)]
pub struct ViewsArgs {
    /// What to do with views
    #[command(subcommand)]
    pub verb: ViewsVerb,
}

/// What can be done with views.
#[derive(Debug, Subcommand)]
pub enum ViewsVerb {
    /// Draw images with their crops and views, and every draw in words
    Preview(ViewsPreviewArgs),
    /// Measure pixel scales and overlaps of crops, and what the views cost
    #[command(alias = "analyse")]
    Analyze(ViewsAnalyzeArgs),
    /// Find a setting of views for images and a budget
    Recommend(ViewsRecommendArgs),
}

/// `sslight views preview`.
#[derive(Debug, Args)]
pub struct ViewsPreviewArgs {
    /// A configuration and key=value words; without any: the built-in demonstration
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight views analyze`.
#[derive(Debug, Args)]
pub struct ViewsAnalyzeArgs {
    /// A configuration and key=value words; without any: the built-in demonstration
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight views recommend`.
#[derive(Debug, Args)]
pub struct ViewsRecommendArgs {
    /// A configuration and key=value words; views that they set stay, the others are found
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

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

impl Verb {
    /// What it prints.
    pub fn output(&self) -> Output {
        match self {
            Self::Pretrain(args) => args.output,
            Self::Watch(args) => Output {
                json: args.json,
                quiet: false,
            },
            Self::Sweep(args) => args.output,
            Self::Knn(args) => args.output,
            Self::Probe(args) | Self::Finetune(args) => args.output,
            Self::Report(args) => args.output,
            Self::Results(args) => args.output,
            Self::Export(args) => args.output,
            Self::Import(args) => args.output,
            Self::Inspect(args) => args.output,
            Self::Embed(args) => args.output,
            Self::Neighbours(args) | Self::Project(args) => args.output,
            Self::Attention(args) => args.output,
            Self::Classify(args) => args.output,
            Self::Views(args) => match &args.verb {
                ViewsVerb::Preview(args) => args.output,
                ViewsVerb::Analyze(args) => args.output,
                ViewsVerb::Recommend(args) => args.output,
            },
            Self::Selftest(args) => args.output,
            Self::Bench(args) => match &args.verb {
                BenchVerb::Step(args) => args.output,
                BenchVerb::Inference(args) => args.output,
                BenchVerb::Knn(args) => args.output,
                BenchVerb::Ops(args) => args.output,
                BenchVerb::Views(args) => args.output,
            },
            Self::List(args) => args.output,
            Self::Doctor(args) => args.output,
            Self::Completions(_) | Self::Man(_) => Output::default(),
        }
    }
}

/// Reads a command line, program name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Verb, CliError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let command = command()?;
    check_verb(&command, &args)?;
    let matches = command.try_get_matches_from(args).map_err(explain)?;
    Ok(Cli::from_arg_matches(&matches)?.verb)
}

/// The command line with all of its help.
pub fn command() -> Result<clap::Command, CliError> {
    help::added(Cli::command())
}

/// Refuses a first word that is no verb, with the nearest ones.
fn check_verb(command: &clap::Command, args: &[OsString]) -> Result<(), CliError> {
    let Some(word) = args.get(1).map(|word| word.to_string_lossy()) else {
        return Ok(());
    };
    let verbs: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let known = |verb: &clap::Command| verb.get_all_aliases().any(|alias| alias == word);
    if word.starts_with('-') || verbs.contains(&&*word) || command.get_subcommands().any(known) {
        return Ok(());
    }
    let hint = if word.contains('=') {
        format!("; did you mean `sslight pretrain {word}`?")
    } else {
        did_you_mean(
            &nearest(&word, verbs.iter().copied()),
            &format!("; there are {}", verbs.join(", ")),
        )
    };
    Err(CliError::Usage(format!(
        "command line: unknown verb {word}{hint}"
    )))
}

/// A key with dashes is the likeliest unknown flag: say how keys are written.
fn explain(error: clap::Error) -> CliError {
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
    {
        let name = flag
            .trim_start_matches('-')
            .split('=')
            .next()
            .unwrap_or_default()
            .replace('-', "_");
        if keys().iter().any(|key| key.name == name) {
            return CliError::Usage(format!(
                "command line: {flag} is a key, not a flag; write {name}=VALUE"
            ));
        }
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
