//! What classifiers got right: accuracies and the confusion between classes, counted batch by batch.

use super::rank::rank;

/// Best classes among which the right one counts for top-5.
const TOP: usize = 5;

/// Counts over labelled samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    classes: usize,
    /// Samples of a class (row) by the class that got the highest score (column).
    confusion: Vec<u32>,
    top5: usize,
    samples: usize,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            confusion: vec![0; classes * classes],
            top5: 0,
            samples: 0,
        }
    }

    /// Counts samples: a row of scores each, and their classes. Equal scores rank by class. A label that is no class
    /// of the scores, or whose score is not finite, counts as a miss and enters no row.
    ///
    /// # Panics
    /// If there is not one row a label.
    pub fn add(&mut self, scores: &[f32], labels: &[usize]) {
        assert!(
            scores.len() == self.classes * labels.len(),
            "Tally: {} scores of {} classes do not fit {} labels",
            scores.len(),
            self.classes,
            labels.len()
        );
        for (row, &label) in scores.chunks(self.classes.max(1)).zip(labels) {
            self.samples += 1;
            let Some(before) = rank(row, label) else {
                continue;
            };
            self.top5 += usize::from(before < TOP);
            let best = |best, class| if row[class] > row[best] { class } else { best };
            // The label's own score is a number, so that a score that is none never stays the best.
            let best = match before {
                0 => label,
                _ => (0..self.classes)
                    .filter(|class| !row[*class].is_nan())
                    .reduce(best)
                    .unwrap_or(label),
            };
            self.confusion[label * self.classes + best] += 1;
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Samples counted.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Share of samples whose class has the highest score, in percent; 0 without samples.
    pub fn top1(&self) -> f64 {
        let right: u32 = (0..self.classes).map(|class| self.row(class)[class]).sum();
        self.percent(right as usize)
    }

    /// Share of samples whose class is among the five highest scores, in percent; 0 without samples.
    pub fn top5(&self) -> f64 {
        self.percent(self.top5)
    }

    /// How often samples of `class` were taken for each class.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn row(&self, class: usize) -> &[u32] {
        &self.confusion[class * self.classes..(class + 1) * self.classes]
    }

    /// The accuracy on samples of each class in percent, `None` for a class without samples.
    pub fn per_class(&self) -> Vec<Option<f64>> {
        (0..self.classes)
            .map(|class| {
                let row = self.row(class);
                let all: u32 = row.iter().sum();
                (all > 0).then(|| 100.0 * f64::from(row[class]) / f64::from(all))
            })
            .collect()
    }

    fn percent(&self, count: usize) -> f64 {
        match self.samples {
            0 => 0.0,
            samples => 100.0 * count as f64 / samples as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::topk_accuracy;

    #[test]
    fn rows_are_classes_and_columns_what_they_were_taken_for() {
        let mut tally = Tally::new(3);
        tally.add(&[0.9, 0.1, 0.0, 0.2, 0.3, 0.9], &[0, 1]);
        tally.add(&[0.1, 0.8, 0.2], &[1]);
        assert_eq!(tally.row(1), [0, 1, 1]);
        assert_eq!(tally.per_class(), [Some(100.0), Some(50.0), None]);
        assert!((tally.top1() - 200.0 / 3.0).abs() < 1e-12);
        assert_eq!((tally.top5(), tally.samples()), (100.0, 3));
    }

    #[test]
    fn accuracies_are_those_of_the_plain_formula() {
        let mut values = crate::loss::testing::draw(7, 40, 9, 1.0);
        // Ties.
        values
            .iter_mut()
            .for_each(|v| *v = (*v * 4.0).round() / 4.0);
        let scores: Vec<f32> = values.iter().map(|v| *v as f32).collect();
        let labels: Vec<usize> = (0..40).map(|i| (i * 7) % 9).collect();
        let mut tally = Tally::new(9);
        tally.add(&scores[..9 * 11], &labels[..11]);
        tally.add(&scores[9 * 11..], &labels[11..]);
        assert_eq!(tally.top1(), topk_accuracy(&scores, 9, &labels, 1));
        assert_eq!(tally.top5(), topk_accuracy(&scores, 9, &labels, 5));
    }

    #[test]
    fn not_a_number_is_never_right() {
        for label in [0, 1] {
            let mut tally = Tally::new(2);
            tally.add(&[f32::NAN; 2], &[label]);
            tally.add(&[f32::NAN, 0.5], &[0]);
            assert_eq!((tally.top1(), tally.top5()), (0.0, 0.0), "{label}");
            assert_eq!(tally.samples(), 2);
            tally.add(&[f32::NAN, 0.5], &[1]);
            assert_eq!(tally.row(1), [0, 1]);
        }
    }
}
