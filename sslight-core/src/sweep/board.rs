//! What is known of each point, and which points stand out.

use std::collections::BTreeMap;

use super::{Point, Series, Sweep};
use crate::run::{RunError, RunRecord};

/// How far a run of a sweep is.
#[derive(Debug)]
pub enum State {
    /// Its turn has not come.
    Waiting,
    /// It has begun, and continues the next time.
    Unfinished,
    /// It ended before its end, and is tried again the next time.
    Failed(RunError),
    /// It is done.
    Finished(Box<RunRecord>),
}

/// A sweep with the states of its runs.
#[derive(Debug)]
pub struct Board<'a> {
    sweep: &'a Sweep,
    states: BTreeMap<&'a str, State>,
}

impl<'a> Board<'a> {
    /// A board on which every run waits.
    pub fn new(sweep: &'a Sweep) -> Self {
        let waiting = |point: &'a Point| (point.name.as_str(), State::Waiting);
        Self {
            sweep,
            states: sweep.runs().map(waiting).collect(),
        }
    }

    /// The sweep.
    pub fn sweep(&self) -> &'a Sweep {
        self.sweep
    }

    /// Notes how far the run of a point is.
    pub fn set(&mut self, point: &'a Point, state: State) {
        self.states.insert(&point.run, state);
    }

    /// How far the run of a point is.
    pub fn state(&self, point: &Point) -> &State {
        self.states.get(&*point.run).unwrap_or(&State::Waiting)
    }

    /// How the run of a point ended, if it did.
    pub fn record(&self, point: &Point) -> Option<&RunRecord> {
        match self.state(point) {
            State::Finished(record) => Some(record),
            State::Waiting | State::Unfinished | State::Failed(_) => None,
        }
    }

    /// The score of a point, if it has one.
    pub fn score(&self, point: &Point) -> Option<f64> {
        let score = self.sweep.metric.of(self.record(point)?)?;
        score.is_finite().then_some(score)
    }

    /// The best point of a series, the first of equals; `None` as long as none has a score.
    pub fn best<'s>(&self, series: &'s Series) -> Option<&'s Point> {
        let mut best: Option<(f64, &Point)> = None;
        for point in &series.points {
            if let Some(score) = self.score(point)
                && best.is_none_or(|(least, _)| self.sweep.metric.is_better(score, least))
            {
                best = Some((score, point));
            }
        }
        best.map(|(_, point)| point)
    }

    /// The runs that failed, in order, with the reason.
    pub fn failures(&self) -> Vec<(&'a Point, &RunError)> {
        let failed = self
            .sweep
            .runs()
            .filter_map(|point| match self.state(point) {
                State::Failed(error) => Some((point, error)),
                State::Waiting | State::Unfinished | State::Finished(_) => None,
            });
        failed.collect()
    }
}

impl Series {
    /// Whether a point is the paper's default.
    pub(super) fn is_default(&self, point: &Point) -> bool {
        self.default.as_ref() == Some(&point.at)
    }
}
