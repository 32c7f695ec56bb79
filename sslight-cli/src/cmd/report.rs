//! `sslight report`: one page about a run, or several beside each other.

mod gather;
mod pictures;

use std::path::{Path, PathBuf};

use serde::Serialize;
use sslight_core::fsio::replace;
use sslight_report::{Page, render};

use crate::args::ReportArgs;
use crate::exit::{CliError, Outcome};
use crate::verb_keys::{VerbKey, VerbWords};
use crate::{train, ui};

/// Keys beside those of the configuration, which say where the images of the pictures are now.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "to",
        values: "an HTML file",
        default: "report.html in the run folder; required for several runs",
        help: "where the page goes; one that is there is replaced",
    },
    VerbKey {
        name: "pictures",
        values: "true|false",
        default: "true",
        help: "draw views, neighbours and a projection of the features, which takes data and a minute",
    },
];

/// The page in a run folder.
const REPORT_FILE: &str = "report.html";

#[derive(Debug, Serialize)]
struct Report<'a> {
    page: &'a Path,
    bytes: usize,
    runs: &'a [PathBuf],
    left_out: &'a [String],
}

/// Makes the page.
pub fn run(args: &ReportArgs) -> Result<Outcome, CliError> {
    let (words, runs): (Vec<String>, Vec<String>) = args
        .words
        .iter()
        .cloned()
        .partition(|word| word.contains('=') && !Path::new(word).exists());
    let runs: Vec<PathBuf> = runs.into_iter().map(PathBuf::from).collect();
    let words = VerbWords::take(KEYS, &words)?;
    let to = target(&words, &runs)?;
    let draws = words.flag("pictures")?.unwrap_or(true);
    let names = gather::names(&runs);
    let stop = train::stop_and_leave_nothing()?;
    let mut pages = Vec::new();
    for (run, name) in runs.iter().zip(names) {
        let mut page = gather::run_page(run, name)?;
        if draws {
            let Some(drawn) = pictures::of_run(run, &words.rest, &stop)? else {
                return Ok(Outcome::Interrupted);
            };
            drawn.failures.iter().for_each(|failure| ui::warn(failure));
            page.notes.extend(drawn.failures);
            page.pictures = drawn.pictures;
        }
        pages.push(page);
    }
    let page = Page {
        title: pages
            .iter()
            .map(|page| page.name.clone())
            .collect::<Vec<_>>()
            .join(", "),
        runs: pages,
        notes: Vec::new(),
    };
    let rendered = render(&page).map_err(|error| CliError::Usage(format!("report: {error}")))?;
    rendered
        .left_out
        .iter()
        .for_each(|left_out| ui::warn(left_out));
    replace(&to, rendered.html.as_bytes())?;
    let report = Report {
        page: &to,
        bytes: rendered.html.len(),
        runs: &runs,
        left_out: &rendered.left_out,
    };
    ui::show(args.output.json, &report, || {
        format!(
            "{}: {} in one file of {} kB; open it in a browser",
            to.display(),
            if runs.len() == 1 {
                "a run".to_owned()
            } else {
                format!("{} runs", runs.len())
            },
            rendered.html.len() / 1000
        )
    })?;
    Ok(Outcome::Done)
}

/// Where the page goes.
fn target(words: &VerbWords, runs: &[PathBuf]) -> Result<PathBuf, CliError> {
    let usage = |text: &str| CliError::Usage(format!("command line: {text}"));
    let to = match (words.path("to")?, runs) {
        (_, []) => {
            return Err(usage(
                "no run is named; give run folders, as in `sslight report runs/a`",
            ));
        }
        (Some(to), _) => to,
        (None, [run]) => run.join(REPORT_FILE),
        (None, _) => {
            return Err(usage(
                "a page of several runs belongs to none of their folders; give to=PAGE.html",
            ));
        }
    };
    match to.is_dir() {
        true => Err(usage(&format!(
            "to={}: is a folder; give the path of a file",
            to.display()
        ))),
        false => Ok(to),
    }
}
