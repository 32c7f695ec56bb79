//! A run seen from outside: what came since the last look, and whether a process trains.

use std::collections::VecDeque;
use std::path::Path;

use sslight_core::fsio::WithPath;
use sslight_core::observe::{RunEvent, StartInfo};
use sslight_core::run::{RunFiles, is_trained};
use sslight_report::{Line, MetricsReader};

use super::log::{Log, Logged};
use crate::exit::CliError;

/// Lines that are taken at once, so that a long file is not held as a whole.
const PORTION: usize = 10_000;
/// Looks without a process and without news after which a run counts as stopped: one that is being started looks the same.
const PATIENCE: usize = 3;

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// A process trains.
    Trained,
    /// It has ended, with a last word.
    Ended,
    /// Nobody trains, and it has no end.
    Stopped,
}

/// What came since the last look.
#[derive(Debug, Default)]
pub struct Came {
    /// What was told before is void: the metrics were cut by a resume, and come again from their start.
    pub restarted: bool,
    /// Lines of the metrics with their text.
    pub lines: Vec<(Line, String)>,
    /// What the log says beside them.
    pub logged: VecDeque<Logged>,
    /// Whether there is more already.
    pub more: bool,
}

/// A run that is followed.
#[derive(Debug)]
pub struct Follower {
    files: RunFiles,
    reader: MetricsReader,
    log: Log,
    end: Option<String>,
    looks_alone: usize,
    life: Life,
}

impl Follower {
    /// Follows the run of a folder.
    ///
    /// # Errors
    /// If there is none.
    pub fn of(folder: &Path) -> Result<Self, CliError> {
        let files = RunFiles::of(folder)?;
        let life = match is_trained(folder)? {
            true => Life::Trained,
            false => Life::Stopped,
        };
        Ok(Self {
            reader: MetricsReader::open(&files.metrics).with_texts(),
            log: Log::open(files.log.clone()),
            files,
            end: None,
            looks_alone: 0,
            life,
        })
    }

    /// Reads on. The lock is looked at before the metrics are read: who lets go of it has written everything.
    ///
    /// # Errors
    /// If files are there and cannot be read.
    pub fn look(&mut self) -> Result<Came, CliError> {
        let trained = is_trained(&self.files.folder)?;
        let logged = self.log.read_new().on(&self.files.log, "read")?;
        let news = self.reader.read_at_most(PORTION)?;
        let more = news.lines.len() == PORTION;
        if let Some(line) = news.lines.last() {
            self.end = match line {
                Line::Summary(summary) => Some(summary.end.replace('_', " ")),
                _ => None,
            };
        } else if news.restarted {
            self.end = None;
        }
        self.looks_alone = match trained || more || !news.lines.is_empty() {
            true => 0,
            false => self.looks_alone + 1,
        };
        self.life = match (trained, &self.end) {
            (true, _) => Life::Trained,
            (false, Some(_)) => Life::Ended,
            (false, None) => Life::Stopped,
        };
        Ok(Came {
            restarted: news.restarted,
            lines: news.lines.into_iter().zip(news.texts).collect(),
            logged: logged.into(),
            more,
        })
    }

    /// How it stood at the last look.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// Whether nothing more is to be expected: it has ended, or it has stopped and nobody has begun to continue it.
    pub fn is_over(&self) -> bool {
        match self.life {
            Life::Trained => false,
            Life::Ended => true,
            Life::Stopped => self.looks_alone >= PATIENCE,
        }
    }

    /// How it stands, in a few words.
    pub fn words(&self) -> String {
        match (&self.life, &self.end) {
            (Life::Trained, _) => "training".to_owned(),
            (Life::Ended, Some(end)) => end.clone(),
            (Life::Ended | Life::Stopped, _) => "no process trains here".to_owned(),
        }
    }

    /// How it stands, as a sentence.
    pub fn sentence(&self) -> String {
        match self.life {
            Life::Trained => "a process trains here now".to_owned(),
            Life::Ended => "the run has ended, and no process trains here".to_owned(),
            Life::Stopped => {
                let checkpoint = match self.files.last_checkpoint() {
                    Ok(Some(step)) => format!("the last checkpoint is of step {step}"),
                    _ => "there is no checkpoint".to_owned(),
                };
                format!(
                    "no process trains here; {checkpoint}; `sslight pretrain {} out={}` continues it",
                    self.files.config.display(),
                    self.files.folder.display()
                )
            }
        }
    }

    /// What is known of a run whose log does not say what it is.
    pub fn unknown_start(&self) -> StartInfo {
        StartInfo {
            title: "a run".to_owned(),
            backend: String::new(),
            data: String::new(),
            images: 0,
            parameters: 0,
            out: self.files.folder.clone(),
            first_step: 0,
            steps_per_epoch: 0,
            total_steps: 0,
            epochs: 0,
        }
    }
}

/// A line of the metrics as the event that it was, with what the start of the run says of its length. None for a line of a
/// version that says other things.
pub fn event_of(text: &str, start: Option<&StartInfo>) -> Option<RunEvent> {
    let mut event = serde_json::from_str(text).ok()?;
    if let (RunEvent::Step(report), Some(start)) = (&mut event, start) {
        report.total_steps = start.total_steps;
    }
    Some(event)
}
