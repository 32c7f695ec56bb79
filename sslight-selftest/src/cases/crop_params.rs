//! `crop_params.*`: the distribution of random-resized-crop boxes, the fallback box, and the
//! paper's pixel-scale ratio. The draws are our own, so means are compared by standard errors.

use serde::Deserialize;
use sslight_data::ops::crop::{CropBox, random_box};
use sslight_data::pixel_scale::mean_pixel_scale_ratio;
use sslight_data::rng::{Draws, Purpose};
use sslight_data::views::{Crops, ViewRecipe, ViewSpec};

use super::{CaseContext, put};
use crate::compare::{Outputs, Produced};
use crate::error::CaseError;
use crate::tensors::{HostTensor, Values};

/// The kinds that [`run`] carries out.
pub(crate) const KINDS: [&str; 3] = [
    "crop_params.stats",
    "crop_params.fallback",
    "crop_params.pixel_scale_ratio",
];

/// Seed of all draws here; any would do, a fixed one makes the verdict repeatable.
const SEED: u64 = 0;

pub(crate) fn run(context: &CaseContext<'_>) -> Result<Outputs, CaseError> {
    match context.case.kind.as_str() {
        "crop_params.stats" => statistics(context),
        "crop_params.fallback" => fallback(context),
        _ => pixel_scale_ratio(context),
    }
}

#[derive(Deserialize)]
struct Stats {
    image_width: usize,
    image_height: usize,
    scale: [f64; 2],
    ratio: [f64; 2],
    /// Number of draws behind the fixture; we take as many.
    samples: usize,
    fallback_box_top_left_height_width: [usize; 4],
}

/// Means over boxes drawn on one picture.
fn statistics(context: &CaseContext<'_>) -> Result<Outputs, CaseError> {
    let params: Stats = context.params()?;
    let [top, left, height, width] = params.fallback_box_top_left_height_width;
    let fallback = CropBox {
        top,
        left,
        height,
        width,
    };
    let area = (params.image_width * params.image_height) as f64;
    let quantity = |name: &str, found: CropBox| {
        let log_ratio = (found.width as f64 / found.height as f64).ln();
        let fraction = found.area() as f64 / area;
        Ok(match name {
            "area_fraction" => fraction,
            "area_fraction_squared" => fraction * fraction,
            "log_ratio_w_over_h" => log_ratio,
            "abs_log_ratio" => log_ratio.abs(),
            "height" => found.height as f64,
            "width" => found.width as f64,
            "top" => found.top as f64,
            "left" => found.left as f64,
            "is_fallback_box" => f64::from(u8::from(found == fallback)),
            other => return Err(CaseError::failed(format!("unknown statistic {other}"))),
        })
    };
    let index = context.index("values")?;
    let mut means = vec![0.0; index.len()];
    let mut draws = Draws::new(SEED, 0, 0, 0, Purpose::Measurement);
    for _ in 0..params.samples {
        let found = random_box(
            &mut draws,
            params.image_width,
            params.image_height,
            params.scale,
            params.ratio,
        );
        for (mean, name) in means.iter_mut().zip(index) {
            *mean += quantity(name, found)? / params.samples as f64;
        }
    }
    Ok(one_table(means, params.samples))
}

fn one_table(means: Vec<f64>, draws: usize) -> Outputs {
    Outputs::from([("values".to_string(), Produced::Means { means, draws })])
}

#[derive(Deserialize)]
struct Fallback {
    ratio: [f64; 2],
    scales: Vec<[f64; 2]>,
}

/// Boxes on pictures so long that every draw ends in the fallback.
fn fallback(context: &CaseContext<'_>) -> Result<Outputs, CaseError> {
    const DRAWS: usize = 100;
    let params: Fallback = context.params()?;
    // Picture sizes are given only as the first two columns of the expected table.
    let Values::I64(table) = &context.stored("boxes")?.values else {
        return Err(CaseError::failed("the table of boxes is not I64"));
    };
    let rows = table.as_chunks::<6>().0;
    let mut boxes = Vec::new();
    let mut draws = Draws::new(SEED, 0, 0, 0, Purpose::Measurement);
    for (&[width, height, ..], scale) in rows.iter().zip(&params.scales) {
        let mut draw = || {
            random_box(
                &mut draws,
                width as usize,
                height as usize,
                *scale,
                params.ratio,
            )
        };
        let first = draw();
        if let Some(other) = (1..DRAWS).map(|_| draw()).find(|other| *other != first) {
            return Err(CaseError::failed(format!(
                "on {width}x{height} pixels with scale {scale:?} both {first:?} and {other:?} were drawn"
            )));
        }
        boxes.extend([width, height]);
        boxes.extend([first.top, first.left, first.height, first.width].map(|v| v as i64));
    }
    let mut outputs = Outputs::new();
    put(
        &mut outputs,
        "boxes",
        HostTensor::i64([boxes.len() / 6, 6], boxes),
    );
    Ok(outputs)
}

#[derive(Deserialize)]
struct PixelScale {
    images_per_setting: usize,
    globals: usize,
    locals: usize,
    square_size: (usize, usize),
    imagenet_sizes_width_height: Vec<(usize, usize)>,
}

/// Mean ratio of pixel scales for the settings in the index, such as
/// `square/Sg=0.14/Sl=0.14/GC=224/LC=96`.
fn pixel_scale_ratio(context: &CaseContext<'_>) -> Result<Outputs, CaseError> {
    let params: PixelScale = context.params()?;
    if params.globals != 2 {
        return Err(CaseError::failed(format!(
            "{} global views, this program always has 2",
            params.globals
        )));
    }
    let square = [params.square_size];
    let mut means = Vec::new();
    for setting in context.index("values")? {
        let (sizes, recipe) = setting
            .split_once('/')
            .and_then(|(pictures, numbers)| {
                let sizes: &[(usize, usize)] = match pictures {
                    "square" => &square,
                    "imagenet" => &params.imagenet_sizes_width_height,
                    _ => return None,
                };
                Some((sizes, recipe_of(numbers, params.locals)?))
            })
            .ok_or_else(|| CaseError::failed(format!("unreadable setting {setting}")))?;
        means.extend(mean_pixel_scale_ratio(
            &recipe,
            sizes,
            params.images_per_setting,
            SEED,
        ));
    }
    Ok(one_table(means, params.images_per_setting))
}

/// `Sg=0.14/Sl=0.14/GC=224/LC=96` as a recipe: global scale from Sg to 1, local scale up to Sl.
fn recipe_of(numbers: &str, locals: usize) -> Option<ViewRecipe> {
    let mut parts = numbers.split('/');
    let mut value = |key: &str| parts.next()?.strip_prefix(key)?.strip_prefix('=');
    let global_scale: f64 = value("Sg")?.parse().ok()?;
    let local_scale: f64 = value("Sl")?.parse().ok()?;
    let global_size: usize = value("GC")?.parse().ok()?;
    let local_size: usize = value("LC")?.parse().ok()?;
    let template = *ViewRecipe::dino_cnn(Crops::Baseline).views.first()?;
    let global = ViewSpec {
        scale: [global_scale, 1.0],
        size: global_size,
        ..template
    };
    let local = ViewSpec {
        scale: [0.05, local_scale],
        size: local_size,
        ..template
    };
    Some(ViewRecipe::multi_crop(global, global, local, locals))
}
