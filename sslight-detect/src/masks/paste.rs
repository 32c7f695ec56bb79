//! From the answer of the mask head to pixels of the image.

use std::ops::Range;

use hotcoco::Rle;
use hotcoco::mask::encode;

use crate::geometry::BoundingBox;

/// Probability from which a pixel belongs to the object.
pub const MASK_THRESHOLD: f32 = 0.5;

/// The pixels of an image of `width` x `height` that a mask of `side` x `side` probabilities (row by row) over a box covers.
///
/// The centre of a pixel is looked up in the mask as `grid_sample` of PyTorch does it (bilinear, corners not aligned, zeros outside),
/// as in detectron2's `paste_masks_in_image`; what reaches `threshold` belongs to the object. Boxes may reach outside the image;
/// those without area cover nothing.
///
/// # Errors
/// If the image has more pixels than a run-length code can hold (2^32).
///
/// # Panics
/// If `mask` does not hold `side` x `side` values.
pub fn paste(
    mask: &[f32],
    side: usize,
    bounds: BoundingBox,
    (width, height): (usize, usize),
    threshold: f32,
) -> Result<Rle, hotcoco::Error> {
    assert_eq!(
        mask.len(),
        side * side,
        "paste: {} values are no mask of {side}x{side}",
        mask.len()
    );
    let side_of = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let (columns, rows) = (side_of(width), side_of(height));
    if u64::from(columns) * u64::from(rows) > u64::from(u32::MAX) {
        // Before any memory is asked for; the crate says what is wrong.
        return encode(&[], rows, columns);
    }
    let mut pixels = vec![0; width * height];
    if bounds.is_proper() && side > 0 {
        let across = Line::new(bounds.x0, bounds.x1, side, width);
        let down = Line::new(bounds.y0, bounds.y1, side, height);
        for (x, along) in across.pixels.clone().zip(&across.places) {
            let column = &mut pixels[x * height..(x + 1) * height];
            for (y, place) in down.pixels.clone().zip(&down.places) {
                column[y] = u8::from(sample(mask, side, along, place) >= threshold);
            }
        }
    }
    encode(&pixels, rows, columns)
}

/// A place between the values of a line of the mask: the value before it, which may be outside, and the weights of that and the next.
struct Place {
    before: isize,
    weights: [f32; 2],
}

/// The pixels of one side of the image that the mask reaches, and their places in it.
struct Line {
    pixels: Range<usize>,
    places: Vec<Place>,
}

impl Line {
    fn new(start: f32, end: f32, side: usize, pixels: usize) -> Self {
        // Half a value beyond the box everything is zero; a pixel more is for rounding.
        let margin = (end - start) / (2 * side) as f32 + 1.0;
        // Casts to unsigned integers stop at zero.
        let first = ((start - margin).floor() as usize).min(pixels);
        let last = ((end + margin).ceil() as usize).clamp(first, pixels);
        let place = |pixel: usize| {
            // Each step as PyTorch takes it, in single precision.
            let centre = pixel as f32 + 0.5;
            let unit = (centre - start) / (end - start) * 2.0 - 1.0;
            let place = ((unit + 1.0) * side as f32 - 1.0) / 2.0;
            let before = place.floor();
            Place {
                before: before as isize,
                weights: [before + 1.0 - place, place - before],
            }
        };
        Self {
            pixels: first..last,
            places: (first..last).map(place).collect(),
        }
    }
}

fn sample(mask: &[f32], side: usize, across: &Place, down: &Place) -> f32 {
    let value = |row: isize, column: isize| {
        let row = usize::try_from(row).ok().filter(|row| *row < side);
        let column = usize::try_from(column).ok().filter(|column| *column < side);
        row.zip(column).map_or(0.0, |(r, c)| mask[r * side + c])
    };
    let (row, column) = (down.before, across.before);
    let [left, right] = across.weights;
    let [upper, lower] = down.weights;
    value(row, column) * (left * upper)
        + value(row, column + 1) * (right * upper)
        + value(row + 1, column) * (left * lower)
        + value(row + 1, column + 1) * (right * lower)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hotcoco::mask::{area, to_bbox};

    use super::*;

    #[test]
    fn a_full_mask_covers_the_pixels_whose_centres_are_in_the_box() {
        let full = [1.0; 16];
        let bounds = BoundingBox::new(2.0, 1.0, 6.0, 8.0);
        let code = paste(&full, 4, bounds, (10, 9), MASK_THRESHOLD).unwrap();
        assert_eq!((code.w, code.h), (10, 9));
        assert_eq!(to_bbox(&code), [2.0, 1.0, 4.0, 7.0]);
        assert_eq!(area(&code), 28);
    }

    #[test]
    fn boxes_may_reach_outside_and_may_be_empty() {
        let full = [1.0; 16];
        let count = |bounds| area(&paste(&full, 4, bounds, (10, 9), MASK_THRESHOLD).unwrap());
        assert_eq!(count(BoundingBox::new(-50.0, -50.0, 50.0, 50.0)), 90);
        assert_eq!(count(BoundingBox::new(-4.0, -4.0, 2.0, 3.0)), 6);
        assert_eq!(count(BoundingBox::new(50.0, 50.0, 60.0, 60.0)), 0);
        assert_eq!(count(BoundingBox::new(-9.0, -9.0, -2.0, -2.0)), 0);
        assert_eq!(count(BoundingBox::new(3.0, 3.0, 3.0, 5.0)), 0);
        assert_eq!(count(BoundingBox::new(6.0, 3.0, 3.0, 5.0)), 0);
        assert_eq!(count(BoundingBox::new(f32::NAN, 0.0, 3.0, 5.0)), 0);
    }

    #[test]
    fn images_without_pixels_and_of_too_many_are_no_panic() {
        let full = [1.0; 16];
        let bounds = BoundingBox::new(0.0, 0.0, 5.0, 5.0);
        assert_eq!(area(&paste(&full, 4, bounds, (0, 7), 0.5).unwrap()), 0);
        assert!(paste(&full, 4, bounds, (1 << 20, 1 << 20), 0.5).is_err());
    }
}
