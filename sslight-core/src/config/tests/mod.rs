#![allow(clippy::unwrap_used)]

mod layers;
mod messages;
mod paper;
mod published;
mod registry;
mod show;

use super::{ResolvedConfig, resolve};

fn resolved(words: &[&str]) -> ResolvedConfig {
    resolve(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// The message of the error that these words cause.
fn message(words: &[&str]) -> String {
    match resolve(words) {
        Ok(resolved) => panic!("{words:?} was accepted: {:?}", resolved.config),
        Err(error) => error.to_string(),
    }
}

/// A file with this text, in a folder that lives as long as the first value.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}
