//! Depthwise convolution plane by plane.
//!
//! A plane is copied into `stride^2` padded phase planes (which rows and columns modulo the stride):
//!
//! ```text
//! padded input (r, q) -> phase (r mod s, q mod s), row r / s, column q / s
//! ```
//!
//! All phases have the same pitch `w' + 2 / s`, so that each kernel position is one fixed offset, whatever the width. Outputs
//! and products for the kernel's gradient are computed row by row ([`rolling`](super::rolling)). Input gradients at stride 2 are
//! shifted multiply-adds over one contiguous run a phase; the few values between its rows are thrown away.

use rayon::prelude::*;

use super::rolling::{Rows, correlate, dot};
use super::{TAPS, kernel};
use crate::cpu::buffer::unset;
use crate::cpu::shape::ConvShape;
use crate::cpu::simd::{Kernel, dispatch, mul_add};

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

    /// All phase planes, and zeros for the last vectors of runs.
    pub(super) fn phases_len(&self) -> usize {
        self.stride * self.stride * self.phase_len() + LANES
    }

    /// A plane of output gradients with `reach` zeros on each side (shared between rows).
    pub(super) fn padded_output_len(&self) -> usize {
        (self.rows + self.reach) * self.pitch + self.reach + LANES
    }

    /// What the kernel sees in the phase planes.
    pub(super) fn rows_under<'a>(&self, phases: &'a [f32]) -> Rows<'a> {
        Rows {
            values: phases,
            pitch: self.pitch,
            stride: self.stride,
            phase_len: self.phase_len(),
            width: self.output[1],
        }
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
            let start =
                r % self.stride * self.stride * self.phase_len() + r / self.stride * self.pitch;
            if self.stride == 1 {
                let target = &mut phases[start + self.padding[1]..start + self.pitch];
                let len = target.len().min(width);
                map_row::<FMA>(&mut target[..len], &row[..len], map);
                continue;
            }
            let (even, odd) = phases[start..].split_at_mut(self.phase_len());
            let (even, odd) = (&mut even[..self.pitch], &mut odd[..self.pitch]);
            // Columns take turns between the phases; the first of the row is an even or an odd one.
            let q = self.padding[1];
            if q.is_multiple_of(2) {
                map_pairs::<FMA>([&mut even[q / 2..], &mut odd[q / 2..]], row, map);
            } else {
                map_pairs::<FMA>([&mut odd[q / 2..], &mut even[q / 2 + 1..]], row, map);
            }
        }
    }
}

/// Maps the values of a row to two targets in turn, as far as they reach.
#[inline(always)]
fn map_pairs<const FMA: bool>(targets: [&mut [f32]; 2], row: &[f32], map: impl ValueMap) {
    let [first, second] = targets;
    let (pairs, rest) = row.as_chunks::<2>();
    let both = first.len().min(second.len()).min(pairs.len());
    for ((pair, first), second) in pairs[..both]
        .iter()
        .zip(&mut first[..both])
        .zip(&mut second[..both])
    {
        *first = map.map::<FMA>(pair[0]);
        *second = map.map::<FMA>(pair[1]);
    }
    let last = pairs
        .get(both)
        .map(|pair| pair[0])
        .or(rest.first().copied());
    if let (Some(last), Some(first)) = (last, first.get_mut(both)) {
        *first = map.map::<FMA>(last);
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

/// `run[i] = sum_t weights[t] * buffer[offsets[t] + i]`.
#[inline(always)]
fn correlate_run<const FMA: bool, const N: usize>(
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
        let mut phases = vec![0.0; layout.phases_len()];
        let x_planes = self.x.chunks_exact(layout.input[0] * layout.input[1]);
        let y_planes = self.y.chunks_exact_mut(layout.output[0] * layout.output[1]);
        for (index, (x, y)) in x_planes.zip(y_planes).enumerate() {
            let weights = kernel(self.weight, (self.first_plane + index) % self.channels);
            layout.fill_phases::<FMA>(x, Unchanged, &mut phases);
            correlate(layout.rows_under(&phases), &weights, y);
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
        correlate_run::<FMA, N>(run, padded, offsets, taps);
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
    /// The gradient of the input, from the padded gradient of the outputs; `phases` is a buffer.
    #[inline(always)]
    pub(super) fn input_gradient<const FMA: bool>(
        &self,
        weights: &[f32; TAPS],
        padded: &[f32],
        phases: &mut [f32],
        x_grad: &mut [f32],
    ) {
        if self.stride == 1 && self.input == self.output && self.padding == [1, 1] {
            // The kernel the other way round. Row and column 0 of the input are the second of the padded input.
            let mut turned = *weights;
            turned.reverse();
            let rows = Rows {
                values: &padded[self.pitch + 1..],
                pitch: self.pitch,
                stride: 1,
                phase_len: 0,
                width: self.input[1],
            };
            correlate(rows, &turned, x_grad);
        } else {
            self.correlate_back::<FMA>(weights, padded, phases);
            self.read_phases(phases, x_grad);
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
        let mut phases = vec![0.0; layout.phases_len()];
        let mut total = [0.0; TAPS];
        for image in 0..shape.batch {
            let plane = image * shape.in_channels + self.channel;
            let x = &self.x[plane * shape.input_len()..][..shape.input_len()];
            let y = &self.y_grad[plane * shape.output_len()..][..shape.output_len()];
            layout.fill_phases::<FMA>(x, Unchanged, &mut phases);
            let sums = dot(layout.rows_under(&phases), y);
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
