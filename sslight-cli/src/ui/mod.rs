//! Everything that is printed: results, notices and the progress of a run.
//!
//! Results and plain progress lines go to standard output; the bar, notes, warnings and errors to standard error.

pub mod dashboard;
mod images;
mod progress;
mod sweep;
mod text;

use std::io::{IsTerminal, Write};

use serde::Serialize;
use sslight_core::observe::Level;

use crate::exit::CliError;

pub use images::Images;
pub use progress::Progress;
pub use sweep::{built_in_sweeps, plan, settings};
pub use text::{grouped, knn_table, summary_text};

/// Prints a result. A reader that went away is no error of ours.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
}

/// Prints a result as JSON.
///
/// # Errors
/// If it has no JSON form.
pub fn say_json(result: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(result)
        .map_err(|error| CliError::Usage(format!("--json: {error}")))?;
    say(&text);
    Ok(())
}

/// Prints what is good to know and no result.
pub fn note(text: &str) {
    if dashboard::hears(Level::Info, text) {
        return;
    }
    let _ = writeln!(std::io::stderr(), "note: {text}");
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
