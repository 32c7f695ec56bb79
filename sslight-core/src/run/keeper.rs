//! What a run of any kind does beside training: it tells, keeps time, saves, and remembers what went wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use sslight_models::params::NamedTensor;
use sslight_models::weights;

use super::RunError;
use super::folder::{CONFIG_FILE, RunFolder};
use super::health::{Finding, Pace, PaceWatch};
use super::state::STATE_FILE;
use super::stopwatch::Stopwatch;
use crate::checkpoint::{CheckpointError, CheckpointStore};
use crate::config::OnCollapse;
use crate::learner::Stop;
use crate::observe::{HealthEvent, Level, Notice, Observer, RunEvent, SaveHandle, StopHandle};

/// Folder, observer, clock and checkpoints of a run.
pub struct Keeper {
    /// Where it is written down.
    pub folder: RunFolder,
    /// Its checkpoints.
    pub store: Arc<CheckpointStore>,
    /// Who is told.
    pub observer: Box<dyn Observer + Send>,
    /// Asks for a clean stop.
    pub stop: StopHandle,
    /// Asks for a checkpoint.
    pub save: SaveHandle,
    /// How fast it goes.
    pub stopwatch: Stopwatch,
    /// Whether that is as usual.
    pub pace: PaceWatch,
    /// When it is saved.
    pub due: CheckpointsDue,
    /// What is to be done when training has collapsed.
    pub on_collapse: OnCollapse,
    /// What ends it, for the end.
    pub error: Option<RunError>,
}

/// When a checkpoint is due.
#[derive(Debug, Clone)]
pub struct CheckpointsDue {
    every_steps: Vec<usize>,
    every_minutes: Option<f64>,
    saved_at: Instant,
}

impl CheckpointsDue {
    /// At each multiple of one of these numbers of steps, and so long after the last one, or after now.
    pub fn new(every_steps: impl IntoIterator<Item = usize>, every_minutes: Option<f64>) -> Self {
        Self {
            every_steps: every_steps.into_iter().collect(),
            every_minutes,
            saved_at: Instant::now(),
        }
    }

    fn at(&self, steps_done: usize) -> bool {
        let minutes = self.saved_at.elapsed().as_secs_f64() / 60.0;
        let mut every = self.every_steps.iter();
        every.any(|every| steps_done.is_multiple_of(*every))
            || self.every_minutes.is_some_and(|most| minutes >= most)
    }
}

/// What a checkpoint holds beside the learner's records.
pub struct CheckpointContents {
    /// The state of the run, as JSON.
    pub state: Vec<u8>,
    /// Its configuration, as TOML.
    pub config: String,
    /// Name of the file of weights.
    pub weights_file: &'static str,
    /// The weights.
    pub weights: Vec<NamedTensor>,
    /// What that file says of itself.
    pub metadata: BTreeMap<String, String>,
}

/// How fast a run has gone since it was told last.
#[derive(Debug, Clone, Copy)]
pub struct Speed {
    /// Images a second.
    pub images_per_s: f64,
    /// Share of the time that was spent waiting for data, 0 to 1.
    pub data_wait: f64,
    pace: Pace,
}

impl Keeper {
    /// Writes an event down and tells it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn tell(&mut self, event: RunEvent) -> Result<(), RunError> {
        self.folder.record(&event)?;
        self.observer.on_event(&event);
        Ok(())
    }

    /// Tells a sentence.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn notice(&mut self, level: Level, text: String) -> Result<(), RunError> {
        self.tell(RunEvent::Notice(Notice { level, text }))
    }

    /// Keeps an error for the end and ends the loop. That someone asked for the end is no error.
    pub fn keep<T>(&mut self, result: Result<T, RunError>) -> Result<T, Stop> {
        result.map_err(|error| {
            if error.is_interruption() {
                return Stop::Interrupted;
            }
            self.error.get_or_insert(error);
            Stop::Failed
        })
    }

    /// The speed since the last call.
    pub fn speed(&mut self) -> Speed {
        let pace = self.stopwatch.take();
        let seconds = pace.seconds.max(1e-9);
        Speed {
            images_per_s: pace.images as f64 / seconds,
            data_wait: (pace.waited / seconds).min(1.0),
            pace,
        }
    }

    /// Looks at a speed that has been told after `steps_done` steps.
    ///
    /// # Errors
    /// As [`found`](Self::found).
    pub fn watch_speed(&mut self, steps_done: usize, speed: Speed) -> Result<(), RunError> {
        match self.pace.after_report(speed.pace) {
            Some(finding) => self.found(steps_done, finding, ""),
            None => Ok(()),
        }
    }

    /// Tells of something that is not as it should be, or ends the run with it if it is a collapse and that was asked for.
    /// `against_collapse` is advice where the finding has none.
    ///
    /// # Errors
    /// The collapse, or what cannot be written.
    pub fn found(
        &mut self,
        step: usize,
        finding: Finding,
        against_collapse: &'static str,
    ) -> Result<(), RunError> {
        let Finding {
            name,
            reason,
            advice,
            mut details,
        } = finding;
        let collapsed = advice.is_none();
        let advice = advice.unwrap_or(against_collapse);
        details.insert("advice".into(), advice.into());
        self.tell(RunEvent::Event(HealthEvent {
            step,
            name: name.into(),
            details,
        }))?;
        match self.on_collapse {
            OnCollapse::Stop if collapsed => Err(RunError::Collapsed {
                step,
                reason,
                advice,
            }),
            _ => self.notice(Level::Warning, format!("{reason}; {advice}")),
        }
    }

    /// The end of a run of which something in `step` is no number, which is told before.
    pub fn broken(&mut self, step: usize, what: String) -> RunError {
        let mut details = serde_json::Map::new();
        details.insert("reason".into(), what.clone().into());
        let event = HealthEvent {
            step: step + 1,
            name: "not_finite".into(),
            details,
        };
        match self.tell(RunEvent::Event(event)) {
            Ok(()) => RunError::NotFinite { step, what },
            Err(error) => error,
        }
    }

    /// How the loop ended: whether someone asked for it. `of_data` is why there were no more batches, and `broken_weights` names the
    /// first weights that are not finite.
    ///
    /// # Errors
    /// What ended it, if that is an error, or what kept its last checkpoint from being written.
    pub fn ended(
        &mut self,
        stop: Option<Stop>,
        of_data: Option<RunError>,
        broken_weights: impl FnOnce() -> Option<String>,
    ) -> Result<bool, RunError> {
        // Whatever ended the run, the checkpoint that is being written is the last good one.
        let saved = self.store.wait();
        match self.error.take().or(of_data) {
            Some(RunError::NotFinite { step, what }) => {
                let weights = broken_weights().map_or(String::new(), |name| {
                    format!("; the first weights that are not finite are {name}")
                });
                let what = format!("{what}{weights}");
                return Err(RunError::NotFinite { step, what });
            }
            Some(error) => return Err(error),
            None => {}
        }
        saved?;
        match stop {
            Some(Stop::Failed) => Err(RunError::Vanished),
            Some(Stop::Interrupted) => Ok(true),
            None => Ok(false),
        }
    }

    /// Whether a checkpoint is due after so many steps. Asked for by someone, it is due in any case, and the request is answered
    /// either way.
    pub fn wants_checkpoint(&mut self, steps_done: usize) -> bool {
        self.save.take() || self.due.at(steps_done)
    }

    /// Begins a checkpoint: what takes time is done by the store. Weights that are not finite are no checkpoint.
    ///
    /// # Errors
    /// The failure of the checkpoint before, or if the folder cannot be made.
    pub fn begin_checkpoint(
        &mut self,
        step: usize,
        contents: CheckpointContents,
    ) -> Result<(), RunError> {
        let telling = self.folder.telling_files()?;
        let unfit = move |reason| CheckpointError::Unfit { step, reason };
        let make = move || {
            telling.iter().try_for_each(|file| file.sync())?;
            let mut tensors = contents.weights.iter();
            if let Some(tensor) = tensors.find(|tensor| !tensor.is_finite()) {
                return Err(unfit(format!(
                    "{} holds a value that is not finite",
                    tensor.name
                )));
            }
            let weights = weights::to_safetensors(&contents.weights, contents.metadata)
                .map_err(|error| unfit(error.to_string()))?;
            Ok(vec![
                (STATE_FILE, contents.state),
                (CONFIG_FILE, contents.config.into_bytes()),
                (contents.weights_file, weights),
            ])
        };
        self.store.begin(step, Box::new(make))?;
        self.due.saved_at = Instant::now();
        Ok(())
    }

    /// The state of a run as a file of the checkpoint of `step`.
    ///
    /// # Errors
    /// If it is no JSON, which would be a defect.
    pub fn state_file<S: serde::Serialize>(
        &self,
        step: usize,
        state: &S,
    ) -> Result<Vec<u8>, RunError> {
        serde_json::to_vec_pretty(state).map_err(|error| RunError::State {
            path: self.store.folder(step).join(STATE_FILE),
            reason: error.to_string(),
        })
    }
}
