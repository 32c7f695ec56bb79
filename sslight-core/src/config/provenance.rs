//! Where each value of a configuration came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::Recipe;

/// The layer that set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in, for the method and the family of the backbone.
    Default,
    /// Set by the recipe.
    Recipe(Recipe),
    /// A built-in configuration, by name.
    Named(&'static str),
    /// A file.
    File {
        /// The path as it was given.
        path: PathBuf,
        /// Line of the key, from 1.
        line: usize,
    },
    /// A `key=value` word.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Recipe(recipe) => write!(f, "recipe {recipe}"),
            Self::Named(name) => write!(f, "configuration {name}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// The origin of every key of a resolved configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance(BTreeMap<String, Origin>);

impl Provenance {
    /// The layer that set `key` (dotted). A key that no layer names counts as a default.
    pub fn of(&self, key: &str) -> &Origin {
        self.0.get(key).unwrap_or(&Origin::Default)
    }

    pub(super) fn set(&mut self, key: &str, origin: Origin) {
        self.0.insert(key.to_owned(), origin);
    }
}
