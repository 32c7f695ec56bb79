//! What a run will take, from a few of its steps: time, memory, disk.
//!
//! A batch that is too large ends the process, or with it the machine. So memory is measured on parts of the batch first,
//! each at most four times the last one, and a larger part is only taken when the line through the last two measurements
//! says that it fits. Nothing is written.

use std::sync::Arc;
use std::time::Instant;

use burn::module::Module;
use burn::optim::Optimizer;
use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Record, Recorder};
use serde::Serialize;
use sslight_models::BackboneKind;
use sslight_models::backend::{AutodiffBackend, Backend};

use super::bench::{PartTimes, Stepper};
use super::bench_knn::{KnnSizes, bench_knn};
use super::{Data, Evaluator, Memory, RunError, assemble, free_space, open_data, peak_memory};
use crate::config::{DataFacts, Method, ResolvedConfig, RunConfig};
use crate::method::AnyMethod;
use crate::optim::GroupedOptimizer;

/// Share of the memory that a step may take: the system and other programs go on.
const MARGIN: f64 = 0.9;
/// Timed steps of the whole batch at least, and at most.
const STEPS: [usize; 2] = [2, 20];
/// Seconds of timed steps that are enough.
const ENOUGH_SECONDS: f64 = 5.0;
/// Images of an evaluation that are timed.
const EVALUATED: usize = 256;

/// How a trial is made.
pub struct TrialOptions<'a> {
    /// Seconds that its steps may take, about: a batch that takes longer is estimated from a part of it.
    pub seconds: f64,
    /// Called before each part of the trial.
    pub tell: &'a mut dyn FnMut(TrialStage),
}

/// A part of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialStage {
    /// Steps of so many images.
    Steps {
        /// Images of a step.
        images: usize,
    },
    /// Features and a search of neighbours.
    Evaluation,
}

/// What a run will take.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// Images of a step of the run.
    pub batch_size: usize,
    /// Images of the steps that were timed: fewer if the batch does not fit or takes too long.
    pub measured_batch: usize,
    /// Why steps of the whole batch were not taken.
    pub shortened: Option<Shortened>,
    /// Steps that were timed.
    pub timed_steps: usize,
    /// Seconds of a step of the whole batch, waiting for data included: measured, or extrapolated from a part.
    pub step_seconds: f64,
    /// Images a second.
    pub images_per_s: f64,
    /// Share of a step in which it waits for data, in 0 to 1.
    pub data_wait: f64,
    /// Seconds of the steps of an epoch.
    pub epoch_seconds: f64,
    /// Seconds of all steps and evaluations of the run.
    pub run_seconds: f64,
    /// The evaluations.
    pub evaluation: EvaluationTrial,
    /// Memory of the process.
    pub memory: TrialMemory,
    /// Room on the disk.
    pub disk: TrialDisk,
}

/// Why steps of the whole batch were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shortened {
    /// By the extrapolation they do not fit.
    Memory,
    /// They take longer than a trial may.
    Time,
}

/// What the evaluations of a run take: estimated from a sample of images and a small search.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluationTrial {
    /// Images whose features are made in each.
    pub images: usize,
    /// Images that were timed.
    pub sample: usize,
    /// Evaluations in the run, those before training among them.
    pub count: usize,
    /// Seconds of one.
    pub seconds: f64,
    /// Memory for the features, in bytes; those of raw pixels are the largest, if they are scored.
    pub feature_bytes: u64,
    /// Whether raw pixels are scored before training.
    pub scores_pixels: bool,
}

/// Memory of the process.
#[derive(Debug, Clone, Serialize)]
pub struct TrialMemory {
    /// The peak after steps of so many images; empty where the system does not tell.
    pub measured: Vec<MemoryPoint>,
    /// The peak with steps of the whole batch, in bytes: measured, or extrapolated where those were not taken.
    pub peak_bytes: Option<u64>,
    /// All that this process could have, in bytes.
    pub available_bytes: Option<u64>,
    /// Whether the peak fits with a margin; absent where the system does not tell.
    pub fits: Option<bool>,
}

/// A measurement of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryPoint {
    /// Images of a step.
    pub images: usize,
    /// The peak in bytes.
    pub peak_bytes: u64,
}

/// Room on the disk.
#[derive(Debug, Clone, Serialize)]
pub struct TrialDisk {
    /// A checkpoint, in bytes.
    pub checkpoint_bytes: u64,
    /// The run folder at its largest, in bytes: the checkpoints that are kept, the one that is being written, the backbone.
    pub run_bytes: u64,
    /// Free space on the disk of the run folder.
    pub free_bytes: Option<u64>,
}

/// Takes steps of a configuration on its first images, of small parts of a batch before whole ones.
///
/// # Errors
/// If data or configuration do not allow a run.
pub fn trial<B: AutodiffBackend>(
    resolved: &ResolvedConfig,
    device: &B::Device,
    options: &mut TrialOptions<'_>,
) -> Result<Trial, RunError> {
    let config = &resolved.config;
    let data = open_data(config)?;
    resolved.fit(data.facts)?;
    let steps = Steps::take::<B>(config, &data, device, options)?;
    (options.tell)(TrialStage::Evaluation);
    let evaluation = evaluation::<B::InnerBackend>(config, &data, device)?;
    let images = data.facts.images;
    let step_seconds = steps.seconds();
    let epoch_seconds = step_seconds * config.steps_per_epoch(images) as f64;
    let all_steps = step_seconds * config.last_step(images) as f64;
    let backbone = 4 * BackboneKind::from(config.backbone).parameters() as u64;
    let checkpoint_bytes = steps.record_bytes + backbone;
    let kept = config.checkpoint.keep_last as u64 + 1;
    Ok(Trial {
        batch_size: config.batch_size,
        measured_batch: steps.measured,
        shortened: steps.shortened,
        timed_steps: steps.timed.len(),
        step_seconds,
        images_per_s: config.batch_size as f64 / step_seconds.max(1e-9),
        data_wait: steps.data_wait(),
        epoch_seconds,
        run_seconds: all_steps + evaluation.seconds * evaluation.count as f64,
        evaluation,
        memory: steps.memory(config.batch_size),
        disk: TrialDisk {
            checkpoint_bytes,
            run_bytes: kept * checkpoint_bytes + backbone,
            free_bytes: free_space(&config.out_dir()),
        },
    })
}

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
struct Steps {
    batch_size: usize,
    /// Images of the largest steps.
    measured: usize,
    shortened: Option<Shortened>,
    /// The times of the largest steps.
    timed: Vec<PartTimes>,
    /// Images and seconds of a step, smallest first.
    seconds: Vec<(usize, f64)>,
    peaks: Vec<MemoryPoint>,
    /// All that this process could have before the first step.
    available: Option<u64>,
    record_bytes: u64,
}

impl Steps {
    fn take<B: AutodiffBackend>(
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
            available: Memory::now().for_process(),
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
            if started.elapsed().as_secs_f64() + predicted > options.seconds && !steps.is_empty() {
                steps.shortened = Some(Shortened::Time);
                break;
            }
            (options.tell)(TrialStage::Steps { images });
            // Before the next one is made: a run has one of them.
            drop(trained.take());
            let config = of_part(config, images, data.facts);
            let loader = super::loader(&config, Arc::clone(&data.train))?;
            let stepper = Stepper::<B>::new(&config, loader, data.facts, false, device)?;
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

    fn is_empty(&self) -> bool {
        self.seconds.is_empty()
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

    fn seconds(&self) -> f64 {
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

    /// Of the largest steps.
    fn data_wait(&self) -> f64 {
        let waited: f64 = self.timed.iter().map(|parts| parts[0].as_secs_f64()).sum();
        let all = mean_seconds(&self.timed) * self.timed.len() as f64;
        waited / all.max(1e-9)
    }

    fn memory(&self, batch_size: usize) -> TrialMemory {
        TrialMemory {
            measured: self.peaks.clone(),
            peak_bytes: self.peak_at(batch_size),
            available_bytes: self.available,
            fits: self.fits(batch_size),
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

/// What the evaluations take, from the features of a sample and a search among random ones.
fn evaluation<B: Backend>(
    config: &RunConfig,
    data: &Data,
    device: &B::Device,
) -> Result<EvaluationTrial, RunError> {
    let evaluator = Evaluator::new(config, &data.train, data.validation.as_ref());
    let [queries, bank] = evaluator.sizes();
    let backbone = assemble::backbone::<B>(config, device)?;
    // The first batch is slower: threads start, and files are opened.
    evaluator.time_features(&backbone, EVALUATED / 4, device)?;
    let (sample, seconds) = evaluator.time_features(&backbone, EVALUATED, device)?;
    let of_features = seconds / sample.max(1) as f64 * (queries + bank) as f64;
    let scored = evaluator.protocol().is_some();
    let among = if bank == 0 { queries } else { bank };
    let of_search = match scored {
        true => search_seconds::<B>([queries, among], backbone.features_dim(), config, device),
        false => 0.0,
    };
    let images = data.facts.images;
    let dim = backbone.features_dim();
    let pixels = 3 * config.eval.crop * config.eval.crop;
    let widest = if scored { pixels.max(dim) } else { dim };
    Ok(EvaluationTrial {
        images: queries + bank,
        sample,
        count: evaluations(config, images) + if scored { 2 } else { 0 },
        seconds: of_features + of_search,
        // The queries are there once more at unit length.
        feature_bytes: (4 * widest * (2 * queries + bank)) as u64,
        scores_pixels: scored,
    })
}

/// Seconds of a search, from a smaller one: it takes time in proportion to both numbers.
fn search_seconds<B: Backend>(
    [queries, bank]: [usize; 2],
    dim: usize,
    config: &RunConfig,
    device: &B::Device,
) -> f64 {
    let few = KnnSizes {
        queries: queries.min(1000),
        bank: bank.min(10_000),
        dim,
        k: config.eval.knn_k.min(bank),
    };
    let seconds = bench_knn::<B>(few, 1, device).into_iter().next();
    let share =
        (queries as f64 / few.queries.max(1) as f64) * (bank as f64 / few.bank.max(1) as f64);
    seconds.unwrap_or(0.0) * share
}

/// Evaluations after epochs, and the one that ends a run.
fn evaluations(config: &RunConfig, images: usize) -> usize {
    let steps = config.last_step(images);
    let per_epoch = config.steps_per_epoch(images).max(1);
    let epochs = steps / per_epoch;
    let every = config.eval.knn_every;
    let scored = epochs.checked_div(every).unwrap_or(0);
    let last_is_one = every > 0 && epochs > 0 && epochs.is_multiple_of(every);
    scored + usize::from(!(last_is_one && steps.is_multiple_of(per_epoch)))
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

    #[test]
    fn evaluations_are_those_of_epochs_and_the_end() {
        let of = |words: &[&str]| {
            let words = [&["data=d", "batch_size=10"][..], words].concat();
            crate::config::resolve(&words).map(|resolved| evaluations(&resolved.config, 100))
        };
        for (words, count) in [
            (["epochs=10", "eval.knn_every=1"], 10),
            (["epochs=10", "eval.knn_every=3"], 4),
            (["epochs=10", "eval.knn_every=0"], 1),
            (["max_steps=25", "eval.knn_every=1"], 3),
            (["max_steps=5", "eval.knn_every=1"], 1),
        ] {
            assert_eq!(of(&words).ok(), Some(count), "{words:?}");
        }
    }
}
