//! The rank of a class among scores, which all accuracies rest on.

/// How many classes come before `class`: those with higher scores, and those with equal ones and lower numbers. `None`
/// if the scores have no such class or its score is not finite, as that of a diverged network: it is a miss then.
pub fn rank<T: Copy + Into<f64>>(scores: &[T], class: usize) -> Option<usize> {
    let own: f64 = (*scores.get(class)?).into();
    own.is_finite().then(|| {
        let before = |(other, score): (usize, &T)| {
            let score: f64 = (*score).into();
            score > own || (score == own && other < class)
        };
        scores.iter().enumerate().filter(|s| before(*s)).count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_scores_come_before_and_of_equal_ones_the_lower_class() {
        let scores = [0.5f32, 0.9, 0.5, 0.1];
        let ranks: Vec<_> = (0..5).map(|class| rank(&scores, class)).collect();
        assert_eq!(ranks, [Some(1), Some(0), Some(2), Some(3), None]);
    }

    #[test]
    fn what_is_not_finite_has_no_rank() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(rank(&[bad, bad], 0), None);
            assert_eq!(rank(&[bad, bad], 1), None);
        }
        assert_eq!(rank(&[f64::NAN, 0.5], 1), Some(0));
    }
}
