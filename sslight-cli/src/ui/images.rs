//! Progress over images: a bar on a terminal, now and then a line elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{colours, is_quiet, work};

/// Between lines where there is no bar.
const PAUSE: Duration = Duration::from_secs(10);

/// A display of how many images are done.
pub struct Images {
    bar: Option<ProgressBar>,
    last: Instant,
}

impl Images {
    /// A display that suits where standard error goes.
    pub fn new() -> Self {
        Self {
            bar: (std::io::stderr().is_terminal() && !is_quiet()).then(bar),
            last: Instant::now(),
        }
    }

    /// Shows how far it is.
    pub fn show(&mut self, done: usize, of: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        } else if self.last.elapsed() >= PAUSE {
            self.last = Instant::now();
            super::note(&format!("{done}/{of} images"));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = work::stacked(ProgressBar::no_length());
    let template = if colours() {
        "{bar:24.cyan} {pos}/{len} images  {per_sec}  ETA {eta}"
    } else {
        "{bar:24} {pos}/{len} images  {per_sec}  ETA {eta}"
    };
    // The template is a constant; were it refused, the plain default bar still shows the images.
    bar.with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}
