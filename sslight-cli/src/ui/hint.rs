//! The natural next command after a verb, ready to be copied: one line on a terminal, on standard error.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::Ordering;

use super::{JSON, is_quiet};

/// The environment variable that switches hints off.
pub const VARIABLE: &str = "SSLIGHT_HINTS";

/// What has just been done.
#[derive(Debug, Clone, Copy)]
pub enum Done<'a> {
    /// A run was trained to its end.
    Trained {
        /// Its folder.
        run: &'a Path,
        /// Whether its images have labels to measure with.
        labelled: bool,
    },
    /// A detector was trained to its end.
    Detects {
        /// Its run folder.
        run: &'a Path,
    },
    /// An evaluation was added to the results of a folder.
    Evaluated {
        /// The folder.
        folder: &'a Path,
    },
    /// Weights of others were written as a file of ours.
    Imported {
        /// The file.
        file: &'a Path,
    },
    /// Features went to a file.
    Embedded {
        /// What they were made with, as the user said it.
        weights: &'a Path,
        /// The words of the configuration.
        words: &'a [String],
    },
    /// A setting of views was found.
    Recommended {
        /// The user's words of the configuration.
        words: &'a [String],
        /// The setting as words.
        setting: &'a [String],
        /// Whether the words name data.
        has_data: bool,
    },
    /// A configuration was looked at, or none and only the machine.
    Examined {
        /// Its words.
        words: &'a [String],
    },
    /// A sweep has a best run.
    Swept {
        /// Its folder.
        best: &'a Path,
    },
}

/// Shows what comes next, if someone is there to read it.
pub fn hint(done: Done<'_>) {
    let off = std::env::var_os(VARIABLE).is_some_and(|value| value == "0");
    if off || is_quiet() || JSON.load(Ordering::Relaxed) || !std::io::stderr().is_terminal() {
        return;
    }
    if let Some(line) = line(done) {
        let _ = writeln!(std::io::stderr(), "next: {line}");
    }
}

/// The commands; `None` if a word cannot be written in a line.
fn line(done: Done<'_>) -> Option<String> {
    let path = |path: &Path| path.to_str().map(|path| word(&named(path)));
    let words = |words: &[String]| -> String {
        words
            .iter()
            .map(|text| format!(" {}", word(text)))
            .collect()
    };
    let line = match done {
        Done::Trained { run, labelled } => {
            let run = path(run)?;
            let look = match labelled {
                true => format!("sslight probe {run}"),
                false => format!("sslight neighbours {run} out=neighbours.png"),
            };
            format!("sslight report {run}   or: {look}")
        }
        Done::Detects { run } => {
            let run = path(run)?;
            format!("sslight detect predict {run} IMAGE   or: sslight report {run}")
        }
        Done::Evaluated { folder } => format!("sslight results {}", path(folder)?),
        Done::Imported { file } => format!("sslight knn {} data=PATH", path(file)?),
        Done::Embedded {
            weights,
            words: given,
        } => format!(
            "sslight project {}{} out=projection.svg",
            path(weights)?,
            words(given)
        ),
        Done::Recommended {
            words: given,
            setting,
            has_data,
        } => {
            let data = if has_data { "" } else { " data=PATH" };
            format!("sslight pretrain{}{data}{}", words(given), words(setting))
        }
        Done::Examined { words: given } => format!("sslight pretrain{}", words(given)),
        Done::Swept { best } => format!("sslight probe {}", path(best)?),
    };
    // A line break in a name would be the end of the command.
    (!line.contains(char::is_control)).then_some(line)
}

/// A path that is taken neither for a flag nor for a word of its own.
fn named(path: &str) -> String {
    match path.starts_with('-') || matches!(path, "random" | "pixels") {
        true => format!("./{path}"),
        false => path.to_owned(),
    }
}

/// A word as a shell has to read it; of `key=value` only the value is quoted.
fn word(text: &str) -> String {
    match text.split_once('=') {
        Some((key, value)) if is_plain(key) && !key.is_empty() => {
            format!("{key}={}", quoted(value))
        }
        _ => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    match is_plain(text) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Whether no shell sees more in a word than its letters.
fn is_plain(text: &str) -> bool {
    let plain = |letter: char| letter.is_alphanumeric() || "_-./:,=+@%".contains(letter);
    text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_what_the_user_gave_as_a_shell_reads_it() {
        let words = |words: &[&str]| -> Vec<String> {
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        let given = words(&["debug/tiny", "data=/my photos/it's", "batch_size=8"]);
        let setting = words(&["views.local.scale=[0.05,0.3]", "views.locals=6"]);
        for (done, expected) in [
            (
                Done::Evaluated {
                    folder: Path::new("runs/a b"),
                },
                "sslight results 'runs/a b'",
            ),
            (
                Done::Imported {
                    file: Path::new("-x.safetensors"),
                },
                "sslight knn ./-x.safetensors data=PATH",
            ),
            (
                Done::Examined { words: &given },
                r"sslight pretrain debug/tiny data='/my photos/it'\''s' batch_size=8",
            ),
            (
                Done::Recommended {
                    words: &given[2..],
                    setting: &setting,
                    has_data: false,
                },
                "sslight pretrain batch_size=8 data=PATH views.local.scale='[0.05,0.3]' views.locals=6",
            ),
            (
                Done::Swept {
                    best: Path::new("runs/$(reboot)"),
                },
                "sslight probe 'runs/$(reboot)'",
            ),
            (
                Done::Embedded {
                    weights: Path::new("random"),
                    words: &given[..1],
                },
                "sslight project ./random debug/tiny out=projection.svg",
            ),
        ] {
            assert_eq!(line(done).as_deref(), Some(expected), "{done:?}");
        }
    }

    #[test]
    fn a_run_without_labels_is_looked_at_and_not_probed() {
        let of = |labelled| {
            let run = Path::new("runs/a");
            line(Done::Trained { run, labelled }).unwrap_or_default()
        };
        assert!(of(true).ends_with("sslight probe runs/a"));
        assert!(of(false).ends_with("sslight neighbours runs/a out=neighbours.png"));
    }

    #[test]
    fn a_name_with_a_line_break_gives_no_hint() {
        let folder = Path::new("runs/a\nb");
        assert_eq!(line(Done::Evaluated { folder }), None);
    }
}
