//! The scalars of a run as an event file of TensorBoard.
//!
//! Scalars are written as `simple_value`, which every version of TensorBoard reads and other tools too. A value is a 32-bit
//! float there.

mod frame;
mod message;
mod tags;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use message::{Content, event};

/// How the names of event files begin.
const PREFIX: &str = "events.out.tfevents.";

/// An event file that is being written: each report reaches the file before the call returns, so that TensorBoard can follow.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
    clock: Clock,
}

impl EventFile {
    /// Begins a file in a run folder, for a run that stands at `step` optimizer steps (0: a new run) and whose metrics so far,
    /// lines of JSON, are `metrics`.
    ///
    /// If there are event files of an earlier part of the run, readers are told to drop what these have from `step` on, and
    /// what `metrics` keeps from there is repeated. If there are none, all of `metrics` is written.
    ///
    /// # Errors
    /// If files cannot be listed, made or written.
    pub fn begin(folder: &Path, step: u64, metrics: &str) -> io::Result<Self> {
        let mut clock = Clock::default();
        let newest = newest(folder)?;
        // Readers take files in the order of their names.
        let seconds = newest
            .map_or(0, |newest| newest.saturating_add(1))
            .max(clock.now() as u64);
        let name = format!("{PREFIX}{seconds:010}.{}.{}.0", host(), std::process::id());
        let path = folder.join(name);
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)?;
        let mut events = Self { path, file, clock };
        let mut contents = vec![(0, Content::Version)];
        if newest.is_some() {
            contents.push((step, Content::Restart));
        }
        for line in metrics.lines() {
            let Ok(Value::Object(line)) = serde_json::from_str(line) else {
                continue;
            };
            if newest.is_none() || step_of(&line) >= step {
                contents.extend(contents_of(&line));
            }
        }
        events.write(&contents)?;
        Ok(events)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an event of a run in the form that it has in `metrics.jsonl`: each number of a step or an epoch is a scalar, the
    /// others are texts. What has no place in TensorBoard adds nothing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record(&mut self, event: &Value) -> io::Result<()> {
        match event {
            Value::Object(fields) => self.write(&contents_of(fields)),
            _ => Ok(()),
        }
    }

    /// Adds a text that is shown as it is, such as a configuration.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn listing(&mut self, tag: &str, step: u64, text: &str) -> io::Result<()> {
        let code: String = text.lines().map(|line| format!("    {line}\n")).collect();
        self.write(&[(step, Content::Text(tag.to_owned(), code))])
    }

    /// One write a report: an interruption leaves whole reports, and TensorBoard waits at half a record.
    fn write(&mut self, contents: &[(u64, Content)]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (step, content) in contents {
            frame::append(&mut bytes, &event(self.clock.now(), *step, content));
        }
        self.file.write_all(&bytes)
    }
}

/// The time of the system, except that it never goes back: TensorBoard's relative axis would fold.
#[derive(Debug, Default)]
struct Clock {
    latest: f64,
}

impl Clock {
    /// Seconds since 1970.
    fn now(&mut self) -> f64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.not_before(now.map_or(0.0, |now| now.as_secs_f64()))
    }

    fn not_before(&mut self, now: f64) -> f64 {
        self.latest = self.latest.max(now);
        self.latest
    }
}

/// The seconds in the name of the newest event file of a folder.
fn newest(folder: &Path) -> io::Result<Option<u64>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let seconds = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(|rest| rest.split('.').next())
            .and_then(|seconds| seconds.parse::<u64>().ok());
        newest = newest.max(seconds);
    }
    Ok(newest)
}

/// The name of this machine, in letters that a file name may have.
fn host() -> String {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    let safe = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    match name.is_empty() {
        true => "localhost".to_owned(),
        false => name.chars().map(safe).collect(),
    }
}

/// The step that a line is shown at.
fn step_of(line: &Map<String, Value>) -> u64 {
    ["step", "steps", "first_step"]
        .iter()
        .find_map(|key| line.get(*key)?.as_u64())
        .unwrap_or(0)
}

fn contents_of(line: &Map<String, Value>) -> Vec<(u64, Content)> {
    let step = step_of(line);
    let kind = line.get("kind").and_then(Value::as_str).unwrap_or_default();
    let text = |tag: String| vec![(step, Content::Text(tag, table(line)))];
    match kind {
        "step" | "epoch" => tags::scalars(kind == "epoch", line)
            .into_iter()
            .map(|(tag, value)| (step, Content::Scalar(tag, value as f32)))
            .collect(),
        "start" => text("run".to_owned()),
        "summary" => text("summary".to_owned()),
        "event" => {
            let name = line.get("name").and_then(Value::as_str);
            text(format!("events/{}", name.unwrap_or("unnamed")))
        }
        _ => Vec::new(),
    }
}

/// An object as a Markdown table.
fn table(line: &Map<String, Value>) -> String {
    let mut table = String::from("| | |\n|---|---|\n");
    for (key, value) in line.iter().filter(|(key, _)| *key != "kind") {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let value = value.replace('|', "\\|").replace('\n', " ");
        table.push_str(&format!("| {key} | {value} |\n"));
    }
    table
}
