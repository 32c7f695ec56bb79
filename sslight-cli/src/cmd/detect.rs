//! `sslight detect`: detectors on pre-trained backbones.

mod compose;
mod eval;
mod predict;
mod train;

use std::path::{Path, PathBuf};

use sslight_core::config::{ConfigError, ResolvedVerb, VerbKeys};
use sslight_detect::training::{DetectConfig, configs};

use crate::args::DetectVerb;
use crate::exit::{CliError, Outcome};

pub use compose::KEYS as COMPOSE_KEYS;
pub use predict::KEYS as PREDICT_KEYS;

/// The configuration in a run folder.
const CONFIG: &str = "config.toml";

/// Does one of the things that can be done with detectors.
pub fn run(verb: &DetectVerb) -> Result<Outcome, CliError> {
    match verb {
        DetectVerb::Train(args) => train::run(args),
        DetectVerb::Eval(args) => eval::run(args),
        DetectVerb::Predict(args) => predict::run(args),
        DetectVerb::Compose(args) => compose::run(args),
    }
}

/// The settings that words make, on top of the configuration of the run that a detector is of.
fn resolve(
    detector: Option<&Path>,
    words: &[String],
) -> Result<ResolvedVerb<DetectConfig>, ConfigError> {
    let config = detector.and_then(run_of).map(|run| run.join(CONFIG));
    let config = config.map(|path| path.display().to_string());
    let words: Vec<String> = config.into_iter().chain(words.iter().cloned()).collect();
    DetectConfig::default().resolve(configs(), &words)
}

/// The run folder that a detector is of, if it is of one: a checkpoint stands two levels below it.
fn run_of(detector: &Path) -> Option<PathBuf> {
    let mut folders = detector.ancestors().take(4);
    folders
        .find(|folder| folder.join(CONFIG).is_file() && !folder.ends_with("checkpoints"))
        .map(Path::to_owned)
        .map(|folder| outermost(&folder))
}

/// A checkpoint has a configuration too; its run stands above it.
fn outermost(folder: &Path) -> PathBuf {
    let above = folder
        .parent()
        .filter(|parent| parent.ends_with("checkpoints"));
    let run = above.and_then(Path::parent);
    run.filter(|run| run.join(CONFIG).is_file())
        .unwrap_or(folder)
        .to_owned()
}
