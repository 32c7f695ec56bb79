//! Images through a network, a batch at a time.

use std::time::Instant;

use sslight_data::loader::eval_subset;
use sslight_data::{BadImage, BatchStream, EvalConfig};

use super::{EmbedError, Images, Network};
use crate::config::RunConfig;
use crate::eval::FeatureSet;
use crate::observe::StopHandle;
use crate::run::assemble;

/// Images of a batch.
const BATCH: usize = 64;

/// What an extraction tells while it goes on, and who may end it.
pub struct Hooks<'a> {
    /// Called with the number of images done, unreadable ones among them, and of all.
    pub progress: &'a mut dyn FnMut(usize, usize),
    /// Asks for a stop after the batch in hand.
    pub stop: &'a StopHandle,
}

/// How an extraction went.
#[derive(Debug, Clone, PartialEq)]
pub struct Extracted {
    /// Images with features.
    pub images: usize,
    /// Length of a feature vector.
    pub dim: usize,
    /// Seconds from the first image to the last.
    pub seconds: f64,
    /// Share of that time in which the network waited for images, in 0 to 1.
    pub data_wait: f64,
    /// Images that could not be read and were left out.
    pub unreadable: Vec<BadImage>,
}

impl Extracted {
    /// Images a second.
    pub fn images_per_s(&self) -> f64 {
        self.images as f64 / self.seconds.max(1e-9)
    }
}

/// The evaluation batches of images under a configuration.
pub(super) fn batches(config: &RunConfig, images: &Images) -> Result<BatchStream, EmbedError> {
    let config: EvalConfig = assemble::eval_config(config, BATCH);
    Ok(eval_subset(
        images.source.clone(),
        images.indices.clone(),
        config,
    )?)
}

/// Computes the features of images and hands them to `take` batch by batch: their indices in the source, and as many
/// rows of features.
///
/// # Errors
/// If too many images cannot be read, if features are not finite, if a stop was asked for, and those of `take`.
pub(super) fn extract(
    config: &RunConfig,
    network: &Network,
    images: &Images,
    hooks: &mut Hooks<'_>,
    mut take: impl FnMut(&[usize], &[f32]) -> Result<(), EmbedError>,
) -> Result<Extracted, EmbedError> {
    let start = Instant::now();
    let mut stream = batches(config, images)?;
    let mut done = 0;
    for batch in stream.by_ref() {
        let batch = batch?;
        if hooks.stop.is_requested() {
            return Err(EmbedError::Stopped);
        }
        for group in batch.groups {
            let features = network.features(group.pixels.into_f32(), group.size);
            let rows = features.chunks(network.dim());
            if let Some(row) = rows.map(is_finite).position(|finite| !finite) {
                let name = images.source.name(batch.indices[row]);
                return Err(EmbedError::NotFinite { name });
            }
            take(&batch.indices, &features)?;
        }
        done += batch.indices.len();
        let steps = batch.step_in_epoch + 1;
        (hooks.progress)((steps * BATCH).min(images.len()), images.len());
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Extracted {
        images: done,
        dim: network.dim(),
        seconds,
        data_wait: stream.waited().as_secs_f64() / seconds.max(1e-9),
        unreadable: stream.bad_images(),
    })
}

fn is_finite(row: &[f32]) -> bool {
    row.iter().all(|value| value.is_finite())
}

/// Features in memory, with the images that they are of.
pub(super) struct Collected {
    /// The features; without classes, all labels are 0, so that neighbours can be searched.
    pub set: FeatureSet,
    /// Indices in the source, one a row.
    pub indices: Vec<usize>,
    /// How it went.
    pub extracted: Extracted,
}

/// As [`extract`], all of it in memory.
pub(super) fn collect(
    config: &RunConfig,
    network: &Network,
    images: &Images,
    hooks: &mut Hooks<'_>,
) -> Result<Collected, EmbedError> {
    let mut values = Vec::with_capacity(images.len() * network.dim());
    let mut indices = Vec::with_capacity(images.len());
    let extracted = extract(config, network, images, hooks, |rows, features| {
        indices.extend_from_slice(rows);
        values.extend_from_slice(features);
        Ok(())
    })?;
    let label = |index: &usize| images.source.label(*index).unwrap_or(0);
    Ok(Collected {
        set: FeatureSet {
            dim: network.dim(),
            values,
            labels: Some(indices.iter().map(label).collect()),
        },
        indices,
        extracted,
    })
}
