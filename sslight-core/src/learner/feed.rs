//! Host batches onto the device: the only upload of training data.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::tensor::{DType, Int, Tensor, TensorData};
use sslight_data::{DataError, HostBatch, Loader, Pixels};
use sslight_models::backend::Backend;

use crate::method::ViewBatch;

/// The batches of a run, one epoch after the other.
pub trait Supply<B: Backend>: Send + Sync + 'static {
    /// A batch on the device.
    type Batch: Send + 'static;
    /// Why there is none.
    type Error: Send + 'static;

    /// Batches in an epoch.
    fn steps_per_epoch(&self) -> usize;

    /// Images in a batch.
    fn batch_size(&self) -> usize;

    /// The batches of an epoch from `start_step` on, in order; after an error there are no more.
    ///
    /// Decoding and augmentation run on host threads. The upload happens in `next()` on the thread that trains, since each
    /// further thread would open a stream of its own on a GPU.
    fn epoch(
        &self,
        epoch: usize,
        start_step: usize,
        device: &B::Device,
    ) -> Box<dyn Iterator<Item = Result<Self::Batch, Self::Error>> + '_>;
}

/// Views of images, for pre-training.
pub struct ViewSupply {
    /// Makes the views.
    pub loader: Loader,
    /// Images in a batch.
    pub batch_size: usize,
}

impl<B: Backend> Supply<B> for ViewSupply {
    type Batch = ViewBatch<B>;
    type Error = DataError;

    fn steps_per_epoch(&self) -> usize {
        self.loader.steps_per_epoch()
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn epoch(
        &self,
        epoch: usize,
        start_step: usize,
        device: &B::Device,
    ) -> Box<dyn Iterator<Item = Result<ViewBatch<B>, DataError>> + '_> {
        let device = device.clone();
        let batches = self.loader.epoch(epoch, start_step);
        Box::new(batches.map(move |batch| Ok(upload(batch?, &device))))
    }
}

/// burn's view of a [`Supply`]: an iteration is the rest of the epoch from the position that [`seek`](Feed::seek) set.
pub struct Feed<B: Backend, S: Supply<B>> {
    shared: Arc<Shared<S, S::Error>>,
    device: B::Device,
}

struct Shared<S, E> {
    supply: S,
    epoch: AtomicUsize,
    start_step: AtomicUsize,
    error: Mutex<Option<E>>,
}

impl<B: Backend, S: Supply<B>> Clone for Feed<B, S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            device: self.device.clone(),
        }
    }
}

impl<B: Backend, S: Supply<B>> Feed<B, S> {
    /// The batches of `supply` on `device`.
    pub fn new(supply: S, device: B::Device) -> Self {
        Self {
            shared: Arc::new(Shared {
                supply,
                epoch: AtomicUsize::new(0),
                start_step: AtomicUsize::new(0),
                error: Mutex::new(None),
            }),
            device,
        }
    }

    /// Where its batches come from.
    pub fn supply(&self) -> &S {
        &self.shared.supply
    }

    /// Sets where the next iteration begins.
    pub fn seek(&self, epoch: usize, start_step: usize) {
        self.shared.epoch.store(epoch, Ordering::Relaxed);
        self.shared.start_step.store(start_step, Ordering::Relaxed);
    }

    /// Why the last iteration ended early, if it did.
    pub fn take_error(&self) -> Option<S::Error> {
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

struct FeedIterator<'a, B: Backend, S: Supply<B>> {
    feed: &'a Feed<B, S>,
    batches: Box<dyn Iterator<Item = Result<S::Batch, S::Error>> + 'a>,
    done: usize,
}

impl<B: Backend, S: Supply<B>> Iterator for FeedIterator<'_, B, S> {
    type Item = S::Batch;

    fn next(&mut self) -> Option<S::Batch> {
        match self.batches.next()? {
            Ok(batch) => {
                self.done += 1;
                Some(batch)
            }
            Err(error) => {
                let mut slot = self.feed.shared.error.lock();
                *slot.as_deref_mut().unwrap_or(&mut None) = Some(error);
                None
            }
        }
    }
}

impl<B: Backend, S: Supply<B>> DataLoaderIterator<S::Batch> for FeedIterator<'_, B, S> {
    fn progress(&self) -> Progress {
        let supply = self.feed.supply();
        Progress {
            items_processed: self.done * supply.batch_size(),
            items_total: supply.steps_per_epoch() * supply.batch_size(),
        }
    }
}

impl<B: Backend, S: Supply<B>> DataLoader<B, S::Batch> for Feed<B, S> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<S::Batch> + 'a> {
        let shared = &self.shared;
        let start_step = shared.start_step.load(Ordering::Relaxed);
        let epoch = shared.epoch.load(Ordering::Relaxed);
        Box::new(FeedIterator {
            batches: shared.supply.epoch(epoch, start_step, &self.device),
            feed: self,
            done: start_step,
        })
    }

    fn num_items(&self) -> usize {
        self.supply().steps_per_epoch() * self.supply().batch_size()
    }

    fn to_device(&self, device: &B::Device) -> Arc<dyn DataLoader<B, S::Batch>> {
        Arc::new(Self {
            shared: Arc::clone(&self.shared),
            device: device.clone(),
        })
    }

    fn slice(&self, _start: usize, _end: usize) -> Arc<dyn DataLoader<B, S::Batch>> {
        // Only burn's multi-device strategies cut a loader up; ours holds one global batch on one device.
        Arc::new(self.clone())
    }
}

/// The empty validation loader: what is measured at the end of an epoch comes from the hooks of the run.
pub struct NoBatches;

struct Nothing<T>(PhantomData<T>);

impl<T> Iterator for Nothing<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        None
    }
}

impl<T> DataLoaderIterator<T> for Nothing<T> {
    fn progress(&self) -> Progress {
        Progress::new(0, 0)
    }
}

impl<B: Backend, T: Send + 'static> DataLoader<B, T> for NoBatches {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<T> + 'a> {
        Box::new(Nothing(PhantomData))
    }

    fn num_items(&self) -> usize {
        0
    }

    fn to_device(&self, _device: &B::Device) -> Arc<dyn DataLoader<B, T>> {
        Arc::new(Self)
    }

    fn slice(&self, _start: usize, _end: usize) -> Arc<dyn DataLoader<B, T>> {
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
