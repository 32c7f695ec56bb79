//! Verbs and flags. Keys are not flags: trailing `key=value` words go to the configuration as they are.

mod detect;
mod evaluations;
mod machine;
mod runs;
mod views;
mod weights;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use sslight_core::config::{did_you_mean, keys, nearest};

use crate::exit::CliError;
use crate::help;

pub use detect::{
    DetectArgs, DetectComposeArgs, DetectEvalArgs, DetectPredictArgs, DetectTrainArgs, DetectVerb,
};
pub use evaluations::{EvaluationArgs, KnnArgs, ReportArgs, ResultsArgs, TableFormat};
pub use machine::{
    BenchArgs, BenchInferenceArgs, BenchKnnArgs, BenchOpsArgs, BenchStepArgs, BenchVerb,
    BenchViewsArgs, CompletionsArgs, DoctorArgs, ListArgs, Listing, ManArgs, SelftestArgs,
};
pub use runs::{PretrainArgs, SweepArgs, WatchArgs};
pub use views::{ViewsAnalyzeArgs, ViewsArgs, ViewsPreviewArgs, ViewsRecommendArgs, ViewsVerb};
pub use weights::{
    AttentionArgs, ClassifyArgs, EmbedArgs, ExportArgs, ImportArgs, InspectArgs, PictureArgs,
};

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
    /// Train, measure and use a detector on a pre-trained backbone
    Detect(DetectArgs),
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
            Self::Detect(args) => args.verb.output(),
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
