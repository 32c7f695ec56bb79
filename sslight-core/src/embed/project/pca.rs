//! The two directions of largest variance, by subspace iteration with Rayleigh-Ritz steps (Saad, "Numerical Methods for
//! Large Eigenvalue Problems", chapter 5): the covariance of 2,048 dimensions is never built.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Directions that are iterated; more than two make the first two converge sooner.
const BLOCK: usize = 8;
/// A direction is found when the product of covariance and direction is this near its multiple.
const TOLERANCE: f64 = 1e-7;
const MOST_STEPS: usize = 1000;
/// Rows whose products are summed in one go: the order of sums depends on nothing else.
const ROWS: usize = 64;
/// Variance below this share of the mean square is rounding.
const NOTHING: f64 = 1e-12;

/// Rows projected.
pub(super) struct Plane {
    /// A point a row.
    pub places: Vec<[f64; 2]>,
    /// Shares of the variance along both axes, in 0 to 1.
    pub explained: [f64; 2],
}

/// A matrix of few columns, column by column.
type Columns = Vec<Vec<f64>>;

/// Projects rows of length `dim`; `None` if they are all equal. Directions point to where their largest entry is
/// positive.
pub(super) fn pca(values: &[f32], dim: usize) -> Option<Plane> {
    let rows = values.len() / dim;
    let mut means = vec![0.0; dim];
    for row in values.chunks(dim) {
        add(&mut means, row.iter().map(|v| f64::from(*v)));
    }
    means.iter_mut().for_each(|mean| *mean /= rows as f64);
    let centred: Vec<f64> = values
        .chunks(dim)
        .flat_map(|row| row.iter().zip(&means).map(|(v, mean)| f64::from(*v) - mean))
        .collect();
    let total: f64 = centred.iter().map(|v| v * v).sum();
    let size: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
    if total <= NOTHING * size {
        return None;
    }
    let block = BLOCK.min(dim).min(rows).max(2);
    let (directions, variances) = iterate(&centred, dim, block, total);
    let [first, second] = [0, 1].map(|n| oriented(directions.get(n), dim));
    let places = centred
        .chunks(dim)
        .map(|row| [dot(row, &first), dot(row, &second)])
        .collect();
    let share = |n: usize| variances.get(n).map_or(0.0, |v: &f64| v / total);
    Some(Plane {
        places,
        explained: [share(0), share(1)],
    })
}

/// Directions and their sums of squares, largest first.
fn iterate(centred: &[f64], dim: usize, block: usize, total: f64) -> (Columns, Vec<f64>) {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut start = || -> Vec<f64> {
        let number = |_| f64::from(random.next_u32()) / f64::from(u32::MAX) - 0.5;
        (0..dim).map(number).collect()
    };
    let mut basis = orthonormal((0..block).map(|_| start()).collect());
    let mut values = Vec::new();
    for _ in 0..MOST_STEPS {
        let image = covariance_times(centred, dim, &basis);
        let projected: Vec<Vec<f64>> = basis
            .iter()
            .map(|b| image.iter().map(|i| dot(b, i)).collect())
            .collect();
        let (turn, eigenvalues) = jacobi(projected);
        let (vectors, images) = (combined(&basis, &turn), combined(&image, &turn));
        values = eigenvalues;
        let found = (0..2.min(values.len())).all(|n| {
            let miss = images[n].iter().zip(&vectors[n]);
            let miss: f64 = miss.map(|(i, v)| (i - values[n] * v).powi(2)).sum();
            miss.sqrt() <= TOLERANCE * total
        });
        if found {
            return (vectors, values);
        }
        basis = orthonormal(images);
    }
    (basis, values)
}

/// `X^T X` times each column.
fn covariance_times(centred: &[f64], dim: usize, basis: &Columns) -> Columns {
    let parts: Vec<Columns> = centred
        .par_chunks(ROWS * dim)
        .map(|rows| {
            let mut sums = vec![vec![0.0; dim]; basis.len()];
            for row in rows.chunks(dim) {
                for (sum, column) in sums.iter_mut().zip(basis) {
                    let product = dot(row, column);
                    add(sum, row.iter().map(|v| v * product));
                }
            }
            sums
        })
        .collect();
    let mut sums = vec![vec![0.0; dim]; basis.len()];
    for part in parts {
        for (sum, part) in sums.iter_mut().zip(part) {
            add(sum, part.into_iter());
        }
    }
    sums
}

/// Gram-Schmidt, twice for the sake of rounding. Columns that depend on others become zero.
fn orthonormal(mut columns: Columns) -> Columns {
    for n in 0..columns.len() {
        let (before, rest) = columns.split_at_mut(n);
        let Some(column) = rest.first_mut() else {
            break;
        };
        let length = dot(column, column).sqrt();
        for _ in 0..2 {
            for other in before.iter() {
                let part = dot(column, other);
                add(column, other.iter().map(|v| -part * v));
            }
        }
        let left = dot(column, column).sqrt();
        let scale = if left > 1e-12 * length {
            1.0 / left
        } else {
            0.0
        };
        column.iter_mut().for_each(|v| *v *= scale);
    }
    columns
}

/// Eigenvectors (as rows) and eigenvalues of a small symmetric matrix, largest first, by Jacobi's rotations.
fn jacobi(mut a: Vec<Vec<f64>>) -> (Vec<Vec<f64>>, Vec<f64>) {
    const SWEEPS: usize = 30;
    let n = a.len();
    let mut vectors: Vec<Vec<f64>> = (0..n)
        .map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    for _ in 0..SWEEPS {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / t.hypot(1.0);
                let sine = t * cosine;
                for row in &mut a {
                    let (x, y) = (row[p], row[q]);
                    (row[p], row[q]) = (cosine * x - sine * y, sine * x + cosine * y);
                }
                rotate_rows(&mut a, p, q, cosine, sine);
                rotate_rows(&mut vectors, p, q, cosine, sine);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| a[*j][*j].total_cmp(&a[*i][*i]));
    let values = order.iter().map(|i| a[*i][*i]).collect();
    let vectors = order.iter().map(|i| vectors[*i].clone()).collect();
    (vectors, values)
}

fn rotate_rows(matrix: &mut [Vec<f64>], p: usize, q: usize, cosine: f64, sine: f64) {
    let rotated = |x: &f64, y: &f64| (cosine * x - sine * y, sine * x + cosine * y);
    let pairs = matrix[p].iter().zip(&matrix[q]);
    (matrix[p], matrix[q]) = pairs.map(|(x, y)| rotated(x, y)).unzip();
}

/// Each row of `turn` as weights of the columns.
fn combined(columns: &Columns, turn: &[Vec<f64>]) -> Columns {
    turn.iter()
        .map(|weights| {
            let mut sum = vec![0.0; columns[0].len()];
            for (column, weight) in columns.iter().zip(weights) {
                add(&mut sum, column.iter().map(|v| weight * v));
            }
            sum
        })
        .collect()
}

/// A direction with its largest entry positive: its sign means nothing, and would differ from run to run.
fn oriented(direction: Option<&Vec<f64>>, dim: usize) -> Vec<f64> {
    let Some(direction) = direction else {
        return vec![0.0; dim];
    };
    let largest = direction
        .iter()
        .fold(0.0_f64, |m, v| if v.abs() > m.abs() { *v } else { m });
    direction.iter().map(|v| v * largest.signum()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(sums: &mut [f64], values: impl Iterator<Item = f64>) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
