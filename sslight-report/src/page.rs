//! What a page shows, as its caller gives it.

use crate::history::History;

/// A page about one run, or several beside each other.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The heading.
    pub title: String,
    /// The runs, in the order of their colours.
    pub runs: Vec<RunPage>,
    /// Sentences for the reader of the page as a whole, such as a run that was left out.
    pub notes: Vec<String>,
}

/// A run. Whatever is empty does not appear.
#[derive(Debug, Clone, Default)]
pub struct RunPage {
    /// The name that tells it from the others.
    pub name: String,
    /// Key facts beside those that the configuration and the metrics tell, such as the number of images.
    pub facts: Vec<Fact>,
    /// The resolved configuration, in the order in which it is shown.
    pub config: Vec<ConfigRow>,
    /// Its metrics.
    pub history: History,
    /// What it was evaluated at.
    pub results: Vec<ResultRow>,
    /// Pictures in the order in which they are shown.
    pub pictures: Vec<Picture>,
    /// The machine and the versions, a line each.
    pub machine: Vec<String>,
    /// Sentences for the reader.
    pub notes: Vec<String>,
}

/// Something that is said at the top of the page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fact {
    /// What, as in `Images`.
    pub name: String,
    /// How much, as in `50,000`.
    pub value: String,
}

/// A value of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigRow {
    /// The dotted key.
    pub key: String,
    /// The value as it is written.
    pub value: String,
    /// Where it came from, in words.
    pub origin: String,
}

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResultRow {
    /// Which evaluation, as in `linear probe`.
    pub evaluation: String,
    /// How it was done, in words. Results of different protocols are not set beside each other.
    pub protocol: String,
    /// What was measured.
    pub scores: Vec<Score>,
    /// What the paper reports.
    pub paper: Option<PaperRow>,
}

/// A number that was measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Score {
    /// What, as in `top-1`.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Its unit, as in `%`; may be empty.
    pub unit: String,
}

/// What a paper reports for the same evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PaperRow {
    /// The score with its unit, as in `74.5 %`.
    pub score: String,
    /// Which paper, which row, and what differs from this run.
    pub source: String,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// Its heading.
    pub title: String,
    /// What there is to see, as a sentence; may be empty.
    pub caption: String,
    /// The picture in words, for those who cannot see it.
    pub alt: String,
    /// A PNG, JPEG or SVG file. An SVG is shown as an image, in which nothing runs.
    pub bytes: Vec<u8>,
}
