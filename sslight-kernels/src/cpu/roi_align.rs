//! RoIAlign: the cells of a region contracted along one axis, then along the other.
//!
//! A task has some channels of one image and goes over the regions of that image in order, so that a map is read from the
//! cache, and gradients are summed in one order. Rows, of which a bin has a few, are sums of weighted lines; columns,
//! whose bins are narrower than a vector, are products with small matrices of their weights.

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::unset;
use super::disjoint::Disjoint;
use super::simd::{Kernel, dispatch, mul_add};
use crate::roi_align::{Axis, Region, RoiAlignOptions};

/// Channels of a task: their maps share the weights of a region, and should fit the cache of a core.
const CHANNELS: usize = 4;

/// Bins or cells that are computed together.
const LANES: usize = 8;

/// Cells of a line that are computed together where it is as long.
const WIDE: usize = 32;

/// Rows of bins that are computed together: their sums wait for each other less. Two of them are 14, the bins of masks.
const ROWS: usize = 7;

/// What a line of the map counts in a row of bins.
#[derive(Debug, Clone, Copy)]
struct RowTap {
    bin: usize,
    row: usize,
    weight: f32,
}

/// The columns of a vector of bins.
#[derive(Debug)]
struct BinColumns {
    /// Where the first one is in a line.
    start: usize,
    /// Of each column, the weights in the bins.
    weights: Vec<[f32; LANES]>,
}

/// The bins of a vector of columns.
#[derive(Debug)]
struct ColumnBins {
    first: usize,
    /// Of each bin, the weights of the columns.
    weights: Vec<[f32; LANES]>,
}

/// The weights of a region, in the order that loops read them.
#[derive(Debug)]
struct Plan {
    /// The index among all regions.
    region: usize,
    image: usize,
    /// By bin, then by row.
    rows_of_bins: Vec<RowTap>,
    /// By row, then by bin.
    bins_of_rows: Vec<RowTap>,
    /// The columns of lines, which are whole vectors where the map is as wide; some count in no bin.
    columns: Range<usize>,
    /// The columns of lines that count.
    used: Range<usize>,
    bin_columns: Vec<BinColumns>,
    column_bins: Vec<ColumnBins>,
}

impl Plan {
    fn new(
        (region, at): (usize, &Region),
        [height, width]: [usize; 2],
        options: RoiAlignOptions,
    ) -> Self {
        let output = options.output;
        let rows = Axis::new(at.vertical(), height, options);
        let columns = Axis::new(at.horizontal(), width, options);
        let cells = columns.cells();
        let mut rows_of_bins = Vec::new();
        for bin in 0..output {
            rows_of_bins.extend(rows.bin(bin).iter().map(|tap| RowTap {
                bin,
                row: tap.cell,
                weight: tap.weight as f32,
            }));
        }
        let mut bins_of_rows = rows_of_bins.clone();
        bins_of_rows.sort_by_key(|tap| tap.row);
        // A line is read beyond its region rather than in single cells.
        let whole = cells.len().next_multiple_of(LANES);
        let start = cells.start.min(width.saturating_sub(whole));
        let lines = start..(start + whole).min(width);
        let used = cells.start - start..cells.end - start;
        Self {
            region,
            image: at.image,
            rows_of_bins,
            bins_of_rows,
            bin_columns: bin_columns(&columns, output, start),
            column_bins: column_bins(&columns, output, start, whole),
            columns: lines,
            used,
        }
    }

    /// The length of a line in whole vectors.
    fn line_len(&self) -> usize {
        self.columns.len().next_multiple_of(LANES)
    }
}

/// For each vector of bins, the weights of the columns that count in any of them; lines begin at `start`.
fn bin_columns(columns: &Axis, output: usize, start: usize) -> Vec<BinColumns> {
    let vectors = (0..output).step_by(LANES);
    let of_vector = |first: usize| {
        let bins = first..(first + LANES).min(output);
        let cells = || bins.clone().flat_map(|bin| columns.bin(bin));
        let low = cells().map(|tap| tap.cell).min().unwrap_or(start);
        let end = cells().map(|tap| tap.cell + 1).max().unwrap_or(low);
        let mut weights = vec![[0.0; LANES]; end - low];
        for bin in bins {
            for tap in columns.bin(bin) {
                weights[tap.cell - low][bin - first] = tap.weight as f32;
            }
        }
        BinColumns {
            start: low - start,
            weights,
        }
    };
    vectors.map(of_vector).collect()
}

/// For each vector of columns of a line of so many, the weights in the bins that any of them counts in.
fn column_bins(columns: &Axis, output: usize, start: usize, len: usize) -> Vec<ColumnBins> {
    let mut vectors: Vec<ColumnBins> = Vec::new();
    vectors.resize_with(len / LANES, || ColumnBins {
        first: 0,
        weights: Vec::new(),
    });
    for bin in 0..output {
        for tap in columns.bin(bin) {
            let column = tap.cell - start;
            let vector = &mut vectors[column / LANES];
            if vector.weights.is_empty() {
                vector.first = bin;
            }
            vector.weights.resize(bin - vector.first + 1, [0.0; LANES]);
            vector.weights[bin - vector.first][column % LANES] = tap.weight as f32;
        }
    }
    vectors
}

/// The plans of all regions by image, those of an image in the order of the regions.
fn plans(
    regions: &[Region],
    [_, _, height, width]: [usize; 4],
    options: RoiAlignOptions,
) -> Vec<Plan> {
    let mut plans: Vec<Plan> = regions
        .par_iter()
        .enumerate()
        .map(|region| Plan::new(region, [height, width], options))
        .collect();
    plans.sort_by_key(|plan| plan.image);
    plans
}

/// Room for the lines of a region, a row of bins each.
fn lines_len(plans: &[Plan], output: usize) -> usize {
    let longest = plans.iter().map(Plan::line_len).max();
    longest.unwrap_or(0) * output
}

struct Forward<'a> {
    /// Those of one image.
    plans: &'a [Plan],
    side: usize,
    /// Some maps of that image.
    maps: &'a [f32],
    size: [usize; 2],
    channels: usize,
    first_channel: usize,
    output: &'a Disjoint<'a>,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let [height, width] = self.size;
        let mut lines = vec![0.0; lines_len(self.plans, self.side)];
        let bins_len = self.side * self.side;
        for plan in self.plans {
            let lines = &mut lines[..plan.line_len() * self.side];
            for (channel, map) in self.maps.chunks_exact(height * width).enumerate() {
                let map_index = plan.region * self.channels + self.first_channel + channel;
                let start = map_index * bins_len;
                // SAFETY: a region is in one plan, and a channel of an image in one task, which goes over its plans and
                // channels one after the other.
                let bins = unsafe { self.output.range(start..start + bins_len) };
                contract_rows::<FMA>(plan, map, width, lines);
                contract_columns::<FMA>(plan, lines, self.side, bins);
            }
        }
    }
}

/// `lines[bin] = sum_row weight map[row]` over the columns of the region.
#[inline(always)]
fn contract_rows<const FMA: bool>(plan: &Plan, map: &[f32], width: usize, lines: &mut [f32]) {
    let line_len = plan.line_len();
    if line_len == 0 {
        return;
    }
    let mut taps = plan.rows_of_bins.as_slice();
    for (bin, line) in lines.chunks_exact_mut(line_len).enumerate() {
        let of_bin;
        (of_bin, taps) = taps.split_at(taps.partition_point(|tap| tap.bin <= bin));
        let line = &mut line[..plan.columns.len()];
        let (wide, rest) = line.as_chunks_mut::<WIDE>();
        let mut start = plan.columns.start;
        for chunk in wide {
            *chunk = weighted_rows::<FMA, WIDE>(of_bin, map, width, start);
            start += WIDE;
        }
        let (chunks, rest) = rest.as_chunks_mut::<LANES>();
        for chunk in chunks {
            *chunk = weighted_rows::<FMA, LANES>(of_bin, map, width, start);
            start += LANES;
        }
        for value in rest {
            [*value] = weighted_rows::<FMA, 1>(of_bin, map, width, start);
            start += 1;
        }
    }
}

#[inline(always)]
fn weighted_rows<const FMA: bool, const N: usize>(
    taps: &[RowTap],
    map: &[f32],
    width: usize,
    column: usize,
) -> [f32; N] {
    let mut sums = [0.0; N];
    for tap in taps {
        let values = &map[tap.row * width + column..][..N];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum = mul_add::<FMA>(tap.weight, *value, *sum);
        }
    }
    sums
}

/// `bins[row][bin] = sum_column lines[row][column] weight`.
#[inline(always)]
fn contract_columns<const FMA: bool>(plan: &Plan, lines: &[f32], side: usize, bins: &mut [f32]) {
    let line_len = plan.line_len();
    for (vector, columns) in plan.bin_columns.iter().enumerate() {
        let mut row = 0;
        while row + ROWS <= side {
            let sums = weighted_columns::<FMA, ROWS>(columns, lines, line_len, row);
            store(sums, bins, side, row, vector);
            row += ROWS;
        }
        while row < side {
            let sums = weighted_columns::<FMA, 1>(columns, lines, line_len, row);
            store(sums, bins, side, row, vector);
            row += 1;
        }
    }
}

#[inline(always)]
fn weighted_columns<const FMA: bool, const N: usize>(
    columns: &BinColumns,
    lines: &[f32],
    line_len: usize,
    first_row: usize,
) -> [[f32; LANES]; N] {
    let mut sums = [[0.0; LANES]; N];
    let len = columns.weights.len();
    let lines: [&[f32]; N] =
        std::array::from_fn(|row| &lines[(first_row + row) * line_len + columns.start..][..len]);
    for (column, weights) in columns.weights.iter().enumerate() {
        for (sums, line) in sums.iter_mut().zip(lines) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = mul_add::<FMA>(line[column], *weight, *sum);
            }
        }
    }
    sums
}

/// Writes those lanes that are bins.
#[inline(always)]
fn store<const N: usize>(
    sums: [[f32; LANES]; N],
    bins: &mut [f32],
    side: usize,
    first_row: usize,
    vector: usize,
) {
    let start = vector * LANES;
    let len = LANES.min(side - start);
    for (row, sums) in sums.iter().enumerate() {
        let at = (first_row + row) * side + start;
        bins[at..at + len].copy_from_slice(&sums[..len]);
    }
}

/// The bins of all regions, `[regions, c, output, output]`, of features `dims`.
pub(crate) fn forward(
    dims: [usize; 4],
    features: &[f32],
    regions: &[Region],
    options: RoiAlignOptions,
) -> Vec<f32> {
    let [_, channels, height, width] = dims;
    let side = options.output;
    let plans = plans(regions, dims, options);
    let map_len = height * width;
    let mut bins = unset(regions.len() * channels * side * side);
    let output = Disjoint::new(&mut bins);
    let of_images: Vec<&[Plan]> = plans
        .chunk_by(|one, next| one.image == next.image)
        .collect();
    of_images.into_par_iter().for_each(|plans| {
        let maps = &features[plans[0].image * channels * map_len..][..channels * map_len];
        maps.par_chunks(CHANNELS * map_len)
            .enumerate()
            .for_each(|(task, maps)| {
                dispatch(Forward {
                    plans,
                    side,
                    maps,
                    size: [height, width],
                    channels,
                    first_channel: task * CHANNELS,
                    output: &output,
                });
            });
    });
    bins
}

struct Backward<'a> {
    /// Those of one image.
    plans: &'a [Plan],
    side: usize,
    /// The gradient for some maps of that image.
    maps: &'a mut [f32],
    size: [usize; 2],
    channels: usize,
    first_channel: usize,
    output_grad: &'a [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let [height, width] = self.size;
        let mut lines = vec![0.0; lines_len(self.plans, self.side)];
        let bins_len = self.side * self.side;
        for plan in self.plans {
            let lines = &mut lines[..plan.line_len() * self.side];
            for (channel, map) in self.maps.chunks_exact_mut(height * width).enumerate() {
                let map_index = plan.region * self.channels + self.first_channel + channel;
                let bins = &self.output_grad[map_index * bins_len..][..bins_len];
                spread_columns::<FMA>(plan, bins, self.side, lines);
                spread_rows::<FMA>(plan, lines, width, map);
            }
        }
    }
}

/// `lines[row][column] = sum_bin bins[row][bin] weight`.
#[inline(always)]
fn spread_columns<const FMA: bool>(plan: &Plan, bins: &[f32], side: usize, lines: &mut [f32]) {
    let line_len = plan.line_len();
    if line_len == 0 {
        return;
    }
    let rows = bins.chunks_exact(side);
    for (bins, line) in rows.zip(lines.chunks_exact_mut(line_len)) {
        let (vectors, _) = line.as_chunks_mut::<LANES>();
        for (values, columns) in vectors.iter_mut().zip(&plan.column_bins) {
            let mut sums = [0.0; LANES];
            let bins = &bins[columns.first..][..columns.weights.len()];
            for (grad, weights) in bins.iter().zip(&columns.weights) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum = mul_add::<FMA>(*grad, *weight, *sum);
                }
            }
            *values = sums;
        }
        // What is not finite times a weight of 0 would leave the region.
        line[..plan.used.start].fill(0.0);
        line[plan.used.end..].fill(0.0);
    }
}

/// `map[row] += sum_bin weight lines[bin]` over the columns of the region.
#[inline(always)]
fn spread_rows<const FMA: bool>(plan: &Plan, lines: &[f32], width: usize, map: &mut [f32]) {
    let line_len = plan.line_len();
    for taps in plan.bins_of_rows.chunk_by(|one, next| one.row == next.row) {
        let row = &mut map[taps[0].row * width..][..width];
        let row = &mut row[plan.columns.clone()];
        let (wide, rest) = row.as_chunks_mut::<WIDE>();
        let mut start = 0;
        for chunk in wide {
            *chunk = plus_lines::<FMA, WIDE>(*chunk, taps, lines, line_len, start);
            start += WIDE;
        }
        let (chunks, rest) = rest.as_chunks_mut::<LANES>();
        for chunk in chunks {
            *chunk = plus_lines::<FMA, LANES>(*chunk, taps, lines, line_len, start);
            start += LANES;
        }
        for value in rest {
            [*value] = plus_lines::<FMA, 1>([*value], taps, lines, line_len, start);
            start += 1;
        }
    }
}

#[inline(always)]
fn plus_lines<const FMA: bool, const N: usize>(
    mut sums: [f32; N],
    taps: &[RowTap],
    lines: &[f32],
    line_len: usize,
    column: usize,
) -> [f32; N] {
    for tap in taps {
        let values = &lines[tap.bin * line_len + column..][..N];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum = mul_add::<FMA>(tap.weight, *value, *sum);
        }
    }
    sums
}

/// The gradient of [`forward`] for features of `dims`, given that for the bins.
pub(crate) fn backward(
    dims: [usize; 4],
    regions: &[Region],
    options: RoiAlignOptions,
    output_grad: &[f32],
) -> Vec<f32> {
    let [_, channels, height, width] = dims;
    let plans = plans(regions, dims, options);
    let map_len = height * width;
    let mut grad = vec![0.0; dims.iter().product()];
    grad.par_chunks_mut(channels * map_len)
        .enumerate()
        .for_each(|(image, maps)| {
            let first = plans.partition_point(|plan| plan.image < image);
            let end = plans.partition_point(|plan| plan.image <= image);
            let plans = &plans[first..end];
            maps.par_chunks_mut(CHANNELS * map_len)
                .enumerate()
                .for_each(|(task, maps)| {
                    dispatch(Backward {
                        plans,
                        side: options.output,
                        maps,
                        size: [height, width],
                        channels,
                        first_channel: task * CHANNELS,
                        output_grad,
                    });
                });
        });
    grad
}
