//! `sslight views preview`: a sheet of images with their crops and views.

use std::path::Path;

use serde::Serialize;
use sslight_core::config::resolve;
use sslight_core::embed::Images;
use sslight_data::analysis::sheet::{SheetHead, SheetImage, png, sheet};
use sslight_data::analysis::sizes::spread;
use sslight_data::{BadImage, DataError};

use super::files::{Picture, Target};
use super::{explain, images, title, views_text};
use crate::args::ViewsPreviewArgs;
use crate::exit::{CliError, Outcome};
use crate::shown::{OVERWRITE, SPLIT, overwrite, warn_of};
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Keys beside those of the configuration.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "to",
        values: "a PNG file",
        default: "required",
        help: "where the sheet goes, with a JSON file of all draws beside it; folders on the way are made",
    },
    VerbKey {
        name: "images",
        values: "an integer of at least 1",
        default: "8",
        help: "rows of the sheet",
    },
    VerbKey {
        name: "first",
        values: "an integer of at least 0",
        default: "evenly over the set",
        help: "index of the first image; the others follow it",
    },
    VerbKey {
        name: "index",
        values: "integers of at least 0 with commas between",
        default: "evenly over the set",
        help: "indices of the images, instead of images and first",
    },
    VerbKey {
        name: "epoch",
        values: "an integer of at least 0",
        default: "0",
        help: "the epoch whose views are shown; a run with this seed sees the same",
    },
    SPLIT,
    OVERWRITE,
];

/// More rows make a picture that few programs open.
const MOST_ROWS: usize = 100;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Told<'a> {
    picture: &'a Path,
    /// The file with every draw.
    draws: &'a Path,
    images: usize,
    /// Of each image.
    views: usize,
}

/// Draws the sheet.
pub fn run(args: &ViewsPreviewArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::take(KEYS, &args.words)?;
    let out = words.required_path("to", "views.png")?;
    let target = Target::new(out, &[Picture::Png], overwrite(&words)?)?;
    let epoch = words.at_least("epoch", 0)?.unwrap_or(0);
    let resolved = resolve(&words.rest)?;
    resolved.require_data()?;
    let config = &resolved.config;
    let all = images::of_split(config, &words)?;
    let chosen = chosen(&words, all.len())?;
    if chosen.len() > MOST_ROWS {
        return Err(CliError::Usage(format!(
            "command line: {} images are too many for a sheet, which has at most {MOST_ROWS} rows; make several with first",
            chosen.len()
        )));
    }
    let shown = read(&all, &chosen)?;
    let line = format!(
        "{}  ·  {}  ·  seed {}, epoch {epoch}",
        all.source.describe(),
        views_text(config).join("  ·  "),
        config.seed
    );
    let head = SheetHead {
        title: &format!("Views of {}", title(config)),
        line: &line,
        seed: config.seed,
        epoch,
    };
    let made = sheet(&config.view_recipe(), &shown, head).map_err(explain)?;
    target.write(&png(&made.picture).map_err(explain)?, &made.record)?;
    let told = Told {
        picture: &target.picture,
        draws: &target.json,
        images: shown.len(),
        views: config.view_recipe().views.len(),
    };
    ui::show(args.output.json, &told, || {
        format!(
            "{} with {} each: {}",
            counted(told.images, "image"),
            counted(told.views, "view"),
            target.names()
        )
    })?;
    Ok(Outcome::Done)
}

fn counted(count: usize, of: &str) -> String {
    match count {
        1 => format!("1 {of}"),
        _ => format!("{count} {of}s"),
    }
}

/// Indices of the images that the words name.
fn chosen(words: &VerbWords, len: usize) -> Result<Vec<usize>, CliError> {
    let count = words.at_least("images", 1)?.unwrap_or(8);
    let first: Option<usize> = words.at_least("first", 0)?;
    let refuse = |what: String| Err(CliError::Usage(format!("command line: {what}")));
    let beyond = |key: &str, index: usize| {
        let last = len.saturating_sub(1);
        refuse(format!(
            "{key}: there is no image {index}, but {len} from 0 to {last}"
        ))
    };
    let Some(listed) = words.text("index") else {
        return match first {
            Some(first) if first >= len => beyond("first", first),
            Some(first) => Ok((first..len.min(first.saturating_add(count))).collect()),
            None => Ok(spread(len, count)),
        };
    };
    if first.is_some() || words.text("images").is_some() {
        return refuse("index names all images; leave out images and first".to_owned());
    }
    let indices: Result<Vec<usize>, _> = listed.split(',').map(|i| i.trim().parse()).collect();
    match indices {
        Ok(indices) => match indices.iter().find(|index| **index >= len) {
            Some(index) => beyond("index", *index),
            None => Ok(indices),
        },
        Err(_) => refuse(format!(
            "index is {listed}, but must be integers of at least 0 with commas between"
        )),
    }
}

/// Reads the images; those that cannot be read are left out and told, unless there are no others.
fn read(all: &Images, indices: &[usize]) -> Result<Vec<SheetImage>, DataError> {
    let (mut shown, mut bad) = (Vec::new(), Vec::new());
    let mut last = None;
    for &index in indices {
        let name = all.source.name(index);
        match all.source.image(index) {
            Ok(image) => shown.push(SheetImage { index, name, image }),
            Err(error) => {
                let reason = error.to_string();
                bad.push(BadImage {
                    index,
                    name,
                    reason,
                });
                last = Some(error);
            }
        }
    }
    match last {
        Some(error) if shown.is_empty() => Err(error),
        _ => {
            warn_of(&bad);
            Ok(shown)
        }
    }
}
