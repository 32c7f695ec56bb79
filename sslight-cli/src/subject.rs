//! What a user points at when a verb works on trained weights: a run, one of its checkpoints, or a file.

use std::path::{Path, PathBuf};

use sslight_core::config::{ResolvedConfig, resolve};
use sslight_core::run;

use crate::exit::CliError;

/// The weights of the backbone in a run folder and in each of its checkpoints.
const WEIGHTS: &str = "backbone.safetensors";
/// The configuration in a run folder.
const CONFIG: &str = "config.toml";

/// The files that belong to what the user named.
#[derive(Debug, PartialEq, Eq)]
pub struct Subject {
    /// The file with the weights.
    pub weights: PathBuf,
    /// The configuration of the run that they come from.
    pub config: Option<PathBuf>,
}

impl Subject {
    /// A run folder holds both files; a checkpoint stands two levels below its run folder; a weights file takes
    /// the configuration beside or above it, if there is one.
    pub fn at(path: &Path) -> Self {
        let weights = if path.is_dir() {
            path.join(WEIGHTS)
        } else {
            path.to_owned()
        };
        let folders = weights.ancestors().skip(1).take(3);
        let config = folders
            .map(|folder| folder.join(CONFIG))
            .find(|config| config.is_file());
        Self { weights, config }
    }

    /// The run folder, if the weights are of a run.
    pub fn run(&self) -> Option<&Path> {
        self.config.as_deref().and_then(Path::parent)
    }

    /// The configuration of its run, changed by `words`.
    pub fn resolve(&self, words: &[String]) -> Result<ResolvedConfig, CliError> {
        let config = self.config.iter().map(|path| path.display().to_string());
        let words: Vec<String> = config.chain(words.iter().cloned()).collect();
        Ok(resolve(&words)?)
    }

    /// The bytes of the weights file.
    pub fn read(&self) -> Result<Vec<u8>, CliError> {
        std::fs::read(&self.weights).map_err(|source| CliError::Read {
            path: self.weights.clone(),
            advice: "give a run folder, a checkpoint folder, or a safetensors or PyTorch file",
            source,
        })
    }
}

/// What is measured: trained weights, or one of the two floors under them.
#[derive(Debug)]
pub enum Measured {
    /// Trained weights.
    Weights {
        /// Where they are.
        subject: Subject,
        /// The file.
        bytes: Vec<u8>,
    },
    /// The word `random`: the network of the configuration as it is before training.
    Random,
    /// The word `pixels`: no network.
    Pixels,
}

impl Measured {
    /// Reads what the user named; a folder called like one of the words is written `./random`.
    pub fn at(path: &Path) -> Result<Self, CliError> {
        if path == Path::new("random") {
            return Ok(Self::Random);
        }
        if path == Path::new("pixels") {
            return Ok(Self::Pixels);
        }
        let subject = Subject::at(path);
        let bytes = subject.read()?;
        Ok(Self::Weights { subject, bytes })
    }

    /// The configuration of its run, changed by `words`; it must name data.
    pub fn resolve(&self, words: &[String]) -> Result<ResolvedConfig, CliError> {
        let resolved = match self {
            Self::Weights { subject, .. } => subject.resolve(words)?,
            Self::Random | Self::Pixels => resolve(words)?,
        };
        resolved.require_data()?;
        Ok(resolved)
    }

    /// The run folder whose results these are: that of the weights, and of a floor the one whose configuration is among
    /// the words.
    pub fn run<'a>(&'a self, words: &'a [String]) -> Option<&'a Path> {
        match self {
            Self::Weights { subject, .. } => subject.run(),
            Self::Random | Self::Pixels => words
                .iter()
                .map(Path::new)
                .find(|word| word.file_name().is_some_and(|name| name == CONFIG) && word.is_file())
                .and_then(Path::parent),
        }
    }

    /// The same for the library.
    pub fn core(&self) -> run::Subject<'_> {
        match self {
            Self::Weights { subject, bytes } => run::Subject::Weights {
                path: &subject.weights,
                bytes,
                run: subject.run(),
            },
            Self::Random => run::Subject::Random,
            Self::Pixels => run::Subject::Pixels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_belongs_to_the_run_whose_configuration_it_is_measured_with() -> std::io::Result<()> {
        let run = tempfile::tempdir()?;
        let config = run.path().join(CONFIG);
        let words = ["seed=1".to_owned(), config.display().to_string()];
        assert_eq!(Measured::Random.run(&words), None);
        std::fs::write(&config, "")?;
        assert_eq!(Measured::Random.run(&words), Some(run.path()));
        assert_eq!(Measured::Pixels.run(&words[..1]), None);
        Ok(())
    }

    #[test]
    fn a_run_a_checkpoint_and_a_file_lead_to_weights_and_configuration() -> std::io::Result<()> {
        let run = tempfile::tempdir()?;
        let checkpoint = run.path().join("checkpoints").join("step-00000002");
        std::fs::create_dir_all(&checkpoint)?;
        let config = run.path().join(CONFIG);
        std::fs::write(&config, "")?;
        for path in [run.path(), &checkpoint] {
            let expected = Subject {
                weights: path.join(WEIGHTS),
                config: Some(config.clone()),
            };
            assert_eq!(Subject::at(path), expected);
            assert_eq!(Subject::at(&path.join(WEIGHTS)), expected);
            assert_eq!(expected.run(), Some(run.path()));
        }
        Ok(())
    }
}
