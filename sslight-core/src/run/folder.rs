//! The run folder: whose it is, what it resumes from, its log and its metrics.

mod occupancy;
mod plan;
mod pretraining;
mod resume;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sslight_report::tensorboard::EventFile;

pub(super) use occupancy::Occupancy;
pub(crate) use occupancy::lock;
pub use plan::{Course, FolderPlan};
pub use pretraining::Pretraining;
pub use resume::Resumed;
pub(super) use resume::{checkpoint_at, differences, state};

use super::RunError;
use crate::checkpoint::{CheckpointStore, Keep};
use crate::config::Resume;
use crate::fsio::{FileError, WithPath, replace};
use crate::observe::{Level, RunEvent};
use resume::Given;

pub(super) const CONFIG_FILE: &str = "config.toml";
pub(super) const LOG_FILE: &str = "train.log";
pub(super) const METRICS_FILE: &str = "metrics.jsonl";
pub(super) const LOCK_FILE: &str = ".lock";
const CHECKPOINTS: &str = "checkpoints";

/// A run folder that this process may write to.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: File,
    log: File,
    board: EventFile,
    // Held, not read: the lock lasts as long as the file is open.
    _lock: File,
}

/// A run folder, and what the run in it goes on from.
pub type OpenedFolder<S> = (RunFolder, Option<Resumed<S>>);

impl RunFolder {
    /// Opens the run folder of a configuration, as a new run or as one that goes on.
    ///
    /// # Errors
    /// If the folder holds something else, a run of another configuration, or one that may not be continued.
    pub fn open<P: FolderPlan>(
        plan: &P,
        store_of: &dyn Fn(&Path) -> CheckpointStore,
    ) -> Result<OpenedFolder<P::State>, RunError> {
        let path = plan.out_dir();
        let state = Occupancy::of(&path)?;
        if state == Occupancy::Other {
            return Err(RunError::NotARun { path });
        }
        if state == Occupancy::Run {
            if *plan.resume() == Resume::Never {
                return Err(RunError::HoldsARun { path });
            }
            resume::refuse_another_configuration(&path, plan)?;
        }
        // Before the folder is made: a checkpoint that does not fit must not leave a run behind.
        let given = match plan.resume() {
            Resume::Path(given) => {
                let store = CheckpointStore::new(path.join(CHECKPOINTS), Keep::last(1));
                resume::find_given(given, &store, plan)?
            }
            Resume::Auto | Resume::Never => Given::Nothing,
        };
        fs::create_dir_all(path.join(CHECKPOINTS)).on(&path, "create")?;
        let lock = lock(&path)?;
        if state == Occupancy::Empty && Occupancy::of(&path)? == Occupancy::Run {
            // Another process made a run of it while this one waited for the lock.
            resume::refuse_another_configuration(&path, plan)?;
        }
        occupancy::remove_drafts(&path)?;
        let config_path = path.join(CONFIG_FILE);
        replace(&config_path, plan.annotated()?.as_bytes())?;
        let store = store_of(&path);
        store.recover()?;
        match given {
            Given::Elsewhere(found) => resume::adopt(&found, &store)?,
            Given::Own(step) => store.clean_up(step)?,
            Given::Nothing => {}
        }
        let mut resumed = resume::resume(&path, &store, plan)?;
        let state = resumed.as_ref().map(|resumed| &resumed.state);
        let step = state.map_or(0, Course::step);
        let epochs_told = state.and_then(Course::epochs_told);
        store.clean_up(step)?;
        if step > 0 {
            store.point_to(step)?;
        }
        let Cut {
            kept: metrics,
            unreadable,
        } = cut_metrics(&path.join(METRICS_FILE), step, epochs_told)?;
        if unreadable > 0
            && let Some(resumed) = &mut resumed
        {
            let lines = format!("{METRICS_FILE}: {unreadable} lines were no metrics and are gone");
            resumed.warnings.push(lines);
        }
        let folder = Self {
            board: begin_board(&path, step, &metrics, &plan.listing()?)?,
            metrics: append(&path.join(METRICS_FILE))?,
            log: append(&path.join(LOG_FILE))?,
            path,
            _lock: lock,
        };
        Ok((folder, resumed))
    }

    /// Whether a run folder holds checkpoints, whole or damaged, of a run that may go on.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn has_checkpoints(path: &Path) -> Result<bool, RunError> {
        let store = CheckpointStore::new(path.join(CHECKPOINTS), Keep::last(1));
        Ok(!store.steps()?.is_empty())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the checkpoints of a run folder are.
    pub fn checkpoints_of(path: &Path) -> PathBuf {
        path.join(CHECKPOINTS)
    }

    /// Adds an event to metrics, TensorBoard's file and log.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn record(&mut self, event: &RunEvent) -> Result<(), FileError> {
        if let Some(line) = event.metrics_line() {
            let path = self.path.join(METRICS_FILE);
            append_line(&mut self.metrics, &line).on(&path, "write")?;
        }
        if let Ok(event) = serde_json::to_value(event) {
            let written = self.board.record(&event);
            written.on(self.board.path(), "write")?;
        }
        let line = match event {
            RunEvent::Notice(notice) if notice.level == Level::Warning => {
                format!("warning: {}", notice.text)
            }
            RunEvent::Notice(notice) => notice.text.clone(),
            other => serde_json::to_string(other).unwrap_or_default(),
        };
        self.log_line(&line)
    }

    /// Adds machine and versions to the log.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn log_machine(&mut self, backend: &str) -> Result<(), FileError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        self.log_line(&format!(
            "sslight {} ({}) on {} {}, {threads} threads, backend {backend}",
            env!("CARGO_PKG_VERSION"),
            option_env!("SSLIGHT_REVISION").unwrap_or("revision unknown"),
            std::env::consts::OS,
            std::env::consts::ARCH,
        ))
    }

    /// Other handles to metrics and log, with which a checkpoint makes sure that they are on the disk before it is.
    ///
    /// # Errors
    /// If the system gives none.
    pub(super) fn telling_files(&self) -> Result<[TellingFile; 2], FileError> {
        let of = |name: &str, file: &File| {
            let path = self.path.join(name);
            let file = file.try_clone().on(&path, "open")?;
            Ok(TellingFile { path, file })
        };
        Ok([of(METRICS_FILE, &self.metrics)?, of(LOG_FILE, &self.log)?])
    }

    fn log_line(&mut self, line: &str) -> Result<(), FileError> {
        let path = self.path.join(LOG_FILE);
        append_line(&mut self.log, line).on(&path, "write")
    }

    /// Writes a file of the folder in one step.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn replace_file(&self, name: &str, content: &[u8]) -> Result<(), FileError> {
        replace(&self.path.join(name), content)
    }
}

/// Begins TensorBoard's file of this part of the run.
fn begin_board(
    path: &Path,
    step: usize,
    metrics: &str,
    config: &str,
) -> Result<EventFile, FileError> {
    let begin = || {
        let mut board = EventFile::begin(path, step as u64, metrics)?;
        board.listing("config", step as u64, config)?;
        Ok(board)
    };
    begin().on(path, "begin TensorBoard's file in")
}

/// What is left of metrics.
struct Cut {
    /// The lines.
    kept: String,
    /// Whole lines that could not be read, which are left out.
    unreadable: usize,
}

/// Removes the lines of steps that will be taken again, of epochs that will be told of again, and earlier summaries.
fn cut_metrics(path: &Path, step: usize, epochs_told: Option<usize>) -> Result<Cut, RunError> {
    let content = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        read => read.on(path, "read")?,
    };
    let (mut kept, mut unreadable) = (String::new(), 0);
    // What has no line feed was cut off.
    for line in content
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
    {
        let parsed = std::str::from_utf8(line).ok();
        let parsed =
            parsed.and_then(|text| Some((text, serde_json::from_str::<Value>(text).ok()?)));
        let Some((text, value)) = parsed else {
            unreadable += 1;
            continue;
        };
        let epoch = value
            .get("epoch")
            .and_then(Value::as_u64)
            .map(|epoch| epoch as usize);
        let told_again = value["kind"] == "epoch"
            && epoch
                .zip(epochs_told)
                .is_some_and(|(epoch, told)| epoch >= told);
        if told_again {
            // What follows it was found after it.
            break;
        }
        if is_before(&value, step) {
            kept.push_str(text);
        }
    }
    if kept.len() < content.len() {
        // In one step: an interruption leaves the old lines, which are cut the next time.
        replace(path, kept.as_bytes())?;
    }
    Ok(Cut { kept, unreadable })
}

/// A file that grows with the run.
#[derive(Debug)]
pub(super) struct TellingFile {
    path: PathBuf,
    file: File,
}

impl TellingFile {
    /// Waits until what was written is on the disk.
    pub(super) fn sync(&self) -> Result<(), FileError> {
        self.file.sync_data().on(&self.path, "synchronise")
    }
}

/// Whether a line of the metrics stays when `step` steps have been taken.
fn is_before(value: &Value, step: usize) -> bool {
    let number = |key: &str| value.get(key).and_then(Value::as_u64).map(|n| n as usize);
    match value.get("kind").and_then(Value::as_str) {
        Some("step") => number("step").is_some_and(|taken| taken < step),
        Some("epoch" | "event") => number("step").is_some_and(|done| done <= step && step > 0),
        _ => false,
    }
}

fn append(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .on(path, "open")
}

/// One write a line, so that an interruption leaves whole lines.
fn append_line(file: &mut File, line: &str) -> std::io::Result<()> {
    file.write_all(format!("{line}\n").as_bytes())
}
