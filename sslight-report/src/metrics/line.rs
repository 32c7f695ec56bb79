//! The lines of `metrics.jsonl`, typed, with every field also reachable by its key.

use std::sync::Arc;

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// A training step that was reported.
    Step(StepLine),
    /// The end of an epoch.
    Epoch(EpochLine),
    /// Something worth telling, such as a sign of collapse.
    Event(EventLine),
    /// How the run ended.
    Summary(SummaryLine),
}

impl Line {
    /// Everything that the line holds, by key.
    pub fn fields(&self) -> &Fields {
        match self {
            Self::Step(line) => &line.fields,
            Self::Epoch(line) => &line.fields,
            Self::Event(line) => &line.fields,
            Self::Summary(line) => &line.fields,
        }
    }
}

/// A training step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepLine {
    /// The optimizer step, from 0.
    pub step: u64,
    /// Its epoch, from 0.
    pub epoch: Option<u64>,
    /// Everything of the line, these values included.
    pub fields: Fields,
}

/// The end of an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochLine {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Optimizer steps taken so far.
    pub step: u64,
    /// Seconds that the epoch took, evaluation included.
    pub seconds: Option<f64>,
    /// Everything of the line, these values included.
    pub fields: Fields,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct EventLine {
    /// Optimizer steps taken so far.
    pub step: u64,
    /// What happened, as in `collapse_warning`.
    pub name: String,
    /// Why it was told, as a sentence.
    pub reason: Option<String>,
    /// What to do about it, as a sentence.
    pub advice: Option<String>,
    /// Everything of the line, these values included.
    pub fields: Fields,
}

/// How the run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryLine {
    /// Why it ended: `completed`, `max_steps`, `interrupted` or another word.
    pub end: String,
    /// Optimizer steps taken.
    pub steps: Option<u64>,
    /// Complete epochs.
    pub epochs: Option<u64>,
    /// Everything of the line, these values included.
    pub fields: Fields,
}

/// The fields of a line in its order, without `kind`. A line has few, so that they are searched one by one.
///
/// Numbers that JSON cannot say (not-a-number, infinities) are written as `null` and read as [`f64::NAN`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields {
    pub(super) entries: Vec<(Arc<str>, Field)>,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    /// A number, or `null`.
    Number(f64),
    /// A string; also a truth value, an object or a mixed list, as JSON.
    Text(Box<str>),
    /// A list of numbers.
    List(Box<[f64]>),
}

impl Fields {
    /// The number of that key; NaN where `null` was written.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Field::Number(number) => Some(*number),
            Field::Text(_) | Field::List(_) => None,
        }
    }

    /// The text of that key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Field::Text(text) => Some(text),
            Field::Number(_) | Field::List(_) => None,
        }
    }

    /// The list of numbers of that key, as of `spectrum`.
    pub fn list(&self, key: &str) -> Option<&[f64]> {
        match self.get(key)? {
            Field::List(list) => Some(list),
            Field::Number(_) | Field::Text(_) => None,
        }
    }

    /// All numbers with their keys, in the order of the line.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, f64)> {
        self.entries.iter().filter_map(|(key, field)| match field {
            Field::Number(number) => Some((&**key, *number)),
            Field::Text(_) | Field::List(_) => None,
        })
    }

    /// All texts with their keys, in the order of the line.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|(key, field)| match field {
            Field::Text(text) => Some((&**key, &**text)),
            Field::Number(_) | Field::List(_) => None,
        })
    }

    /// All lists of numbers with their keys, in the order of the line.
    pub fn lists(&self) -> impl Iterator<Item = (&str, &[f64])> {
        self.entries.iter().filter_map(|(key, field)| match field {
            Field::List(list) => Some((&**key, &**list)),
            Field::Number(_) | Field::Text(_) => None,
        })
    }

    fn get(&self, key: &str) -> Option<&Field> {
        self.entries
            .iter()
            .find(|(name, _)| &**name == key)
            .map(|(_, field)| field)
    }

    /// The number of that key as a count; `None` for one that is negative, no whole number or too large to be exact.
    pub(super) fn count(&self, key: &str) -> Option<u64> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        self.number(key)
            .filter(|number| (0.0..=EXACT).contains(number) && number.fract() == 0.0)
            .map(|number| number as u64)
    }
}
