//! The results as tables for people: `sweep.md`, and the same on a terminal.

use super::{Board, Point, Series, State};

/// A table: its head, then its rows, all of the same length.
type Rows = Vec<[String; 6]>;

impl Board<'_> {
    /// The tables in Markdown, one a series.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}\n", self.sweep().title, self.protocol());
        for series in &self.sweep().series {
            text.push_str(&format!("\n## {}\n\n", series.title));
            for (index, row) in self.rows(series).iter().enumerate() {
                let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
                text.push_str(&format!("| {} |\n", cells.join(" | ")));
                if index == 0 {
                    text.push_str("|---|---:|---:|---:|---|---|\n");
                }
            }
        }
        text
    }

    /// The tables with aligned columns.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n", self.sweep().title, self.protocol());
        for series in &self.sweep().series {
            text.push_str(&format!("\n{}\n", series.title));
            let rows = self.rows(series);
            let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
            let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or(0)).collect();
            for row in &rows {
                let cells = row.iter().zip(&widths).enumerate();
                let cells = cells.map(|(column, (cell, &width))| match column {
                    // Scores stand right, words left.
                    1..=3 => format!("{cell:>width$}"),
                    _ => format!("{cell:width$}"),
                });
                let line = cells.collect::<Vec<_>>().join("  ");
                text.push_str(&format!("  {}\n", line.trim_end()));
            }
        }
        text
    }

    /// How points are scored, in a sentence.
    fn protocol(&self) -> String {
        let sweep = self.sweep();
        let finished = sweep
            .runs()
            .filter(|point| self.record(point).is_some())
            .count();
        let protocol = sweep
            .runs()
            .find_map(|point| self.record(point)?.summary.knn_protocol.clone())
            .filter(|_| sweep.metric == super::Metric::KnnTop1);
        format!(
            "Score: {}{}; {finished} of {} runs finished.",
            sweep.metric.label(),
            protocol.map_or(String::new(), |protocol| format!(", {protocol}")),
            sweep.runs().count()
        )
    }

    fn rows(&self, series: &Series) -> Rows {
        let head = [
            &series.label,
            self.sweep().metric.label(),
            "kNN before training (%)",
            "pixels kNN (%)",
            "run",
            "",
        ];
        let points = series.points.iter().map(|point| self.row(series, point));
        std::iter::once(head.map(str::to_owned))
            .chain(points)
            .collect()
    }

    fn row(&self, series: &Series, point: &Point) -> [String; 6] {
        let record = self.record(point);
        let shown = |number: Option<f64>, digits: usize| {
            number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
        };
        let digits = if self.sweep().metric == super::Metric::Loss {
            4
        } else {
            2
        };
        [
            point.at.to_string(),
            shown(self.score(point), digits),
            shown(record.and_then(|record| record.summary.knn_before), 2),
            shown(record.and_then(|record| record.summary.knn_pixels), 2),
            point.run.clone(),
            self.note(series, point),
        ]
    }

    /// What stands out, and why a score is missing.
    fn note(&self, series: &Series, point: &Point) -> String {
        let mut notes = Vec::new();
        if self
            .best(series)
            .is_some_and(|best| best.name == point.name)
        {
            notes.push("best".to_owned());
        }
        if series.is_default(point) {
            notes.push("the paper's default".to_owned());
        }
        match self.state(point) {
            State::Finished(_) => {}
            State::Waiting => notes.push("waiting".to_owned()),
            State::Unfinished => notes.push("unfinished".to_owned()),
            State::Failed(error) => notes.push(format!("failed: {error}")),
        }
        notes.join(", ")
    }
}

/// A cell of a Markdown table is one line without bars.
fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace(['\n', '\r'], " ")
}
