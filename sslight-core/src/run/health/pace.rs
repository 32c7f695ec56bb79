//! How fast a run goes: waiting for data, and speed that is lost.
//!
//! What is seen depends on the machine of the moment, so that none of it is part of a checkpoint.

use std::collections::VecDeque;

use super::{Finding, InARow};

/// Share of time spent waiting for images that is too much.
const STARVED: f64 = 0.3;
/// Share of the usual speed that is too little.
const SLOW: f64 = 0.5;
/// Reports in a row that show it.
const REPORTS: usize = 5;
/// Reports that make the usual speed.
const USUAL: usize = 20;
/// Reports shorter than this say little; their time is added to the next.
const SECONDS: f64 = 4.0;

/// Speed and waiting since the last report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Images that were trained on.
    pub images: usize,
    /// Seconds.
    pub seconds: f64,
    /// Seconds spent waiting for images.
    pub waited: f64,
}

/// Compares the pace with what it has been in this process.
#[derive(Debug, Clone, Default)]
pub struct PaceWatch {
    /// Since the last look.
    gathered: Option<Pace>,
    /// The first look has compiling, caching and empty queues in it.
    begun: bool,
    speeds: VecDeque<f64>,
    starved: InARow,
    slow: InARow,
}

impl PaceWatch {
    /// Looks at the time since the last report.
    pub fn after_report(&mut self, pace: Pace) -> Option<Finding> {
        let before = self.gathered.take();
        let pace = before.map_or(pace, |before| Pace {
            images: before.images + pace.images,
            seconds: before.seconds + pace.seconds,
            waited: before.waited + pace.waited,
        });
        if pace.seconds < SECONDS {
            self.gathered = Some(pace);
            return None;
        }
        if !std::mem::replace(&mut self.begun, true) {
            return None;
        }
        let speed = pace.images as f64 / pace.seconds;
        let waiting = pace.waited / pace.seconds;
        let usual = median(&self.speeds);
        let starved = self.starved.reaches(REPORTS, waiting > STARVED);
        let slow = usual.is_some_and(|usual| speed < SLOW * usual);
        if !slow {
            // A slow time does not become the usual one.
            self.speeds.push_back(speed);
            if self.speeds.len() > USUAL {
                self.speeds.pop_front();
            }
        }
        let slow = self.slow.reaches(REPORTS, slow);
        let numbers = [
            ("images_per_s", speed),
            ("data_wait", waiting),
            ("usual_images_per_s", usual.unwrap_or(speed)),
        ];
        if starved {
            let reason = format!(
                "training waits for images {:.0} % of the time",
                100.0 * waiting
            );
            return Some(Finding::new("data_starvation", reason, &numbers).advising(
                "raise workers if cores are free; keep images in memory with cache=pixels or cache=bytes; decode large \
                 JPEG files smaller with scaled_decoding=true; put the data on a faster disk",
            ));
        }
        slow.then(|| {
            let reason = format!(
                "the run goes at {speed:.1} images a second, usually at {:.1}",
                usual.unwrap_or(speed)
            );
            Finding::new("throughput_drop", reason, &numbers).advising(
                "look for other programs on this machine, for memory that is swapped to disk, and for a processor that \
                 is too hot; if the disk of the data is slow, data_wait shows it",
            )
        })
    }
}

/// The middle of at least a few speeds.
fn median(speeds: &VecDeque<f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = speeds.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    (sorted.len() >= REPORTS).then(|| sorted[sorted.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of what is told for reports of 10 seconds each.
    fn told(watch: &mut PaceWatch, paces: &[(usize, f64)]) -> Vec<&'static str> {
        let paces = paces.iter().map(|(images, waited)| Pace {
            images: *images,
            seconds: 10.0,
            waited: *waited,
        });
        paces
            .filter_map(|pace| watch.after_report(pace).map(|finding| finding.name))
            .collect()
    }

    #[test]
    fn waiting_is_told_once_after_several_reports_but_not_at_the_start() {
        let mut watch = PaceWatch::default();
        assert!(told(&mut watch, &[(100, 9.0)]).is_empty());
        assert!(told(&mut watch, &[(100, 0.5); 10]).is_empty());
        assert_eq!(told(&mut watch, &[(100, 4.0); 20]), ["data_starvation"]);
    }

    #[test]
    fn speed_that_is_lost_is_told_and_slow_steps_from_the_start_are_not() {
        let mut watch = PaceWatch::default();
        assert!(told(&mut watch, &[(100, 0.0); 20]).is_empty());
        assert!(told(&mut watch, &[(40, 0.0), (100, 0.0)].repeat(20)).is_empty());
        assert_eq!(told(&mut watch, &[(40, 0.0); 30]), ["throughput_drop"]);
        assert!(told(&mut PaceWatch::default(), &[(4, 0.0); 30]).is_empty());
    }

    #[test]
    fn short_reports_are_taken_together() {
        let mut watch = PaceWatch::default();
        let pace = Pace {
            images: 8,
            seconds: 0.5,
            waited: 0.4,
        };
        let told: Vec<usize> = (0..100)
            .filter(|_| watch.after_report(pace).is_some())
            .collect();
        // The first eight make the look that is passed over, then five looks of eight.
        assert_eq!(told, [47]);
    }
}
