//! `transform.*`: every picture operation, and whole views, against 8-bit results.

use serde::Deserialize;
use sslight_data::ops::crop::{CropBox, crop};
use sslight_data::ops::jitter::{JitterOp, JitterPlan};
use sslight_data::ops::normalize::Normalizer;
use sslight_data::ops::{blur, flip, gray, jitter, resize, solarize};
use sslight_data::{EvalView, Image, Interpolation, ViewPlan, apply, eval_transform};

use super::{CaseContext, put};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::{HostTensor, Values};

/// The kinds that [`run`] carries out.
pub(crate) const KINDS: [&str; 14] = [
    "transform.images",
    "transform.crop_resize",
    "transform.hflip",
    "transform.brightness",
    "transform.contrast",
    "transform.saturation",
    "transform.hue",
    "transform.jitter",
    "transform.grayscale",
    "transform.solarize",
    "transform.blur",
    "transform.normalise",
    "transform.eval",
    "transform.views",
];

/// A box as the manifest writes it.
#[derive(Deserialize, Clone, Copy)]
struct Region {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl From<Region> for CropBox {
    fn from(
        Region {
            top,
            left,
            height,
            width,
        }: Region,
    ) -> Self {
        Self {
            top,
            left,
            height,
            width,
        }
    }
}

/// The picture of a case, and the part of it to start from.
#[derive(Deserialize)]
struct Picture {
    image: String,
    crop: Option<Region>,
}

#[derive(Deserialize)]
struct Factors {
    factors: Vec<f64>,
}

#[derive(Deserialize)]
struct Sigmas {
    sigmas: Vec<f64>,
}

#[derive(Deserialize)]
struct CropResize {
    #[serde(flatten)]
    region: Region,
    size: usize,
}

#[derive(Deserialize)]
struct JitterParams {
    order: [usize; 4],
    brightness: f64,
    contrast: f64,
    saturation: f64,
    hue: f64,
}

#[derive(Deserialize)]
struct Solarize {
    threshold: u8,
}

/// Channel statistics of a normalisation.
#[derive(Deserialize)]
struct Statistics {
    mean: [f32; 3],
    std: [f32; 3],
}

#[derive(Deserialize)]
struct Eval {
    resize: usize,
    crop: usize,
    #[serde(flatten)]
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Views {
    views: Vec<View>,
    #[serde(flatten)]
    statistics: Statistics,
}

#[derive(Deserialize)]
struct View {
    crop: CropResize,
    hflip: bool,
    jitter: Option<JitterParams>,
    grayscale: bool,
    blur_sigma: Option<f64>,
    solarize: bool,
}

#[derive(Deserialize)]
struct Images {
    images: std::collections::BTreeMap<String, Size>,
}

#[derive(Deserialize)]
struct Size {
    height: usize,
    width: usize,
}

pub(crate) fn run(context: &CaseContext<'_>) -> Result<Outputs, CaseError> {
    let kind = context
        .case
        .kind
        .strip_prefix("transform.")
        .unwrap_or_default();
    let mut outputs = Outputs::new();
    if kind == "images" {
        check_images(context)?;
        return Ok(outputs);
    }
    let source = picture(context)?;
    match kind {
        "brightness" => each_factor(context, &source, jitter::brightness, &mut outputs)?,
        "contrast" => each_factor(context, &source, jitter::contrast, &mut outputs)?,
        "saturation" => each_factor(context, &source, jitter::saturation, &mut outputs)?,
        "hue" => each_factor(context, &source, jitter::hue, &mut outputs)?,
        "blur" => {
            let Sigmas { sigmas } = context.params()?;
            each(&sigmas, &source, blur::gaussian_blur, &mut outputs);
        }
        "eval" => {
            let params: Eval = context.params()?;
            let view = EvalView {
                resize: params.resize,
                crop: params.crop,
                interpolation: Interpolation::Bicubic,
            };
            let out = eval_transform(&source, view);
            if let Some(statistics) = params.statistics {
                let normal = Normal::new(&out, &statistics);
                put(
                    &mut outputs,
                    "channel_mean",
                    HostTensor::f32([3], normal.channel_mean()),
                );
                put(
                    &mut outputs,
                    "corner",
                    HostTensor::f32([3, 4, 4], normal.corner()),
                );
            }
            put(&mut outputs, "out_u8", pixels(out));
        }
        "normalise" => {
            let normal = Normal::new(&source, &context.params()?);
            let shape = [3, source.height, source.width];
            put(&mut outputs, "out", HostTensor::f32(shape, normal.values));
        }
        "views" => views(context, &source, &mut outputs)?,
        "crop_resize" => {
            let CropResize { region, size } = context.params()?;
            let out = resize::resize_crop(&source, region.into(), size, size);
            put(&mut outputs, "out", pixels(out));
        }
        _ => put(
            &mut outputs,
            "out",
            pixels(in_place(context, kind, source)?),
        ),
    }
    Ok(outputs)
}

/// The operations that take one picture to one of equal size.
fn in_place(context: &CaseContext<'_>, kind: &str, mut image: Image) -> Result<Image, CaseError> {
    match kind {
        "hflip" => flip::flip_horizontal(&mut image),
        "grayscale" => gray::grayscale(&mut image),
        "jitter" => jitter::jitter(&mut image, &plan(&context.params()?)?),
        "solarize" => {
            let Solarize { threshold } = context.params()?;
            if threshold != 128 {
                return Err(CaseError::failed(format!(
                    "solarize with threshold {threshold}, this build has 128 only"
                )));
            }
            solarize::solarize(&mut image);
        }
        other => return Err(CaseError::failed(format!("no operation named {other}"))),
    }
    Ok(image)
}

/// The pictures have the sizes that the manifest says; the case has no outputs to compare.
fn check_images(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let Images { images } = context.params()?;
    for (name, Size { height, width }) in images {
        let shape = &context.stored(&name)?.shape;
        if *shape != [height, width, 3] {
            return Err(CaseError::failed(format!(
                "picture {name} has shape {shape:?}, the manifest says {:?}",
                [height, width, 3]
            )));
        }
    }
    Ok(())
}

/// The picture of the case, cut to its box if it has one.
///
/// `crop` is also the name of a number in the `eval` kind, which starts from the whole picture.
fn picture(context: &CaseContext<'_>) -> Result<Image, CaseError> {
    let Picture {
        image,
        crop: region,
    } = if context.case.kind == "transform.eval" {
        #[derive(Deserialize)]
        struct Whole {
            image: String,
        }
        let Whole { image } = context.params()?;
        Picture { image, crop: None }
    } else {
        context.params()?
    };
    let host = context.input(&image)?;
    let (&[height, width, 3], Values::U8(values)) = (host.shape.as_slice(), host.values) else {
        return Err(CaseError::failed(format!(
            "picture {image} is not U8 [height, width, 3]"
        )));
    };
    let whole = Image::from_rgb(width, height, values)
        .ok_or_else(|| CaseError::failed(format!("picture {image} does not fit its shape")))?;
    Ok(match region {
        Some(region) => crop(&whole, region.into()),
        None => whole,
    })
}

fn each_factor(
    context: &CaseContext<'_>,
    source: &Image,
    op: fn(&mut Image, f64),
    outputs: &mut Outputs,
) -> Result<(), CaseError> {
    let Factors { factors } = context.params()?;
    each(&factors, source, op, outputs);
    Ok(())
}

/// `out{i}` is `op` with the i-th strength.
fn each(strengths: &[f64], source: &Image, op: fn(&mut Image, f64), outputs: &mut Outputs) {
    for (i, &strength) in strengths.iter().enumerate() {
        let mut image = source.clone();
        op(&mut image, strength);
        put(outputs, format!("out{i}"), pixels(image));
    }
}

/// Whole views from their logged draws.
fn views(
    context: &CaseContext<'_>,
    source: &Image,
    outputs: &mut Outputs,
) -> Result<(), CaseError> {
    let Views { views, statistics } = context.params()?;
    let (mut means, mut corners) = (Vec::new(), Vec::new());
    let count = views.len();
    for (i, view) in views.into_iter().enumerate() {
        let view = apply(
            source,
            &ViewPlan {
                crop: view.crop.region.into(),
                size: view.crop.size,
                flip: view.hflip,
                jitter: view.jitter.as_ref().map(plan).transpose()?,
                grayscale: view.grayscale,
                blur_sigma: view.blur_sigma,
                solarize: view.solarize,
            },
        );
        let normal = Normal::new(&view, &statistics);
        means.extend(normal.channel_mean());
        corners.extend(normal.corner());
        put(outputs, format!("view{i}"), pixels(view));
    }
    put(outputs, "channel_mean", HostTensor::f32([count, 3], means));
    put(
        outputs,
        "corner",
        HostTensor::f32([count, 3, 4, 4], corners),
    );
    Ok(())
}

fn plan(params: &JitterParams) -> Result<JitterPlan, CaseError> {
    let mut order = JitterOp::ALL;
    for (slot, &number) in order.iter_mut().zip(&params.order) {
        *slot = *JitterOp::ALL
            .get(number)
            .ok_or_else(|| CaseError::failed(format!("no jitter operation has number {number}")))?;
    }
    Ok(JitterPlan {
        order,
        brightness: params.brightness,
        contrast: params.contrast,
        saturation: params.saturation,
        hue: params.hue,
    })
}

fn pixels(image: Image) -> HostTensor {
    HostTensor::u8([image.height, image.width, 3], image.pixels)
}

/// A normalised picture, `[3, height, width]`.
struct Normal {
    width: usize,
    plane: usize,
    values: Vec<f32>,
}

impl Normal {
    fn new(image: &Image, statistics: &Statistics) -> Self {
        let plane = image.width * image.height;
        let mut values = vec![0.0; 3 * plane];
        Normalizer::new(statistics.mean, statistics.std).write(image, &mut values);
        Self {
            width: image.width,
            plane,
            values,
        }
    }

    /// Mean of each channel, summed in float64.
    fn channel_mean(&self) -> Vec<f32> {
        self.values
            .chunks_exact(self.plane)
            .map(|plane| {
                let sum: f64 = plane.iter().map(|&v| f64::from(v)).sum();
                (sum / self.plane as f64) as f32
            })
            .collect()
    }

    /// The top-left 4 x 4 values of each channel.
    fn corner(&self) -> Vec<f32> {
        self.values
            .chunks_exact(self.plane)
            .flat_map(|plane| {
                plane
                    .chunks_exact(self.width)
                    .take(4)
                    .flat_map(|row| &row[..4])
            })
            .copied()
            .collect()
    }
}
