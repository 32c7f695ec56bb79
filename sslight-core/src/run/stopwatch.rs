//! The clock on the wall: how fast a run goes and how long it waits for images.

use std::time::{Duration, Instant};

use super::health::Pace;

/// Speed and wait for data since the last report.
pub struct Stopwatch {
    /// How long data has been waited for since the beginning.
    wait: Box<dyn Fn() -> Duration + Send>,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// When this process began to train.
    pub run_started: Instant,
    /// When it began the epoch.
    pub epoch_started: Instant,
    reported: Instant,
    waited: Duration,
    /// Images since the last report.
    pub images: usize,
}

impl Stopwatch {
    /// From now on, through a run of `total_steps` steps; `wait` tells how long data has been waited for so far.
    pub fn new(total_steps: usize, wait: impl Fn() -> Duration + Send + 'static) -> Self {
        let now = Instant::now();
        Self {
            total_steps,
            run_started: now,
            epoch_started: now,
            reported: now,
            waited: wait(),
            images: 0,
            wait: Box::new(wait),
        }
    }

    /// The pace since the last call.
    pub fn take(&mut self) -> Pace {
        let waited = (self.wait)().saturating_sub(self.waited);
        let pace = Pace {
            images: self.images,
            seconds: self.reported.elapsed().as_secs_f64(),
            waited: waited.as_secs_f64(),
        };
        self.restart();
        pace
    }

    /// An epoch begins now.
    pub fn begin_epoch(&mut self) {
        self.epoch_started = Instant::now();
        self.restart();
    }

    /// Leaves out the time since the last report, which was not training.
    pub fn restart(&mut self) {
        self.reported = Instant::now();
        self.waited = (self.wait)();
        self.images = 0;
    }
}
