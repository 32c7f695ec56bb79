//! What a run folder tells of its run: whether it is finished, and with which scores.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use super::RunError;
use super::folder::{METRICS_FILE, Occupancy, differences};
use crate::config::{Resume, RunConfig};
use crate::fsio::{FileError, WithPath};
use crate::observe::{End, EpochReport, Summary};

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// Its last line.
    pub summary: Summary,
    /// Its last complete epoch, if there is one.
    pub epoch: Option<EpochReport>,
}

/// How far the run of a configuration is.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// There is none yet.
    New,
    /// It has begun.
    Unfinished,
    /// It has taken all of its steps.
    Finished(Box<RunRecord>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Epoch(EpochReport),
    Summary(Summary),
    #[serde(other)]
    Other,
}

impl RunRecord {
    /// Reads the metrics of a run folder; `None` if they do not end in a summary.
    ///
    /// # Errors
    /// If they are there and cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, FileError> {
        let path = folder.join(METRICS_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).on(&path, "read"),
        };
        let mut epoch = None;
        let mut summary = None;
        for line in text.lines() {
            summary = None;
            match serde_json::from_str(line) {
                Ok(Line::Epoch(report)) => epoch = Some(report),
                Ok(Line::Summary(last)) => summary = Some(last),
                // A line that an interruption cut short is no summary either.
                Ok(Line::Other) | Err(_) => {}
            }
        }
        Ok(summary.map(|summary| Self { summary, epoch }))
    }

    /// Whether the run has taken all steps that a configuration with its values asks for.
    fn is_finished(&self, config: &RunConfig) -> bool {
        match self.summary.end {
            End::Completed => true,
            End::MaxSteps => config
                .max_steps
                .is_some_and(|most| self.summary.steps >= most),
            End::Interrupted => false,
        }
    }
}

/// Looks at the run folder of a configuration without changing anything.
///
/// # Errors
/// If the folder holds something else, or a run that this configuration cannot continue. A finished run has to agree
/// in what it is scored by as well, since its score is not taken again.
pub fn standing(config: &RunConfig) -> Result<Standing, RunError> {
    let path = config.out_dir();
    match Occupancy::of(&path)? {
        Occupancy::Empty => return Ok(Standing::New),
        Occupancy::Other => return Err(RunError::NotARun { path }),
        Occupancy::Run if config.resume == Resume::Never => {
            return Err(RunError::HoldsARun { path });
        }
        Occupancy::Run => {}
    }
    let record = RunRecord::read(&path)?.filter(|record| record.is_finished(config));
    let disagreeing: Vec<_> = differences(&path, config)?
        .into_iter()
        .filter(|difference| {
            !difference.is_free() || (record.is_some() && difference.is_of_score())
        })
        .collect();
    if !disagreeing.is_empty() {
        return Err(RunError::Differs {
            path,
            differences: disagreeing,
        });
    }
    Ok(record.map_or(Standing::Unfinished, |record| {
        Standing::Finished(Box::new(record))
    }))
}
