//! Linear layers over many rows, and what comes before them.
//!
//! Rows are taken in blocks that stay in the cache: a block is prepared (normalised, or put through GELU) in a buffer and
//! multiplied there, so that prepared rows never reach memory; the way back prepares them again. Few rows are one block,
//! whose outputs are split.

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::unset;
use super::gelu::{gelu, slope};
use super::matrix::{Matrix, Sizes, product, product_by_columns, product_by_rows};
use super::row_products::RowProducts;
use super::simd::{Kernel, dispatch, mul_add, sum_of_lanes};

/// Rows of one block, at most.
const ROWS: usize = 512;
/// Many rows are split in a multiple of this many blocks of about the same size, so that threads end together.
const BLOCKS: usize = 4;
/// Rows up to which there is one block.
const FEW_ROWS: usize = 256;
/// Groups of blocks whose partial sums are kept apart.
const GROUPS: usize = 8;
/// Parts that the outputs of few rows are split in.
const PARTS: usize = 8;
const LANES: usize = 16;
/// Rows of a transpose that a task writes: a cache line of each row that it reads.
const TRANSPOSED_ROWS: usize = 16;
/// Values that are summed over all groups before the next ones.
const SUM_BLOCK: usize = 1 << 13;

/// Sizes of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) rows: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

/// What a row goes through before it is multiplied.
#[derive(Clone, Copy)]
pub(crate) enum Before<'a> {
    Nothing,
    /// Layer normalisation.
    Norm {
        weight: &'a [f32],
        bias: &'a [f32],
        eps: f64,
    },
    Gelu,
}

/// Gradients of a layer; that of the normalisation before it has its scale and shift.
pub(crate) struct Gradients {
    pub(crate) x: Vec<f32>,
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) norm: [Vec<f32>; 2],
}

impl Shape {
    /// Rows of each of many blocks, the last of which may be shorter.
    fn block(&self) -> usize {
        let blocks = self.rows.div_ceil(ROWS).next_multiple_of(BLOCKS);
        self.rows.div_ceil(blocks)
    }
}

/// Some rows of the transpose of `matrix`, whose rows have `columns` values: those of the columns from `first` on.
struct Transpose<'a> {
    matrix: &'a [f32],
    columns: usize,
    first: usize,
    result: &'a mut [f32],
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let rows = self.matrix.len() / self.columns;
        for top in (0..rows).step_by(LANES) {
            let height = LANES.min(rows - top);
            for (column, result) in self.result.chunks_exact_mut(rows).enumerate() {
                let column = self.first + column;
                for (value, row) in result[top..top + height].iter_mut().zip(top..) {
                    *value = self.matrix[row * self.columns + column];
                }
            }
        }
    }
}

/// The transpose of `matrix`, whose rows have `columns` values.
fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let mut result = unset(matrix.len());
    let rows = matrix.len() / columns;
    result
        .par_chunks_mut(TRANSPOSED_ROWS * rows)
        .enumerate()
        .for_each(|(index, result)| {
            dispatch(Transpose {
                matrix,
                columns,
                first: index * TRANSPOSED_ROWS,
                result,
            });
        });
    result
}

/// Mean and inverse standard deviation of a row.
#[inline(always)]
fn statistics(row: &[f32], eps: f64) -> [f32; 2] {
    let count = row.len() as f64;
    let mean = sum_terms(row, |x| x) / count;
    let center = mean as f32;
    let square = sum_terms(row, |x| (x - center) * (x - center)) / count;
    [center, (1.0 / (square + eps).sqrt()) as f32]
}

/// The sum of a term of each value, in lanes.
#[inline(always)]
fn sum_terms(row: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let mut lanes = [0.0f32; LANES];
    let whole = row.chunks_exact(LANES);
    let rest: f32 = whole.remainder().iter().map(|x| term(*x)).sum();
    for values in whole {
        for lane in 0..LANES {
            lanes[lane] += term(values[lane]);
        }
    }
    f64::from(sum_of_lanes(lanes)) + f64::from(rest)
}

/// Prepares rows.
struct Prepare<'a> {
    before: Before<'a>,
    inputs: usize,
    x: &'a [f32],
    prepared: &'a mut [f32],
}

impl Kernel for Prepare<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match self.before {
            Before::Nothing => self.prepared.copy_from_slice(self.x),
            Before::Gelu => {
                for (value, x) in self.prepared.iter_mut().zip(self.x) {
                    *value = gelu::<FMA>(*x);
                }
            }
            Before::Norm { weight, bias, eps } => {
                let rows = self.x.chunks_exact(self.inputs);
                for (row, values) in rows.zip(self.prepared.chunks_exact_mut(self.inputs)) {
                    let [mean, inverse_std] = statistics(row, eps);
                    let affine = weight.iter().zip(bias);
                    for ((value, x), (weight, bias)) in values.iter_mut().zip(row).zip(affine) {
                        *value = mul_add::<FMA>((x - mean) * inverse_std, *weight, *bias);
                    }
                }
            }
        }
    }
}

/// The rows as they are multiplied: where they lie, or prepared in `buffer`.
fn prepared<'b>(
    before: Before<'_>,
    inputs: usize,
    x: &'b [f32],
    buffer: &'b mut Vec<f32>,
) -> &'b [f32] {
    if matches!(before, Before::Nothing) {
        return x;
    }
    if buffer.len() < x.len() {
        *buffer = unset(x.len());
    }
    let prepared = &mut buffer[..x.len()];
    dispatch(Prepare {
        before,
        inputs,
        x,
        prepared,
    });
    prepared
}

/// `values += bias` on rows.
struct AddBias<'a> {
    bias: &'a [f32],
    values: &'a mut [f32],
}

impl Kernel for AddBias<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for row in self.values.chunks_exact_mut(self.bias.len()) {
            for (value, bias) in row.iter_mut().zip(self.bias) {
                *value += bias;
            }
        }
    }
}

/// `before(x) weight^T + bias`, `[rows, outputs]`.
pub(crate) fn forward(
    shape: Shape,
    x: &[f32],
    before: Before<'_>,
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let Shape {
        rows,
        inputs,
        outputs,
    } = shape;
    if rows * outputs == 0 || inputs == 0 {
        return vec![0.0; rows * outputs];
    }
    let sizes = |rows| Sizes {
        m: rows,
        n: outputs,
        k: inputs,
    };
    if rows <= FEW_ROWS {
        let mut buffer = Vec::new();
        let x = Matrix::rows(prepared(before, inputs, x, &mut buffer), inputs);
        let mut y = if RowProducts::pays(rows, 1, inputs) {
            outputs_of_few(shape, x, weight)
        } else {
            let mut y = unset(rows * outputs);
            let weight = Matrix::rows(weight, inputs).transposed();
            let part = outputs.div_ceil(PARTS).next_multiple_of(64);
            product_by_columns(sizes(rows), part, &mut y, outputs, x, weight, false);
            y
        };
        if let Some(bias) = bias {
            dispatch(AddBias {
                bias,
                values: &mut y,
            });
        }
        return y;
    }
    // Each block's product packs the weight again, which costs most across its rows.
    let weight = transposed(weight, inputs);
    let weight = Matrix::rows(&weight, outputs);
    let block = shape.block();
    let mut y = unset(rows * outputs);
    y.par_chunks_mut(block * outputs)
        .zip(x.par_chunks(block * inputs))
        .for_each_init(Vec::new, |buffer, (y, x)| {
            let x = Matrix::rows(prepared(before, inputs, x, buffer), inputs);
            product(sizes(y.len() / outputs), y, outputs, x, weight, false);
            if let Some(bias) = bias {
                dispatch(AddBias { bias, values: y });
            }
        });
    y
}

/// `x weight^T` of few rows, without packing the weight, whose every value is in few products only.
fn outputs_of_few(shape: Shape, x: Matrix<'_>, weight: &[f32]) -> Vec<f32> {
    let Shape {
        rows,
        inputs,
        outputs,
    } = shape;
    let part = RowProducts::most(rows)
        .min(outputs.div_ceil(PARTS))
        .next_multiple_of(4);
    let mut turned = unset(outputs * rows);
    turned
        .par_chunks_mut(part * rows)
        .zip(weight.par_chunks(part * inputs))
        .for_each(|(turned, weight)| {
            let mut products = RowProducts::new(weight.len() / inputs, rows);
            products.add(inputs, Matrix::rows(weight, inputs), x);
            turned.copy_from_slice(&products.finish());
        });
    transposed(&turned, rows)
}

/// Takes gradients of prepared rows, in `grad`, back through the preparation, and adds to those of scale and shift.
struct ThroughBefore<'a> {
    before: Before<'a>,
    inputs: usize,
    x: &'a [f32],
    grad: &'a mut [f32],
    norm: &'a mut [Vec<f32>; 2],
}

impl Kernel for ThroughBefore<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match self.before {
            Before::Nothing => {}
            Before::Gelu => {
                for (grad, x) in self.grad.iter_mut().zip(self.x) {
                    *grad *= slope::<FMA>(*x);
                }
            }
            Before::Norm { weight, eps, .. } => {
                let inputs = self.inputs;
                let count = inputs as f64;
                let [scale_grad, shift_grad] = self.norm;
                let (scale_grad, shift_grad) =
                    (&mut scale_grad[..inputs], &mut shift_grad[..inputs]);
                let weight = &weight[..inputs];
                let rows = self.x.chunks_exact(inputs);
                for (x, grad) in rows.zip(self.grad.chunks_exact_mut(inputs)) {
                    let [mean, inverse_std] = statistics(x, eps);
                    for i in 0..inputs {
                        let normalized = (x[i] - mean) * inverse_std;
                        scale_grad[i] = mul_add::<FMA>(grad[i], normalized, scale_grad[i]);
                        shift_grad[i] += grad[i];
                        grad[i] *= weight[i];
                    }
                    let [sum, product] = sums_with::<FMA>(grad, x, mean);
                    let offset = (sum / count) as f32;
                    let slope = (product / count) as f32 * inverse_std * inverse_std;
                    for i in 0..inputs {
                        let centered = mul_add::<FMA>(mean - x[i], slope, grad[i] - offset);
                        grad[i] = centered * inverse_std;
                    }
                }
            }
        }
    }
}

/// Sums of `grad` and of `grad * (x - mean)`.
#[inline(always)]
fn sums_with<const FMA: bool>(grad: &[f32], x: &[f32], mean: f32) -> [f64; 2] {
    let mut lanes = [[0.0f32; LANES]; 2];
    let mut rest = [0.0f32; 2];
    let whole = grad.len() / LANES * LANES;
    let chunks = grad[..whole].chunks_exact(LANES);
    for (grad, x) in chunks.zip(x[..whole].chunks_exact(LANES)) {
        for lane in 0..LANES {
            lanes[0][lane] += grad[lane];
            lanes[1][lane] = mul_add::<FMA>(grad[lane], x[lane] - mean, lanes[1][lane]);
        }
    }
    for (grad, x) in grad[whole..].iter().zip(&x[whole..]) {
        rest[0] += grad;
        rest[1] += grad * (x - mean);
    }
    let [sum, product] = lanes.map(sum_of_lanes);
    [
        f64::from(sum) + f64::from(rest[0]),
        f64::from(product) + f64::from(rest[1]),
    ]
}

/// `sums += rows`, row after row.
struct AddRows<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for row in self.rows.chunks_exact(self.sums.len()) {
            for (sum, value) in self.sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

/// What the rows of a group add up to.
struct GroupSums {
    weight: Vec<f32>,
    bias: Vec<f32>,
    norm: [Vec<f32>; 2],
}

/// The gradients, given that for the output.
pub(crate) fn backward(
    shape: Shape,
    x: &[f32],
    before: Before<'_>,
    weight: &[f32],
    y_grad: &[f32],
) -> Gradients {
    let Shape {
        rows,
        inputs,
        outputs,
    } = shape;
    let norm_len = if matches!(before, Before::Norm { .. }) {
        inputs
    } else {
        0
    };
    let norm = || [vec![0.0; norm_len], vec![0.0; norm_len]];
    if rows * outputs == 0 || inputs == 0 {
        return Gradients {
            x: vec![0.0; rows * inputs],
            weight: vec![0.0; outputs * inputs],
            bias: vec![0.0; outputs],
            norm: norm(),
        };
    }
    if rows <= FEW_ROWS {
        return backward_of_few(shape, x, before, weight, y_grad, norm());
    }
    let mut x_grad = unset(rows * inputs);
    let block = shape.block();
    let group = rows.div_ceil(block).div_ceil(GROUPS) * block;
    let weight = Matrix::rows(weight, inputs);
    let groups: Vec<GroupSums> = x_grad
        .par_chunks_mut(group * inputs)
        .zip(x.par_chunks(group * inputs))
        .zip(y_grad.par_chunks(group * outputs))
        .map(|((x_grad, x), y_grad)| {
            let mut total = GroupSums {
                weight: unset(outputs * inputs),
                bias: vec![0.0; outputs],
                norm: norm(),
            };
            let mut buffer = Vec::new();
            let blocks = x_grad
                .chunks_mut(block * inputs)
                .zip(x.chunks(block * inputs))
                .zip(y_grad.chunks(block * outputs));
            for (index, ((x_grad, x), y_grad)) in blocks.enumerate() {
                let rows = x.len() / inputs;
                let values = Matrix::rows(prepared(before, inputs, x, &mut buffer), inputs);
                let y_matrix = Matrix::rows(y_grad, outputs);
                let sizes = Sizes {
                    m: outputs,
                    n: inputs,
                    k: rows,
                };
                let add = index > 0;
                let transposed = y_matrix.transposed();
                product(sizes, &mut total.weight, inputs, transposed, values, add);
                dispatch(AddRows {
                    rows: y_grad,
                    sums: &mut total.bias,
                });
                let sizes = Sizes {
                    m: rows,
                    n: inputs,
                    k: outputs,
                };
                product(sizes, x_grad, inputs, y_matrix, weight, false);
                dispatch(ThroughBefore {
                    before,
                    inputs,
                    x,
                    grad: x_grad,
                    norm: &mut total.norm,
                });
            }
            total
        })
        .collect();
    let mut grads = Gradients {
        x: x_grad,
        weight: vec![0.0; outputs * inputs],
        bias: vec![0.0; outputs],
        norm: norm(),
    };
    grads
        .weight
        .par_chunks_mut(SUM_BLOCK)
        .enumerate()
        .for_each(|(index, total)| {
            for group in &groups {
                add_to(total, &group.weight[index * SUM_BLOCK..]);
            }
        });
    for group in &groups {
        add_to(&mut grads.bias, &group.bias);
        add_to(&mut grads.norm[0], &group.norm[0]);
        add_to(&mut grads.norm[1], &group.norm[1]);
    }
    grads
}

fn add_to(total: &mut [f32], part: &[f32]) {
    for (total, part) in total.iter_mut().zip(part) {
        *total += part;
    }
}

/// [`backward`] of one block, whose products are split by outputs.
fn backward_of_few(
    shape: Shape,
    x: &[f32],
    before: Before<'_>,
    weight: &[f32],
    y_grad: &[f32],
    mut norm: [Vec<f32>; 2],
) -> Gradients {
    let Shape {
        rows,
        inputs,
        outputs,
    } = shape;
    let mut buffer = Vec::new();
    let values = Matrix::rows(prepared(before, inputs, x, &mut buffer), inputs);
    let y_matrix = Matrix::rows(y_grad, outputs);
    let mut weight_grad = unset(outputs * inputs);
    let sizes = Sizes {
        m: outputs,
        n: inputs,
        k: rows,
    };
    let part = outputs.div_ceil(PARTS).next_multiple_of(16);
    let transposed = y_matrix.transposed();
    product_by_rows(
        sizes,
        part,
        &mut weight_grad,
        inputs,
        transposed,
        values,
        false,
    );
    let mut bias = vec![0.0; outputs];
    dispatch(AddRows {
        rows: y_grad,
        sums: &mut bias,
    });
    let parts: Vec<Range<usize>> = (0..outputs)
        .step_by(part)
        .map(|start| start..(start + part).min(outputs))
        .collect();
    let partial: Vec<Vec<f32>> = parts
        .into_par_iter()
        .map(|part| {
            let mut grad = unset(rows * inputs);
            let sizes = Sizes {
                m: rows,
                n: inputs,
                k: part.len(),
            };
            let y_matrix = Matrix::rows(&y_grad[part.start..], outputs);
            let weight = Matrix::rows(&weight[part.start * inputs..], inputs);
            product(sizes, &mut grad, inputs, y_matrix, weight, false);
            grad
        })
        .collect();
    let mut partial = partial.into_iter();
    let mut x_grad = partial.next().unwrap_or_default();
    for part in partial {
        add_to(&mut x_grad, &part);
    }
    dispatch(ThroughBefore {
        before,
        inputs,
        x,
        grad: &mut x_grad,
        norm: &mut norm,
    });
    Gradients {
        x: x_grad,
        weight: weight_grad,
        bias,
        norm,
    }
}
