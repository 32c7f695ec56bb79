//! The view recipe as data: what each view of an image may look like.

mod plan;
mod workspace;

use serde::{Deserialize, Serialize};

use crate::DataError;

pub use plan::{ViewPlan, apply, draw_plan};
pub use workspace::{View, Workspace};

/// Limits of the width over height of a crop.
pub const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// Strengths of the colour jitter of a view.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    /// Probability of any jitter.
    pub probability: f64,
    /// Brightness factors are uniform in max(0, 1-b)..1+b.
    pub brightness: f64,
    /// Contrast factors, likewise.
    pub contrast: f64,
    /// Saturation factors, likewise.
    pub saturation: f64,
    /// Hue turns are uniform in -h..h of a full turn; at most 0.5.
    pub hue: f64,
}

/// What one view of an image may look like. Probabilities are in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewSpec {
    /// Least and greatest share of the image area that the crop covers.
    pub scale: [f64; 2],
    /// Least and greatest width over height of the crop.
    pub ratio: [f64; 2],
    /// Side of the square view in pixels.
    pub size: usize,
    /// Probability of mirroring left to right.
    pub flip: f64,
    /// Colour jitter.
    pub jitter: Jitter,
    /// Probability of losing all colour.
    pub grayscale: f64,
    /// Probability of a Gaussian blur, whose sigma is uniform in [`BLUR_SIGMA`].
    pub blur: f64,
    /// Probability of solarising.
    pub solarize: f64,
}

/// Limits of the standard deviation of the Gaussian blur, in pixels of the view.
pub const BLUR_SIGMA: [f64; 2] = [0.1, 2.0];

/// Which crops a recipe of the paper takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crops {
    /// The published multi-crop setting of the method.
    Baseline,
    /// The paper's setting for small networks: larger global crops, and local views whose pixel scale
    /// matches theirs.
    Sslight,
}

/// The views made of each image, in the order global 1, global 2, local ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewRecipe {
    /// One entry a view. Neighbours of equal size share a [`crate::ViewGroup`].
    pub views: Vec<ViewSpec>,
}

/// Jitter and blur of DINO (after BYOL), which MoCo uses as well.
const DINO_JITTER: Jitter = Jitter {
    probability: 0.8,
    brightness: 0.4,
    contrast: 0.4,
    saturation: 0.2,
    hue: 0.1,
};
const DINO_BLUR: [f64; 3] = [1.0, 0.1, 0.5];
const DINO_SOLARIZE: f64 = 0.2;

/// Jitter and blur of SwAV (after SimCLR).
const SWAV_JITTER: Jitter = Jitter {
    probability: 0.8,
    brightness: 0.8,
    contrast: 0.8,
    saturation: 0.8,
    hue: 0.2,
};
const SWAV_BLUR: [f64; 3] = [0.5; 3];

impl ViewRecipe {
    /// Two global views and `locals` local ones.
    pub fn multi_crop(
        global1: ViewSpec,
        global2: ViewSpec,
        local: ViewSpec,
        locals: usize,
    ) -> Self {
        let mut views = vec![global1, global2];
        views.extend(std::iter::repeat_n(local, locals));
        Self { views }
    }

    /// DINO with a convolutional backbone.
    pub fn dino_cnn(crops: Crops) -> Self {
        Self::published(crops, 0.14, 6, DINO_JITTER, DINO_BLUR, DINO_SOLARIZE)
    }

    /// DINO with a vision transformer.
    pub fn dino_vit(crops: Crops) -> Self {
        Self::published(crops, 0.25, 10, DINO_JITTER, DINO_BLUR, DINO_SOLARIZE)
    }

    /// MoCo v2 with multi-crop: the views of [`Self::dino_cnn`].
    pub fn moco(crops: Crops) -> Self {
        Self::dino_cnn(crops)
    }

    /// SwAV.
    pub fn swav(crops: Crops) -> Self {
        Self::published(crops, 0.14, 6, SWAV_JITTER, SWAV_BLUR, 0.0)
    }

    /// A published setting; `split` is where the baseline divides global from local scales.
    fn published(
        crops: Crops,
        split: f64,
        locals: usize,
        jitter: Jitter,
        blur: [f64; 3],
        solarize: f64,
    ) -> Self {
        let (split, local_size) = match crops {
            Crops::Baseline => (split, 96),
            Crops::Sslight => (0.3, 128),
        };
        let global1 = ViewSpec {
            scale: [split, 1.0],
            ratio: RATIO,
            size: 224,
            flip: 0.5,
            jitter,
            grayscale: 0.2,
            blur: blur[0],
            solarize: 0.0,
        };
        let global2 = ViewSpec {
            blur: blur[1],
            solarize,
            ..global1
        };
        let local = ViewSpec {
            scale: [0.05, split],
            size: local_size,
            blur: blur[2],
            ..global1
        };
        Self::multi_crop(global1, global2, local, locals)
    }

    /// Sizes and lengths of the runs of consecutive views of equal size.
    pub fn groups(&self) -> Vec<(usize, usize)> {
        self.views
            .chunk_by(|a, b| a.size == b.size)
            .map(|run| (run[0].size, run.len()))
            .collect()
    }

    /// Checks what no image can satisfy.
    ///
    /// # Errors
    /// [`DataError::Setting`] with the first value that is out of range.
    pub fn validate(&self) -> Result<(), DataError> {
        if self.views.is_empty() {
            return Err(DataError::Setting {
                setting: "views".into(),
                expected: "at least one view",
                got: "none".into(),
            });
        }
        for (view, spec) in self.views.iter().enumerate() {
            spec.validate(view)?;
        }
        Ok(())
    }
}

impl ViewSpec {
    fn validate(&self, view: usize) -> Result<(), DataError> {
        let refuse = |field: &str, expected, got: String| {
            Err(DataError::Setting {
                setting: format!("views[{view}].{field}"),
                expected,
                got,
            })
        };
        let [low, high] = self.scale;
        if !(low > 0.0 && low <= high && high <= 1.0) {
            let expected = "shares of the area with 0 < low <= high <= 1";
            return refuse("scale", expected, format!("{:?}", self.scale));
        }
        let [low, high] = self.ratio;
        if !(low > 0.0 && low <= high && high.is_finite()) {
            let expected = "finite ratios with 0 < low <= high";
            return refuse("ratio", expected, format!("{:?}", self.ratio));
        }
        // A side whose pixels, three channels each, would overflow is no size of a view.
        if !(1..=1 << 14).contains(&self.size) {
            return refuse("size", "1 to 16384 pixels", self.size.to_string());
        }
        let jitter = &self.jitter;
        for (field, value) in [
            ("flip", self.flip),
            ("jitter.probability", jitter.probability),
            ("grayscale", self.grayscale),
            ("blur", self.blur),
            ("solarize", self.solarize),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(field, "a probability in 0..=1", value.to_string());
            }
        }
        for (field, value) in [
            ("jitter.brightness", jitter.brightness),
            ("jitter.contrast", jitter.contrast),
            ("jitter.saturation", jitter.saturation),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(field, "a finite strength of at least 0", value.to_string());
            }
        }
        if !(0.0..=0.5).contains(&jitter.hue) {
            return refuse(
                "jitter.hue",
                "a share of a turn in 0..=0.5",
                jitter.hue.to_string(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
