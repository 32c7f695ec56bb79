//! Every drawn parameter of a sheet, for a file beside it.

use serde::{Deserialize, Serialize};

use super::SheetImage;
use crate::ops::crop::CropBox;
use crate::ops::jitter::{JitterOp, JitterPlan};
use crate::pixel_scale::{GLOBALS, pixel_scale};
use crate::views::ViewPlan;

/// A sheet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SheetRecord {
    /// Seed of the draws.
    pub seed: u64,
    /// Epoch of the draws, counted from 0.
    pub epoch: usize,
    /// The images, from top to bottom.
    pub images: Vec<ImageRecord>,
}

/// An image of a sheet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Index in its source.
    pub index: usize,
    /// Path or identifier.
    pub name: String,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Its views, global ones first.
    pub views: Vec<ViewRecord>,
}

/// The draws of a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewRecord {
    /// `global 1`, `global 2`, `local 1` and so on.
    pub name: String,
    /// Side of the view in pixels.
    pub size: usize,
    /// The box that was cut from the image.
    pub crop: CropRecord,
    /// Share of the image's area in the crop.
    pub scale: f64,
    /// Width over height of the crop.
    pub aspect: f64,
    /// Area of the view over that of the crop (paper, Eq. 1).
    pub pixel_scale: f64,
    /// Whether it is mirrored.
    pub flip: bool,
    /// Colour jitter, if any.
    pub jitter: Option<JitterRecord>,
    /// Whether it lost its colour.
    pub grayscale: bool,
    /// Standard deviation of the Gaussian blur in pixels of the view, if any.
    pub blur_sigma: Option<f64>,
    /// Whether it is solarised.
    pub solarize: bool,
}

/// A box in pixels of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CropRecord {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

/// The draws of a colour jitter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JitterRecord {
    /// Names of the four operations in the order of their application.
    pub order: Vec<String>,
    /// Factor of brightness.
    pub brightness: f64,
    /// Factor of contrast.
    pub contrast: f64,
    /// Factor of saturation.
    pub saturation: f64,
    /// Turn of the hue, in turns.
    pub hue: f64,
}

impl ImageRecord {
    pub(super) fn new(shown: &SheetImage, plans: &[ViewPlan]) -> Self {
        let (width, height) = (shown.image.width, shown.image.height);
        let views = plans.iter().enumerate();
        Self {
            index: shown.index,
            name: shown.name.clone(),
            width,
            height,
            views: views
                .map(|(view, plan)| ViewRecord::new(view, plan, width * height))
                .collect(),
        }
    }
}

impl ViewRecord {
    fn new(view: usize, plan: &ViewPlan, image_area: usize) -> Self {
        let name = match view.checked_sub(GLOBALS) {
            None => format!("global {}", view + 1),
            Some(local) => format!("local {}", local + 1),
        };
        Self {
            name,
            size: plan.size,
            crop: plan.crop.into(),
            scale: plan.crop.area() as f64 / image_area as f64,
            aspect: plan.crop.width as f64 / plan.crop.height as f64,
            pixel_scale: pixel_scale(plan.size, plan.crop),
            flip: plan.flip,
            jitter: plan.jitter.map(JitterRecord::from),
            grayscale: plan.grayscale,
            blur_sigma: plan.blur_sigma,
            solarize: plan.solarize,
        }
    }
}

impl From<CropBox> for CropRecord {
    fn from(crop: CropBox) -> Self {
        Self {
            top: crop.top,
            left: crop.left,
            height: crop.height,
            width: crop.width,
        }
    }
}

impl From<JitterPlan> for JitterRecord {
    fn from(plan: JitterPlan) -> Self {
        let name = |op: JitterOp| match op {
            JitterOp::Brightness => "brightness",
            JitterOp::Contrast => "contrast",
            JitterOp::Saturation => "saturation",
            JitterOp::Hue => "hue",
        };
        Self {
            order: plan.order.map(|op| name(op).to_owned()).to_vec(),
            brightness: plan.brightness,
            contrast: plan.contrast,
            saturation: plan.saturation,
            hue: plan.hue,
        }
    }
}

impl JitterRecord {
    /// The factor of brightness, contrast or saturation, or the turn of the hue.
    pub(super) fn strength(&self, operation: &str) -> f64 {
        match operation {
            "brightness" => self.brightness,
            "contrast" => self.contrast,
            "saturation" => self.saturation,
            _ => self.hue,
        }
    }
}
