//! Worker threads behind an ordered iterator of batches.
//!
//! The consumer opens batches, a bounded number ahead, and puts one job an image into a channel. Sizes are known from the plan, so
//! that workers write straight into the padded buffer of their batch; the consumer waits for the oldest open batch only.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use sslight_data::Image;

use super::sample::PlannedSample;
use super::{DetectionBatch, LoadingConfig, LoadingError, Targets};
use crate::annotations::DetectionSet;

/// What samples are made of. Pure: the same plan gives the same sample on any thread.
pub(super) struct Task {
    pub(super) set: DetectionSet,
    pub(super) config: LoadingConfig,
    /// The normalised value of each sample, by channel.
    normalised: [[f32; 256]; 3],
}

impl Task {
    pub(super) fn new(set: DetectionSet, config: LoadingConfig) -> Self {
        let of = |channel: usize| {
            std::array::from_fn(|value| (value as f32 - config.mean[channel]) / config.std[channel])
        };
        Self {
            normalised: std::array::from_fn(of),
            set,
            config,
        }
    }
}

/// Plans of batches, in order.
pub(super) type Plan = Box<dyn Iterator<Item = Vec<PlannedSample>> + Send>;

/// A row of a batch that is done.
type Row = Result<Targets, LoadingError>;

/// A batch that is being filled.
struct OpenBatch {
    step: usize,
    samples: Vec<PlannedSample>,
    height: usize,
    width: usize,
    /// Empty until the first image is there, so that batches that wait take no memory.
    pixels: Mutex<Vec<f32>>,
    rows: Mutex<Vec<Option<Row>>>,
    missing: AtomicUsize,
    done: Sender<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenBatch {
    fn new(step: usize, samples: Vec<PlannedSample>, multiple: usize, done: Sender<()>) -> Self {
        let longest = |of: fn(&PlannedSample) -> usize| {
            let side = samples.iter().map(of).max().unwrap_or(0);
            side.next_multiple_of(multiple)
        };
        Self {
            step,
            height: longest(|sample| sample.height),
            width: longest(|sample| sample.width),
            pixels: Mutex::default(),
            rows: Mutex::new(samples.iter().map(|_| None).collect()),
            missing: AtomicUsize::new(samples.len()),
            samples,
            done,
        }
    }

    /// Makes a row and reports the batch if it was the last one.
    fn fill(&self, slot: usize, task: &Task) {
        let made = catch_unwind(AssertUnwindSafe(|| self.row(slot, task)));
        let row = made.unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            let reason = format!("step {}, row {slot} panicked ({text})", self.step);
            Err(LoadingError::Worker { reason })
        });
        lock(&self.rows)[slot] = Some(row);
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The consumer may be gone, then nobody needs the batch.
            let _ = self.done.try_send(());
        }
    }

    fn row(&self, slot: usize, task: &Task) -> Row {
        let sample = &self.samples[slot];
        let image = &task.set.images[sample.index];
        let pixels = sample.pixels(image)?;
        self.put(slot, &pixels, &task.normalised);
        sample.targets(&task.set, image, task.config.masks)
    }

    /// Writes the normalised samples of an image.
    fn put(&self, slot: usize, image: &Image, normalised: &[[f32; 256]; 3]) {
        let plane = self.height * self.width;
        let mut all = lock(&self.pixels);
        if all.is_empty() {
            all.resize(3 * plane * self.samples.len(), 0.0);
        }
        let ours = &mut all[3 * plane * slot..3 * plane * (slot + 1)];
        for (channel, plane) in ours.chunks_exact_mut(plane).enumerate() {
            let rows = image.pixels.chunks_exact(3 * image.width);
            for (line, row) in plane.chunks_exact_mut(self.width).zip(rows) {
                for (value, pixel) in line.iter_mut().zip(row.as_chunks::<3>().0) {
                    *value = normalised[channel][usize::from(pixel[channel])];
                }
            }
        }
    }

    /// Takes what was made; the error of the first image that has one.
    fn finish(&self, task: &Task) -> Result<DetectionBatch, LoadingError> {
        let rows: Vec<Row> = lock(&self.rows).drain(..).flatten().collect();
        let targets = rows.into_iter().collect::<Result<Vec<Targets>, _>>()?;
        let to_original = self.samples.iter().map(|sample| {
            let image = &task.set.images[sample.index];
            let factor = |original: usize, now: usize| (original as f64 / now as f64) as f32;
            (
                factor(image.width, sample.width),
                factor(image.height, sample.height),
            )
        });
        Ok(DetectionBatch {
            step: self.step,
            images: std::mem::take(&mut *lock(&self.pixels)),
            height: self.height,
            width: self.width,
            sizes: self.samples.iter().map(|s| (s.height, s.width)).collect(),
            targets,
            indices: self.samples.iter().map(|s| s.index).collect(),
            to_original: to_original.collect(),
        })
    }
}

struct Job {
    batch: Arc<OpenBatch>,
    slot: usize,
}

/// Iterator over batches, in order. It ends after the last one or after the first error. Dropping it stops its threads as soon as
/// each has finished the image in hand.
pub struct DetectionStream {
    task: Arc<Task>,
    plan: Plan,
    next_step: usize,
    in_flight: VecDeque<(Arc<OpenBatch>, Receiver<()>)>,
    jobs: Option<Sender<Job>>,
    cancelled: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl DetectionStream {
    pub(super) fn start(task: Arc<Task>, plan: Plan, first_step: usize) -> Self {
        let (jobs, queue) = unbounded();
        let mut stream = Self {
            plan,
            next_step: first_step,
            in_flight: VecDeque::new(),
            jobs: Some(jobs),
            cancelled: Arc::new(AtomicBool::new(false)),
            workers: Vec::new(),
            task,
        };
        stream.spawn(&queue);
        stream.open_batches();
        stream
    }

    /// Starts the threads. Fewer than asked for will do; without any, the first batch is an error.
    fn spawn(&mut self, queue: &Receiver<Job>) {
        for number in 0..self.task.config.workers.max(1) {
            let queue = queue.clone();
            let task = Arc::clone(&self.task);
            let cancelled = Arc::clone(&self.cancelled);
            let work = move || {
                for Job { batch, slot } in queue {
                    if cancelled.load(Ordering::Relaxed) {
                        return;
                    }
                    batch.fill(slot, &task);
                }
            };
            let named = std::thread::Builder::new().name(format!("detect-data-{number}"));
            match named.spawn(work) {
                Ok(worker) => self.workers.push(worker),
                Err(_) => break,
            }
        }
    }

    fn open_batches(&mut self) {
        let Some(jobs) = &self.jobs else { return };
        while self.in_flight.len() < self.task.config.prefetch.max(1) {
            let Some(samples) = self.plan.next() else {
                break;
            };
            let (done, receiver) = bounded(1);
            let rows = samples.len();
            let multiple = self.task.config.multiple;
            let batch = Arc::new(OpenBatch::new(self.next_step, samples, multiple, done));
            for slot in 0..rows {
                let batch = Arc::clone(&batch);
                // Fails only without workers, which the consumer finds out by itself.
                let _ = jobs.send(Job { batch, slot });
            }
            self.in_flight.push_back((batch, receiver));
            self.next_step += 1;
        }
    }

    /// Waits for the oldest open batch.
    fn complete(
        &self,
        batch: &OpenBatch,
        done: &Receiver<()>,
    ) -> Result<DetectionBatch, LoadingError> {
        let failed = |reason: &str| LoadingError::Worker {
            reason: reason.to_owned(),
        };
        if self.workers.is_empty() {
            return Err(failed("no thread could be started"));
        }
        done.recv().map_err(|_| failed("a batch was given up"))?;
        batch.finish(&self.task)
    }

    /// Ends the threads and gives up what they were working on.
    fn stop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.jobs = None;
        self.in_flight.clear();
        for worker in self.workers.drain(..) {
            // Panics of a worker have been reported through its batch.
            let _ = worker.join();
        }
    }
}

impl Iterator for DetectionStream {
    type Item = Result<DetectionBatch, LoadingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (batch, done) = self.in_flight.pop_front()?;
        let completed = self.complete(&batch, &done);
        match &completed {
            // Before the consumer goes off to use the batch, so that the workers stay busy.
            Ok(_) => self.open_batches(),
            Err(_) => self.stop(),
        }
        Some(completed)
    }
}

impl Drop for DetectionStream {
    fn drop(&mut self) {
        self.stop();
    }
}
