//! Verbs and flags. Keys are not flags: trailing `key=value` words go to the configuration as they are.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::TypedValueParser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use sslight_core::config::{BackendChoice, did_you_mean, keys, nearest, resolve};

use crate::exit::CliError;

/// Verbs that the documentation names and this build does not have.
const NOT_YET: &[&str] = &[
    "probe", "finetune", "embed", "export", "import", "inspect", "views", "report",
];

#[derive(Debug, Parser)]
#[command(
    name = "sslight",
    version,
    about = "Self-supervised pre-training of small networks",
    after_help = "Start with `sslight pretrain`: it runs the built-in demonstration.",
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
    /// Pre-train at each point of a sweep, and compare the scores
    Sweep(SweepArgs),
    /// Score the features of a run or of saved weights by their nearest neighbours
    Knn(KnnArgs),
    /// Say what a supervised checkpoint sees in images
    Classify(ClassifyArgs),
    /// Check this build and machine against golden numbers
    Selftest(SelftestArgs),
    /// Measure this machine
    Bench(BenchArgs),
    /// List what there is: methods, backbones, configs or backends
    List(ListArgs),
    /// Say what this build and machine can do, and what a run will take
    Doctor(DoctorArgs),
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
    /// Show burn's dashboard instead of a progress bar
    #[arg(long)]
    pub dashboard: bool,
    /// Show only warnings and errors
    #[arg(long, short)]
    pub quiet: bool,
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
    /// Show only warnings and errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// `sslight knn`.
#[derive(Debug, Args)]
pub struct KnnArgs {
    /// A run folder, a checkpoint folder, or a safetensors or PyTorch file
    pub weights: PathBuf,
    /// A configuration and key=value words, on top of the configuration of the run
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `sslight classify`.
#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// A safetensors or PyTorch file with a backbone and its linear classifier
    pub weights: PathBuf,
    /// labels=FILE, top=NUMBER, a configuration and key=value words
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `sslight selftest`.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// Folder of fixtures: manifest.json and the files it names
    pub dir: PathBuf,
    /// backend=NAME, and names or kinds of cases to run (all that start so)
    #[arg(value_name = "backend=NAME | CASE")]
    pub words: Vec<String>,
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
    /// Single operations, beside the matrix speed and the memory bandwidth of this machine
    Ops(BenchOpsArgs),
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
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `sslight list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list
    #[arg(value_enum)]
    pub what: Listing,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
    /// A configuration and key=value words whose data and length are checked as well
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Reads a command line, program name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Verb, CliError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let command = command()?;
    check_verb(&command, &args)?;
    let matches = command.try_get_matches_from(args).map_err(explain)?;
    Ok(Cli::from_arg_matches(&matches)?.verb)
}

/// The parser, with the table of keys in the help of the verbs that take them.
fn command() -> Result<clap::Command, CliError> {
    let table = key_table()?;
    let pretrain = format!(
        "Keys (key=value; value types, then defaults of dino on mobilenet_v2):\n{table}\n\
         Example:\n  sslight pretrain data=/images backbone=resnet18 epochs=100 out=runs/a"
    );
    let sweep = format!(
        "A sweep file is TOML: `base` (the configuration that points start from), [fixed] (settings of all points) and\n\
         a [[series]] for each curve, with axis = KEY and values = [..], or with points = [{{ at = PLACE, set = {{ KEY = VALUE }} }}].\n\
         `sslight sweep sweep/demo-alpha --dry-run` shows a small one. Each point is a run folder below `out`; the same command\n\
         skips finished points and continues others. The folder has sweep.csv, sweep.md and sweep.svg.\n\n\
         Keys: those of pretrain; `out` is the folder of the sweep.\n{table}\n\
         Example:\n  sslight sweep sweep/figure-1 data=/images backend=cuda out=runs/figure-1"
    );
    let doctor = format!(
        "Keys: those of pretrain.\n{table}\nExample:\n  sslight doctor data=/images batch_size=256"
    );
    let knn = format!(
        "Keys: those of pretrain.\n{table}\nExample:\n  sslight knn runs/a eval.knn_k=200 eval.knn_temperature=0.1"
    );
    let classify = format!(
        "Keys: those of pretrain, and\n  labels  path  [none]\n      names of the classes, one a line in the order of the classifier\n  \
         top  integer >= 1  [5]\n      classes that are told of an image\n{table}\n\
         Images are resized with a bicubic filter to eval.resize and cropped to eval.crop; torchvision's own recipes resize\n\
         with a bilinear one. Of divided data it is the validation images.\n\n\
         Example:\n  sslight classify mobilenet_v2-b0353104.pth data=photos labels=imagenet.txt"
    );
    let selftest = format!(
        "Keys:\n  backend  {}  [auto]  the engine\n\nExample:\n  sslight selftest tests/fixtures backend=ndarray loss.dino",
        BackendChoice::WORDS.join("|")
    );
    // Changing a subcommand moves it to the end of the list, so all are changed, in the order of [`Verb`].
    Ok(Cli::command()
        .mut_subcommand("pretrain", |verb| verb.after_help(pretrain))
        .mut_subcommand("sweep", |verb| verb.after_help(sweep))
        .mut_subcommand("knn", |verb| verb.after_help(knn))
        .mut_subcommand("classify", |verb| verb.after_help(classify))
        .mut_subcommand("selftest", |verb| verb.after_help(selftest))
        .mut_subcommand("bench", |verb| {
            verb.after_help(
                "Example:\n  sslight bench step --breakdown backbone=resnet18 batch_size=32",
            )
        })
        .mut_subcommand("list", |verb| {
            verb.after_help("Example:\n  sslight list backbones")
        })
        .mut_subcommand("doctor", |verb| verb.after_help(doctor)))
}

/// Two lines a key: name, type and default, then its meaning.
fn key_table() -> Result<String, CliError> {
    // Giving data keeps the defaults of the paper instead of the demonstration.
    let defaults = resolve(&["data="])?.config.values()?;
    let mut table = String::new();
    for (key, (_, default)) in keys().iter().zip(defaults) {
        let (name, kind, help) = (key.name, key.kind.name(), key.help);
        table.push_str(&format!("  {name}  {kind}  [{default}]\n      {help}\n"));
    }
    Ok(table)
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
    if word.starts_with('-') || verbs.contains(&&*word) {
        return Ok(());
    }
    if NOT_YET.contains(&&*word) {
        return Err(CliError::Usage(format!(
            "command line: the verb {word} is not in this build yet; there are {}",
            verbs.join(", ")
        )));
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

    #[test]
    fn a_verb_is_either_there_or_not_yet() {
        for name in NOT_YET {
            assert!(
                Cli::command().find_subcommand(name).is_none(),
                "{name} is there"
            );
        }
    }

    #[test]
    fn the_table_of_keys_has_an_entry_for_each_key() {
        let table = key_table().map_err(|error| error.to_string());
        let names: Vec<String> = table
            .iter()
            .flat_map(|table| table.lines().step_by(2))
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect();
        assert_eq!(names, keys().iter().map(|key| key.name).collect::<Vec<_>>());
    }
}
