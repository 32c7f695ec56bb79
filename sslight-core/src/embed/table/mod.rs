//! Files of features: one row an image, written batch by batch, there as a whole or not at all.

mod csv;
mod parquet;
mod safetensors;

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use super::{EmbedError, Protocol};
use crate::fsio::WithPath;

/// The kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `features` `[n, d]` and `labels` `[n]`; names, class names and protocol as JSON in the metadata.
    Safetensors,
    /// `path,label,class,f0,f1,..`; label and class are empty without classes.
    Csv,
    /// `path`, `label`, `class` and `features`, a list of floats.
    Parquet,
}

impl Format {
    /// The words that name them, which are their usual endings too.
    pub const WORDS: [&'static str; 3] = ["safetensors", "csv", "parquet"];

    /// The kind that the ending of a path names.
    ///
    /// # Errors
    /// If it names none.
    pub fn of(path: &Path) -> Result<Self, EmbedError> {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        ending
            .to_lowercase()
            .parse()
            .map_err(|_| EmbedError::Ending {
                path: path.into(),
                expected: ".safetensors, .csv or .parquet, or say which with format=",
            })
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "safetensors" => Ok(Self::Safetensors),
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            other => Err(format!("no format is named `{other}`")),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::WORDS[*self as usize])
    }
}

/// What is known before the first row.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub out: &'a Path,
    /// Length of a feature vector.
    pub dim: usize,
    /// Empty without classes.
    pub class_names: &'a [String],
    pub protocol: &'a Protocol,
}

impl Head<'_> {
    fn class(&self, label: Option<usize>) -> Option<&str> {
        self.class_names.get(label?).map(String::as_str)
    }

    /// Pairs of a key and JSON that a file tells of itself.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![
            ("protocol", self.protocol.json()),
            ("class_names", json(self.class_names)),
        ]
    }
}

/// Strings as a JSON list.
fn json(strings: &[String]) -> String {
    // Strings alone: nothing here can be refused.
    serde_json::to_string(strings).unwrap_or_default()
}

/// Some images.
pub(super) struct Rows<'a> {
    pub names: &'a [String],
    pub labels: &'a [Option<usize>],
    /// `[rows, dim]`.
    pub features: &'a [f32],
}

/// A file in the making.
trait Writer {
    fn rows(&mut self, rows: &Rows<'_>) -> io::Result<()>;
    /// Writes what comes last and puts the file in its place.
    fn publish(self: Box<Self>) -> Result<(), EmbedError>;
}

/// A file in the making, of any kind.
pub(super) struct Table<'a> {
    out: &'a Path,
    writer: Box<dyn Writer + 'a>,
}

/// Begins a file.
pub(super) fn create<'a>(format: Format, head: Head<'a>) -> Result<Table<'a>, EmbedError> {
    let writer: Box<dyn Writer + 'a> = match format {
        Format::Safetensors => Box::new(safetensors::Safetensors::create(head)?),
        Format::Csv => Box::new(csv::Csv::create(head)?),
        Format::Parquet => Box::new(parquet::Parquet::create(head)?),
    };
    Ok(Table {
        out: head.out,
        writer,
    })
}

impl Table<'_> {
    pub(super) fn write(&mut self, rows: &Rows<'_>) -> Result<(), EmbedError> {
        Ok(self.writer.rows(rows).on(self.out, "write")?)
    }

    pub(super) fn publish(self) -> Result<(), EmbedError> {
        self.writer.publish()
    }
}
