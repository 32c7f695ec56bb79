//! Host batches onto the device: the only upload of training data.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::tensor::{DType, Int, Tensor, TensorData};
use sslight_data::{BatchStream, DataError, HostBatch, Loader, Pixels};
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

/// A host batch as tensors on `device`; 8-bit samples are normalised there.
pub fn upload<B: Backend>(batch: HostBatch, device: &B::Device) -> ViewBatch<B> {
    let rows = batch.len();
    let (mean, std) = (batch.mean, batch.std);
    let groups = batch
        .groups
        .into_iter()
        .map(|group| {
            let shape = [group.views * rows, 3, group.size, group.size];
            match group.pixels {
                Pixels::F32(samples) => Tensor::from_data(TensorData::new(samples, shape), device),
                Pixels::U8(samples) => {
                    normalized(TensorData::new(samples, shape), mean, std, device)
                }
            }
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

/// Uploads 8-bit samples, as bytes where the engine has such tensors, and normalises them.
fn normalized<B: Backend>(
    samples: TensorData,
    mean: [f32; 3],
    std: [f32; 3],
    device: &B::Device,
) -> Tensor<B, 4> {
    const FULL_SCALE: f32 = 255.0;
    let samples = match B::supports_dtype(device, DType::U8) {
        true => Tensor::<B, 4, Int>::from_data(samples, (device, DType::U8)).float(),
        false => Tensor::from_data(samples.convert::<f32>(), device),
    };
    let of_channels =
        |values: [f32; 3]| Tensor::<B, 1>::from_data(values, device).reshape([1, 3, 1, 1]);
    let scale = std.map(|std| 1.0 / (FULL_SCALE * std));
    let shift = std::array::from_fn(|channel| mean[channel] / std[channel]);
    samples * of_channels(scale) - of_channels(shift)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn_flex::Flex;
    use burn_ndarray::NdArray;
    use sslight_data::ViewGroup;
    use sslight_data::loader::{IMAGENET_MEAN, IMAGENET_STD};

    use super::*;

    fn bytes_are_normalised_like_floats<B: Backend>() {
        let bytes: Vec<u8> = (0..2 * 3 * 16 * 16).map(|i| (i * 37 % 256) as u8).collect();
        let plain = |(place, byte): (usize, &u8)| {
            let channel = place / 256 % 3;
            (f32::from(*byte) / 255.0 - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
        };
        let floats: Vec<f32> = bytes.iter().enumerate().map(plain).collect();
        let batch = |pixels| HostBatch {
            epoch: 0,
            step_in_epoch: 0,
            indices: vec![0, 1],
            labels: None,
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
            groups: vec![ViewGroup {
                size: 16,
                views: 1,
                pixels,
            }],
        };
        let values = |pixels| -> Vec<f32> {
            let device = B::Device::default();
            let uploaded = upload::<B>(batch(pixels), &device);
            uploaded.groups[0]
                .to_data()
                .convert::<f32>()
                .into_vec()
                .unwrap()
        };
        let (of_bytes, of_floats) = (values(Pixels::U8(bytes)), values(Pixels::F32(floats)));
        assert_eq!(of_bytes.len(), of_floats.len());
        for (a, b) in of_bytes.iter().zip(&of_floats) {
            assert!((a - b).abs() < 1e-5, "{a} and {b}");
        }
    }

    #[test]
    fn bytes_are_normalised_like_floats_on_both_engines() {
        bytes_are_normalised_like_floats::<Flex>();
        bytes_are_normalised_like_floats::<NdArray>();
    }
}
