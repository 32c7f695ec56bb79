//! The clock on the wall: how fast a run goes and how long it waits for images.

use std::time::{Duration, Instant};

use sslight_data::Loader;

use super::health::Pace;

/// Speed and wait for data since the last report.
pub struct Progress {
    loader: Loader,
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

impl Progress {
    /// From now on, with the images that `loader` gives.
    pub fn new(loader: &Loader, total_steps: usize) -> Self {
        let now = Instant::now();
        Self {
            loader: loader.clone(),
            total_steps,
            run_started: now,
            epoch_started: now,
            reported: now,
            waited: loader.waited(),
            images: 0,
        }
    }

    /// The pace since the last call.
    pub fn take(&mut self) -> Pace {
        let waited = self.loader.waited().saturating_sub(self.waited);
        let pace = Pace {
            images: self.images,
            seconds: self.reported.elapsed().as_secs_f64(),
            waited: waited.as_secs_f64(),
        };
        self.restart();
        pace
    }

    /// Leaves out the time since the last report, which was not training.
    pub fn restart(&mut self) {
        self.reported = Instant::now();
        self.waited = self.loader.waited();
        self.images = 0;
    }
}
