//! `sweep.csv`: a line for each point, for other programs.

use super::State;
use super::{Board, Metric, Point, Series, SweepError};
use crate::text::csv_cell;

const COLUMNS: &[&str] = &[
    "series",
    "at",
    "point",
    "run",
    "state",
    "steps",
    "metric",
    "score",
    "knn_top1",
    "probe_top1",
    "loss",
    "knn_before",
    "knn_pixels",
    "best",
    "default",
    "reason",
];

impl Board<'_> {
    /// The table as comma-separated values (RFC 4180): fixed columns, then a column for each key on which points
    /// differ. What was not measured is empty; accuracies are in percent.
    ///
    /// # Errors
    /// A defect of this program only.
    pub fn csv(&self) -> Result<String, SweepError> {
        let varied = self.sweep().varied()?;
        let keys = varied.iter().map(|(key, _)| *key);
        let mut text = line(COLUMNS.iter().copied().chain(keys).map(str::to_owned));
        let mut row = 0;
        for series in &self.sweep().series {
            for point in &series.points {
                let values = varied.iter().map(|(_, values)| values[row].clone());
                text.push_str(&line(self.cells(series, point).into_iter().chain(values)));
                row += 1;
            }
        }
        Ok(text)
    }

    /// The cells of [`COLUMNS`].
    fn cells(&self, series: &Series, point: &Point) -> [String; 16] {
        let record = self.record(point);
        let number = |number: Option<f64>| number.map_or(String::new(), |n| n.to_string());
        let of = |metric: Metric| number(record.and_then(|record| metric.of(record)));
        let summary = record.map(|record| &record.summary);
        let flag = |yes: bool| if yes { "yes" } else { "" }.to_owned();
        let best = self
            .best(series)
            .is_some_and(|best| best.name == point.name);
        let (state, reason) = match self.state(point) {
            State::Waiting => ("waiting", String::new()),
            State::Unfinished => ("unfinished", String::new()),
            State::Failed(error) => ("failed", error.to_string()),
            State::Finished(_) => ("finished", String::new()),
        };
        [
            series.name.clone(),
            point.at.to_string(),
            point.name.clone(),
            self.sweep().out.join(&point.run).display().to_string(),
            state.to_owned(),
            summary.map_or(String::new(), |summary| summary.steps.to_string()),
            self.sweep().metric.word().to_owned(),
            number(self.score(point)),
            of(Metric::KnnTop1),
            of(Metric::ProbeTop1),
            of(Metric::Loss),
            number(summary.and_then(|summary| summary.knn_before)),
            number(summary.and_then(|summary| summary.knn_pixels)),
            flag(best),
            flag(series.is_default(point)),
            reason,
        ]
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| csv_cell(&cell)).collect();
    cells.join(",") + "\n"
}
