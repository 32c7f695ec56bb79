//! What can be wrong with a sweep, each in one sentence: where, what, what to do.

use std::path::PathBuf;

use thiserror::Error;

use super::At;
use crate::config::ConfigError;
use crate::fsio::FileError;
use crate::run::RunError;

/// A sweep could not be read, prepared or written.
#[derive(Debug, Error)]
pub enum SweepError {
    /// No word of the command line names a sweep.
    #[error("command line: no sweep is given; `sslight sweep` lists those that are built in")]
    NoSweep,
    /// A word that is no built-in sweep, no file and no `key=value`.
    #[error("command line: {word:?} is neither a sweep nor key=value{hint}")]
    Word {
        /// The word.
        word: String,
        /// What was probably meant.
        hint: String,
    },
    /// Two words that name sweeps.
    #[error("command line: {first} and {second} are two sweeps; run one after the other")]
    Two {
        /// The first.
        first: String,
        /// The second.
        second: String,
    },
    /// A key that only the sweep itself may set.
    #[error("command line: {key} cannot be set for a sweep: {advice}")]
    Reserved {
        /// The key.
        key: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
    /// A `key=value` word that would make points alike.
    #[error(
        "command line: {key} is what series {series} varies or differs by; leave it out, or change it in a copy of the file"
    )]
    Varied {
        /// The key.
        key: String,
        /// The series.
        series: String,
    },
    /// A file could not be read.
    #[error(
        "{}: cannot read this sweep ({source}); check the path, or see `sslight sweep`", path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file without series.
    #[error(
        "{place}: is no sweep, for it has no [[series]]; run the configuration of one run with `sslight pretrain {place}`"
    )]
    NotASweep {
        /// The file, or the name of the built-in configuration.
        place: String,
    },
    /// Something in the file is not as it must be.
    #[error("{place}:{line}: {fault}")]
    Invalid {
        /// The file, or the name of the built-in sweep.
        place: String,
        /// Line, from 1.
        line: usize,
        /// What it is.
        fault: Fault,
    },
    /// The settings of points are not valid, or a file is not TOML.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder of the sweep holds something else.
    #[error("{}: holds files, but no sweep of this program; choose another folder with out=PATH", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// The folder of a point cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file of the sweep cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A defect of this program: the plot was refused.
    #[error("sweep.svg: {0}; this is a defect of sslight, please report it")]
    Plot(String),
}

/// What is wrong at a place of a sweep file.
#[derive(Debug, Error)]
pub enum Fault {
    /// A field that is missing, unknown or of the wrong type.
    #[error("{0}")]
    Field(String),
    /// A key of a run among the fields of the sweep.
    #[error("{key} is a setting of the runs; write it under [fixed]")]
    TopLevelSetting {
        /// The key.
        key: String,
    },
    /// `base` names nothing.
    #[error("base = {word:?} is no configuration{hint}")]
    Base {
        /// What was written.
        word: String,
        /// What was probably meant.
        hint: String,
    },
    /// A name that cannot be the beginning of a folder's name.
    #[error("series name {name:?} cannot begin the name of a folder; use letters, digits, - and _")]
    Name {
        /// The name.
        name: String,
    },
    /// A series that appears twice.
    #[error("there are two series {name}; give one of them another name")]
    SameSeries {
        /// Its name.
        name: String,
    },
    /// A series in which nothing varies, or that says twice what does.
    #[error(
        "series {series} {what}; give it either axis = KEY with values = [..], or [[series.points]]"
    )]
    Shape {
        /// Its name.
        series: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Two points of one folder.
    #[error("two points would have the folder {name}; give one of them another place on the axis")]
    SamePoint {
        /// The folder's name.
        name: String,
    },
    /// A default that is no point.
    #[error(
        "series {series} has default = {default}, but its points are {}",
        list(points)
    )]
    Default {
        /// The series.
        series: String,
        /// What was written.
        default: At,
        /// The points.
        points: Vec<At>,
    },
    /// A key that only the sweep itself may set.
    #[error("{key} cannot be set for a point: {advice}")]
    Reserved {
        /// The key.
        key: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
    /// A score that the runs will not have.
    #[error("metric = \"probe_top1\" needs probe = true; write it under [fixed]")]
    NoProbe,
}

fn list(points: &[At]) -> String {
    let points: Vec<String> = points.iter().map(At::to_string).collect();
    points.join(", ")
}

impl SweepError {
    /// Whether the command line or a file is to be changed (exit code 2), and not data or disk.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Read { .. } | Self::File(_) | Self::Config(ConfigError::Read { .. }) => false,
            Self::Run(error) => error.is_usage(),
            _ => true,
        }
    }
}
