//! The deterministic transform of evaluation: shorter side to a size, then the centre.

use super::crop::CropBox;
use super::resize::resize_window;
use crate::Image;

/// Resizes so that the shorter side has `resize` pixels (the longer one `resize * long / short`,
/// truncated; bicubic) and takes the centre of `crop` x `crop` pixels, whose offset is rounded half to
/// even. `resize` is raised to `crop` if it is below it; a `crop` of zero counts as one.
pub fn eval_transform(image: &Image, resize: usize, crop: usize) -> Image {
    let crop = crop.max(1);
    let resize = resize.max(crop);
    let (width, height) = (image.width, image.height);
    let full = if width <= height {
        (resize, resize * height / width)
    } else {
        (resize * width / height, resize)
    };
    let window = CropBox {
        top: center_offset(full.1, crop),
        left: center_offset(full.0, crop),
        height: crop,
        width: crop,
    };
    resize_window(image, CropBox::whole(width, height), full, window)
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

    #[test]
    fn offsets_are_rounded_half_to_even() {
        let offsets: Vec<usize> = (84..90).map(|side| center_offset(side, 84)).collect();
        assert_eq!(offsets, [0, 0, 1, 2, 2, 2]);
    }

    #[test]
    fn extreme_shapes_give_the_size_asked_for() {
        for (width, height) in [(1, 1), (20_000, 20), (20, 20_000), (1, 20_000)] {
            let image = Image::from_gray(width, height, &vec![90; width * height]).unwrap();
            let out = eval_transform(&image, 256, 224);
            assert_eq!((out.width, out.height), (224, 224));
            assert!(out.pixels.iter().all(|&v| v == 90));
        }
    }

    #[test]
    fn a_resize_below_the_crop_is_raised_to_it() {
        let image = Image::from_gray(8, 6, &[3; 48]).unwrap();
        assert_eq!(
            eval_transform(&image, 10, 20),
            eval_transform(&image, 20, 20)
        );
    }
}
