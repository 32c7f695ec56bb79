//! `sslight bench views`: how fast views are made, from files to batches.

use serde::Serialize;
use sslight_core::config::resolve;
use sslight_core::run::bench_views;

use crate::args::BenchViewsArgs;
use crate::exit::{CliError, Outcome};
use crate::ui;

/// What `--json` prints; the time is the median over the passes.
#[derive(Debug, Serialize)]
struct Report {
    data: String,
    views: Vec<usize>,
    images: usize,
    workers: usize,
    passes: usize,
    seconds_per_image: f64,
    images_per_s: f64,
}

/// Measures the views of a configuration.
pub fn run(args: &BenchViewsArgs) -> Result<Outcome, CliError> {
    let resolved = resolve(&args.words)?;
    resolved.require_data()?;
    let config = &resolved.config;
    let workers = config.worker_count();
    let mut times = bench_views(config, args.images, workers, args.passes)?;
    times.seconds.sort_by(f64::total_cmp);
    let seconds = times.seconds[times.seconds.len() / 2];
    let report = Report {
        data: config.data.clone(),
        views: config.view_recipe().views.iter().map(|v| v.size).collect(),
        images: times.images,
        workers,
        passes: args.passes,
        seconds_per_image: seconds / times.images as f64,
        images_per_s: times.images as f64 / seconds,
    };
    ui::show(args.output.json, &report, || {
        format!(
            "{} views of an image by {workers} workers: {:.3} ms an image, {:.0} images/s (median of {} passes over {})",
            report.views.len(),
            1e3 * report.seconds_per_image,
            report.images_per_s,
            report.passes,
            report.images
        )
    })?;
    Ok(Outcome::Done)
}
