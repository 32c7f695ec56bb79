//! `sslight selftest`.

use sslight_core::config::{BackendChoice, UnknownWord};
use sslight_selftest::Filter;

use crate::args::SelftestArgs;
use crate::backend::{self, Engine, with_engine};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// Runs the selected cases: a line a case, then the counts alone on the last line.
pub fn run(args: &SelftestArgs) -> Result<Outcome, CliError> {
    let (engine, filter) = read_words(&args.words)?;
    let mut report = |case: &sslight_selftest::CaseReport| ui::say(&case.to_string());
    let totals = with_engine!(engine, |B, device| {
        sslight_selftest::run::<B>(&args.dir, &device, &filter, &mut report)
    })?;
    ui::say(&totals.to_string());
    Ok(if totals.failed == 0 {
        Outcome::Done
    } else {
        Outcome::ChecksFailed
    })
}

/// `backend=NAME` and the cases.
fn read_words(words: &[String]) -> Result<(Engine, Filter), CliError> {
    let mut choice = BackendChoice::Auto;
    let mut cases = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some(("backend", name)) => {
                choice = name.parse().map_err(|error: UnknownWord| {
                    CliError::Usage(format!("command line: backend {error}"))
                })?;
            }
            Some((key, _)) => {
                return Err(CliError::Usage(format!(
                    "command line: selftest has no key {key}, only backend"
                )));
            }
            None => cases.push(word.clone()),
        }
    }
    Ok((backend::choose(choice)?, Filter::prefixes(cases)))
}
