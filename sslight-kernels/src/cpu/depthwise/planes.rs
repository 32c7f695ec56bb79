//! Depthwise convolution plane by plane.
//!
//! A plane is copied into `stride^2` padded phase planes (which rows and columns modulo the stride):
//!
//! ```text
//! padded input (r, q) -> phase (r mod s, q mod s), row r / s, column q / s
//! ```
//!
//! All phases have the same pitch `w' + 2 / s`, so each kernel position is one fixed offset and an
//! output plane is nine shifted multiply-adds over one contiguous run, whatever its width. The few
//! values between the rows of the run are computed and thrown away.

use rayon::prelude::*;

use super::{TAPS, kernel};
use crate::cpu::buffer::unset;
use crate::cpu::shape::ConvShape;
use crate::cpu::simd::{Kernel, dispatch, mul_add, sum_of_lanes};

/// Values that a task should at least move.
const MIN_TASK: usize = 1 << 15;
const LANES: usize = 16;

/// What becomes of a value on its way into the phase planes. (A closure would not do: called at more than one site it is
/// not inlined, and then not compiled for the instruction set of its kernel.)
pub(super) trait ValueMap: Copy {
    fn map<const FMA: bool>(self, x: f32) -> f32;
}

/// Values as they are.
#[derive(Clone, Copy)]
struct Unchanged;

impl ValueMap for Unchanged {
    #[inline(always)]
    fn map<const FMA: bool>(self, x: f32) -> f32 {
        x
    }
}

/// Where things lie in the buffers of one plane.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) stride: usize,
    input: [usize; 2],
    pub(super) output: [usize; 2],
    padding: [usize; 2],
    /// Rows and columns by which an output row reaches beyond its own index: `2 / stride`.
    pub(super) reach: usize,
    pub(super) pitch: usize,
    /// Rows of a phase plane.
    rows: usize,
}

impl Layout {
    pub(super) fn new(shape: &ConvShape) -> Self {
        let stride = shape.stride[0];
        let reach = 2 / stride;
        Self {
            stride,
            input: shape.input,
            output: shape.output,
            padding: shape.padding,
            reach,
            pitch: shape.output[1] + reach,
            rows: shape.output[0] + reach,
        }
    }

    pub(super) fn phase_len(&self) -> usize {
        self.rows * self.pitch
    }

    /// From the first to the last output, with the gaps between rows, in whole vectors: what is computed after the
    /// last output is thrown away.
    pub(super) fn run_len(&self) -> usize {
        ((self.output[0] - 1) * self.pitch + self.output[1]).next_multiple_of(LANES)
    }

    /// All phase planes, and zeros for the last vectors of runs.
    pub(super) fn phases_len(&self) -> usize {
        self.stride * self.stride * self.phase_len() + LANES
    }

    /// A plane of output gradients with `reach` zeros on each side (shared between rows).
    pub(super) fn padded_output_len(&self) -> usize {
        (self.rows + self.reach) * self.pitch + self.reach + LANES
    }

    /// Where output (0, 0) finds what kernel position `tap` sees, in the phase planes.
    pub(super) fn tap_offset(&self, tap: usize) -> usize {
        let (row, column, s) = (tap / 3, tap % 3, self.stride);
        (row % s * s + column % s) * self.phase_len() + row / s * self.pitch + column / s
    }

    /// Maps a plane to its phase planes, whose other values are zero and stay so.
    #[inline(always)]
    pub(super) fn fill_phases<const FMA: bool>(
        &self,
        plane: &[f32],
        map: impl ValueMap,
        phases: &mut [f32],
    ) {
        let [_, width] = self.input;
        for (y, row) in plane.chunks_exact(width).enumerate() {
            let r = y + self.padding[0];
            if r / self.stride >= self.rows {
                break;
            }
            for column_phase in 0..self.stride {
                // the first column of the row that belongs to this phase
                let first = (column_phase + self.padding[1] * (self.stride - 1)) % self.stride;
                if first >= width {
                    continue;
                }
                let q = (first + self.padding[1]) / self.stride;
                let phase = r % self.stride * self.stride + column_phase;
                let start = phase * self.phase_len() + r / self.stride * self.pitch;
                let target = &mut phases[start + q..start + self.pitch];
                map_strided::<FMA>(target, &row[first..], map, self.stride);
            }
        }
    }
}

/// `target[i] = map(source[i * stride])` as far as both reach.
#[inline(always)]
fn map_strided<const FMA: bool>(
    target: &mut [f32],
    source: &[f32],
    map: impl ValueMap,
    stride: usize,
) {
    if stride == 1 {
        let len = target.len().min(source.len());
        map_row::<FMA>(&mut target[..len], &source[..len], map);
    } else {
        let len = target.len().min(source.len().div_ceil(2));
        let pairs = source.chunks_exact(2);
        let last = pairs.remainder().first();
        for (target, pair) in target.iter_mut().zip(pairs) {
            *target = map.map::<FMA>(pair[0]);
        }
        if let (Some(last), true) = (last, len > source.len() / 2) {
            target[len - 1] = map.map::<FMA>(*last);
        }
    }
}

/// Copies a row. Rows are short, and a call of `memcpy` for each takes longer than the row.
#[inline(always)]
fn copy_row(target: &mut [f32], source: &[f32]) {
    map_row::<false>(target, source, Unchanged);
}

/// Maps a row: by vectors, the last of which overlaps the one before.
#[inline(always)]
fn map_row<const FMA: bool>(target: &mut [f32], source: &[f32], map: impl ValueMap) {
    if !map_vectors::<FMA, LANES>(target, source, map)
        && !map_vectors::<FMA, { LANES / 2 }>(target, source, map)
        && !map_vectors::<FMA, { LANES / 4 }>(target, source, map)
    {
        for (target, source) in target.iter_mut().zip(source) {
            *target = map.map::<FMA>(*source);
        }
    }
}

/// Maps a row of at least `WIDTH` values; whether it is one.
#[inline(always)]
fn map_vectors<const FMA: bool, const WIDTH: usize>(
    target: &mut [f32],
    source: &[f32],
    map: impl ValueMap,
) -> bool {
    let len = target.len();
    if len < WIDTH {
        return false;
    }
    for start in vector_starts::<WIDTH>(len) {
        let mut vector = [0.0; WIDTH];
        vector.copy_from_slice(&source[start..start + WIDTH]);
        for value in &mut vector {
            *value = map.map::<FMA>(*value);
        }
        target[start..start + WIDTH].copy_from_slice(&vector);
    }
    true
}

/// Where the vectors of a row of at least `WIDTH` values start; the last one ends with the row.
#[inline(always)]
fn vector_starts<const WIDTH: usize>(len: usize) -> impl Iterator<Item = usize> {
    let last = len - WIDTH;
    (0..len.div_ceil(WIDTH)).map(move |index| (index * WIDTH).min(last))
}

/// The `len` values from each offset on. (`offsets.map` would be a call, for each row.)
#[inline(always)]
fn windows<const N: usize>(buffer: &[f32], offsets: [usize; N], len: usize) -> [&[f32]; N] {
    let mut windows = [&buffer[..0]; N];
    for (window, offset) in windows.iter_mut().zip(offsets) {
        *window = &buffer[offset..offset + len];
    }
    windows
}

/// [`correlate`] row by row, straight to rows of outputs of at least [`LANES`] values; row `i` reads from
/// `i * pitch` on. The last vector of a row overlaps the one before.
#[inline(always)]
fn correlate_rows<const FMA: bool>(
    rows: &mut [f32],
    width: usize,
    pitch: usize,
    buffer: &[f32],
    offsets: [usize; TAPS],
    weights: [f32; TAPS],
) {
    for (row, out) in rows.chunks_exact_mut(width).enumerate() {
        let taps = windows(&buffer[row * pitch..], offsets, width);
        for start in vector_starts::<LANES>(width) {
            let mut sum = [0.0; LANES];
            let tap = &taps[TAPS - 1][start..start + LANES];
            for lane in 0..LANES {
                sum[lane] = tap[lane] * weights[TAPS - 1];
            }
            for t in (0..TAPS - 1).rev() {
                let tap = &taps[t][start..start + LANES];
                for lane in 0..LANES {
                    sum[lane] = mul_add::<FMA>(tap[lane], weights[t], sum[lane]);
                }
            }
            out[start..start + LANES].copy_from_slice(&sum);
        }
    }
}

/// `run[i] = sum_t weights[t] * buffer[offsets[t] + i]`.
#[inline(always)]
fn correlate<const FMA: bool, const N: usize>(
    run: &mut [f32],
    buffer: &[f32],
    offsets: [usize; N],
    weights: [f32; N],
) {
    let len = run.len();
    let taps = windows(buffer, offsets, len);
    for (i, out) in run.iter_mut().enumerate() {
        let mut sum = taps[N - 1][i] * weights[N - 1];
        for t in (0..N - 1).rev() {
            sum = mul_add::<FMA>(taps[t][i], weights[t], sum);
        }
        *out = sum;
    }
}

/// `sum_i run[i] * buffer[offsets[t] + i]` for each kernel position; the length of `run` must be that of whole vectors.
#[inline(always)]
pub(super) fn dot_taps<const FMA: bool>(
    run: &[f32],
    buffer: &[f32],
    offsets: [usize; TAPS],
) -> [f32; TAPS] {
    let taps = windows(buffer, offsets, run.len());
    let mut sums = [[0.0f32; LANES]; TAPS];
    for start in (0..run.len() / LANES * LANES).step_by(LANES) {
        let value: &[f32] = &run[start..start + LANES];
        for (sum, tap) in sums.iter_mut().zip(&taps) {
            let tap = &tap[start..start + LANES];
            for lane in 0..LANES {
                sum[lane] = mul_add::<FMA>(value[lane], tap[lane], sum[lane]);
            }
        }
    }
    sums.map(sum_of_lanes)
}

struct Forward<'a> {
    layout: Layout,
    channels: usize,
    first_plane: usize,
    x: &'a [f32],
    weight: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let layout = self.layout;
        let offsets: [usize; TAPS] = std::array::from_fn(|tap| layout.tap_offset(tap));
        let mut phases = vec![0.0; layout.phases_len()];
        let mut run = vec![0.0; layout.run_len()];
        let x_planes = self.x.chunks_exact(layout.input[0] * layout.input[1]);
        let y_planes = self.y.chunks_exact_mut(layout.output[0] * layout.output[1]);
        for (index, (x, y)) in x_planes.zip(y_planes).enumerate() {
            let weights = kernel(self.weight, (self.first_plane + index) % self.channels);
            layout.fill_phases::<FMA>(x, Unchanged, &mut phases);
            layout.outputs::<FMA>(&phases, offsets, weights, &mut run, y);
        }
    }
}

struct BackwardInput<'a> {
    layout: Layout,
    channels: usize,
    first_plane: usize,
    weight: &'a [f32],
    y_grad: &'a [f32],
    x_grad: &'a mut [f32],
}

impl Layout {
    /// Copies a plane of output gradients between zeros, which stay so.
    #[inline(always)]
    pub(super) fn fill_padded(&self, y_grad: &[f32], padded: &mut [f32]) {
        for (row, y) in y_grad.chunks_exact(self.output[1]).enumerate() {
            let start = (row + self.reach) * self.pitch + self.reach;
            copy_row(&mut padded[start..start + y.len()], y);
        }
    }

    /// The phases of the input gradient.
    #[inline(always)]
    fn correlate_back<const FMA: bool>(
        &self,
        weights: &[f32; TAPS],
        padded: &[f32],
        phases: &mut [f32],
    ) {
        if self.stride == 1 {
            self.phase_back::<FMA, 3, 3, 9>([0, 0], weights, padded, phases);
        } else {
            self.phase_back::<FMA, 2, 2, 4>([0, 0], weights, padded, phases);
            self.phase_back::<FMA, 2, 1, 2>([0, 1], weights, padded, phases);
            self.phase_back::<FMA, 1, 2, 2>([1, 0], weights, padded, phases);
            self.phase_back::<FMA, 1, 1, 1>([1, 1], weights, padded, phases);
        }
    }

    /// The run of one phase of the input gradient: output `a` rows up and `b` columns left took this
    /// input under kernel position `(row_phase + s a, column_phase + s b)`.
    #[inline(always)]
    fn phase_back<const FMA: bool, const ROWS: usize, const COLUMNS: usize, const N: usize>(
        &self,
        [row_phase, column_phase]: [usize; 2],
        weights: &[f32; TAPS],
        padded: &[f32],
        phases: &mut [f32],
    ) {
        let s = self.stride;
        let up_left = |t: usize| (t / COLUMNS, t % COLUMNS);
        let offsets: [usize; N] = std::array::from_fn(|t| {
            let (a, b) = up_left(t);
            (self.reach - a) * self.pitch + self.reach - b
        });
        let taps: [f32; N] = std::array::from_fn(|t| {
            let (a, b) = up_left(t);
            weights[(row_phase + s * a) * 3 + column_phase + s * b]
        });
        let len = self.phase_len();
        // In whole vectors: what is written past this phase is overwritten by the next, or is never read.
        let run =
            &mut phases[(row_phase * s + column_phase) * len..][..len.next_multiple_of(LANES)];
        correlate::<FMA, N>(run, padded, offsets, taps);
    }
}

impl Kernel for BackwardInput<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let layout = self.layout;
        let mut padded = vec![0.0; layout.padded_output_len()];
        let mut phases = vec![0.0; layout.phases_len()];
        let x_planes = self
            .x_grad
            .chunks_exact_mut(layout.input[0] * layout.input[1]);
        let y_planes = self
            .y_grad
            .chunks_exact(layout.output[0] * layout.output[1]);
        for (index, (x, y)) in x_planes.zip(y_planes).enumerate() {
            let weights = kernel(self.weight, (self.first_plane + index) % self.channels);
            layout.fill_padded(y, &mut padded);
            layout.input_gradient::<FMA>(&weights, &padded, &mut phases, x);
        }
    }
}

impl Layout {
    /// The outputs, from the phases of the input; `run` is a buffer.
    #[inline(always)]
    pub(super) fn outputs<const FMA: bool>(
        &self,
        phases: &[f32],
        offsets: [usize; TAPS],
        weights: [f32; TAPS],
        run: &mut [f32],
        y: &mut [f32],
    ) {
        let width = self.output[1];
        if width >= LANES {
            correlate_rows::<FMA>(y, width, self.pitch, phases, offsets, weights);
        } else {
            correlate::<FMA, TAPS>(run, phases, offsets, weights);
            self.read_run(run, y);
        }
    }

    /// The gradient of the input, from the padded gradient of the outputs; `phases` is a buffer.
    #[inline(always)]
    pub(super) fn input_gradient<const FMA: bool>(
        &self,
        weights: &[f32; TAPS],
        padded: &[f32],
        phases: &mut [f32],
        x_grad: &mut [f32],
    ) {
        let width = self.input[1];
        let same = self.input == self.output && self.padding == [1, 1];
        if self.stride == 1 && same && width >= LANES {
            // Row and column 0 of the input are the second of the padded input.
            let first = self.pitch + 1;
            let offsets = std::array::from_fn(|t| {
                first + (self.reach - t / 3) * self.pitch + self.reach - t % 3
            });
            correlate_rows::<FMA>(x_grad, width, self.pitch, padded, offsets, *weights);
        } else {
            self.correlate_back::<FMA>(weights, padded, phases);
            self.read_phases(phases, x_grad);
        }
    }

    /// Copies a run of outputs, without the gaps between its rows.
    #[inline(always)]
    fn read_run(&self, run: &[f32], y: &mut [f32]) {
        for (y, run) in y
            .chunks_exact_mut(self.output[1])
            .zip(run.chunks(self.pitch))
        {
            copy_row(y, &run[..self.output[1]]);
        }
    }

    /// Copies phase planes back to a plane; inputs beyond the last output's reach get 0.
    #[inline(always)]
    fn read_phases(&self, phases: &[f32], plane: &mut [f32]) {
        let s = self.stride;
        for (y, row) in plane.chunks_exact_mut(self.input[1]).enumerate() {
            let r = y + self.padding[0];
            if r / s >= self.rows {
                row.fill(0.0);
                continue;
            }
            let start = r % s * s * self.phase_len() + r / s * self.pitch;
            if s == 1 {
                let len = row.len().min(self.pitch - self.padding[1]);
                let from = start + self.padding[1];
                copy_row(&mut row[..len], &phases[from..from + len]);
                row[len..].fill(0.0);
                continue;
            }
            let [even, odd] = [0, 1].map(|phase| {
                let start = start + phase * self.phase_len();
                &phases[start..start + self.pitch]
            });
            // Values take turns between the phases; by pairs, so that they are shuffled as vectors.
            let q = self.padding[1];
            let [first, second] = if q.is_multiple_of(2) {
                [even.get(q / 2..), odd.get(q / 2..)]
            } else {
                [odd.get(q / 2..), even.get(q / 2 + 1..)]
            }
            .map(Option::unwrap_or_default);
            let pairs = first.len().min(second.len()).min(row.len() / 2);
            let (whole, rest) = row.split_at_mut(2 * pairs);
            for ((pair, first), second) in whole.chunks_exact_mut(2).zip(first).zip(second) {
                pair[0] = *first;
                pair[1] = *second;
            }
            for (index, value) in rest.iter_mut().enumerate() {
                let phase = if index % 2 == 0 { first } else { second };
                *value = phase.get(pairs + index / 2).copied().unwrap_or(0.0);
            }
        }
    }
}

struct BackwardWeight<'a> {
    layout: Layout,
    shape: &'a ConvShape,
    channel: usize,
    x: &'a [f32],
    y_grad: &'a [f32],
}

impl Kernel for BackwardWeight<'_> {
    type Output = [f64; TAPS];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f64; TAPS] {
        let (layout, shape) = (self.layout, self.shape);
        let offsets: [usize; TAPS] = std::array::from_fn(|tap| layout.tap_offset(tap));
        let mut phases = vec![0.0; layout.phases_len()];
        let mut run = vec![0.0; layout.run_len()];
        let mut total = [0.0; TAPS];
        for image in 0..shape.batch {
            let plane = image * shape.in_channels + self.channel;
            let x = &self.x[plane * shape.input_len()..][..shape.input_len()];
            let y = &self.y_grad[plane * shape.output_len()..][..shape.output_len()];
            layout.fill_phases::<FMA>(x, Unchanged, &mut phases);
            for (run, y) in run
                .chunks_mut(layout.pitch)
                .zip(y.chunks_exact(layout.output[1]))
            {
                run[..y.len()].copy_from_slice(y);
            }
            let sums = dot_taps::<FMA>(&run, &phases, offsets);
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += f64::from(sum);
            }
        }
        total
    }
}

fn planes_per_task(shape: &ConvShape) -> usize {
    MIN_TASK.div_ceil(shape.input_len())
}

pub(super) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let mut y = unset(shape.batch * shape.out_channels * shape.output_len());
    let planes = planes_per_task(shape);
    y.par_chunks_mut(planes * shape.output_len())
        .zip(x.par_chunks(planes * shape.input_len()))
        .enumerate()
        .for_each(|(task, (y, x))| {
            dispatch(Forward {
                layout: Layout::new(shape),
                channels: shape.in_channels,
                first_plane: task * planes,
                x,
                weight,
                y,
            });
        });
    y
}

pub(super) fn backward_input(shape: &ConvShape, weight: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let mut x_grad = unset(shape.batch * shape.in_channels * shape.input_len());
    let planes = planes_per_task(shape);
    x_grad
        .par_chunks_mut(planes * shape.input_len())
        .zip(y_grad.par_chunks(planes * shape.output_len()))
        .enumerate()
        .for_each(|(task, (x_grad, y_grad))| {
            dispatch(BackwardInput {
                layout: Layout::new(shape),
                channels: shape.in_channels,
                first_plane: task * planes,
                weight,
                y_grad,
                x_grad,
            });
        });
    x_grad
}

pub(super) fn backward_weight(shape: &ConvShape, x: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let mut grad = vec![0.0; shape.in_channels * TAPS];
    grad.par_chunks_mut(TAPS)
        .enumerate()
        .for_each(|(channel, grad)| {
            let total = dispatch(BackwardWeight {
                layout: Layout::new(shape),
                shape,
                channel,
                x,
                y_grad,
            });
            for (grad, total) in grad.iter_mut().zip(total) {
                *grad = total as f32;
            }
        });
    grad
}
