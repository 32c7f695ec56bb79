//! `sslight embed`: features of images to a file.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sslight_core::embed::{ExportSettings, Exported, Format, export};

use crate::args::EmbedArgs;
use crate::exit::{CliError, Outcome};
use crate::shown::{OVERWRITE, SPLIT, Shown, outcome, overwrite, warn_of, watched};
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Keys beside those of the configuration.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "out",
        values: "a file",
        default: "required",
        help: "where the features go; folders on the way are made",
    },
    VerbKey {
        name: "format",
        values: "safetensors|csv|parquet",
        default: "the ending of out",
        help: "the kind of file",
    },
    SPLIT,
    OVERWRITE,
];

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Told {
    out: PathBuf,
    format: String,
    images: usize,
    dim: usize,
    unreadable: usize,
    seconds: f64,
    images_per_s: f64,
    data_wait: f64,
}

/// Writes the features of a split.
pub fn run(args: &EmbedArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::take(KEYS, &args.words)?;
    let out = words.required_path("out", "features.parquet")?;
    let format = match words.word("format", &Format::WORDS)? {
        Some(format) => format,
        None => Format::of(out)?,
    };
    let settings = ExportSettings {
        out,
        format,
        overwrite: overwrite(&words)?,
    };
    let shown = Shown::open(&args.weights, &words, true)?;
    let images = shown.images(&words)?;
    let protocol = shown.protocol(&images);
    let result = watched(|hooks| {
        export(
            &shown.config,
            &shown.network,
            &images,
            protocol,
            settings,
            hooks,
        )
    })?;
    let told = |result| told(out, format, &result);
    outcome(result, |result: Exported| {
        warn_of(&result.extracted.unreadable);
        let told = told(result);
        ui::show(args.output.json, &told, || text(&told))?;
        ui::hint(ui::Done::Embedded {
            weights: &args.weights,
            words: &words.rest,
        });
        Ok(())
    })
}

fn told(out: &Path, format: Format, result: &Exported) -> Told {
    let extracted = &result.extracted;
    Told {
        out: out.to_owned(),
        format: format.to_string(),
        images: extracted.images,
        dim: extracted.dim,
        unreadable: extracted.unreadable.len(),
        seconds: extracted.seconds,
        images_per_s: extracted.images_per_s(),
        data_wait: extracted.data_wait,
    }
}

fn text(told: &Told) -> String {
    format!(
        "{} images, {} features each, {:.0} images/s, data wait {:.0} %: {}",
        ui::grouped(told.images),
        told.dim,
        told.images_per_s,
        100.0 * told.data_wait,
        told.out.display()
    )
}
