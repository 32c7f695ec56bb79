//! `sslight attention`: what a vision transformer looks at.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sslight_core::config::configs;
use sslight_core::embed::{AttentionSettings, Images, attention_sheets};

use crate::args::AttentionArgs;
use crate::exit::{CliError, Outcome};
use crate::shown::{OVERWRITE, SPLIT, Shown, outcome, overwrite, warn_of, watched};
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Keys beside those of the configuration.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "out",
        values: "a folder",
        default: "required",
        help: "where the sheets go, a PNG file an image; it is made",
    },
    VerbKey {
        name: "images",
        values: "an integer of at least 1",
        default: "8",
        help: "so many of the data, evenly over the set, when no files are named",
    },
    SPLIT,
    OVERWRITE,
];

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Told<'a> {
    out: &'a Path,
    files: &'a [PathBuf],
    heads: usize,
    /// Patches along each side.
    grid: usize,
    unreadable: usize,
}

/// Draws a sheet an image.
pub fn run(args: &AttentionArgs) -> Result<Outcome, CliError> {
    let (files, words): (Vec<_>, Vec<_>) = args.words.iter().cloned().partition(is_image);
    let words = VerbWords::take(KEYS, &words)?;
    let out = words.required_path("out", "attention")?;
    let settings = AttentionSettings {
        out,
        overwrite: overwrite(&words)?,
    };
    let most = words.at_least("images", 1)?.unwrap_or(8);
    let shown = Shown::open(&args.weights, &words, files.is_empty())?;
    let images = if files.is_empty() {
        shown.images(&words)?.spread(most)
    } else {
        Images::of_files(
            &shown.config,
            files.into_iter().map(PathBuf::from).collect(),
        )
    };
    let protocol = shown.protocol(&images);
    let result = watched(|hooks| {
        attention_sheets(
            &shown.config,
            &shown.network,
            &images,
            &protocol,
            settings,
            hooks,
        )
    })?;
    outcome(result, |sheets| {
        warn_of(&sheets.unreadable);
        let told = Told {
            out,
            files: &sheets.files,
            heads: sheets.heads,
            grid: sheets.grid,
            unreadable: sheets.unreadable.len(),
        };
        ui::show(args.output.json, &told, || {
            format!(
                "attention of {} images, {} heads, {}x{} patches: {}",
                sheets.files.len(),
                sheets.heads,
                sheets.grid,
                sheets.grid,
                out.display()
            )
        })
    })
}

/// Whether a word is an image file and neither a key nor a configuration.
fn is_image(word: &String) -> bool {
    let path = Path::new(word);
    if path.is_file() {
        return path.extension().is_none_or(|ending| ending != "toml");
    }
    let named = configs().iter().any(|config| config.name == *word);
    !word.contains('=') && !word.ends_with(".toml") && !named
}
