//! The page as one file of HTML, which needs nothing else.

mod configuration;
mod curves;
mod data;
mod events;
mod facts;
mod frame;
mod html;
mod number;
mod pictures;
mod plots;
mod results;
mod spectrum;
#[cfg(test)]
mod tests;

use html::Html;
use pictures::Choice;

use crate::error::ReportError;
use crate::page::{Page, RunPage};

/// Bytes that a page may have.
pub const MOST_BYTES: usize = 3_000_000;

/// Colours of runs. More runs repeat them.
const COLOURS: usize = 8;

/// Bytes that the curves aim at; a bucket of a series takes about [`BUCKET_BYTES`].
const CURVE_BYTES: usize = 1_100_000;
const BUCKET_BYTES: usize = 48;

/// A page, and what is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The file.
    pub html: String,
    /// A sentence for each picture that was left out for the size of the page. The page says so too.
    pub left_out: Vec<String>,
}

/// Makes the page. It has at most [`MOST_BYTES`] bytes: long runs are drawn with fewer points, which keep the peaks, and
/// if that is not enough the largest pictures are left out.
///
/// # Errors
/// If there is no run, if a picture is neither PNG, JPEG nor SVG, and if the page is too large even without pictures.
pub fn render(page: &Page) -> Result<Rendered, ReportError> {
    if page.runs.is_empty() {
        return Err(ReportError::NoRuns);
    }
    let runs = &page.runs;
    let plots = curves::drawn(runs);
    let count: usize = runs.iter().map(series_of).sum();
    let mut buckets = (CURVE_BYTES / BUCKET_BYTES / count.max(1)).clamp(100, 1000);
    loop {
        let parts = Parts::new(page, &plots, buckets);
        let size = parts.size() + frame::size();
        if size > MOST_BYTES && buckets > 25 {
            buckets /= 2;
            continue;
        }
        let Some(room) = MOST_BYTES.checked_sub(size) else {
            let (part, part_size) = parts.largest();
            return Err(ReportError::TooLarge {
                size,
                limit: MOST_BYTES,
                part: part.to_owned(),
                part_size,
            });
        };
        return finished(page, &parts, room);
    }
}

fn series_of(run: &RunPage) -> usize {
    run.history.step_series().len() + run.history.epoch_series().len()
}

fn finished(page: &Page, parts: &Parts, room: usize) -> Result<Rendered, ReportError> {
    let mut room = room;
    loop {
        let choice = Choice::fitting(&page.runs, room);
        let left_out = choice.left_out(&page.runs);
        let pictures = pictures::figures(&page.runs, &choice)?;
        let html = frame::page(page, parts, &pictures, &left_out);
        // The text around pictures and the sentences about those that are left out take room too.
        match html.len().checked_sub(MOST_BYTES + 1) {
            None => {
                return Ok(Rendered {
                    html: html.into_string(),
                    left_out,
                });
            }
            Some(_) if room == 0 => {
                return Err(ReportError::TooLarge {
                    size: html.len(),
                    limit: MOST_BYTES,
                    part: "what is said about pictures".to_owned(),
                    part_size: pictures.len(),
                });
            }
            Some(surplus) => room = room.saturating_sub(surplus + 1),
        }
    }
}

/// The parts of a page whose size depends on the runs.
struct Parts {
    facts: Html,
    results: Html,
    figures: Html,
    events: Html,
    configuration: Html,
    texts: Html,
    data: Html,
}

impl Parts {
    fn new(page: &Page, plots: &[curves::Drawn], buckets: usize) -> Self {
        let runs = &page.runs;
        let mut points = Html::default();
        points.json(&data::of(plots, runs, buckets));
        Self {
            facts: facts::table(runs),
            results: results::table(runs),
            figures: curves::figures(plots, runs),
            events: events::table(runs),
            configuration: configuration::table(runs),
            texts: frame::texts(page),
            data: points,
        }
    }

    fn named(&self) -> [(&'static str, usize); 7] {
        [
            ("the table of facts", self.facts.len()),
            ("the table of results", self.results.len()),
            ("the curves in words", self.figures.len()),
            ("the table of events", self.events.len()),
            ("the configuration", self.configuration.len()),
            ("machine and notes", self.texts.len()),
            ("the points of the curves", self.data.len()),
        ]
    }

    fn size(&self) -> usize {
        self.named().iter().map(|part| part.1).sum()
    }

    fn largest(&self) -> (&'static str, usize) {
        self.named()
            .into_iter()
            .max_by_key(|part| part.1)
            .unwrap_or(("nothing", 0))
    }
}
