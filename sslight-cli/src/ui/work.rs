//! Work that takes long: a bar each on a terminal, now and then a line elsewhere, nothing when that is not wanted.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sslight_data::progress::{Report, watch};

use super::{colours, is_quiet, note};

/// Shorter work is not worth a bar.
const SHORT_SECONDS: f64 = 1.0;
/// Between lines where there are no bars.
const PAUSE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(200);

/// All bars of the process, so that they stand below each other.
static BARS: LazyLock<MultiProgress> =
    LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(5)));

/// A bar below those that are there.
pub fn stacked(bar: ProgressBar) -> ProgressBar {
    BARS.add(bar)
}

/// Prints while no bar is in the way. Not for within `suspend` of a bar, which holds the same lock.
pub fn beside_bars(print: impl FnOnce()) {
    BARS.suspend(print);
}

/// The bars of the work that is going on, and the time of the last line.
#[derive(Default)]
struct Shown {
    bars: HashMap<u64, ProgressBar>,
    last: Option<Instant>,
}

/// Shows what libraries work on from now on.
pub fn show_work() {
    let shown = Mutex::new(Shown::default());
    watch(move |report| {
        if is_quiet() {
            return;
        }
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        match std::io::stderr().is_terminal() {
            true => on_terminal(&mut shown, report),
            false => in_lines(&mut shown, report),
        }
    });
}

fn on_terminal(shown: &mut Shown, report: &Report<'_>) {
    if report.ended {
        if let Some(bar) = shown.bars.remove(&report.id) {
            bar.finish_and_clear();
        }
    } else if report.seconds >= SHORT_SECONDS {
        let bar = shown
            .bars
            .entry(report.id)
            .or_insert_with(|| bar_of(report));
        bar.set_position(report.done as u64);
    }
}

fn in_lines(shown: &mut Shown, report: &Report<'_>) {
    let due = match shown.last {
        Some(last) => last.elapsed() >= PAUSE,
        None => report.seconds >= PAUSE.as_secs_f64(),
    };
    // Work that is done needs no line, and neither does such as has just begun.
    if due && !report.ended && report.seconds >= SHORT_SECONDS {
        shown.last = Some(Instant::now());
        note(&line(report));
    }
}

fn line(report: &Report<'_>) -> String {
    let Report {
        what, unit, done, ..
    } = report;
    match report.of {
        Some(of) => format!("{what}: {done} of {of} {unit}"),
        None => format!("{what}: {done} {unit}"),
    }
}

fn bar_of(report: &Report<'_>) -> ProgressBar {
    let unit = report.unit;
    let (bar, template) = match report.of {
        Some(of) => {
            let colour = if colours() { ".cyan" } else { "" };
            let counts = format!("{{pos}}/{{len}} {unit}  {{per_sec}}  ETA {{eta}}");
            let template = format!("{{bar:24{colour}}} {{msg}}  {counts}");
            (ProgressBar::new(of as u64), template)
        }
        None => {
            let template = format!("{{spinner}} {{msg}}  {{pos}} {unit}  {{per_sec}}");
            (ProgressBar::no_length(), template)
        }
    };
    // The pace is that of the work, not of the time since the bar came up.
    let bar = bar.with_elapsed(Duration::from_secs_f64(report.seconds));
    let bar = stacked(styled(bar, &template));
    bar.set_message(report.what.to_owned());
    bar
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    // Templates are made of constants; were one refused, the plain default still shows that something goes on.
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    bar.with_style(style)
}

/// One thing after another that nobody counts: the time each takes on a terminal, elsewhere a line each, but none within ten
/// seconds of the last.
pub struct Busy {
    bar: Option<ProgressBar>,
    last: Option<Instant>,
}

impl Busy {
    /// Nothing goes on yet.
    pub fn new() -> Self {
        let bar = (std::io::stderr().is_terminal() && !is_quiet()).then(|| {
            let bar = styled(ProgressBar::no_length(), "{spinner} {msg}  {elapsed}");
            let bar = stacked(bar);
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, last: None }
    }

    /// Something begins.
    pub fn with(&mut self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.reset_elapsed();
            bar.set_message(what.to_owned());
        } else if self.last.is_none_or(|last| last.elapsed() >= PAUSE) {
            self.last = Some(Instant::now());
            note(what);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_count_and_how_many_there_are_if_that_is_known() {
        let report = Report {
            id: 0,
            what: "listing photos",
            unit: "files",
            done: 7000,
            of: None,
            seconds: 12.0,
            ended: false,
        };
        assert_eq!(line(&report), "listing photos: 7000 files");
        let of = Some(9000);
        assert_eq!(
            line(&Report { of, ..report }),
            "listing photos: 7000 of 9000 files"
        );
    }

    #[test]
    fn lines_are_ten_seconds_apart() {
        let mut shown = Shown::default();
        let report = |seconds| Report {
            id: 0,
            what: "listing",
            unit: "files",
            done: 1,
            of: None,
            seconds,
            ended: false,
        };
        in_lines(&mut shown, &report(9.0));
        assert_eq!(shown.last, None);
        in_lines(&mut shown, &report(11.0));
        let first = shown.last;
        assert!(first.is_some());
        in_lines(&mut shown, &report(30.0));
        assert_eq!(shown.last, first);
    }
}
