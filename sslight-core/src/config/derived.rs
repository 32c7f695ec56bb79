//! Values that follow from a configuration. They are computed where they are needed and never written back.

use std::path::PathBuf;

use super::{Method, RunConfig};

/// Images for which base learning rates are stated.
const LR_BATCH: f64 = 256.0;
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

    /// Whether images to measure on are held out of the training images.
    pub fn holds_out(&self) -> bool {
        self.holdout_per_class.is_some() || self.holdout_fraction.is_some()
    }

    /// Local views that are drawn of each image: none where nothing would look at them.
    pub fn locals(&self) -> usize {
        match self.method {
            method if !method.looks_at_locals() => 0,
            Method::Moco if self.moco.global_only => 0,
            _ => self.views.locals,
        }
    }

    /// Weight of global-global pairs (paper, Eq. 3). Auto is `P_gg / (P_gg + P_gl)`, which makes Eq. 3 the plain
    /// mean over pairs of Eq. 2: `P_gg = 2` and `P_gl = 2 * views.locals`, and half of both for MoCo, which has
    /// one direction only. Without local views there is nothing to weigh, and it is 1.
    pub fn alpha(&self) -> f64 {
        match (self.locals(), self.loss.alpha) {
            (0, _) => 1.0,
            (_, Some(alpha)) => alpha,
            (locals, None) => 1.0 / (1.0 + locals as f64),
        }
    }

    /// Weight of global-local pairs (paper, Eq. 3); auto is `1 - alpha`.
    pub fn beta(&self) -> f64 {
        match (self.locals(), self.loss.beta) {
            (0, _) => 0.0,
            (_, Some(beta)) => beta,
            (_, None) => 1.0 - self.alpha(),
        }
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

    /// Views that the trained network sees per step: all of each image for DINO, SwAV and SimCLR, one global view less
    /// for MoCo, one for supervised training.
    pub fn views_per_step(&self) -> usize {
        let views = match self.method {
            Method::Moco => 1 + self.locals(),
            Method::Supervised => 1,
            _ => 2 + self.locals(),
        };
        views * self.batch_size
    }
}
