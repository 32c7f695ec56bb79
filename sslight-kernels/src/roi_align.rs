//! RoIAlign (He et al., 2017, section 3): values of a map at the bins of a region, whose corners are not rounded.
//!
//! A bin is the mean over samples on a regular grid within it, each interpolated between the four cells around it. Both
//! the grid and the interpolation are products of one axis by the other, hence so are the weights of the cells of a bin:
//! an [`Axis`] has those of one.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::backend::Backend;
use crate::stock::{primitive, tensor};

/// More samples on a side of a bin than this are none: what the reference's integers hold.
const LARGEST_GRID: f32 = i32::MAX as f32;

/// A region of the images of a batch, in pixels of the images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// The index of the image.
    pub image: usize,
    /// `x0, y0, x1, y1`; pixel `i` reaches from `i` to `i + 1`.
    pub corners: [f32; 4],
}

impl Region {
    /// Top and bottom.
    pub(crate) fn vertical(&self) -> [f32; 2] {
        [self.corners[1], self.corners[3]]
    }

    /// Left and right.
    pub(crate) fn horizontal(&self) -> [f32; 2] {
        [self.corners[0], self.corners[2]]
    }
}

/// How regions are sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoiAlignOptions {
    /// Bins on a side of a region.
    pub output: usize,
    /// Cells of the map for a pixel of the image: 1 / stride.
    pub spatial_scale: f32,
    /// Samples on a side of a bin; without, as many as it has cells of the map, rounded up.
    pub sampling_ratio: Option<usize>,
}

/// The bins of regions, the mean over samples between the cells of a map (He et al., 2017, section 3):
/// `torchvision.ops.roi_align` with `aligned=True`.
///
/// In cells of the map, a region begins at `x0 * spatial_scale - 0.5`, so that integers are the centres of cells. Samples
/// up to a cell away from the map take the value at its border; those further out are 0, and count in the mean.
/// Without a sampling ratio, a region of no size has no samples, and so has one with corners that are no numbers, infinite
/// or apart by more than `i32::MAX` cells a bin: its bins are 0. With one, samples at no number or at infinity are 0.
///
/// Gradients flow to the features, not to the corners. Not-a-number within a region may reach all of its bins.
///
/// # Shapes
/// features `[b, c, h, w]` to `[regions, c, output, output]`; no regions give a tensor without values.
///
/// # Panics
/// If a region is of an image outside the batch, or bins, samples or features are none.
pub fn roi_align<B: Backend>(
    features: Tensor<B, 4>,
    regions: &[Region],
    options: RoiAlignOptions,
) -> Tensor<B, 4> {
    let dims = features.dims();
    assert!(
        !dims.contains(&0) && options.output > 0 && options.sampling_ratio != Some(0),
        "roi_align: features {dims:?} or {options:?} ask for nothing"
    );
    if let Some((index, region)) = regions.iter().enumerate().find(|(_, r)| r.image >= dims[0]) {
        panic!(
            "roi_align: region {index} is of image {}, but there are {}",
            region.image, dims[0]
        );
    }
    tensor(B::roi_align_forward(primitive(features), regions, options))
}

/// What a cell counts in a bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tap {
    /// The cell along the axis.
    pub(crate) cell: usize,
    /// Never 0.
    pub(crate) weight: f64,
}

/// The weights of the cells of one axis in the bins of a region.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    taps: Vec<Tap>,
    /// Where the taps of each bin end.
    ends: Vec<usize>,
}

impl Axis {
    /// Of a region from one pixel to another, on a map of so many cells.
    pub(crate) fn new(pixels: [f32; 2], cells: usize, options: RoiAlignOptions) -> Self {
        let RoiAlignOptions {
            output,
            spatial_scale,
            sampling_ratio,
        } = options;
        let mut axis = Self {
            taps: Vec::new(),
            ends: vec![0; output],
        };
        let grid = match sampling_ratio {
            Some(ratio) => ratio as f64,
            None => {
                // Rounded as in the reference: at the edge to one more sample, another rounding is another mean.
                let [start, end] = pixels.map(|pixel| pixel * spatial_scale - 0.5);
                let grid = ((end - start) / output as f32).ceil();
                // Not-a-number fails too.
                if !(1.0..=LARGEST_GRID).contains(&grid) {
                    return axis;
                }
                f64::from(grid)
            }
        };
        // In f64, for regions so large that f32 would move their samples.
        let [start, end] = pixels.map(|pixel| f64::from(pixel) * f64::from(spatial_scale) - 0.5);
        let bin_size = (end - start) / output as f64;
        let mut weights = vec![0.0; cells];
        for (bin, taps_end) in axis.ends.iter_mut().enumerate() {
            let bin_start = start + bin as f64 * bin_size;
            let mut touched = cells..0;
            for sample in samples_near(bin_start, bin_size / grid, grid, cells) {
                let position = bin_start + (sample as f64 + 0.5) * bin_size / grid;
                let Some(between) = neighbours(position, cells) else {
                    continue;
                };
                for (cell, share) in between {
                    weights[cell] += share;
                    touched = touched.start.min(cell)..touched.end.max(cell + 1);
                }
            }
            for cell in touched {
                let weight = std::mem::take(&mut weights[cell]) / grid;
                if weight > 0.0 {
                    axis.taps.push(Tap { cell, weight });
                }
            }
            *taps_end = axis.taps.len();
        }
        axis
    }

    /// The cells of a bin, in order.
    pub(crate) fn bin(&self, bin: usize) -> &[Tap] {
        let start = bin.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.taps[start..self.ends[bin]]
    }

    /// The cells of all bins, with what lies between them.
    pub(crate) fn cells(&self) -> Range<usize> {
        let cells = || self.taps.iter().map(|tap| tap.cell);
        match (cells().min(), cells().max()) {
            (Some(first), Some(last)) => first..last + 1,
            _ => 0..0,
        }
    }
}

/// The samples of a bin that are on the map, or almost: most of those of a region far larger than the map are not, and
/// there may be billions of them.
fn samples_near(bin_start: f64, step: f64, grid: f64, cells: usize) -> Range<u64> {
    if step == 0.0 {
        return 0..grid as u64;
    }
    let at = |position: f64| (position - bin_start) / step - 0.5;
    let (low, high) = (at(-1.0), at(cells as f64));
    // A region may be upside down.
    let (low, high) = (low.min(high), low.max(high));
    let first = (low.floor() - 1.0).clamp(0.0, grid);
    let end = (high.ceil() + 2.0).clamp(0.0, grid);
    // Not-a-number becomes 0.
    first as u64..end as u64
}

/// The two cells around a position with their shares, or `None` outside the map.
fn neighbours(position: f64, cells: usize) -> Option<[(usize, f64); 2]> {
    // Not-a-number is nowhere.
    if !(-1.0..=cells as f64).contains(&position) {
        return None;
    }
    let position = position.max(0.0);
    let last = cells - 1;
    let low = (position as usize).min(last);
    let high_share = if low == last {
        0.0
    } else {
        position - low as f64
    };
    Some([(low, 1.0 - high_share), ((low + 1).min(last), high_share)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: RoiAlignOptions = RoiAlignOptions {
        output: 2,
        spatial_scale: 1.0,
        sampling_ratio: None,
    };

    fn bins(axis: &Axis) -> Vec<Vec<(usize, f64)>> {
        let bin = |bin: usize| axis.bin(bin).iter().map(|tap| (tap.cell, tap.weight));
        (0..axis.ends.len()).map(|b| bin(b).collect()).collect()
    }

    #[test]
    fn bins_of_two_whole_cells_are_their_means() {
        let axis = Axis::new([1.0, 5.0], 6, OPTIONS);
        let want = [vec![(1, 0.5), (2, 0.5)], vec![(3, 0.5), (4, 0.5)]];
        assert_eq!(bins(&axis), want);
        assert_eq!(axis.cells(), 1..5);
    }

    #[test]
    fn samples_beyond_the_map_count_but_are_zero() {
        // Samples at -3, -2 | -1, 0.
        let axis = Axis::new([-3.0, 1.0], 6, OPTIONS);
        assert_eq!(bins(&axis), [vec![], vec![(0, 1.0)]]);
        // Samples at 5, 6 | 7, 8: the second is the last that takes the border.
        let axis = Axis::new([5.0, 9.0], 6, OPTIONS);
        assert_eq!(bins(&axis), [vec![(5, 1.0)], vec![]]);
    }

    #[test]
    fn what_has_no_size_or_is_no_number_has_no_samples() {
        let (nan, infinity) = (f32::NAN, f32::INFINITY);
        for pixels in [
            [2.0, 2.0],
            [3.0, 2.0],
            [nan, 2.0],
            [2.0, nan],
            [2.0, infinity],
            [-infinity, 2.0],
            [-infinity, infinity],
            [infinity, infinity],
            [f32::MIN, f32::MAX],
            [0.0, 1e30],
        ] {
            let axis = Axis::new(pixels, 6, OPTIONS);
            assert_eq!(bins(&axis), [vec![], vec![]], "{pixels:?}");
            assert!(axis.cells().is_empty());
        }
        let fixed = RoiAlignOptions {
            sampling_ratio: Some(2),
            ..OPTIONS
        };
        for pixels in [[nan, 2.0], [2.0, nan], [-infinity, infinity]] {
            assert_eq!(bins(&Axis::new(pixels, 6, fixed)), [vec![], vec![]]);
        }
        let [first, second]: [Vec<(usize, f64)>; 2] =
            [0, 1].map(|bin| bins(&Axis::new([2.5, 2.5], 6, fixed))[bin].clone());
        assert_eq!([first, second], [vec![(2, 1.0)], vec![(2, 1.0)]]);
    }

    #[test]
    fn only_the_samples_of_a_huge_region_that_meet_the_map_are_walked_over() {
        // A thousand million samples a bin, eight of which are together on the map or within a cell of it.
        let axis = Axis::new([-1e9, 1e9], 6, OPTIONS);
        let total: f64 = axis.taps.iter().map(|tap| tap.weight).sum();
        assert!((total - 8e-9).abs() < 1e-12, "{total}");
        let near = samples_near(-1e9, 1.0, 1e9, 6);
        assert!(near.end - near.start < 20, "{near:?}");
    }

    #[test]
    fn no_sample_on_the_map_is_left_out() {
        for (bin_start, bin_size, grid) in [
            (-20.0, 40.0, 40.0),
            (-20.3, 37.7, 13.0),
            (30.0, -50.0, 20.0),
            (2.0, 0.0, 3.0),
            (-1.0, 0.0, 3.0),
            (-1.5, 1.0, 1.0),
            (-9.0, 1.0, 2.0),
            (5.9, 0.2, 4.0),
        ] {
            let near = samples_near(bin_start, bin_size / grid, grid, 6);
            for sample in 0..grid as u64 {
                let position = bin_start + (sample as f64 + 0.5) * bin_size / grid;
                let inside = neighbours(position, 6).is_some();
                assert!(
                    !inside || near.contains(&sample),
                    "{bin_start} {bin_size} {grid}: {sample}"
                );
            }
        }
    }
}
