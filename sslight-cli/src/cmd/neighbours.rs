//! `sslight neighbours`: a sheet of images and what is nearest to them.

use std::path::Path;

use serde::Serialize;
use sslight_core::embed::{NeighbourSettings, Queries, neighbour_sheet};

use crate::args::PictureArgs;
use crate::exit::{CliError, Outcome};
use crate::shown::{OVERWRITE, SPLIT, Shown, outcome, overwrite, warn_of, watched};
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Keys beside those of the configuration.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "out",
        values: "a PNG file",
        default: "required",
        help: "where the sheet goes; folders on the way are made",
    },
    VerbKey {
        name: "queries",
        values: "a number, or names with commas between",
        default: "8",
        help: "so many images evenly over the set, or those whose path is this or ends with it",
    },
    VerbKey {
        name: "k",
        values: "an integer of at least 1",
        default: "8",
        help: "neighbours of each query",
    },
    SPLIT,
    OVERWRITE,
];

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Told<'a> {
    out: &'a Path,
    queries: usize,
    k: usize,
    images: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    same_class_percent: Option<f64>,
    unreadable: usize,
}

/// Draws the sheet.
pub fn run(args: &PictureArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::take(KEYS, &args.words)?;
    let out = words.required_path("out", "neighbours.png")?;
    let settings = NeighbourSettings {
        out,
        overwrite: overwrite(&words)?,
        queries: queries(words.text("queries").unwrap_or("8"))?,
        k: words.at_least("k", 1)?.unwrap_or(8),
    };
    let shown = Shown::open(&args.weights, &words, true)?;
    let images = shown.images(&words)?;
    let protocol = shown.protocol(&images);
    let result = watched(|hooks| {
        neighbour_sheet(
            &shown.config,
            &shown.network,
            &images,
            &protocol,
            &settings,
            hooks,
        )
    })?;
    outcome(result, |sheet| {
        warn_of(&sheet.extracted.unreadable);
        let same = sheet
            .same_class
            .map(|share| format!(", {share:.1} % of the same class"))
            .unwrap_or_default();
        let told = Told {
            out,
            queries: sheet.rows.len(),
            k: settings.k,
            images: sheet.extracted.images,
            same_class_percent: sheet.same_class,
            unreadable: sheet.extracted.unreadable.len(),
        };
        ui::show(args.output.json, &told, || {
            format!(
                "{} queries, {} neighbours each among {} images{same}: {}",
                told.queries,
                told.k,
                ui::grouped(told.images),
                out.display()
            )
        })
    })
}

fn queries(word: &str) -> Result<Queries, CliError> {
    if let Ok(count) = word.parse::<usize>() {
        if count == 0 {
            return Err(CliError::Usage(
                "command line: queries is 0, but must be at least 1, or names with commas between"
                    .to_owned(),
            ));
        }
        return Ok(Queries::Spread(count));
    }
    let names = word
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    Ok(Queries::Named(names.map(str::to_owned).collect()))
}
