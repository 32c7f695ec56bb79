//! A run's metrics as a whole: series by key, events, how it ended.

use std::path::Path;

use crate::metrics::{EventLine, Fields, Line, MetricsError, MetricsReader, SummaryLine};
use crate::series::Series;

/// Lines that are held at once while a file is read.
const AT_ONCE: usize = 20_000;

/// Everything that a run's `metrics.jsonl` tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    steps: Vec<Series>,
    epochs: Vec<Series>,
    epoch_ends: Vec<EpochEnd>,
    spectra: Vec<Spectrum>,
    events: Vec<EventLine>,
    summary: Option<SummaryLine>,
    notes: Vec<String>,
}

/// Where an epoch ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochEnd {
    /// Complete epochs, from 1.
    pub epochs: f64,
    /// Optimizer steps taken.
    pub step: f64,
    /// Seconds from the start of the run, as the sum over the epochs; `None` from the first epoch on that did not tell.
    pub seconds: Option<f64>,
}

/// The singular values of the features at the end of an epoch, in the order of the line.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Complete epochs, from 1.
    pub epochs: f64,
    /// The values.
    pub values: Vec<f64>,
}

impl History {
    /// Reads a whole file of metrics. A missing file is an empty history.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, MetricsError> {
        let mut reader = MetricsReader::open(path.as_ref());
        let mut history = Self::default();
        loop {
            let news = reader.read_at_most(AT_ONCE)?;
            if news.restarted {
                history = Self::default();
            }
            if news.lines.is_empty() {
                break;
            }
            history.extend(news.lines);
        }
        if let Some(first) = reader.first_not_understood() {
            let count = reader.not_understood();
            let lines = if count == 1 { "line was" } else { "lines were" };
            history
                .notes
                .push(format!("{count} {lines} skipped; {first}."));
        }
        Ok(history)
    }

    /// Adds lines, in the order of the file.
    pub fn extend(&mut self, lines: impl IntoIterator<Item = Line>) {
        for line in lines {
            match line {
                Line::Step(line) => push(&mut self.steps, line.step as f64, &line.fields),
                Line::Epoch(line) => {
                    let step = line.step as f64;
                    let epochs = line.epoch as f64 + 1.0;
                    push(&mut self.epochs, step, &line.fields);
                    // An epoch that is told again was repeated.
                    self.epoch_ends.retain(|end| end.step < step);
                    self.spectra.retain(|spectrum| spectrum.epochs < epochs);
                    let before = self.epoch_ends.last().map_or(Some(0.0), |end| end.seconds);
                    self.epoch_ends.push(EpochEnd {
                        epochs,
                        step,
                        seconds: before.zip(line.seconds).map(|(sum, more)| sum + more),
                    });
                    if let Some(values) = line.fields.list("spectrum") {
                        self.spectra.push(Spectrum {
                            epochs,
                            values: values.to_vec(),
                        });
                    }
                }
                Line::Event(line) => self.events.push(line),
                Line::Summary(line) => self.summary = Some(line),
            }
        }
    }

    /// The numbers of the step lines, a series for each key, in the order of their appearance.
    pub fn step_series(&self) -> &[Series] {
        &self.steps
    }

    /// The numbers of the epoch lines over the steps taken so far, a series for each key.
    pub fn epoch_series(&self) -> &[Series] {
        &self.epochs
    }

    /// Where the epochs ended.
    pub fn epoch_ends(&self) -> &[EpochEnd] {
        &self.epoch_ends
    }

    /// The spectra of the features, of those epochs that measured one.
    pub fn spectra(&self) -> &[Spectrum] {
        &self.spectra
    }

    /// What happened.
    pub fn events(&self) -> &[EventLine] {
        &self.events
    }

    /// How the run ended; `None` while it runs, and if it was killed.
    pub fn summary(&self) -> Option<&SummaryLine> {
        self.summary.as_ref()
    }

    /// What the reader of the metrics should know, as sentences: lines that were skipped.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The last finite number of that key: of the summary, else of the epochs, the steps or the events.
    pub fn last(&self, key: &str) -> Option<f64> {
        let of = |series: &[Series]| series.iter().find(|one| one.key == key)?.last();
        let finite = |fields: &Fields| fields.number(key).filter(|number| number.is_finite());
        self.summary
            .as_ref()
            .and_then(|line| finite(&line.fields))
            .or_else(|| of(&self.epochs))
            .or_else(|| of(&self.steps))
            .or_else(|| {
                self.events
                    .iter()
                    .rev()
                    .find_map(|line| finite(&line.fields))
            })
    }

    /// Optimizer steps taken, as far as the metrics tell.
    pub fn steps_taken(&self) -> Option<f64> {
        let told = self.summary.as_ref().and_then(|line| line.steps);
        let reported = self
            .steps
            .iter()
            .filter_map(|series| series.points.last())
            .map(|point| point.0 + 1.0)
            .chain(self.epoch_ends.iter().map(|end| end.step))
            .reduce(f64::max);
        told.map(|steps| steps as f64).or(reported)
    }
}

/// Adds the numbers of a line, at its step. Lines mostly have the same keys in the same order, so that the place in the
/// line is tried first.
fn push(all: &mut Vec<Series>, step: f64, fields: &Fields) {
    let values = fields
        .numbers()
        .filter(|(key, _)| !matches!(*key, "step" | "epoch"));
    for (place, (key, value)) in values.enumerate() {
        let at = match all.get(place) {
            Some(series) if series.key == key => Some(place),
            _ => all.iter().position(|series| series.key == key),
        };
        match at {
            Some(at) => all[at].points.push((step, value)),
            None => all.push(Series {
                key: key.to_owned(),
                points: vec![(step, value)],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(text: &str) -> History {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, text).unwrap();
        History::read(&path).unwrap()
    }

    #[test]
    fn lines_become_series() {
        let history = history(concat!(
            "{\"kind\":\"step\",\"step\":0,\"loss\":3,\"lr\":0.1}\n",
            "{\"kind\":\"step\",\"step\":1,\"lr\":0.2,\"loss\":null}\n",
            "{\"kind\":\"epoch\",\"epoch\":0,\"step\":2,\"knn_top1\":20,\"seconds\":5,\"spectrum\":[1,0.5]}\n",
            "{\"kind\":\"epoch\",\"epoch\":1,\"step\":4,\"knn_top1\":30,\"seconds\":6}\n",
            "{\"kind\":\"epoch\",\"epoch\":2,\"step\":6,\"knn_top1\":31}\n",
            "garbage\n",
            "{\"kind\":\"event\",\"step\":4,\"name\":\"n\",\"level\":2}\n",
        ));
        let loss = history
            .step_series()
            .iter()
            .find(|series| series.key == "loss")
            .unwrap();
        assert_eq!(loss.last(), Some(3.0));
        assert_eq!(loss.points.len(), 2);
        assert_eq!(history.last("knn_top1"), Some(31.0));
        assert_eq!(history.last("level"), Some(2.0));
        let seconds: Vec<Option<f64>> =
            history.epoch_ends().iter().map(|end| end.seconds).collect();
        assert_eq!(seconds, [Some(5.0), Some(11.0), None]);
        assert_eq!(history.spectra()[0].values, [1.0, 0.5]);
        assert_eq!(history.steps_taken(), Some(6.0));
        assert!(
            history.notes()[0].starts_with("1 line was skipped; "),
            "{:?}",
            history.notes()
        );
        assert!(history.summary().is_none());
    }

    #[test]
    fn a_repeated_epoch_takes_the_place_of_the_first_try() {
        let epoch = |number: u64, step: u64, seconds: u64| {
            format!(
                "{{\"kind\":\"epoch\",\"epoch\":{number},\"step\":{step},\"seconds\":{seconds},\"spectrum\":[{seconds}]}}\n"
            )
        };
        let text = epoch(0, 10, 5) + &epoch(1, 20, 6) + &epoch(2, 30, 7) + &epoch(1, 20, 8);
        let history = history(&text);
        let ends: Vec<(f64, Option<f64>)> = history
            .epoch_ends()
            .iter()
            .map(|end| (end.step, end.seconds))
            .collect();
        assert_eq!(ends, [(10.0, Some(5.0)), (20.0, Some(13.0))]);
        assert_eq!(history.spectra().len(), 2);
    }

    #[test]
    fn a_run_without_metrics_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            History::read(folder.path().join("none")).unwrap(),
            History::default()
        );
    }
}
