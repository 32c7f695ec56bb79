//! Top-k accuracy of scores over classes, and of a linear classifier on features.

use burn::tensor::{Tensor, TensorData};
use sslight_models::backend::Backend;
use sslight_models::nn::Linear;

use super::FeatureSet;
use super::rank::rank;

/// Feature vectors that a classifier looks at in one go.
const CHUNK: usize = 4096;

/// The share of feature vectors, in percent, to whose class a linear classifier gives its highest score; `None`
/// without labels.
pub fn classifier_accuracy<B: Backend>(
    features: &FeatureSet,
    classifier: &Linear<B>,
    device: &B::Device,
) -> Option<f64> {
    let labels = features.labels.as_ref()?;
    let [classes, dim] = classifier.weight.val().dims();
    let mut scores = Vec::with_capacity(labels.len() * classes);
    for chunk in features.values.chunks(CHUNK * dim) {
        let rows = TensorData::new(chunk.to_vec(), [chunk.len() / dim, dim]);
        let logits = classifier.forward(Tensor::<B, 2>::from_data(rows, device));
        scores.extend(sslight_models::params::host_values(logits));
    }
    Some(topk_accuracy(&scores, classes, labels, 1))
}

/// The share of samples, in percent, whose class is among the `k` highest scores; equal scores rank by class.
///
/// `scores` holds one row of `classes` numbers a sample. A label that is none of them, as validation data may
/// have, is never hit, nor is one whose score is not finite. 0 without samples.
///
/// # Panics
/// If there is not one label a row.
pub fn topk_accuracy(scores: &[f32], classes: usize, labels: &[usize], k: usize) -> f64 {
    let rows = scores.len() / classes.max(1);
    assert!(
        rows == labels.len(),
        "topk_accuracy: {} scores of {classes} classes do not fit {} labels",
        scores.len(),
        labels.len()
    );
    if labels.is_empty() {
        return 0.0;
    }
    let hits = scores
        .chunks(classes)
        .zip(labels)
        .filter(|(row, label)| rank(row, **label).is_some_and(|before| before < k))
        .count();
    100.0 * hits as f64 / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_counts_when_fewer_than_k_are_ahead_of_it() {
        let scores = [0.1, 0.9, 0.5, 0.9, 0.1, 0.5];
        assert_eq!(topk_accuracy(&scores, 3, &[1, 2], 1), 50.0);
        assert_eq!(topk_accuracy(&scores, 3, &[2, 2], 2), 100.0);
        assert_eq!(topk_accuracy(&scores, 3, &[0, 1], 2), 0.0);
    }

    #[test]
    fn a_class_that_the_scores_do_not_know_is_never_hit() {
        assert_eq!(topk_accuracy(&[0.5, 0.1], 2, &[2], 2), 0.0);
    }

    #[test]
    fn equal_scores_do_not_all_count_as_right() {
        assert_eq!(topk_accuracy(&[0.5; 4], 4, &[3], 3), 0.0);
        assert_eq!(topk_accuracy(&[0.5; 4], 4, &[0], 1), 100.0);
    }
}
