//! Host batches onto the device: the only upload of training data.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::tensor::{Int, Tensor, TensorData};
use sslight_data::{BatchStream, DataError, HostBatch, Loader};
use sslight_models::backend::Backend;

use crate::method::{ValidationStats, ViewBatch};

/// burn's view of a [`Loader`]: an iteration is the rest of the epoch from the position that
/// [`seek`](Feed::seek) set.
///
/// Decoding and augmentation run on host threads; the upload happens in `next()` on the thread that trains, since
/// each further thread would open a stream of its own on a GPU.
pub struct Feed<B: Backend> {
    shared: Arc<Shared>,
    device: B::Device,
}

struct Shared {
    loader: Loader,
    batch_size: usize,
    epoch: AtomicUsize,
    start_step: AtomicUsize,
    error: Mutex<Option<DataError>>,
}

impl<B: Backend> Clone for Feed<B> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            device: self.device.clone(),
        }
    }
}

impl<B: Backend> Feed<B> {
    /// Batches of `loader`, `batch_size` images each, on `device`.
    pub fn new(loader: Loader, batch_size: usize, device: B::Device) -> Self {
        Self {
            shared: Arc::new(Shared {
                loader,
                batch_size,
                epoch: AtomicUsize::new(0),
                start_step: AtomicUsize::new(0),
                error: Mutex::new(None),
            }),
            device,
        }
    }

    /// The loader.
    pub fn loader(&self) -> &Loader {
        &self.shared.loader
    }

    /// Sets where the next iteration begins.
    pub fn seek(&self, epoch: usize, start_step: usize) {
        self.shared.epoch.store(epoch, Ordering::Relaxed);
        self.shared.start_step.store(start_step, Ordering::Relaxed);
    }

    /// Why the last iteration ended early, if it did.
    pub fn take_error(&self) -> Option<DataError> {
        self.shared
            .error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// A host batch as tensors on `device`.
pub fn upload<B: Backend>(batch: HostBatch, device: &B::Device) -> ViewBatch<B> {
    let rows = batch.len();
    let groups = batch
        .groups
        .into_iter()
        .map(|group| {
            let shape = [group.views * rows, 3, group.size, group.size];
            Tensor::from_data(TensorData::new(group.pixels, shape), device)
        })
        .collect();
    let labels = batch
        .labels
        .map(|labels| Tensor::<B, 1, Int>::from_data(TensorData::new(labels, [rows]), device));
    ViewBatch {
        groups,
        batch: rows,
        labels,
    }
}

struct FeedIterator<'a, B: Backend> {
    feed: &'a Feed<B>,
    stream: BatchStream,
    done: usize,
}

impl<B: Backend> Iterator for FeedIterator<'_, B> {
    type Item = ViewBatch<B>;

    fn next(&mut self) -> Option<ViewBatch<B>> {
        match self.stream.next()? {
            Ok(batch) => {
                self.done += 1;
                Some(upload(batch, &self.feed.device))
            }
            Err(error) => {
                let mut slot = self.feed.shared.error.lock();
                *slot.as_deref_mut().unwrap_or(&mut None) = Some(error);
                None
            }
        }
    }
}

impl<B: Backend> DataLoaderIterator<ViewBatch<B>> for FeedIterator<'_, B> {
    fn progress(&self) -> Progress {
        let shared = &self.feed.shared;
        Progress {
            items_processed: self.done * shared.batch_size,
            items_total: shared.loader.steps_per_epoch() * shared.batch_size,
        }
    }
}

impl<B: Backend> DataLoader<B, ViewBatch<B>> for Feed<B> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<ViewBatch<B>> + 'a> {
        let shared = &self.shared;
        let start_step = shared.start_step.load(Ordering::Relaxed);
        Box::new(FeedIterator {
            stream: shared
                .loader
                .epoch(shared.epoch.load(Ordering::Relaxed), start_step),
            feed: self,
            done: start_step,
        })
    }

    fn num_items(&self) -> usize {
        self.shared.loader.steps_per_epoch() * self.shared.batch_size
    }

    fn to_device(&self, device: &B::Device) -> Arc<dyn DataLoader<B, ViewBatch<B>>> {
        Arc::new(Self {
            shared: Arc::clone(&self.shared),
            device: device.clone(),
        })
    }

    fn slice(&self, _start: usize, _end: usize) -> Arc<dyn DataLoader<B, ViewBatch<B>>> {
        // Only burn's multi-device strategies cut a loader up; ours holds one global batch on one device.
        Arc::new(self.clone())
    }
}

/// The empty validation loader: see [`ValidationStats`].
pub struct NoBatches;

impl Iterator for NoBatches {
    type Item = ValidationStats;

    fn next(&mut self) -> Option<ValidationStats> {
        None
    }
}

impl DataLoaderIterator<ValidationStats> for NoBatches {
    fn progress(&self) -> Progress {
        Progress::new(0, 0)
    }
}

impl<B: Backend> DataLoader<B, ValidationStats> for NoBatches {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<ValidationStats> + 'a> {
        Box::new(Self)
    }

    fn num_items(&self) -> usize {
        0
    }

    fn to_device(&self, _device: &B::Device) -> Arc<dyn DataLoader<B, ValidationStats>> {
        Arc::new(Self)
    }

    fn slice(&self, _start: usize, _end: usize) -> Arc<dyn DataLoader<B, ValidationStats>> {
        Arc::new(Self)
    }
}
