//! A curve in bounded memory.

/// Points that a curve keeps; more than twice the columns of any terminal in dots.
const MOST: usize = 2048;

/// The values of one number over steps. When there are too many, neighbours become their mean.
#[derive(Debug, Clone)]
pub struct Series {
    points: Vec<(f64, f64)>,
    /// Values that make a point.
    every: usize,
    /// Values since the last point: their count, sum of steps and sum of values.
    pending: (usize, f64, f64),
    /// The last step and value.
    last: Option<(f64, f64)>,
}

impl Series {
    /// A curve without points.
    pub fn new() -> Self {
        Self {
            points: Vec::new(),
            every: 1,
            pending: (0, 0.0, 0.0),
            last: None,
        }
    }

    /// Adds a value. What is no number is left out, so that a gap is no zero; so is what is not after the last value: a number
    /// may be told twice, by the learner and by the run.
    pub fn push(&mut self, step: f64, value: f64) {
        if !value.is_finite() || self.last.is_some_and(|(last, _)| step <= last) {
            return;
        }
        self.last = Some((step, value));
        let (count, steps, values) = self.pending;
        self.pending = (count + 1, steps + step, values + value);
        if self.pending.0 == self.every {
            self.points.extend(self.waiting());
            self.pending = (0, 0.0, 0.0);
        }
        if self.points.len() == MOST {
            self.points = self
                .points
                .chunks_exact(2)
                .map(|pair| ((pair[0].0 + pair[1].0) / 2.0, (pair[0].1 + pair[1].1) / 2.0))
                .collect();
            self.every *= 2;
        }
    }

    /// The values since the last point as one.
    fn waiting(&self) -> Option<(f64, f64)> {
        let (count, steps, values) = self.pending;
        (count > 0).then(|| (steps / count as f64, values / count as f64))
    }

    /// The points, the values since the last one included.
    pub fn points(&self) -> Vec<(f64, f64)> {
        self.points.iter().copied().chain(self.waiting()).collect()
    }

    /// The last value as it was told.
    pub fn last(&self) -> Option<f64> {
        self.last.map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_repetitions_are_no_points() {
        let mut series = Series::new();
        for (step, value) in [
            (0.0, 1.0),
            (1.0, f64::NAN),
            (2.0, 3.0),
            (2.0, 4.0),
            (1.0, 5.0),
        ] {
            series.push(step, value);
        }
        assert_eq!(series.points(), [(0.0, 1.0), (2.0, 3.0)]);
        assert_eq!(series.last(), Some(3.0));
    }

    #[test]
    fn a_long_curve_keeps_its_shape_its_end_and_little_memory() {
        let mut series = Series::new();
        let steps = 1_000_003;
        for step in 0..steps {
            series.push(step as f64, 2.0 * step as f64);
        }
        let points = series.points();
        assert!(
            (MOST / 2..=MOST).contains(&points.len()),
            "{}",
            points.len()
        );
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(
            points
                .iter()
                .all(|(step, value)| (2.0 * step - value).abs() < 1e-6)
        );
        let (end, _) = points[points.len() - 1];
        assert!(end > 0.999 * steps as f64);
    }
}
