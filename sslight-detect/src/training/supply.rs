//! Batches of annotated images on the device.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use burn::tensor::{Tensor, TensorData};
use sslight_core::learner::Supply;
use sslight_models::backend::Backend;

use super::detector::image_size;
use crate::loading::{DetectionBatch, DetectionLoader, DetectionStream, LoadingError, Targets};
use crate::model::ImageSize;

/// Images on the device with what is on them.
#[derive(Debug, Clone)]
pub struct DeviceBatch<B: Backend> {
    /// `[b, 3, h, w]`, normalised and padded.
    pub images: Tensor<B, 4>,
    /// The size of each without the padding.
    pub sizes: Vec<ImageSize>,
    /// What is on each.
    pub targets: Vec<Targets>,
}

impl<B: Backend> DeviceBatch<B> {
    /// Uploads a batch.
    pub fn upload(batch: DetectionBatch, device: &B::Device) -> Self {
        let shape = [batch.len(), 3, batch.height, batch.width];
        Self {
            images: Tensor::from_data(TensorData::new(batch.images, shape), device),
            sizes: batch.sizes.into_iter().map(image_size).collect(),
            targets: batch.targets,
        }
    }
}

/// The batches of training. They go on without end; an epoch is so many of them as show each image once, about.
pub struct DetectionSupply {
    /// Makes them.
    pub loader: DetectionLoader,
    /// Images in a batch.
    pub batch_size: usize,
    /// Batches in an epoch.
    pub steps_per_epoch: usize,
    /// How long they have been waited for.
    pub waited: Waited,
    /// The stream at the end of the last epoch, with the step of its next batch: it goes on in the next one, so that threads and
    /// prepared batches outlive an epoch of a few steps.
    pub stream: Mutex<Option<(usize, DetectionStream)>>,
}

/// A duration that grows, shared by its clones.
#[derive(Debug, Clone, Default)]
pub struct Waited(Arc<AtomicU64>);

impl Waited {
    /// The duration so far.
    pub fn so_far(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn add(&self, more: Duration) {
        let nanos = u64::try_from(more.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl<B: Backend> Supply<B> for DetectionSupply {
    type Batch = DeviceBatch<B>;
    type Error = LoadingError;

    fn steps_per_epoch(&self) -> usize {
        self.steps_per_epoch
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn epoch(
        &self,
        epoch: usize,
        start_step: usize,
        device: &B::Device,
    ) -> Box<dyn Iterator<Item = Result<DeviceBatch<B>, LoadingError>> + '_> {
        let step = epoch * self.steps_per_epoch + start_step;
        let kept = self.lock().take().filter(|(next, _)| *next == step);
        let stream = match kept {
            Some((_, stream)) => stream,
            None => self.loader.training(step),
        };
        Box::new(EpochOfBatches::<B> {
            supply: self,
            stream: Some(stream),
            step,
            left: self.steps_per_epoch - start_step,
            device: device.clone(),
        })
    }
}

impl DetectionSupply {
    fn lock(&self) -> MutexGuard<'_, Option<(usize, DetectionStream)>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rest of an epoch.
struct EpochOfBatches<'a, B: Backend> {
    supply: &'a DetectionSupply,
    /// Absent after an error.
    stream: Option<DetectionStream>,
    /// The step of its next batch.
    step: usize,
    left: usize,
    device: B::Device,
}

impl<B: Backend> Iterator for EpochOfBatches<'_, B> {
    type Item = Result<DeviceBatch<B>, LoadingError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let asked = Instant::now();
        let batch = self.stream.as_mut()?.next();
        self.supply.waited.add(asked.elapsed());
        let Some(Ok(batch)) = batch else {
            self.stream = None;
            return batch
                .map(|failed| failed.map(|batch| DeviceBatch::upload(batch, &self.device)));
        };
        self.step += 1;
        Some(Ok(DeviceBatch::upload(batch, &self.device)))
    }
}

impl<B: Backend> Drop for EpochOfBatches<'_, B> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            *self.supply.lock() = Some((self.step, stream));
        }
    }
}
