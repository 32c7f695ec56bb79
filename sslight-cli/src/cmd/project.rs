//! `sslight project`: features as points of a plane.

use std::path::Path;

use serde::Serialize;
use sslight_core::embed::{ProjectSettings, Projection, project};

use crate::args::PictureArgs;
use crate::exit::{CliError, Outcome};
use crate::shown::{OVERWRITE, SPLIT, Shown, outcome, overwrite, warn_of, watched};
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Keys beside those of the configuration. `method` is the verb's here: how a network was trained is in its weights.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "out",
        values: "an SVG or PNG file",
        default: "required",
        help: "where the picture goes; folders on the way are made",
    },
    VerbKey {
        name: "method",
        values: "pca|tsne",
        default: "pca",
        help: "how features become points",
    },
    VerbKey {
        name: "points",
        values: "an integer of at least 5",
        default: "2000",
        help: "at most so many images, evenly over the set",
    },
    VerbKey {
        name: "perplexity",
        values: "a number of at least 1",
        default: "30",
        help: "of t-SNE: about how many neighbours stay near",
    },
    SPLIT,
    OVERWRITE,
];

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Told<'a> {
    out: &'a Path,
    method: String,
    images: usize,
    /// Shares of the variance along the first two principal components.
    explained_percent: [f64; 2],
    unreadable: usize,
}

/// Draws the picture.
pub fn run(args: &PictureArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::take(KEYS, &args.words)?;
    let out = words.required_path("out", "projection.svg")?;
    let settings = ProjectSettings {
        out,
        overwrite: overwrite(&words)?,
        projection: words
            .word("method", &Projection::WORDS)?
            .unwrap_or(Projection::Pca),
        points: words.at_least("points", 5)?.unwrap_or(2000),
        perplexity: words.at_least("perplexity", 1.0)?.unwrap_or(30.0),
    };
    let shown = Shown::open(&args.weights, &words, true)?;
    let images = shown.images(&words)?;
    let protocol = shown.protocol(&images);
    let result = watched(|hooks| {
        project(
            &shown.config,
            &shown.network,
            &images,
            &protocol,
            &settings,
            hooks,
        )
    })?;
    outcome(result, |projected| {
        warn_of(&projected.extracted.unreadable);
        let [first, second] = projected.explained;
        let told = Told {
            out,
            method: settings.projection.to_string(),
            images: projected.extracted.images,
            explained_percent: projected.explained,
            unreadable: projected.extracted.unreadable.len(),
        };
        ui::show(args.output.json, &told, || {
            format!(
                "{} of {} images; the first two principal components have {first:.1} % and {second:.1} % of the variance: {}",
                told.method,
                ui::grouped(told.images),
                out.display()
            )
        })
    })
}
