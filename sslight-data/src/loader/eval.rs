//! All images in index order through the deterministic transform, for feature extraction.

use std::sync::Arc;

use super::bad::BadImages;
use super::stream::{BatchStream, Row, Settings, Task};
use super::{check_batch_size, check_std};
use crate::batch::SampleType;
use crate::error::DataError;
use crate::ops::EvalView;
use crate::ops::normalize::Normalizer;
use crate::source::ImageSource;
use crate::views::{View, Workspace};

/// Batches that are prepared ahead.
const PREFETCH: usize = 2;

/// Settings of evaluation batches.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalConfig {
    /// What is shown of an image; the crop at most as large as what is resized to.
    pub view: EvalView,
    /// Channel means in units of full scale.
    pub mean: [f32; 3],
    /// Channel standard deviations in units of full scale.
    pub std: [f32; 3],
    /// Images a batch; the last one may be shorter.
    pub batch_size: usize,
    /// Worker threads; zero counts as one.
    pub workers: usize,
    /// The share of unreadable images that is left out before it is an error.
    pub max_bad_images: f64,
    /// What the samples of the batches are.
    pub samples: SampleType,
}

/// All images of a source in index order, one view each, in one group of size `crop`; the last batch may
/// be shorter. Images that cannot be read are left out ([`crate::HostBatch::indices`] tells which are there) and
/// listed by [`BatchStream::bad_images`]; more than `max_bad_images` of them are an error.
///
/// # Errors
/// If a setting is out of range.
pub fn eval_batches(
    source: Arc<dyn ImageSource>,
    config: EvalConfig,
) -> Result<BatchStream, DataError> {
    let indices = (0..source.len()).collect();
    eval_subset(source, indices, config)
}

/// As [`eval_batches`], for the given images in the given order.
///
/// # Errors
/// If a setting or an index is out of range.
pub fn eval_subset(
    source: Arc<dyn ImageSource>,
    indices: Vec<usize>,
    config: EvalConfig,
) -> Result<BatchStream, DataError> {
    check_batch_size(config.batch_size)?;
    check_std(config.std)?;
    let EvalView { resize, crop, .. } = config.view;
    if crop == 0 || crop > resize {
        return Err(DataError::Setting {
            setting: "crop".into(),
            expected: "1 to the size that images are resized to",
            got: format!("{crop} for a size of {resize}"),
        });
    }
    if let Some(&index) = indices.iter().find(|&&index| index >= source.len()) {
        return Err(DataError::IndexOutOfRange {
            source_name: source.describe(),
            index,
            len: source.len(),
        });
    }
    let bad = Arc::new(BadImages::new(source.len(), config.max_bad_images));
    let settings = Settings {
        epoch: 0,
        start_step: 0,
        workers: config.workers,
        prefetch: PREFETCH,
        groups: vec![(crop, 1)],
        samples: config.samples,
        normalizer: Arc::new(Normalizer::new(config.mean, config.std)),
        bad: Arc::clone(&bad),
        waited_nanos: Arc::default(),
    };
    let task = EvalTask {
        source,
        indices,
        config,
        bad,
    };
    Ok(BatchStream::start(Arc::new(task), settings))
}

struct EvalTask {
    source: Arc<dyn ImageSource>,
    indices: Vec<usize>,
    config: EvalConfig,
    bad: Arc<BadImages>,
}

impl Task for EvalTask {
    fn rows(&self, step: usize) -> usize {
        let size = self.config.batch_size;
        let done = step.saturating_mul(size);
        self.indices.len().saturating_sub(done).min(size)
    }

    fn prepare(
        &self,
        step: usize,
        slot: usize,
        workspace: &mut Workspace,
        put: &mut dyn FnMut(usize, View<'_>),
    ) -> Row {
        let index = self.indices[step * self.config.batch_size + slot];
        let read = self.bad.read(&*self.source, index);
        if let Ok(image) = &read {
            put(0, workspace.eval(image, self.config.view));
        }
        Row {
            index,
            label: self.source.label(index),
            shown: read.is_ok(),
            bad: read.err().into_iter().collect(),
        }
    }
}
