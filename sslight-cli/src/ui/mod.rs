//! Everything that is printed: results, notices and the progress of a run.
//!
//! Results and plain progress lines go to standard output; bars, notes, hints, warnings and errors to standard error. With
//! `--json` standard output has the JSON object alone, and with `--quiet` there are only results, warnings and errors.

pub mod dashboard;
pub mod hint;
mod images;
mod progress;
mod sweep;
mod text;
mod work;

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use sslight_core::observe::Level;

use crate::args::Output;
use crate::exit::CliError;

pub use hint::{Done, hint};
pub use images::Images;
pub use progress::Progress;
pub use sweep::{built_in_sweeps, plan, settings};
pub use text::{duration, grouped, knn_table, summary_text};
pub use work::{Busy, show_work};

/// Whether standard output is for one JSON object.
static JSON: AtomicBool = AtomicBool::new(false);
/// Whether only results, warnings and errors are shown.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Sets what is shown, before anything is.
pub fn set_output(output: Output) {
    JSON.store(output.json, Ordering::Relaxed);
    QUIET.store(output.quiet, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints a result. A reader that went away is no error of ours.
pub fn say(text: &str) {
    let text = text.trim_end_matches('\n');
    // What is said beside the object is for people.
    let _ = match JSON.load(Ordering::Relaxed) {
        true => writeln!(std::io::stderr(), "{text}"),
        false => writeln!(std::io::stdout(), "{text}"),
    };
}

/// Prints how far something is, unless that is not wanted.
pub fn tell(text: &str) {
    if !is_quiet() {
        work::beside_bars(|| say(text));
    }
}

/// Prints a result as JSON.
///
/// # Errors
/// If it has no JSON form.
pub fn say_json(result: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(result)
        .map_err(|error| CliError::Usage(format!("--json: {error}")))?;
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

/// Prints a result as JSON or as text.
///
/// # Errors
/// As [`say_json`].
pub fn show(
    json: bool,
    result: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<(), CliError> {
    match json {
        true => say_json(result),
        false => {
            say(&text());
            Ok(())
        }
    }
}

/// Prints what is good to know and no result.
pub fn note(text: &str) {
    if dashboard::hears(Level::Info, text) || is_quiet() {
        return;
    }
    work::beside_bars(|| {
        let _ = writeln!(std::io::stderr(), "note: {text}");
    });
}

/// Prints what is probably not meant.
pub fn warn(text: &str) {
    if dashboard::hears(Level::Warning, text) {
        return;
    }
    let _ = writeln!(std::io::stderr(), "{} {text}", marked("warning:", YELLOW));
}

/// Prints what went wrong, a line each.
pub fn error(text: &str) {
    for line in text.lines() {
        let _ = writeln!(std::io::stderr(), "{} {line}", marked("error:", RED));
    }
}

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";

fn marked(word: &str, colour: &str) -> String {
    if colours() {
        format!("{colour}{word}\x1b[0m")
    } else {
        word.to_owned()
    }
}

/// Colours are for terminals, unless the user says no (<https://no-color.org>).
fn colours() -> bool {
    std::io::stderr().is_terminal() && colours_wanted()
}

fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
