//! What a checkpoint folder holds, file by file.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Changes whenever an older program could not read the files any more.
pub const FORMAT: u32 = 1;
/// The manifest's own name; it is written last.
pub const MANIFEST_FILE: &str = "manifest.json";

/// The content of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the layout.
    pub format: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// Optimizer steps taken.
    pub step: usize,
    /// Whether it stays when newer ones are there.
    #[serde(default)]
    pub kept: bool,
    /// The other files.
    pub files: Vec<FileEntry>,
}

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name in the folder.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

impl FileEntry {
    /// The entry of a file with this content.
    pub fn of(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.to_string(),
            bytes: content.len() as u64,
            sha256: format!("{:x}", Sha256::digest(content)),
        }
    }
}
