//! How the program ends: errors of every kind, and the exit codes that scripts rely on.

use std::path::PathBuf;
use std::process::ExitCode;

use sslight_core::config::ConfigError;
use sslight_core::embed::EmbedError;
use sslight_core::exchange::ExchangeError;
use sslight_core::fsio::FileError;
use sslight_core::run::RunError;
use sslight_core::sweep::SweepError;
use sslight_data::DataError;
use sslight_detect::scenes::SceneError;
use sslight_detect::training::DetectError;
use sslight_report::MetricsError;
use sslight_selftest::SelftestError;

use crate::ui;

/// How a verb that ran to its end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is done (exit code 0).
    Done,
    /// Checks were made and some failed (exit code 1).
    ChecksFailed,
    /// Stopped on request, after a clean checkpoint (exit code 130).
    Interrupted,
}

/// Why a verb did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Help or the version was asked for, or the parser of flags has a complaint of its own.
    #[error(transparent)]
    Clap(#[from] clap::Error),
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file that was named cannot be read.
    #[error("{}: cannot be read ({source}); {advice}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Weights did not go in or out.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// Weights that are to be imported do not fit.
    #[error("{}: does not fit {backbone}, see the report; nothing is written; check backbone and small_input, or take what fits with partial=true", path.display())]
    NotImported {
        /// The file.
        path: PathBuf,
        /// The network.
        backbone: String,
    },
    /// A result cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The metrics of a run cannot be read.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A run ended before its end.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Features could not be computed, written or drawn.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// A detector could not be trained, measured or used.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// Scenes could not be composed.
    #[error(transparent)]
    Scenes(#[from] SceneError),
    /// A sweep could not be read, prepared or written.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// Runs of a sweep failed, and the others were made.
    #[error("{failed} of {runs} runs failed: {names}; the same command tries them again")]
    SweepRuns {
        /// How many failed.
        failed: usize,
        /// How many there are.
        runs: usize,
        /// The points that failed.
        names: String,
        /// The exit code.
        code: u8,
    },
    /// The fixture folder cannot be used.
    #[error(transparent)]
    Selftest(#[from] SelftestError),
}

impl CliError {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(ConfigError::Invalid(_) | ConfigError::Word { .. }) => 2,
            Self::Config(
                ConfigError::Syntax { .. } | ConfigError::IsSweep { .. } | ConfigError::Internal(_),
            ) => 2,
            Self::Clap(error) => u8::try_from(error.exit_code()).unwrap_or(2),
            Self::Run(error) | Self::Detect(DetectError::Run(error)) => run_code(error),
            Self::Detect(DetectError::Interrupted) => 130,
            Self::Detect(error) if error.is_usage() => 2,
            Self::Scenes(SceneError::Setting { .. } | SceneError::Occupied { .. }) => 2,
            Self::Embed(EmbedError::Run(error)) => run_code(error),
            Self::Embed(error) if error.is_usage() => 2,
            Self::SweepRuns { code, .. } => *code,
            Self::Sweep(error) if error.is_usage() => 2,
            Self::Exchange(error) if error.is_usage() => 2,
            Self::Exchange(_)
            | Self::NotImported { .. }
            | Self::Sweep(_)
            | Self::Embed(_)
            | Self::Config(ConfigError::Read { .. })
            | Self::File(_)
            | Self::Data(_)
            | Self::Metrics(_)
            | Self::Selftest(_)
            | Self::Detect(_)
            | Self::Scenes(_)
            | Self::Read { .. } => 3,
        }
    }
}

/// The exit code of a run that ended before its end.
pub fn run_code(error: &RunError) -> u8 {
    match error {
        error if error.is_self_stop() => 4,
        error if error.is_usage() => 2,
        error if error.is_interruption() => 130,
        _ => 3,
    }
}

/// Tells the user what went wrong, if anything, and gives the exit code.
pub fn report(outcome: Result<Outcome, CliError>) -> ExitCode {
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::ChecksFailed) => ExitCode::from(1),
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        Err(error) => {
            match &error {
                CliError::Clap(error) => {
                    // Help goes to standard output and complaints to standard error; neither can be mended here.
                    let _ = error.print();
                }
                error => ui::error(&error.to_string()),
            }
            ExitCode::from(error.code())
        }
    }
}
