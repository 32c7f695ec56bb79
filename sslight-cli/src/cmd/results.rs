//! `sslight results`: the evaluations of runs in a table.

use sslight_core::run::{results, results_csv, results_markdown, results_table};

use crate::args::{ResultsArgs, TableFormat};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// Prints the results of the runs, beside the paper's where a run repeats one of its rows.
pub fn run(args: &ResultsArgs) -> Result<Outcome, CliError> {
    let rows = results(&args.runs)?;
    ui::say(&match args.format {
        TableFormat::Table => results_table(&rows),
        TableFormat::Markdown => results_markdown(&rows),
        TableFormat::Csv => results_csv(&rows),
    });
    Ok(Outcome::Done)
}
