//! The cross entropy with labels: supervised training, and the online probe of every method.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use sslight_models::backend::Backend;

/// The mean over samples of `-log softmax(logits)[label]`.
///
/// # Shapes
/// logits `[b, classes]`, labels `[b]` to `[1]`.
///
/// # Panics
/// If there is not one label a row.
pub fn cross_entropy<B: Backend>(logits: Tensor<B, 2>, labels: Tensor<B, 1, Int>) -> Tensor<B, 1> {
    let [rows, classes] = logits.dims();
    let [count] = labels.dims();
    assert!(
        rows == count,
        "cross_entropy: logits [{rows}, {classes}] do not fit labels [{count}]"
    );
    let log_probs = log_softmax(logits, 1);
    log_probs.gather(1, labels.reshape([rows, 1])).mean().neg()
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::super::testing::{B, assert_gradient, draw, scalar, tensor};
    use super::*;

    fn labels(labels: &[i64]) -> Tensor<B, 1, Int> {
        Tensor::from_data(
            TensorData::new(labels.to_vec(), [labels.len()]),
            &Default::default(),
        )
    }

    fn by_definition(logits: &[f64], labels: &[i64]) -> f64 {
        let classes = logits.len() / labels.len();
        let terms = logits.chunks(classes).zip(labels).map(|(row, label)| {
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|v| (v - max).exp()).sum();
            sum.ln() + max - row[*label as usize]
        });
        terms.sum::<f64>() / labels.len() as f64
    }

    #[test]
    fn it_equals_the_definition() {
        let logits = draw(1, 5, 4, 3.0);
        let classes = [3, 0, 1, 1, 2];
        let got = scalar(cross_entropy(tensor(&logits, 5), labels(&classes)));
        let want = by_definition(&logits, &classes);
        // f32 rounding of a mean of five logarithms.
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }

    #[test]
    fn equal_logits_give_ln_of_the_classes() {
        let got = scalar(cross_entropy(tensor(&[0.7; 14], 2), labels(&[6, 0])));
        assert!((got - 7f64.ln()).abs() < 1e-6, "{got}");
    }

    #[test]
    fn a_certain_wrong_answer_costs_its_distance_and_a_right_one_nothing() {
        let logits = tensor(&[100.0, -100.0, 100.0, -100.0], 2);
        let got = scalar(cross_entropy(logits, labels(&[0, 1])));
        assert_eq!(got, 100.0);
    }

    #[test]
    fn the_gradient_equals_finite_differences() {
        let logits = draw(2, 3, 4, 1.0);
        let classes = [1, 3, 0];
        let input = tensor(&logits, 3).require_grad();
        let grads = cross_entropy(input.clone(), labels(&classes)).backward();
        assert_gradient(&input, &grads, &logits, |x| by_definition(x, &classes));
    }

    #[test]
    #[should_panic(expected = "logits [2, 2] do not fit labels [3]")]
    fn another_number_of_labels_is_refused() {
        cross_entropy(tensor(&[0.0; 4], 2), labels(&[0, 1, 0]));
    }
}
