//! `sslight detect compose`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sslight_data::Split;
use sslight_detect::scenes::{SceneConfig, SceneSummary, compose};

use crate::args::DetectComposeArgs;
use crate::exit::{CliError, Outcome};
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Its keys.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "out",
        values: "path",
        default: "scenes",
        help: "folder that gets train/ and val/, each with images/ and annotations.json",
    },
    VerbKey {
        name: "train",
        values: "an integer of at least 1",
        default: "1000",
        help: "scenes to train on",
    },
    VerbKey {
        name: "val",
        values: "an integer of at least 1",
        default: "200",
        help: "scenes to measure on, of other garments",
    },
    VerbKey {
        name: "side",
        values: "an integer of 32 to 4096",
        default: "128",
        help: "width and height of a scene in pixels",
    },
    VerbKey {
        name: "seed",
        values: "an integer of at least 0",
        default: "0",
        help: "seed of all draws",
    },
];

/// Smallest garment that can be composed.
const SMALLEST: usize = 8;

/// What `--json` prints.
#[derive(Serialize)]
struct Told {
    folder: PathBuf,
    images: usize,
    objects: usize,
}

/// Composes scenes to train and to measure on.
pub fn run(args: &DetectComposeArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::parse(KEYS, &args.words)?;
    let out = words
        .path("out")?
        .unwrap_or_else(|| PathBuf::from("scenes"));
    let defaults = SceneConfig::default();
    let side = words.at_least("side", 32)?.unwrap_or(defaults.side);
    let seed: u64 = words.at_least("seed", 0)?.unwrap_or(0);
    let parts = [
        (
            "train",
            Split::Train,
            words.at_least("train", 1)?.unwrap_or(1000),
        ),
        (
            "val",
            Split::Validation,
            words.at_least("val", 1)?.unwrap_or(200),
        ),
    ];
    let mut told = Vec::new();
    for (name, split, images) in parts {
        let config = SceneConfig {
            images,
            seed,
            split,
            side,
            // Garments are as large against a scene of any size.
            sizes: (side * 3 / 16).max(SMALLEST)..=side * 9 / 16,
            ..defaults.clone()
        };
        told.push(part(&config, &out.join(name))?);
    }
    ui::show(args.output.json, &told, || {
        let lines: Vec<String> = told
            .iter()
            .map(|part| {
                format!(
                    "{}: {} scenes with {} objects",
                    part.folder.display(),
                    part.images,
                    part.objects
                )
            })
            .collect();
        lines.join("\n")
    })?;
    Ok(Outcome::Done)
}

fn part(config: &SceneConfig, folder: &Path) -> Result<Told, CliError> {
    let SceneSummary {
        images, objects, ..
    } = compose(config, folder)?;
    Ok(Told {
        folder: folder.to_owned(),
        images,
        objects,
    })
}
