//! The images of a run: what its keys say of data, labels, hold-out and memory.

use std::sync::Arc;

use sslight_data::decode::Enough;
use sslight_data::{
    DataError, DecodeOptions, HoldOut, ImageSource, KeepBudget, OpenOptions, Split, Subset,
    open_with, validation_of_with, with_classes,
};

use crate::config::RunConfig;

type Source = Arc<dyn ImageSource>;

/// How the sources of a run are opened.
pub fn open_options(config: &RunConfig) -> OpenOptions {
    const GIGABYTE: f64 = 1e9;
    OpenOptions {
        labels: config.use_labels,
        decode: DecodeOptions {
            exif_orientation: config.exif_orientation,
            max_pixels: config.max_pixels,
            enough: config.scaled_decoding.then(|| enough(config)),
        },
        keep: config.cache.into(),
        budget: KeepBudget::new((config.cache_gb * GIGABYTE) as u64),
        ..OpenOptions::default()
    }
}

/// The size of which no crop of the run has fewer pixels than its view, and no evaluation enlarges.
fn enough(config: &RunConfig) -> Enough {
    let recipe = config.view_recipe();
    let of_views = recipe.views.iter().map(|view| {
        // The narrowest crop of the least area has at least as many pixels on its shorter side as the view.
        let narrowest = view.ratio[1].max(1.0 / view.ratio[0]);
        ((view.size * view.size) as f64 * narrowest / view.scale[0]).ceil() as u64
    });
    // Crops of probes and fine-tuning are seen at the size of evaluations and cover 8 % of an image at least.
    const LEAST_OF_EVALUATIONS: f64 = 0.08 * 3.0 / 4.0;
    let of_evaluations = (config.eval.crop * config.eval.crop) as f64 / LEAST_OF_EVALUATIONS;
    let of_views = of_views.chain([of_evaluations.ceil() as u64]);
    Enough {
        pixels: of_views.max().unwrap_or(0),
        short_side: config.eval.resize,
    }
}

fn hold_out(config: &RunConfig) -> Option<HoldOut> {
    let share = config.holdout_fraction.map(HoldOut::Share);
    config.holdout_per_class.map(HoldOut::PerClass).or(share)
}

/// The training images of a run, and those that are held out of them if the run says so.
fn divided(
    config: &RunConfig,
    options: &OpenOptions,
) -> Result<(Source, Option<Source>), DataError> {
    let all = open_with(&config.data, Split::Train, options)?;
    let (train, held_out): (Source, Option<Source>) = match hold_out(config) {
        None => (all, None),
        Some(rule) => {
            let (train, held_out) = Subset::held_out(&all, rule, config.holdout_seed)?;
            (Arc::new(train), Some(Arc::new(held_out)))
        }
    };
    if config.train_fraction == 1.0 {
        return Ok((train, held_out));
    }
    let some = Subset::share_of_classes(
        train,
        config.train_fraction,
        config.holdout_seed,
        "train_fraction",
    )?;
    Ok((Arc::new(some), held_out))
}

/// The training images of a run.
///
/// # Errors
/// If they cannot be opened or divided as the run says.
pub fn open_train(config: &RunConfig) -> Result<Source, DataError> {
    Ok(divided(config, &open_options(config))?.0)
}

/// The validation images of a run: those of `val_data`, those held out, or those that belong to its data.
///
/// # Errors
/// If they are there and cannot be opened.
pub fn open_validation(config: &RunConfig) -> Result<Option<Source>, DataError> {
    if hold_out(config).is_some() {
        return Ok(divided(config, &open_options(config))?.1);
    }
    validation_beside(config, &open_options(config))
}

/// Both, each source opened once. Classes of the validation images have the numbers that those of the training images have.
///
/// # Errors
/// As [`open_train`] and [`open_validation`].
pub fn open_both(config: &RunConfig) -> Result<(Source, Option<Source>), DataError> {
    let options = open_options(config);
    let (train, held_out) = divided(config, &options)?;
    if hold_out(config).is_some() {
        return Ok((train, held_out));
    }
    let validation = validation_beside(config, &options)?;
    let validation = validation.map(|source| with_classes(source, train.class_names()));
    Ok((train, validation))
}

fn validation_beside(
    config: &RunConfig,
    options: &OpenOptions,
) -> Result<Option<Source>, DataError> {
    match &config.val_data {
        Some(path) => open_with(path, Split::Validation, options).map(Some),
        None => validation_of_with(&config.data, options),
    }
}
