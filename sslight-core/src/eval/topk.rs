//! Top-k accuracy of scores over classes.

/// The share of samples, in percent, whose class is among the `k` highest scores; equal scores rank by class.
///
/// `scores` holds one row of `classes` numbers a sample. 0 without samples.
///
/// # Panics
/// If there is not one label a row, or a label is no class.
pub fn topk_accuracy(scores: &[f32], classes: usize, labels: &[usize], k: usize) -> f64 {
    let rows = scores.len() / classes.max(1);
    assert!(
        rows == labels.len() && labels.iter().all(|label| *label < classes),
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
        .filter(|(row, label)| {
            let own = row[**label];
            let before = row
                .iter()
                .enumerate()
                .filter(|(class, score)| **score > own || (**score == own && class < label))
                .count();
            before < k
        })
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
    fn equal_scores_do_not_all_count_as_right() {
        assert_eq!(topk_accuracy(&[0.5; 4], 4, &[3], 3), 0.0);
        assert_eq!(topk_accuracy(&[0.5; 4], 4, &[0], 1), 100.0);
    }
}
