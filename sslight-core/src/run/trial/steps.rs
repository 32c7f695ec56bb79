//! Steps of a trial: parts of a batch, smallest first, then whole ones.

use std::sync::Arc;
use std::time::Instant;

use burn::module::Module;
use burn::optim::Optimizer;
use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Record, Recorder};
use sslight_models::backend::{AutodiffBackend, Backend};

use super::{MemoryPoint, Shortened, TrialMemory, TrialOptions, TrialStage};
use crate::config::{DataFacts, Method, RunConfig};
use crate::method::AnyMethod;
use crate::optim::GroupedOptimizer;
use crate::run::bench::{PartTimes, Stepper};
use crate::run::{Data, Memory, RunError, loader, peak_memory};

/// Share of the memory that a step may take: the system and other programs go on.
const MARGIN: f64 = 0.9;
/// While a checkpoint is written, steps go on beside its tensors, their bytes, and the buffer that these grow in: three times
/// its size (measured with ResNet-18: 0.7 GiB for 0.24 GiB).
const CHECKPOINT_COPIES: u64 = 3;
/// Parts that are measured however slow they are.
const LEAST_PARTS: usize = 2;
/// Timed steps of the whole batch at least, and at most.
const STEPS: [usize; 2] = [2, 20];
/// Seconds of timed steps that are enough.
const ENOUGH_SECONDS: f64 = 5.0;
/// Parts of a batch to begin with, smallest first: whole numbers of images for each part of an accumulated batch, enough
/// for normalisation over the batch, each at most four times the last one, the largest about a quarter.
fn parts(batch_size: usize, accumulate: usize) -> Vec<usize> {
    const GROWTH: usize = 4;
    let first = if batch_size >= 4 * GROWTH * accumulate {
        [4, 8]
    } else {
        [2, 4]
    };
    let mut parts = first.map(|images| images * accumulate).to_vec();
    let quarter = batch_size / GROWTH / accumulate * accumulate;
    while let Some(last) = parts.last().filter(|last| **last * 3 / 2 < quarter) {
        parts.push(quarter.min(last * GROWTH));
    }
    parts.retain(|images| 2 * images <= batch_size);
    parts
}

/// The line through two points, at `x`; it does not fall.
fn line([(x0, y0), (x1, y1)]: [(f64, f64); 2], x: f64) -> f64 {
    y1 + ((y1 - y0) / (x1 - x0)).max(0.0) * (x - x1)
}

/// Steps that were taken.
pub(super) struct Steps {
    batch_size: usize,
    /// Images of the largest steps.
    pub(super) measured: usize,
    pub(super) shortened: Option<Shortened>,
    /// The times of the largest steps.
    pub(super) timed: Vec<PartTimes>,
    /// Images and seconds of a step, smallest first.
    seconds: Vec<(usize, f64)>,
    peaks: Vec<MemoryPoint>,
    /// All that this process could have before the first step.
    available: Option<u64>,
    /// Bytes of networks and optimizer in a checkpoint.
    pub(super) record_bytes: u64,
}

impl Steps {
    /// Takes steps of parts of a batch, then of all of it.
    pub(super) fn take<B: AutodiffBackend>(
        config: &RunConfig,
        data: &Data,
        device: &B::Device,
        options: &mut TrialOptions<'_>,
    ) -> Result<Self, RunError> {
        let started = Instant::now();
        let mut steps = Self {
            batch_size: config.batch_size,
            measured: 0,
            shortened: None,
            timed: Vec::new(),
            seconds: Vec::new(),
            peaks: Vec::new(),
            available: options.memory.or_else(|| Memory::now().for_process()),
            record_bytes: 0,
        };
        let mut trained = None;
        let batch = config.batch_size;
        for images in parts(batch, config.accumulate).into_iter().chain([batch]) {
            let whole = images == batch;
            // One step to warm up, whose time does not count.
            let least = if whole { STEPS[0] } else { 1 };
            let predicted = steps.seconds_at(images) * (least + 1) as f64;
            if !steps.fits(images).unwrap_or(true) {
                steps.shortened = Some(Shortened::Memory);
                break;
            }
            let is_slow = started.elapsed().as_secs_f64() + predicted > options.seconds;
            // One point gives no line: in proportion to it, whatever any batch needs would count many times.
            if is_slow && steps.seconds.len() >= LEAST_PARTS {
                steps.shortened = Some(Shortened::Time);
                break;
            }
            (options.tell)(TrialStage::Steps { images });
            // Before the next one is made: a run has one of them.
            drop(trained.take());
            let config = of_part(config, images, data.facts);
            let batches = loader(&config, Arc::clone(&data.train))?;
            let stepper = Stepper::<B>::new(&config, batches, data.facts, false, device)?;
            let (mut stepper, _) = stepper.step()?;
            let (mut timed, start) = (Vec::new(), Instant::now());
            while timed.len() < least
                || (whole
                    && timed.len() < STEPS[1]
                    && start.elapsed().as_secs_f64() < ENOUGH_SECONDS)
            {
                let parts;
                (stepper, parts) = stepper.step()?;
                timed.push(parts);
            }
            steps.add(images, timed);
            trained = Some(stepper.trained());
        }
        if let Some((method, optimizer)) = trained {
            steps.record_bytes = record_bytes::<B>(method, &optimizer);
        }
        Ok(steps)
    }

    fn add(&mut self, images: usize, timed: Vec<PartTimes>) {
        self.measured = images;
        self.seconds.push((images, mean_seconds(&timed)));
        self.timed = timed;
        if let Some(peak_bytes) = peak_memory() {
            self.peaks.push(MemoryPoint { images, peak_bytes });
        }
    }

    /// Seconds of a step of so many images: measured, or on the line through the last two, or in proportion.
    fn seconds_at(&self, images: usize) -> f64 {
        let points: Vec<(f64, f64)> = self.seconds.iter().map(|(x, y)| (*x as f64, *y)).collect();
        extrapolated(&points, images)
    }

    /// Seconds of a step of the whole batch.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds_at(self.batch_size)
    }

    /// The peak with steps of so many images, in bytes.
    fn peak_at(&self, images: usize) -> Option<u64> {
        let points = self.peaks.iter();
        let points: Vec<(f64, f64)> = points
            .map(|point| (point.images as f64, point.peak_bytes as f64))
            .collect();
        (!points.is_empty()).then(|| extrapolated(&points, images) as u64)
    }

    /// Whether steps of so many images fit; `None` if that is not known.
    fn fits(&self, images: usize) -> Option<bool> {
        Some(self.peak_at(images)? as f64 <= MARGIN * self.available? as f64)
    }

    /// Share of the largest steps that waits for data.
    pub(super) fn data_wait(&self) -> f64 {
        let waited: f64 = self.timed.iter().map(|parts| parts[0].as_secs_f64()).sum();
        let all = mean_seconds(&self.timed) * self.timed.len() as f64;
        waited / all.max(1e-9)
    }

    /// What is known of memory, at the end of the trial.
    pub(super) fn memory(&self, feature_bytes: u64) -> TrialMemory {
        let peak_bytes = self.peak_at(self.batch_size);
        let run_bytes = peak_bytes.map(|steps| {
            let with_checkpoint = steps + CHECKPOINT_COPIES * self.record_bytes;
            let so_far = peak_memory().unwrap_or(0);
            with_checkpoint.max(so_far).max(feature_bytes)
        });
        let fits = |(run, available): (u64, u64)| run as f64 <= MARGIN * available as f64;
        TrialMemory {
            measured: self.peaks.clone(),
            peak_bytes,
            run_bytes,
            available_bytes: self.available,
            fits: run_bytes.zip(self.available).map(fits),
        }
    }
}

/// A value at `images`: that of the last point if it is there, on the line through the last two points behind it, in
/// proportion to one point, 0 without any.
fn extrapolated(points: &[(f64, f64)], images: usize) -> f64 {
    let images = images as f64;
    match points {
        [] => 0.0,
        [.., (x, y)] if *x == images => *y,
        [(x, y)] => y * images / x,
        [.., before, last] => line([*before, *last], images),
    }
}

fn mean_seconds(steps: &[PartTimes]) -> f64 {
    let all = steps.iter().flatten().map(|part| part.as_secs_f64());
    all.sum::<f64>() / steps.len().max(1) as f64
}

/// The configuration with a smaller batch, and networks and queues as they are with the whole one.
fn of_part(config: &RunConfig, images: usize, facts: DataFacts) -> RunConfig {
    let mut part = config.clone();
    part.batch_size = images;
    if config.method == Method::Moco {
        part.moco.queue_length = Some(config.moco_queue_length(facts.images));
    }
    part
}

/// The bytes of networks and optimizer in a checkpoint.
fn record_bytes<B: AutodiffBackend>(method: AnyMethod<B>, optimizer: &GroupedOptimizer<B>) -> u64 {
    fn bytes<B: Backend>(record: impl Record<B>) -> u64 {
        let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
        let bytes = Recorder::<B>::record(&recorder, record, ());
        bytes.map_or(0, |bytes| bytes.len() as u64)
    }
    let optimizer = Optimizer::<AnyMethod<B>, B>::to_record(optimizer);
    bytes::<B>(method.into_record()) + bytes::<B>(optimizer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_batch_grow_slowly_to_a_quarter_of_it() {
        assert_eq!(parts(1024, 1), [4, 8, 32, 128, 256]);
        assert_eq!(parts(1024, 4), [16, 32, 128, 256]);
        assert_eq!(parts(100, 1), [4, 8, 25]);
        assert_eq!(parts(8, 1), [2, 4]);
        assert_eq!(parts(4, 1), [2]);
        assert_eq!(parts(8, 4), [0; 0]);
        for batch in 1..600 {
            for accumulate in [1, 2, 3] {
                let all = parts(batch * accumulate, accumulate);
                assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
                assert!(all.iter().all(|images| images % accumulate == 0));
            }
        }
    }

    #[test]
    fn memory_of_a_batch_lies_on_the_line_through_the_last_two_parts() {
        let of = |peaks: &[(usize, u64)], available| Steps {
            batch_size: 64,
            measured: 0,
            shortened: None,
            timed: Vec::new(),
            seconds: Vec::new(),
            peaks: peaks
                .iter()
                .map(|(images, peak_bytes)| MemoryPoint {
                    images: *images,
                    peak_bytes: *peak_bytes,
                })
                .collect(),
            available,
            record_bytes: 0,
        };
        let steps = of(&[(4, 999), (8, 180), (16, 260)], Some(1000));
        assert_eq!(steps.peak_at(64), Some(740));
        assert_eq!(steps.peak_at(16), Some(260));
        assert_eq!(steps.fits(64), Some(true));
        assert_eq!(steps.fits(81), Some(false), "910 is more than 900");
        assert_eq!(of(&[(4, 50)], Some(1)).peak_at(64), Some(800));
        assert_eq!(of(&[], Some(1000)).fits(64), None);
        assert_eq!(of(&[(4, 50)], None).fits(64), None);
    }

    #[test]
    fn a_line_does_not_fall() {
        assert_eq!(line([(4.0, 10.0), (8.0, 9.0)], 64.0), 9.0);
    }
}
