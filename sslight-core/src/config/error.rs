//! What can be wrong with a configuration, each in one sentence: where, what, what to do.

use std::path::PathBuf;

use super::{Origin, did_you_mean, nearest};

/// A configuration could not be read or is not valid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A word that is no built-in configuration, no file and no `key=value`.
    #[error("command line: {word:?} is neither a configuration nor key=value{hint}")]
    Word {
        /// The word.
        word: String,
        /// What was probably meant.
        hint: String,
    },
    /// A file could not be read.
    #[error(
        "{path}: cannot read this configuration ({source}); check the path, or see `sslight list configs`"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not TOML.
    #[error("{place}:{line}: not valid TOML: {message}")]
    Syntax {
        /// The file, or the name of the built-in configuration.
        place: String,
        /// Line of the error, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// A sweep stands where the configuration of one run is due.
    #[error(
        "{place}: is a sweep of several runs, not the configuration of one; run it with `sslight sweep {place}`"
    )]
    IsSweep {
        /// The file, or the name of the built-in sweep.
        place: String,
    },
    /// Keys or values are not valid; all that were found.
    #[error(transparent)]
    Invalid(#[from] Problems),
    /// A defect of this program: a valid set of values was refused or could not be written.
    #[error("configuration: {0}; this is a defect of sslight, please report it")]
    Internal(String),
}

/// Everything that is wrong with the keys and values of a configuration; never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong with a key or its value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// No such key.
    #[error("{origin}: unknown key {key}{}", did_you_mean(.nearest, "; `sslight pretrain --help` lists all keys"))]
    UnknownKey {
        /// The key as written.
        key: String,
        /// Where it was written.
        origin: Origin,
        /// The valid keys nearest to it.
        nearest: Vec<&'static str>,
    },
    /// A value of the wrong type.
    #[error("{origin}: {key} must be {expected}, got {got}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What its type is, in words.
        expected: String,
        /// What was written, with its type.
        got: String,
        /// Where it was written.
        origin: Origin,
    },
    /// A word outside the key's vocabulary.
    #[error("{origin}: {key} has no value {word:?}, only {}{}", .allowed.join(", "), did_you_mean(.nearest, ""))]
    UnknownWord {
        /// The key.
        key: &'static str,
        /// What was written.
        word: String,
        /// The vocabulary.
        allowed: &'static [&'static str],
        /// The members nearest to the word.
        nearest: Vec<&'static str>,
        /// Where it was written.
        origin: Origin,
    },
    /// A value of the right type that no run can have.
    #[error("{origin}: {key} is {value}, but must be {allowed}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What was written.
        value: String,
        /// What is allowed, in words.
        allowed: String,
        /// Where it was written.
        origin: Origin,
    },
    /// Two keys that exclude each other.
    #[error("{origin}: {key} cannot be combined with {other}; {advice}")]
    Conflict {
        /// The key.
        key: &'static str,
        /// The other, with its value.
        other: String,
        /// What to do.
        advice: &'static str,
        /// Where the key was written.
        origin: Origin,
    },
    /// A key without which nothing can run.
    #[error("{key} is not set; {advice}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What to do.
        advice: &'static str,
    },
}

/// A word outside a vocabulary (`FromStr` of the choices).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not one of {}{}", .allowed.join(", "), did_you_mean(&nearest(.word, .allowed.iter().copied()), ""))]
pub struct UnknownWord {
    word: String,
    allowed: &'static [&'static str],
}

impl UnknownWord {
    pub(super) fn new(word: &str, allowed: &'static [&'static str]) -> Self {
        Self {
            word: word.to_owned(),
            allowed,
        }
    }
}
