//! A run on the terminal: a bar, lines, or nothing but warnings.

use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use sslight_core::observe::{EpochReport, Level, Observer, RunEvent, StartInfo, StepReport};

use super::text::{
    epoch_text, knn_table, left_text, start_lines, step_text, summary_text, time_left,
};
use super::{colours, say, warn};

/// Shows a run: a bar on a terminal, lines elsewhere, warnings only when quiet.
pub struct Progress {
    style: Style,
    epochs: usize,
    /// Time and number of steps at the first report: what came before it is no measure of the pace.
    pace: Option<(Instant, usize)>,
}

enum Style {
    Quiet,
    Lines,
    Bar(ProgressBar),
}

impl Progress {
    /// A display that suits where the output goes.
    pub fn new(quiet: bool) -> Self {
        let style = if quiet {
            Style::Quiet
        } else if std::io::stderr().is_terminal() {
            Style::Bar(bar())
        } else {
            Style::Lines
        };
        Self {
            style,
            epochs: 0,
            pace: None,
        }
    }

    /// Lines, wherever the output goes.
    pub fn lines() -> Self {
        Self {
            style: Style::Lines,
            epochs: 0,
            pace: None,
        }
    }

    fn line(&self, text: &str) {
        match &self.style {
            Style::Quiet => {}
            Style::Lines => say(text),
            Style::Bar(bar) => bar.suspend(|| say(text)),
        }
    }

    fn start(&mut self, start: &StartInfo) {
        self.epochs = start.epochs;
        self.pace = None;
        for line in start_lines(start) {
            self.line(&line);
        }
        if let Style::Bar(bar) = &self.style {
            bar.set_length(start.total_steps as u64);
            bar.set_position(start.first_step as u64);
        }
    }

    fn step(&mut self, report: &StepReport) {
        let (since, first) = *self.pace.get_or_insert((Instant::now(), report.step + 1));
        let text = step_text(report, self.epochs);
        match &self.style {
            Style::Quiet => {}
            Style::Lines => {
                let done = report.step + 1;
                let taken = done.saturating_sub(first);
                let left = time_left(since.elapsed(), taken, done, report.total_steps);
                say(&format!(
                    "step {}/{}  {text}{}",
                    done,
                    report.total_steps,
                    left_text(left)
                ));
            }
            Style::Bar(bar) => {
                bar.set_position(report.step as u64 + 1);
                if report.step + 1 == first {
                    bar.reset_eta();
                }
                bar.set_message(text);
            }
        }
    }
}

impl Observer for Progress {
    fn on_event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Start(start) => self.start(start),
            RunEvent::Step(report) => self.step(report),
            // A bar says what there is to say of epochs that are over in no time.
            RunEvent::Epoch(report)
                if matches!(self.style, Style::Bar(_)) && !is_worth_a_line(report) => {}
            RunEvent::Epoch(report) => self.line(&epoch_text(report, self.epochs)),
            RunEvent::Event(event) => self.line(&format!(
                "step {}: {}",
                event.step,
                event.name.replace('_', " ")
            )),
            RunEvent::Notice(notice) => match (notice.level, &self.style) {
                (Level::Info, _) => self.line(&notice.text),
                (Level::Warning, Style::Bar(bar)) => bar.suspend(|| warn(&notice.text)),
                (Level::Warning, _) => warn(&notice.text),
            },
            RunEvent::Finished(summary) => {
                if let Style::Bar(bar) = &self.style {
                    bar.finish_and_clear();
                }
                if let Some(table) = knn_table(summary) {
                    self.line(&table);
                }
                self.line(&summary_text(summary));
            }
        }
    }
}

/// Whether an epoch was measured or took a while.
fn is_worth_a_line(report: &EpochReport) -> bool {
    const SHORT_SECONDS: f64 = 3.0;
    let measured = report.knn_top1.is_some() || !report.scores.is_empty();
    measured || report.seconds >= SHORT_SECONDS
}

fn bar() -> ProgressBar {
    let bar = super::work::stacked(ProgressBar::no_length());
    let template = if colours() {
        "{bar:24.cyan} step {pos}/{len}  {msg}  ETA {eta}"
    } else {
        "{bar:24} step {pos}/{len}  {msg}  ETA {eta}"
    };
    // The template is a constant; were it refused, the plain default bar still shows the steps.
    bar.with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}
