//! The deterministic transform of evaluation: shorter side to a size, then the centre.

use super::crop::CropBox;
use std::fmt;

use super::resize::{Interpolation, Resizer, Target};
use crate::Image;
use crate::planes::Planes;

/// What evaluation shows of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvalView {
    /// Pixels of the shorter side after resizing.
    pub resize: usize,
    /// Side of the centre crop in pixels.
    pub crop: usize,
    /// How the image is resized.
    pub interpolation: Interpolation,
}

/// As it stands in protocols: `resize 256 crop 224`, with the interpolation when it is not the usual one.
impl fmt::Display for EvalView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interpolation = match self.interpolation {
            Interpolation::Bicubic => "",
            Interpolation::Bilinear => " bilinear",
        };
        write!(
            f,
            "resize {}{interpolation} crop {}",
            self.resize, self.crop
        )
    }
}

/// Resizes so that the shorter side has `resize` pixels (the longer one `resize * long / short`,
/// truncated) and takes the centre of `crop` x `crop` pixels, whose offset is rounded half to
/// even. `resize` is raised to `crop` if it is below it; a `crop` of zero counts as one.
pub fn eval_transform(image: &Image, view: EvalView) -> Image {
    let mut out = Planes::default();
    eval_into(image, view, &mut Resizer::default(), &mut out);
    out.to_image()
}

/// As [`eval_transform`], with buffers that are kept.
pub(crate) fn eval_into(image: &Image, view: EvalView, resizer: &mut Resizer, out: &mut Planes) {
    let crop = view.crop.max(1);
    let resize = view.resize.max(crop);
    let (width, height) = (image.width, image.height);
    let full = if width <= height {
        (resize, resize * height / width)
    } else {
        (resize * width / height, resize)
    };
    let target = Target {
        full,
        window: CropBox {
            top: center_offset(full.1, crop),
            left: center_offset(full.0, crop),
            height: crop,
            width: crop,
        },
        interpolation: view.interpolation,
        flip: false,
    };
    resizer.resize(image, CropBox::whole(width, height), &target, out);
}

/// (side - crop) / 2, half to even.
fn center_offset(side: usize, crop: usize) -> usize {
    let twice = side - crop;
    let down = twice / 2;
    down + usize::from(twice % 2 == 1 && down % 2 == 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn view(resize: usize, crop: usize) -> EvalView {
        EvalView {
            resize,
            crop,
            interpolation: Interpolation::Bicubic,
        }
    }

    #[test]
    fn bilinear_halving_is_a_triangle_of_four_pixels() {
        // Each output pixel lies between two source pixels; the kernel is stretched to two pixels on either side, with
        // weights 1/8, 3/8, 3/8, 1/8, and loses what reaches beyond the border.
        let image = Image::from_gray(8, 1, &[0, 0, 80, 0, 0, 0, 0, 0]).unwrap();
        let view = EvalView {
            interpolation: Interpolation::Bilinear,
            ..view(1, 1)
        };
        let target = Target {
            interpolation: view.interpolation,
            ..Target::whole(4, 1)
        };
        let mut out = Planes::default();
        Resizer::default().resize(&image, CropBox::whole(8, 1), &target, &mut out);
        let out = out.to_image();
        let gray: Vec<u8> = out.pixels.iter().step_by(3).copied().collect();
        // 80 * (1/8) / (7/8), and 80 * 3/8.
        assert_eq!(gray, [11, 30, 0, 0]);
        assert_eq!(view.to_string(), "resize 1 bilinear crop 1");
    }

    #[test]
    fn offsets_are_rounded_half_to_even() {
        let offsets: Vec<usize> = (84..90).map(|side| center_offset(side, 84)).collect();
        assert_eq!(offsets, [0, 0, 1, 2, 2, 2]);
    }

    #[test]
    fn extreme_shapes_give_the_size_asked_for() {
        for (width, height) in [(1, 1), (20_000, 20), (20, 20_000), (1, 20_000)] {
            let image = Image::from_gray(width, height, &vec![90; width * height]).unwrap();
            let out = eval_transform(&image, view(256, 224));
            assert_eq!((out.width, out.height), (224, 224));
            assert!(out.pixels.iter().all(|&v| v == 90));
        }
    }

    #[test]
    fn a_resize_below_the_crop_is_raised_to_it() {
        let image = Image::from_gray(8, 6, &[3; 48]).unwrap();
        assert_eq!(
            eval_transform(&image, view(10, 20)),
            eval_transform(&image, view(20, 20))
        );
    }
}
