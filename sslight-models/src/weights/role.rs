//! Which of the networks of a method or of a file.

use std::fmt;
use std::str::FromStr;

/// Which network of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that gradients train: MoCo's query encoder, the only one of most methods.
    Student,
    /// The moving average of the student: MoCo's key encoder.
    Teacher,
}

impl Role {
    /// The words for them.
    pub const WORDS: [&'static str; 2] = ["student", "teacher"];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Student => "student",
            Self::Teacher => "teacher",
        })
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "student" => Ok(Self::Student),
            "teacher" => Ok(Self::Teacher),
            _ => Err(format!("no network is called `{word}`")),
        }
    }
}
