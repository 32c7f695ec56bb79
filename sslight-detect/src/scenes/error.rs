//! What can go wrong when scenes are composed.

use std::io;
use std::path::PathBuf;

use sslight_data::DataError;
use sslight_data::text::{one_line, shown};

/// Any failure to compose scenes. The message is one sentence: where, what, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SceneError {
    /// A setting outside its range.
    #[error("scenes: {setting}: expected {expected}, got {got}; change the setting")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// The range.
        expected: String,
        /// The value.
        got: String,
    },
    /// There is something where the scenes are to be written.
    #[error(
        "{}: holds something else than these scenes ({}); give another folder, or empty this one",
        shown(folder),
        shown(found)
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        found: PathBuf,
    },
    /// A path that ends without a name, as `/` and `..` do.
    #[error(
        "{}: names no folder that could be made; give the path of a new folder",
        shown(folder)
    )]
    NoName {
        /// The path as given.
        folder: PathBuf,
    },
    /// A file or folder could not be written.
    #[error(
        "{}: cannot be written: {}; check the folder and the space on its disk",
        shown(path),
        one_line(source)
    )]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A scene that its file format refuses.
    #[error(
        "scene {index}: {}; report this as a defect, with the settings",
        one_line(reason)
    )]
    Encode {
        /// Which scene, from 0.
        index: usize,
        /// What the encoder said.
        reason: String,
    },
    /// The garments built into the program cannot be read.
    #[error(transparent)]
    Garments(#[from] DataError),
}
