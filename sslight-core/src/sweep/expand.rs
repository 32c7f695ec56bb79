//! From the words of a command line to a sweep: every point resolved before anything runs.

use std::path::PathBuf;

use super::error::{Fault, SweepError};
use super::file::{Source, Written, WrittenSeries};
use super::{Metric, Point, Series, Sweep};
use crate::config::{
    self, ConfigError, Entry, Method, Problem, Problems, ResolvedConfig, Resume, configs,
    did_you_mean, nearest, resolve_entries,
};

const OUT_OF_A_POINT: &str =
    "each point has a folder of its own in that of the sweep; write out at the top of the file";
const RESUME: &str = "finished points are skipped and others continue by themselves; \
                      to start over choose another folder with out=PATH";

/// Resolves a sweep, given by name or path, with `key=value` words that hold for all of its points.
///
/// A point has the settings of its own over those of its series, those of the file and the base; `key=value` words
/// win over all of them. A point whose configuration an earlier one has too shares the run of that one.
///
/// # Errors
/// What is wrong with the words or the file; every invalid key and value of every point at once.
pub fn expand<S: AsRef<str>>(words: &[S]) -> Result<Sweep, SweepError> {
    let (word, overrides) = split(words)?;
    let source = Source::find(word)?;
    let written = source.parse()?;
    let overrides = Overrides::new(overrides)?;
    let builder = Builder {
        base: base(&source, &written)?,
        out: overrides
            .out
            .clone()
            .or_else(|| written.out.clone())
            .unwrap_or_else(|| source.default_out()),
        source,
        overrides: overrides.entries,
    };
    builder.build(written)
}

/// The word that names the sweep, and the `key=value` words.
fn split<S: AsRef<str>>(words: &[S]) -> Result<(&str, Vec<Entry>), SweepError> {
    let mut sweep: Option<&str> = None;
    let mut overrides = Vec::new();
    for word in words.iter().map(AsRef::as_ref) {
        if let Some((key, raw)) = config::key_value(word) {
            overrides.push(config::override_entry(key, raw));
        } else if let Some(first) = sweep {
            return Err(SweepError::Two {
                first: first.to_owned(),
                second: word.to_owned(),
            });
        } else {
            sweep = Some(word);
        }
    }
    Ok((sweep.ok_or(SweepError::NoSweep)?, overrides))
}

/// The `key=value` words, with `out` apart: it is the folder of the sweep.
struct Overrides {
    out: Option<PathBuf>,
    entries: Vec<Entry>,
}

impl Overrides {
    fn new(words: Vec<Entry>) -> Result<Self, SweepError> {
        let (outs, entries): (Vec<Entry>, Vec<Entry>) =
            words.into_iter().partition(|entry| entry.key == "out");
        if entries.iter().any(|entry| entry.key == "resume") {
            return Err(SweepError::Reserved {
                key: "resume",
                advice: RESUME,
            });
        }
        let out = outs.last().and_then(|entry| entry.value.as_str());
        Ok(Self {
            out: out.filter(|out| *out != "auto").map(PathBuf::from),
            entries,
        })
    }
}

/// The entries of the base.
fn base(source: &Source, written: &Written) -> Result<Vec<Entry>, SweepError> {
    config::base_entries(&written.base).map_err(|error| match error {
        ConfigError::Word { word, .. } => {
            let names = nearest(&word, configs().iter().map(|config| config.name));
            let hint = did_you_mean(&names, "; see `sslight list configs`");
            source.invalid(written.base_line, Fault::Base { word, hint })
        }
        error => error.into(),
    })
}

struct Builder {
    source: Source,
    base: Vec<Entry>,
    out: PathBuf,
    overrides: Vec<Entry>,
}

impl Builder {
    fn build(self, written: Written) -> Result<Sweep, SweepError> {
        self.refuse_reserved(&written.fixed)?;
        let mut problems = Vec::new();
        let mut series: Vec<Series> = Vec::new();
        for of_series in &written.series {
            self.check_series(of_series, &series)?;
            let points = self.points(&written, of_series, &series, &mut problems)?;
            let title = of_series.title.as_ref().unwrap_or(&of_series.name);
            let label = of_series.label.as_deref().unwrap_or("point");
            series.push(Series {
                name: of_series.name.clone(),
                title: title.clone(),
                panel: of_series.panel.as_ref().unwrap_or(title).clone(),
                label: label.to_owned(),
                default: of_series.default.clone(),
                points,
            });
        }
        self.refuse_equal_series(&written.series)?;
        if !problems.is_empty() {
            return Err(ConfigError::from(Problems(without_repeats(problems))).into());
        }
        let place = self.source.place();
        Ok(Sweep {
            title: written.title.unwrap_or_else(|| place.to_string()),
            base: written.base,
            metric: written.metric,
            series,
            text: self.source.text().to_owned(),
            out: self.out,
        })
    }

    /// Resolves the points of a series; what is wrong with their settings goes to `problems`.
    fn points(
        &self,
        written: &Written,
        series: &WrittenSeries,
        earlier: &[Series],
        problems: &mut Vec<Problem>,
    ) -> Result<Vec<Point>, SweepError> {
        let mut points: Vec<Point> = Vec::new();
        for (at, set) in &series.points {
            let slug = at.slug();
            let name = format!("{}-{slug}", series.name);
            let others = || {
                let earlier = earlier.iter().flat_map(|series| &series.points);
                earlier.chain(&points)
            };
            if slug.is_empty() || others().any(|point| point.name == name) {
                let fault = Fault::SamePoint { name };
                return Err(self.source.invalid(series.line, fault));
            }
            let mut resolved = match self.resolve(&[&written.fixed, &series.fixed, set]) {
                Ok(resolved) => resolved,
                Err(ConfigError::Invalid(Problems(found))) => {
                    problems.extend(found);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.check_metric(written, &resolved)?;
            let alike = others().find(|point| point.has_settings_of(&resolved.config));
            let run = alike.map_or(&name, |point| &point.run).clone();
            resolved.config.out = Some(self.out.join(&run).to_string_lossy().into_owned());
            points.push(Point {
                at: at.clone(),
                name,
                run,
                resolved,
            });
        }
        Ok(points)
    }

    fn resolve(&self, layers: &[&Vec<Entry>]) -> Result<ResolvedConfig, ConfigError> {
        let file = layers.iter().flat_map(|layer| layer.iter());
        let entries = self.base.iter().chain(file).chain(&self.overrides);
        let mut resolved = resolve_entries(entries.cloned().collect())?;
        resolved.config.resume = Resume::Auto;
        Ok(resolved)
    }

    /// What a series may not have, whatever its points resolve to.
    fn check_series(&self, series: &WrittenSeries, earlier: &[Series]) -> Result<(), SweepError> {
        let name = series.name.clone();
        let invalid = |fault| Err(self.source.invalid(series.line, fault));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !name.chars().all(is_plain) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return invalid(Fault::Name { name });
        }
        if earlier.iter().any(|series| series.name == name) {
            return invalid(Fault::SameSeries { name });
        }
        if let Some(default) = &series.default
            && !series.points.iter().any(|(at, _)| at == default)
        {
            return invalid(Fault::Default {
                series: name,
                default: default.clone(),
                points: series.points.iter().map(|(at, _)| at.clone()).collect(),
            });
        }
        self.refuse_reserved(&series.fixed)?;
        for entry in series.points.iter().flat_map(|(_, set)| set) {
            if self.overrides.iter().any(|word| word.key == entry.key) {
                return Err(SweepError::Varied {
                    key: entry.key.clone(),
                    series: name,
                });
            }
        }
        series
            .points
            .iter()
            .try_for_each(|(_, set)| self.refuse_reserved(set))
    }

    /// A word that sets what tells series apart would leave their titles wrong.
    fn refuse_equal_series(&self, series: &[WrittenSeries]) -> Result<(), SweepError> {
        for word in &self.overrides {
            let value = |series: &WrittenSeries| {
                let entry = series.fixed.iter().rfind(|entry| entry.key == word.key);
                entry.map(|entry| entry.value.clone())
            };
            let Some(first) = series.first() else { break };
            if let Some(other) = series.iter().find(|other| value(other) != value(first)) {
                return Err(SweepError::Varied {
                    key: word.key.clone(),
                    series: other.name.clone(),
                });
            }
        }
        Ok(())
    }

    fn refuse_reserved(&self, settings: &[Entry]) -> Result<(), SweepError> {
        for entry in settings {
            let (key, advice) = match entry.key.as_str() {
                "out" => ("out", OUT_OF_A_POINT),
                "resume" => ("resume", RESUME),
                _ => continue,
            };
            let line = self.source.line(&entry.origin);
            return Err(self.source.invalid(line, Fault::Reserved { key, advice }));
        }
        Ok(())
    }

    fn check_metric(&self, written: &Written, resolved: &ResolvedConfig) -> Result<(), SweepError> {
        let config = &resolved.config;
        if written.metric == Metric::ProbeTop1
            && !config.probe
            && config.method != Method::Supervised
        {
            return Err(self.source.invalid(written.metric_line, Fault::NoProbe));
        }
        Ok(())
    }
}

/// A setting of all points is wrong in each of them, but is to be told once.
fn without_repeats(problems: Vec<Problem>) -> Vec<Problem> {
    let mut kept = Vec::new();
    for problem in problems {
        if !kept.contains(&problem) {
            kept.push(problem);
        }
    }
    kept
}
