//! How fast the loader makes views on this machine.

use std::time::Instant;

use sslight_data::{Loader, LoaderConfig};

use super::{RunError, assemble, open_train};
use crate::config::RunConfig;

/// What making views took.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewTimes {
    /// Images whose views were made.
    pub images: usize,
    /// Seconds of each measured pass over them.
    pub seconds: Vec<f64>,
}

/// Makes the views of `images` images of a configuration, in batches and as training gets them, with so many worker
/// threads: once to warm up, then `passes` times.
///
/// # Errors
/// If the data cannot be used.
pub fn bench_views(
    config: &RunConfig,
    images: usize,
    workers: usize,
    passes: usize,
) -> Result<ViewTimes, RunError> {
    let source = open_train(config)?;
    let batch_size = config.batch_size.min(images.max(1)).min(source.len());
    let settings = LoaderConfig {
        batch_size,
        workers,
        ..assemble::loader_config(config)
    };
    let loader = Loader::new(source, config.view_recipe(), settings)?;
    let steps = images.div_ceil(batch_size).max(1);
    let mut times = ViewTimes {
        images: steps * batch_size,
        seconds: Vec::new(),
    };
    for pass in 0..=passes {
        let started = Instant::now();
        // Epoch after epoch, where the data have fewer images.
        let batches = (0..).flat_map(|epoch| loader.epoch(epoch, 0));
        for batch in batches.take(steps) {
            batch?;
        }
        if pass > 0 {
            times.seconds.push(started.elapsed().as_secs_f64());
        }
    }
    Ok(times)
}
