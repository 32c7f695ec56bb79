//! Whether a run is well: signs that it has gone wrong, told once each with what may help, long before its scores would.

mod broken;
mod collapse;
mod gradients;
mod pace;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::eval::FeatureSpread;
use crate::method::StepStats;

pub use broken::{first_broken_weights, not_finite};
use collapse::CollapseWatch;
pub use gradients::GradientWatch;
pub use pace::{Pace, PaceWatch};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The event's name, as in `collapse_warning`.
    pub name: &'static str,
    /// What is seen, in words.
    pub reason: String,
    /// What may help; `None` if that depends on the method.
    pub advice: Option<&'static str>,
    /// The measurements that show it, by name.
    pub details: Map<String, Value>,
}

impl Finding {
    fn new(name: &'static str, reason: String, numbers: &[(&str, f64)]) -> Self {
        let details = numbers
            .iter()
            .map(|(name, number)| ((*name).to_owned(), (*number).into()))
            .chain([("reason".to_owned(), reason.clone().into())])
            .collect();
        Self {
            name,
            reason,
            advice: None,
            details,
        }
    }

    fn advising(self, advice: &'static str) -> Self {
        Self {
            advice: Some(advice),
            ..self
        }
    }
}

/// Counts steps in a row that show a sign, and says once that there are enough of them, until it has gone and come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct InARow(usize);

impl InARow {
    fn reaches(&mut self, enough: usize, holds: bool) -> bool {
        self.0 = if holds { self.0 + 1 } else { 0 };
        self.0 == enough
    }
}

/// The watch over the numbers of a run. It is part of a checkpoint, so that a resumed run tells what one that was not stopped
/// tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    collapse: CollapseWatch,
    gradients: GradientWatch,
    far: InARow,
}

impl Watch {
    /// Looks at a step.
    pub fn after_step(&mut self, stats: &StepStats) -> Vec<Finding> {
        let of_gradients = (stats.gradients).and_then(|g| self.gradients.after_step(g.norm));
        let of_outputs = self.collapse.after_step(stats);
        of_outputs.into_iter().chain(of_gradients).collect()
    }

    /// Looks at the features at an epoch's end, and at how far the weights of a teacher are from the student's, in units of
    /// the latter's length.
    pub fn after_epoch(
        &mut self,
        steps_done: usize,
        spread: Option<FeatureSpread>,
        ema_distance: Option<f64>,
    ) -> Vec<Finding> {
        let of_features = spread.and_then(|spread| self.collapse.after_epoch(steps_done, spread));
        let of_teacher = ema_distance.and_then(|distance| self.teacher(distance));
        of_features.into_iter().chain(of_teacher).collect()
    }

    fn teacher(&mut self, distance: f64) -> Option<Finding> {
        // Not a number is as far as it gets.
        let near = distance < FAR;
        self.far.reaches(1, !near).then(|| {
            let reason = format!(
                "the teacher's weights are {distance:.2} of the student's own length away from it: it does not follow"
            );
            Finding::new("ema_drift", reason, &[("ema_distance", distance)]).advising(
                "lower the learning rate, or the EMA momentum: its average must span no more than a small part of the run",
            )
        })
    }
}

/// A teacher that is farther from the student than the student is from zero does not follow it.
const FAR: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_teacher_that_is_far_or_no_number_is_told_once() {
        let mut watch = Watch::default();
        let distances = [0.3, 1.5, 1.6, 0.9, f64::NAN, f64::NAN];
        let told = distances.map(|distance| watch.teacher(distance).is_some());
        assert_eq!(told, [false, true, false, false, true, false]);
    }
}
