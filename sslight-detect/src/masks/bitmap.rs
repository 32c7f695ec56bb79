//! A mask of pixels.

use hotcoco::Rle;
use hotcoco::mask::decode;

use crate::geometry::BoundingBox;

/// A mask as pixels, of an image that may have been scaled since: the pixels stay as they were, so that nothing is lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Bitmap {
    /// Columns of `samples`.
    width: usize,
    /// Rows of `samples`.
    height: usize,
    /// 0 or 1, column by column from the left, each from the top.
    samples: Vec<u8>,
    /// Pixels of `samples` for one of the image, across and down.
    per_pixel: (f32, f32),
}

impl Bitmap {
    /// The pixels of a run-length code.
    pub fn new(code: &Rle) -> Self {
        Self {
            width: code.w as usize,
            height: code.h as usize,
            samples: decode(code),
            per_pixel: (1.0, 1.0),
        }
    }

    /// The mask in the mirror image.
    pub fn mirrored(mut self) -> Self {
        if self.height > 0 {
            let columns = self.samples.chunks_exact(self.height).rev();
            self.samples = columns.flatten().copied().collect();
        }
        self
    }

    /// The mask in an image whose sides are `x` and `y` times as long.
    pub fn scaled(mut self, x: f32, y: f32) -> Self {
        self.per_pixel = (self.per_pixel.0 / x, self.per_pixel.1 / y);
        self
    }

    /// The share of the mask in each of `side` x `side` cells of a box, from the top, 1 where it is at least a half and 0 elsewhere.
    ///
    /// As `RoIAlign` (He et al., 2017) with aligned corners: a cell is the mean of bilinear samples, one a pixel across and down.
    pub(super) fn target(&self, bounds: BoundingBox, side: usize) -> Vec<f32> {
        let bounds = bounds.scaled(self.per_pixel.0, self.per_pixel.1);
        let across = Samples::new(bounds.x0, bounds.width(), side, self.width);
        let down = Samples::new(bounds.y0, bounds.height(), side, self.height);
        let count = (across.each * down.each) as f32;
        let mut target = Vec::with_capacity(side * side);
        for row in 0..side {
            for column in 0..side {
                let mut sum = 0.0;
                for &y in down.of(row) {
                    for &x in across.of(column) {
                        sum += self.sample(x, y);
                    }
                }
                target.push(f32::from(u8::from(sum / count >= 0.5)));
            }
        }
        target
    }

    /// The bilinear sample between four pixels, of which two lie in a row or column.
    fn sample(&self, x: Option<Between>, y: Option<Between>) -> f32 {
        let (Some(x), Some(y)) = (x, y) else {
            return 0.0;
        };
        let at = |column: usize, row: usize| f32::from(self.samples[column * self.height + row]);
        let upper = (1.0 - x.share) * at(x.low, y.low) + x.share * at(x.high, y.low);
        let lower = (1.0 - x.share) * at(x.low, y.high) + x.share * at(x.high, y.high);
        (1.0 - y.share) * upper + y.share * lower
    }
}

/// A place between two pixels of a line.
#[derive(Clone, Copy, Debug)]
struct Between {
    low: usize,
    high: usize,
    /// How much the higher one counts.
    share: f32,
}

/// The places of all samples along one side of a box.
struct Samples {
    places: Vec<Option<Between>>,
    /// Samples a cell.
    each: usize,
}

impl Samples {
    fn new(start: f32, length: f32, side: usize, pixels: usize) -> Self {
        let cell = length / side as f32;
        let each = (cell.ceil() as usize).max(1);
        let place = |index: usize| {
            let (of_cell, of_sample) = ((index / each) as f32, (index % each) as f32);
            let offset = of_cell * cell + (of_sample + 0.5) * cell / each as f32;
            // Pixels are where their centres are.
            between(start - 0.5 + offset, pixels)
        };
        Self {
            places: (0..side * each).map(place).collect(),
            each,
        }
    }

    fn of(&self, cell: usize) -> &[Option<Between>] {
        &self.places[cell * self.each..(cell + 1) * self.each]
    }
}

/// The pixels beside a place; `None` more than a pixel outside the line.
fn between(place: f32, pixels: usize) -> Option<Between> {
    if pixels == 0 || !(-1.0..=pixels as f32).contains(&place) {
        return None;
    }
    let place = place.max(0.0);
    let low = place as usize;
    if low + 1 >= pixels {
        let last = pixels - 1;
        return Some(Between {
            low: last,
            high: last,
            share: 0.0,
        });
    }
    Some(Between {
        low,
        high: low + 1,
        share: place - low as f32,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hotcoco::mask::encode;

    use super::*;

    /// 4 rows, 6 columns, of which the first two are set.
    fn left_third() -> Bitmap {
        let samples: Vec<u8> = (0..24).map(|i| u8::from(i < 8)).collect();
        Bitmap::new(&encode(&samples, 4, 6).unwrap())
    }

    #[test]
    fn a_target_is_the_mask_inside_the_box() {
        let target = left_third().target(BoundingBox::new(0.0, 0.0, 6.0, 4.0), 2);
        // The left cell covers three columns, of which two are set.
        assert_eq!(target, [1.0, 0.0, 1.0, 0.0]);
        let mirrored = left_third().mirrored();
        let target = mirrored.target(BoundingBox::new(0.0, 0.0, 6.0, 4.0), 2);
        assert_eq!(target, [0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn a_scaled_mask_has_the_same_target_in_the_scaled_box() {
        let bounds = BoundingBox::new(1.0, 0.5, 5.0, 3.5);
        let scaled = left_third().scaled(2.5, 0.5);
        assert_eq!(
            scaled.target(bounds.scaled(2.5, 0.5), 7),
            left_third().target(bounds, 7)
        );
    }

    #[test]
    fn boxes_outside_and_without_area_are_empty_or_flat() {
        let far = BoundingBox::new(50.0, 50.0, 60.0, 60.0);
        assert!(left_third().target(far, 3).iter().all(|v| *v == 0.0));
        let point = BoundingBox::new(1.0, 1.0, 1.0, 1.0);
        assert!(left_third().target(point, 3).iter().all(|v| *v == 1.0));
        let empty = Bitmap::new(&encode(&[], 0, 0).unwrap());
        assert_eq!(empty.target(point, 1), [0.0]);
    }
}
