//! Values that follow from a configuration. They are computed where they are needed and never written back.

use std::path::PathBuf;

use super::{Method, RunConfig};

/// Images for which base learning rates are stated.
const LR_BATCH: f64 = 256.0;
/// Largest global view for which `model.small_input = "auto"` keeps the resolution of the stem.
const SMALL_INPUT_SIZE: usize = 64;
/// The share of a run that the paper's schedules warm up: 10 of 200 epochs for the learning rate, and 50 of 200
/// for the teacher's temperature. Warm-ups that do not fit a run are shortened to the same share of it.
const LR_WARMUP_SHARE: f64 = 10.0 / 200.0;
const TEMP_WARMUP_SHARE: f64 = 50.0 / 200.0;

impl RunConfig {
    /// Highest learning rate of the run: `optim.base_lr * batch_size / 256`.
    pub fn peak_lr(&self) -> f64 {
        self.optim.base_lr * self.batch_size as f64 / LR_BATCH
    }

    /// Optimizer steps in an epoch over `images` training images; the last short batch is left out, so this is 0
    /// when a batch does not fit.
    pub fn steps_per_epoch(&self, images: usize) -> usize {
        images / self.batch_size
    }

    /// Length of the run's schedules in optimizer steps. `max_steps` does not enter: it stops a run early on
    /// unchanged schedules.
    pub fn total_steps(&self, images: usize) -> usize {
        self.epochs * self.steps_per_epoch(images)
    }

    /// The step before which the run ends: all of them, or `max_steps`.
    pub fn last_step(&self, images: usize) -> usize {
        let total = self.total_steps(images);
        self.max_steps.map_or(total, |most| most.min(total))
    }

    /// Length of the learning rate's warm-up in epochs: as written, or 5 % of a run that is shorter than that.
    pub fn warmup_epochs(&self) -> f64 {
        let epochs = self.epochs as f64;
        if self.optim.warmup_epochs > epochs {
            LR_WARMUP_SHARE * epochs
        } else {
            self.optim.warmup_epochs
        }
    }

    /// Length of the learning rate's warm-up in steps, rounded to the nearest.
    pub fn warmup_steps(&self, images: usize) -> usize {
        (self.warmup_epochs() * self.steps_per_epoch(images) as f64).round() as usize
    }

    /// Length of the teacher temperature's warm-up in epochs: as written, or a quarter (at least one epoch) of a
    /// run that is shorter than that.
    pub fn teacher_temp_warmup_epochs(&self) -> usize {
        let written = self.dino.warmup_teacher_temp_epochs;
        if written <= self.epochs {
            return written;
        }
        ((TEMP_WARMUP_SHARE * self.epochs as f64).round() as usize).max(1)
    }

    /// Weight of global-global pairs (paper, Eq. 3). Auto is `P_gg / (P_gg + P_gl)`, which makes Eq. 3 the plain
    /// mean over pairs of Eq. 2: `P_gg = 2` and `P_gl = 2 * views.locals`, and half of both for MoCo, which has
    /// one direction only.
    pub fn alpha(&self) -> f64 {
        self.loss
            .alpha
            .unwrap_or_else(|| 1.0 / (1.0 + self.views.locals as f64))
    }

    /// Weight of global-local pairs (paper, Eq. 3); auto is `1 - alpha`, at least 0.
    pub fn beta(&self) -> f64 {
        self.loss
            .beta
            .unwrap_or_else(|| (1.0 - self.alpha()).max(0.0))
    }

    /// Whether the stem keeps the resolution of small images; auto: when global views have at most 64 pixels.
    pub fn small_input(&self) -> bool {
        self.model
            .small_input
            .unwrap_or(self.views.global.size <= SMALL_INPUT_SIZE)
    }

    /// Threads that prepare views; auto is one per core.
    pub fn worker_count(&self) -> usize {
        self.workers
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// The run folder; auto is `runs/METHOD-BACKBONE-RECIPE`, and `runs/demo` for the embedded images.
    pub fn out_dir(&self) -> PathBuf {
        match &self.out {
            Some(out) => PathBuf::from(out),
            None if self.data == "embedded" => PathBuf::from("runs/demo"),
            None => PathBuf::from(format!(
                "runs/{}-{}-{}",
                self.method, self.backbone, self.recipe
            )),
        }
    }

    /// Views that the trained network sees per step: all of each image for DINO and SwAV, one global view less
    /// for MoCo, one for supervised training.
    pub fn views_per_step(&self) -> usize {
        let views = match self.method {
            Method::Dino | Method::Swav => 2 + self.views.locals,
            Method::Moco => 1 + self.views.locals,
            Method::Supervised => 1,
        };
        views * self.batch_size
    }
}
