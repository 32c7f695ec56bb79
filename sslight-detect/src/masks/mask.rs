//! The mask of an object, whatever it was annotated as.

use hotcoco::Segmentation;
use hotcoco::mask::{decode, fr_polys};

use super::Bitmap;
use crate::annotations::is_polygon;
use crate::geometry::BoundingBox;

/// Sides of boxes count as this many pixels at least.
const SHORTEST: f32 = 0.1;

/// The mask of an object, in pixels of an image that it can be scaled and mirrored with.
#[derive(Clone, Debug, PartialEq)]
pub enum Mask {
    /// The union of polygons, each a list of x and y in turn.
    Polygons(Vec<Vec<f64>>),
    /// Pixels.
    Bitmap(Bitmap),
}

impl Mask {
    /// The mask that an annotation describes; `None` without a polygon of three points.
    ///
    /// # Errors
    /// If a run-length code is broken.
    pub fn new(segmentation: &Segmentation) -> Result<Option<Self>, hotcoco::Error> {
        if let Some(code) = segmentation.rle_ref() {
            return Ok(Some(Self::Bitmap(Bitmap::new(&code.to_rle()?))));
        }
        let polygons: Vec<Vec<f64>> = segmentation
            .polygons()
            .unwrap_or_default()
            .iter()
            .filter(|polygon| is_polygon(polygon))
            .cloned()
            .collect();
        Ok((!polygons.is_empty()).then_some(Self::Polygons(polygons)))
    }

    /// The mask in the mirror image of an image of `width`.
    pub fn mirrored(self, width: f32) -> Self {
        match self {
            Self::Polygons(polygons) => {
                let width = f64::from(width);
                Self::Polygons(mapped(polygons, |x, y| (width - x, y)))
            }
            Self::Bitmap(bitmap) => Self::Bitmap(bitmap.mirrored()),
        }
    }

    /// The mask in an image whose sides are `x` and `y` times as long.
    pub fn scaled(self, x: f32, y: f32) -> Self {
        match self {
            Self::Polygons(polygons) => {
                let (along, down) = (f64::from(x), f64::from(y));
                Self::Polygons(mapped(polygons, |x, y| (x * along, y * down)))
            }
            Self::Bitmap(bitmap) => Self::Bitmap(bitmap.scaled(x, y)),
        }
    }

    /// What the mask head is to answer for a box: `side` x `side` values, 0 or 1, row by row.
    ///
    /// Polygons are moved and scaled to the box and rasterised at `side` x `side`, as detectron2's `PolygonMasks.crop_and_resize`
    /// does; a bitmap is averaged over each cell as by its `BitMasks.crop_and_resize`.
    ///
    /// # Errors
    /// If `side` x `side` is beyond what a run-length code can hold (65 535 is not).
    pub fn target(&self, bounds: BoundingBox, side: usize) -> Result<Vec<f32>, hotcoco::Error> {
        let polygons = match self {
            Self::Bitmap(bitmap) => return Ok(bitmap.target(bounds, side)),
            Self::Polygons(polygons) => polygons,
        };
        // The sides are differences of single numbers, everything after them is double: a point on the border of a cell falls
        // where it falls in detectron2.
        let ratio = |length: f32| side as f64 / f64::from(length.max(SHORTEST));
        let (along, down) = (ratio(bounds.width()), ratio(bounds.height()));
        let (left, top) = (f64::from(bounds.x0), f64::from(bounds.y0));
        let moved = mapped(polygons.clone(), |x, y| {
            ((x - left) * along, (y - top) * down)
        });
        let cells = u32::try_from(side).unwrap_or(u32::MAX);
        let columns = decode(&fr_polys(&moved, cells, cells)?);
        let at = |index: usize| f32::from(columns[(index % side) * side + index / side]);
        Ok((0..side * side).map(at).collect())
    }
}

/// As [`Mask::target`], straight from an annotation; all 0 if it has no usable polygon. For many boxes of one object, make a [`Mask`]
/// once.
///
/// # Errors
/// If a run-length code is broken.
pub fn mask_target(
    segmentation: &Segmentation,
    bounds: BoundingBox,
    side: usize,
) -> Result<Vec<f32>, hotcoco::Error> {
    match Mask::new(segmentation)? {
        Some(mask) => mask.target(bounds, side),
        None => Ok(vec![0.0; side * side]),
    }
}

/// Polygons with every point moved.
fn mapped(mut polygons: Vec<Vec<f64>>, to: impl Fn(f64, f64) -> (f64, f64)) -> Vec<Vec<f64>> {
    for polygon in &mut polygons {
        for [x, y] in polygon.as_chunks_mut::<2>().0 {
            (*x, *y) = to(*x, *y);
        }
    }
    polygons
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A rectangle as a polygon.
    fn rectangle(x0: f64, y0: f64, x1: f64, y1: f64) -> Vec<f64> {
        vec![x0, y0, x1, y0, x1, y1, x0, y1]
    }

    #[test]
    fn overlapping_polygons_are_one_mask() {
        let both = Mask::Polygons(vec![
            rectangle(0.0, 0.0, 6.0, 8.0),
            rectangle(4.0, 0.0, 8.0, 4.0),
        ]);
        let target = both
            .target(BoundingBox::new(0.0, 0.0, 8.0, 8.0), 4)
            .unwrap();
        #[rustfmt::skip]
        assert_eq!(target, [
            1., 1., 1., 1.,
            1., 1., 1., 1.,
            1., 1., 1., 0.,
            1., 1., 1., 0.,
        ]);
    }

    #[test]
    fn a_target_follows_its_mask_when_the_image_is_scaled_and_mirrored() {
        let mask = Mask::Polygons(vec![vec![2.0, 1.0, 9.0, 3.0, 4.0, 8.0]]);
        let bounds = BoundingBox::new(1.0, 1.0, 9.0, 9.0);
        let plain = mask.target(bounds, 28).unwrap();
        let scaled = mask.clone().scaled(2.0, 4.0);
        assert_eq!(scaled.target(bounds.scaled(2.0, 4.0), 28).unwrap(), plain);
        let mirrored = mask.mirrored(20.0);
        let target = mirrored.target(bounds.mirrored(20.0), 28).unwrap();
        let turned: Vec<f32> = target
            .chunks(28)
            .flat_map(|row| row.iter().rev().copied())
            .collect();
        // The rasteriser rounds to the right, so that borders may differ by a cell.
        let apart = turned.iter().zip(&plain).filter(|(a, b)| a != b).count();
        assert!(apart <= 28, "{apart}");
    }

    #[test]
    fn a_box_without_sides_gives_a_target_and_no_panic() {
        let mask = Mask::Polygons(vec![rectangle(0.0, 0.0, 8.0, 8.0)]);
        for bounds in [
            BoundingBox::new(2.0, 2.0, 2.0, 2.0),
            BoundingBox::new(5.0, 5.0, 1.0, 1.0),
            BoundingBox::new(1e9, 1e9, 2e9, 2e9),
            BoundingBox::new(f32::NAN, 0.0, 4.0, f32::INFINITY),
        ] {
            assert_eq!(mask.target(bounds, 28).unwrap().len(), 784);
        }
        assert!(mask.target(BoundingBox::default(), 0).unwrap().is_empty());
    }

    #[test]
    fn annotations_without_a_polygon_have_no_mask() {
        let of = |polygons| Mask::new(&Segmentation::Polygon(polygons)).unwrap();
        assert_eq!(of(vec![]), None);
        assert_eq!(of(vec![vec![1.0, 2.0, 3.0, 4.0]]), None);
        assert_eq!(of(vec![vec![1.0, 2.0, 3.0, f64::NAN, 5.0, 6.0]]), None);
        let good = rectangle(0.0, 0.0, 1.0, 1.0);
        assert_eq!(
            of(vec![vec![1.0, 2.0], good.clone()]),
            Some(Mask::Polygons(vec![good]))
        );
    }

    #[test]
    fn a_broken_code_is_an_error() {
        let broken = Segmentation::UncompressedRle {
            size: [2, 2],
            counts: vec![1, 9],
        };
        assert!(mask_target(&broken, BoundingBox::new(0.0, 0.0, 2.0, 2.0), 4).is_err());
    }
}
