//! `sslight detect`: detectors on pre-trained backbones.

mod compose;
mod eval;
mod predict;
mod train;

use std::path::{Path, PathBuf};

use sslight_core::config::{Origin, ResolvedVerb, VerbKeys, read_annotated};
use sslight_detect::loading::LoadingConfig;
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

/// The folder of checkpoints in a run folder.
const CHECKPOINTS: &str = "checkpoints";
/// A key that configurations of detectors have, and no others.
const TELLING: &str = "masks";

/// Keys that say how a detector is used, and groups of such; all others say how it was trained.
const OF_USE: &[&str] = &[
    "val_data",
    "val_images",
    "input.test_side",
    "input.longest_side",
    "test.",
    "workers",
    "backend",
];

/// The settings with which a detector is used: those of its run, changed by words.
///
/// # Errors
/// [`CliError::Usage`] for a word that is no key of use, and as any configuration.
fn resolve_use(
    run: Option<&Path>,
    words: &[String],
) -> Result<ResolvedVerb<DetectConfig>, CliError> {
    for word in words {
        let is_of_use = |key: &str| {
            OF_USE
                .iter()
                .any(|of_use| key == *of_use || (of_use.ends_with('.') && key.starts_with(of_use)))
        };
        let known = |key: &str| DetectConfig::keys().iter().any(|known| known.name == key);
        match word.split_once('=') {
            Some((key, _)) if known(key) && !is_of_use(key) => {
                return Err(CliError::Usage(format!(
                    "command line: {key} says how a detector is trained, which is over; what can be said now are {}",
                    OF_USE.join(", ").replace("test.", "test.*")
                )));
            }
            // An unknown key is told with the nearest ones by whoever resolves.
            Some(_) => {}
            None => {
                return Err(CliError::Usage(format!(
                    "command line: {word} is no key=value word"
                )));
            }
        }
    }
    let config = run.map(|run| run.join(CONFIG).display().to_string());
    let words: Vec<String> = config.into_iter().chain(words.iter().cloned()).collect();
    Ok(DetectConfig::default().resolve(configs(), &words)?)
}

/// How images are prepared: as the detector's file says, but for sides that are said now.
fn prepared(of_file: &LoadingConfig, resolved: &ResolvedVerb<DetectConfig>) -> LoadingConfig {
    let said = |key: &str| *resolved.provenance.of(key) == Origin::CommandLine;
    let config = &resolved.settings;
    let mut loading = LoadingConfig {
        batch_size: config.test.batch_size,
        workers: config.worker_count(),
        ..of_file.clone()
    };
    if said("input.test_side") {
        loading.test_side = config.input.test_side;
    }
    if said("input.longest_side") {
        loading.longest_side = config.input.longest_side;
    }
    loading
}

/// The run folder that a detector is of, if it is of one: the folder itself, that of the file, or the one whose checkpoint it is.
fn run_of(detector: &Path) -> Option<PathBuf> {
    let folder = match detector.is_dir() {
        true => detector,
        false => detector.parent()?,
    };
    let above = folder.parent().filter(|above| above.ends_with(CHECKPOINTS));
    let run = above.and_then(Path::parent).unwrap_or(folder);
    let config = read_annotated(&run.join(CONFIG)).ok()?;
    let is_detector = config.iter().any(|key| key.key == TELLING);
    is_detector.then(|| run.to_owned())
}
