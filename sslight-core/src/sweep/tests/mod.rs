#![allow(clippy::unwrap_used)]

mod built_in;
mod expansion;
mod messages;
mod results;

use super::{Sweep, SweepError, expand};

/// Two series over tiny runs; the second begins with a point of the first.
const TWO: &str = r#"
title = "Two, or more"
base = "debug/tiny"

[fixed]
log_every = 2
views.local.scale = [0.05, 0.3]

[[series]]
name = "alpha"
label = "weight"
default = 0.2
axis = "loss.alpha"
values = [0.2, 0.4]

[[series]]
name = "scale"
title = "Scales | S_g"
default = "wide"
fixed = { loss.alpha = 0.4 }
points = [
    { at = "usual" },
    { at = "wide", set = { views.global.scale = [0.2, 1.0] } },
]
"#;

/// A file with this text, in a folder that lives as long as the first value.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// What a file with this text expands to under these words.
fn expanded(text: &str, words: &[&str]) -> Result<Sweep, SweepError> {
    let (_folder, path) = file(text);
    expand(&[&[path.as_str()], words].concat())
}

fn sweep(text: &str, words: &[&str]) -> Sweep {
    expanded(text, words).unwrap_or_else(|error| panic!("{error}"))
}
