//! A sweep file as it is written: fields, settings, and the lines on which they stand.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml_edit::{Document, Item};

use super::error::{Fault, SweepError};
use super::{At, Metric};
use crate::config::{self, Entry, NamedConfig, Origin, configs, did_you_mean, nearest, sweeps};

/// The fields of a sweep file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    title: Option<String>,
    base: String,
    out: Option<String>,
    #[serde(default)]
    metric: Metric,
    #[serde(default)]
    fixed: toml::Table,
    series: Vec<SeriesFields>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriesFields {
    name: String,
    title: Option<String>,
    panel: Option<String>,
    label: Option<String>,
    default: Option<At>,
    axis: Option<String>,
    values: Option<Vec<toml::Value>>,
    #[serde(default)]
    fixed: toml::Table,
    points: Option<Vec<PointFields>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PointFields {
    at: At,
    #[serde(default)]
    set: toml::Table,
}

/// A sweep as written: what it says, with the origin of each setting.
#[derive(Debug)]
pub(super) struct Written {
    pub title: Option<String>,
    pub base: String,
    pub base_line: usize,
    pub out: Option<PathBuf>,
    pub metric: Metric,
    pub metric_line: usize,
    pub fixed: Vec<Entry>,
    pub series: Vec<WrittenSeries>,
}

/// A series as written.
#[derive(Debug)]
pub(super) struct WrittenSeries {
    pub line: usize,
    pub name: String,
    pub title: Option<String>,
    pub panel: Option<String>,
    pub label: Option<String>,
    pub default: Option<At>,
    pub fixed: Vec<Entry>,
    pub points: Vec<(At, Vec<Entry>)>,
}

/// The text of a sweep and where it came from.
#[derive(Debug)]
pub(super) enum Source {
    Named(&'static NamedConfig),
    File { path: PathBuf, text: String },
}

impl Source {
    /// Finds the sweep that a word names.
    pub fn find(word: &str) -> Result<Self, SweepError> {
        if let Some(sweep) = config::sweep(word) {
            return Ok(Self::Named(sweep));
        }
        if configs().iter().any(|config| config.name == word) {
            return Err(SweepError::NotASweep {
                place: word.to_owned(),
            });
        }
        let path = Path::new(word);
        if !word.ends_with(".toml") && !path.is_file() {
            let names = nearest(word, sweeps().iter().map(|sweep| sweep.name));
            return Err(SweepError::Word {
                word: word.to_owned(),
                hint: did_you_mean(&names, "; `sslight sweep` lists those that are built in"),
            });
        }
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self::File {
                path: path.to_owned(),
                text,
            }),
            Err(source) => Err(SweepError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// The file, or the name of the built-in sweep.
    pub fn place(&self) -> Cow<'_, str> {
        match self {
            Self::Named(sweep) => sweep.name.into(),
            Self::File { path, .. } => path.to_string_lossy(),
        }
    }

    /// What is written.
    pub fn text(&self) -> &str {
        match self {
            Self::Named(sweep) => sweep.text,
            Self::File { text, .. } => text,
        }
    }

    /// Where results go when nothing else is said.
    pub fn default_out(&self) -> PathBuf {
        match self {
            Self::Named(sweep) => Path::new("runs").join(sweep.name),
            Self::File { path, .. } => {
                Path::new("runs/sweep").join(path.file_stem().unwrap_or_default())
            }
        }
    }

    /// A fault of this file.
    pub fn invalid(&self, line: usize, fault: Fault) -> SweepError {
        SweepError::Invalid {
            place: self.place().into_owned(),
            line,
            fault,
        }
    }

    /// The line of an origin that this file gave.
    pub fn line(&self, origin: &Origin) -> usize {
        match origin {
            Origin::File { line, .. } => *line,
            _ => 1,
        }
    }

    /// Reads the fields and their settings.
    pub fn parse(&self) -> Result<Written, SweepError> {
        let text = self.text();
        let document = config::document(text, &self.place())?;
        if document.get("series").is_none() {
            return Err(SweepError::NotASweep {
                place: self.place().into_owned(),
            });
        }
        self.refuse_settings_at_the_top(&document)?;
        let fields: Fields = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| self.line_at(span.start));
            self.invalid(line, Fault::Field(error.message().to_owned()))
        })?;
        let root = document.as_item();
        let mut series = Vec::new();
        for (index, fields) in fields.series.into_iter().enumerate() {
            let item = root.get("series").and_then(|list| list.get(index));
            series.push(self.series(fields, item)?);
        }
        Ok(Written {
            title: fields.title,
            base: fields.base,
            base_line: self.line_of(root.get("base")),
            out: fields.out.map(PathBuf::from),
            metric: fields.metric,
            metric_line: self.line_of(root.get("metric")),
            fixed: self.settings(&fields.fixed, root.get("fixed")),
            series,
        })
    }

    /// A key of a run that stands beside `base` was probably meant for all points.
    fn refuse_settings_at_the_top(&self, document: &Document<&str>) -> Result<(), SweepError> {
        const OWN: &str = "out";
        for entry in config::table_entries(document.as_table(), |at| self.origin(at)) {
            if entry.key != OWN && config::key(&entry.key).is_some() {
                let line = self.line(&entry.origin);
                return Err(self.invalid(line, Fault::TopLevelSetting { key: entry.key }));
            }
        }
        Ok(())
    }

    fn series(
        &self,
        fields: SeriesFields,
        item: Option<&Item>,
    ) -> Result<WrittenSeries, SweepError> {
        let line = self.line_of(item);
        let shape = |what| {
            let series = fields.name.clone();
            self.invalid(line, Fault::Shape { series, what })
        };
        let field = |name| item.and_then(|item| item.get(name));
        let element = |list, index: usize| field(list).and_then(|list: &Item| list.get(index));
        let mut label = fields.label;
        let points = match (fields.axis, fields.values, fields.points) {
            (Some(axis), Some(values), None) => {
                let of = |(index, value): (usize, toml::Value)| {
                    let origin = self.origin(start(element("values", index)));
                    let key = axis.clone();
                    (At::of(&value), vec![Entry { key, value, origin }])
                };
                let points = values.into_iter().enumerate().map(of).collect();
                label = label.or(Some(axis));
                points
            }
            (None, None, Some(points)) => {
                let of = |(index, point): (usize, PointFields)| {
                    let set = element("points", index).and_then(|point| point.get("set"));
                    (point.at, self.settings(&point.set, set))
                };
                points.into_iter().enumerate().map(of).collect::<Vec<_>>()
            }
            (None, None, None) => return Err(shape("has no points")),
            (_, _, Some(_)) => return Err(shape("has points beside axis or values")),
            (Some(_), None, None) => return Err(shape("has an axis without values")),
            (None, Some(_), None) => return Err(shape("has values without an axis")),
        };
        if points.is_empty() {
            return Err(shape("has no points"));
        }
        Ok(WrittenSeries {
            line,
            name: fields.name,
            title: fields.title,
            panel: fields.panel,
            label,
            default: fields.default,
            fixed: self.settings(&fields.fixed, field("fixed")),
            points,
        })
    }

    /// The settings of a table; it is read from the document, which knows the lines.
    fn settings(&self, table: &toml::Table, item: Option<&Item>) -> Vec<Entry> {
        match item.and_then(Item::as_table_like) {
            Some(located) if !table.is_empty() => {
                config::table_entries(located, |offset| self.origin(offset))
            }
            _ => Vec::new(),
        }
    }

    fn line_of(&self, item: Option<&Item>) -> usize {
        self.line_at(start(item))
    }

    fn line_at(&self, offset: usize) -> usize {
        config::line_of(self.text(), offset)
    }

    fn origin(&self, offset: usize) -> Origin {
        match self {
            Self::Named(sweep) => Origin::Named(sweep.name),
            Self::File { path, .. } => Origin::File {
                path: path.clone(),
                line: self.line_at(offset),
            },
        }
    }
}

/// The byte at which something stands.
fn start(item: Option<&Item>) -> usize {
    item.and_then(Item::span).map_or(0, |span| span.start)
}
