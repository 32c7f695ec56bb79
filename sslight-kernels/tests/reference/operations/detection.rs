//! What detectors do with regions.

use sslight_kernels::{Region, RoiAlignOptions};

use super::*;

/// RoIAlign, sample by sample.
#[derive(Debug, Clone)]
pub struct RoiAlign {
    /// Of the features, `[b, c, h, w]`.
    pub dims: [usize; 4],
    pub regions: Vec<Region>,
    pub options: RoiAlignOptions,
}

impl RoiAlign {
    /// What bins are made of: for each bin `[y, x]` of a region, the cells that its samples are interpolated between, as
    /// indices into a map of rows, with their weights; some more than once.
    pub fn cells(&self, region: &Region) -> Vec<Vec<(usize, f64)>> {
        let [_, _, height, width] = self.dims;
        let output = self.options.output;
        let scale = f64::from(self.options.spatial_scale);
        let [x0, y0, x1, y1] = region.corners.map(|corner| f64::from(corner) * scale - 0.5);
        let [bin_height, bin_width] = [y1 - y0, x1 - x0].map(|size| size / output as f64);
        let grid = |bin: f64| match self.options.sampling_ratio {
            Some(ratio) => ratio,
            // A negative number becomes 0.
            None => bin.ceil() as usize,
        };
        let (grid_height, grid_width) = (grid(bin_height), grid(bin_width));
        let count = (grid_height * grid_width).max(1) as f64;
        let mut bins = Vec::new();
        for bin_y in 0..output {
            for bin_x in 0..output {
                let mut cells = Vec::new();
                for sample_y in 0..grid_height {
                    for sample_x in 0..grid_width {
                        let at = |start: f64, bin: usize, size: f64, sample: usize, grid: usize| {
                            start + bin as f64 * size + (sample as f64 + 0.5) * size / grid as f64
                        };
                        let y = at(y0, bin_y, bin_height, sample_y, grid_height);
                        let x = at(x0, bin_x, bin_width, sample_x, grid_width);
                        for (index, weight) in interpolated([height, width], y, x) {
                            cells.push((index, weight / count));
                        }
                    }
                }
                bins.push(cells);
            }
        }
        bins
    }
}

/// The cells around a point that count, with their weights.
fn interpolated([height, width]: [usize; 2], y: f64, x: f64) -> Vec<(usize, f64)> {
    let outside = |at: f64, size: usize| at < -1.0 || at > size as f64;
    if outside(y, height) || outside(x, width) {
        return Vec::new();
    }
    let around = |at: f64, size: usize| {
        let at = at.max(0.0);
        let low = at as usize;
        if low >= size - 1 {
            return [(size - 1, 1.0), (size - 1, 0.0)];
        }
        let above = at - low as f64;
        [(low, 1.0 - above), (low + 1, above)]
    };
    let mut cells = Vec::new();
    for (row, row_weight) in around(y, height) {
        for (column, column_weight) in around(x, width) {
            let weight = row_weight * column_weight;
            // Not-a-number in a cell that does not count does not either.
            if weight != 0.0 {
                cells.push((row * width + column, weight));
            }
        }
    }
    cells
}

impl Operation for RoiAlign {
    fn operands(&self) -> Vec<Operand> {
        vec![operand("features", &self.dims, UNEVEN)]
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        let [_, channels, height, width] = self.dims;
        let map_len = height * width;
        let mut values = Vec::new();
        for region in &self.regions {
            let bins = self.cells(region);
            for channel in 0..channels {
                let map = &operands[0][(region.image * channels + channel) * map_len..][..map_len];
                values.extend(bins.iter().map(|cells| {
                    N::sum(
                        cells
                            .iter()
                            .map(|(cell, weight)| map[*cell] * N::constant(*weight)),
                    )
                }));
            }
        }
        vec![values]
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let features = shaped(&operands[0], self.dims);
        vec![flat(kernels::roi_align(
            features,
            &self.regions,
            self.options,
        ))]
    }

    /// Vectors of bins are products with all columns of a region.
    fn may_spread(&self) -> bool {
        true
    }
}
