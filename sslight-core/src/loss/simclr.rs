//! The SimCLR loss, NT-Xent (Chen et al., 2020, "A Simple Framework for Contrastive Learning", Eq. 1 and Alg. 1),
//! over two views of a batch of `b` images.
//!
//! ```text
//! z_i        L2-normalised embedding of row i of 2b, p(i) the row of the other view of its image
//! s_ij       <z_i, z_j> / T
//! l_i        = -log( exp(s_ip(i)) / sum over j != i of exp(s_ij) )
//! L          = mean of l_i over all 2b rows
//! ```
//!
//! Equal embeddings cost `ln(2b - 1)`: no row can be told from the others.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};
use sslight_models::backend::Backend;

/// Taken off the similarity of a row with itself. Its exponential beside a row's largest is 0 in f32 for every
/// other similarity down to `-1e9`, and a finite number leaves no `inf - inf` in the gradient.
const EXCLUDED: f32 = 1e9;

/// The mean loss over all rows. The embeddings should have length 1, which is left to the caller.
///
/// # Shapes
/// embeddings of two views `[2 b, d]`, view-major, to `[1]`.
///
/// # Panics
/// If the rows are not two views of at least one image.
pub fn nt_xent<B: Backend>(embeddings: Tensor<B, 2>, temperature: f64) -> Tensor<B, 1> {
    let [rows, dim] = embeddings.dims();
    assert!(
        rows >= 2 && rows.is_multiple_of(2),
        "nt_xent: embeddings [{rows}, {dim}] are not two views of a batch"
    );
    let batch = rows / 2;
    let device = embeddings.device();
    let similarities = embeddings.clone().matmul(embeddings.transpose()) / temperature;

    let square = |value: f32, partner: &dyn Fn(usize) -> usize| {
        let mut values = vec![0.0; rows * rows];
        (0..rows).for_each(|row| values[row * rows + partner(row)] = value);
        Tensor::<B, 2>::from_data(TensorData::new(values, [rows, rows]), &device)
    };
    let itself = square(EXCLUDED, &|row| row);
    let partner = square(1.0, &|row| (row + batch) % rows);

    let log_probs = log_softmax(similarities - itself, 1);
    (log_probs * partner).sum() / -(rows as f64)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_gradient, draw, draw_unit, scalar, tensor, values};
    use super::*;

    const TEMPERATURE: f64 = 0.5;

    /// The definition, row by row; the maximum is taken off so that f64 does not overflow.
    fn by_definition(z: &[f64], rows: usize) -> f64 {
        let d = z.len() / rows;
        let row = |i: usize| &z[i * d..][..d];
        let s = |i: usize, j: usize| -> f64 {
            row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f64>() / TEMPERATURE
        };
        let losses = (0..rows).map(|i| {
            let others: Vec<f64> = (0..rows).filter(|j| *j != i).map(|j| s(i, j)).collect();
            let max = others.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = others.iter().map(|s| (s - max).exp()).sum();
            sum.ln() + max - s(i, (i + rows / 2) % rows)
        });
        losses.sum::<f64>() / rows as f64
    }

    #[test]
    fn it_equals_the_definition_row_by_row() {
        for batch in 1..=5 {
            for dim in 1..=4 {
                let z = draw_unit((batch * 10 + dim) as u64, 2 * batch, dim);
                let got = scalar(nt_xent(tensor(&z, 2 * batch), TEMPERATURE));
                let want = by_definition(&z, 2 * batch);
                // f32 sums of at most 10 exponentials at logits of 2.
                assert!((got - want).abs() < 3e-6, "{batch} {dim}: {got} {want}");
            }
        }
    }

    #[test]
    fn equal_embeddings_cost_ln_of_all_other_rows() {
        for batch in [1, 2, 8] {
            let equal = [0.6, 0.8].repeat(2 * batch);
            let got = scalar(nt_xent(tensor(&equal, 2 * batch), TEMPERATURE));
            let want = ((2 * batch - 1) as f64).ln();
            assert!((got - want).abs() < 1e-6, "{batch}: {got} {want}");
        }
    }

    #[test]
    fn images_far_apart_whose_views_agree_cost_nothing_and_swapped_views_their_distance() {
        let agree = [1.0, 0.0, -1.0, 0.0, 1.0, 0.0, -1.0, 0.0];
        assert!(scalar(nt_xent(tensor(&agree, 4), 0.01)).abs() < 1e-6);
        // Each row is alike to a row of the other image, 1 / T = 100, and opposite to its partner.
        let swapped = [1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0, 0.0];
        let got = scalar(nt_xent(tensor(&swapped, 4), 0.01));
        assert!((got - 200.0).abs() < 1e-4, "{got}");
    }

    #[test]
    fn the_order_of_images_and_of_views_does_not_matter() {
        let z = draw_unit(3, 6, 4);
        let rows = |order: [usize; 6]| -> Vec<f64> {
            order
                .iter()
                .flat_map(|i| z[i * 4..][..4].to_vec())
                .collect()
        };
        let loss = |z: &[f64]| scalar(nt_xent(tensor(z, 6), TEMPERATURE));
        let want = loss(&z);
        assert!((loss(&rows([2, 0, 1, 5, 3, 4])) - want).abs() < 1e-6);
        assert!((loss(&rows([3, 4, 5, 0, 1, 2])) - want).abs() < 1e-6);
        // Another pairing is another loss.
        assert!((loss(&rows([0, 1, 2, 4, 3, 5])) - want).abs() > 1e-3);
    }

    #[test]
    fn logits_of_extreme_size_give_a_finite_loss_and_gradient() {
        let z = draw(4, 6, 4, 100.0);
        let input = tensor(&z, 6).require_grad();
        let loss = nt_xent(input.clone(), TEMPERATURE);
        let want = by_definition(&z, 6);
        let grads = loss.clone().backward();
        let got = scalar(loss);
        // Logits of up to 80,000 in f32 have steps of 0.008.
        assert!((got - want).abs() < 0.02, "{got} {want}");
        let grad = input.grad(&grads).map(|grad| grad.into_data());
        assert!(grad.is_some_and(|grad| grad.iter::<f64>().all(f64::is_finite)));
        assert!(values(tensor(&z, 6)).iter().any(|v| v.abs() > 50.0));
    }

    #[test]
    fn the_gradient_of_the_whole_loss_equals_finite_differences() {
        let z = draw_unit(5, 6, 3);
        let input = tensor(&z, 6).require_grad();
        let grads = nt_xent(input.clone(), TEMPERATURE).backward();
        assert_gradient(&input, &grads, &z, |z| by_definition(z, 6));
    }

    #[test]
    #[should_panic(expected = "nt_xent: embeddings [3, 2] are not two views of a batch")]
    fn an_odd_number_of_rows_is_refused() {
        nt_xent(tensor(&[0.0; 6], 3), TEMPERATURE);
    }
}
