//! What can go wrong with a fixture folder as a whole, and with one case of it.

use std::path::PathBuf;

/// A fixture folder that cannot be used at all; nothing was judged.
#[derive(Debug, thiserror::Error)]
pub enum SelftestError {
    /// The manifest is missing or unreadable.
    #[error(
        "{path}: cannot read the fixture manifest ({source}); name a folder that holds manifest.json"
    )]
    Manifest {
        /// Path of the manifest.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The manifest is not the JSON this program knows.
    #[error("{path}: not a fixture manifest ({source}); expected an object with a list of cases")]
    Format {
        /// Path of the manifest.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },
    /// The manifest is of another format version.
    #[error(
        "{path}: fixture format {got}, this build reads format {expected}; use fixtures of that format"
    )]
    Version {
        /// Path of the manifest.
        path: PathBuf,
        /// Version in the file.
        got: u64,
        /// Version this build reads.
        expected: u64,
    },
    /// The filter leaves nothing to run.
    #[error(
        "{path}: no case name or kind starts with {wanted}; the manifest has the kinds {kinds}"
    )]
    NothingSelected {
        /// Path of the manifest.
        path: PathBuf,
        /// The prefixes that were asked for.
        wanted: String,
        /// The kinds that there are.
        kinds: String,
    },
}

/// Why the runner of a case stopped before it had all its outputs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaseError {
    /// This build has no code for the case; it is reported as skipped, never as passed.
    #[error("{0}")]
    NotCovered(String),
    /// The case could not be carried through.
    #[error("{0}")]
    Failed(String),
}

impl CaseError {
    /// A failure described by anything printable.
    pub(crate) fn failed(message: impl std::fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }
}
