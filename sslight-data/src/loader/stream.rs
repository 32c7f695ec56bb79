//! Worker threads behind an ordered iterator of batches.
//!
//! The consumer opens batches, at most `prefetch` ahead, and puts one job an image into a channel. The
//! workers take jobs in order and write straight into the buffers of the open batch. Whoever finishes its
//! last row reports the batch complete; the consumer waits for the oldest open batch only.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::bad::BadImages;
use crate::batch::{HostBatch, Pixels, SampleType, ViewGroup};
use crate::error::{BadImage, DataError};
use crate::ops::normalize::Normalizer;
use crate::views::{View, Workspace};

/// What the workers do. Pure: the same arguments give the same row on any thread.
pub(super) trait Task: Send + Sync + 'static {
    /// Number of rows of a step; zero from the end on.
    fn rows(&self, step: usize) -> usize;
    /// Makes one row in the buffers of the thread. Its views go to `put` with their numbers, in the order of the groups.
    fn prepare(
        &self,
        step: usize,
        slot: usize,
        workspace: &mut Workspace,
        put: &mut dyn FnMut(usize, View<'_>),
    ) -> Row;
}

/// One image of a batch.
pub(super) struct Row {
    /// Index of the image shown.
    pub(super) index: usize,
    pub(super) label: Option<usize>,
    /// Whether its views were made; otherwise the row is left out of the batch.
    pub(super) shown: bool,
    /// Unreadable images met on the way.
    pub(super) bad: Vec<BadImage>,
}

/// Settings of a stream.
pub(super) struct Settings {
    pub(super) epoch: usize,
    pub(super) start_step: usize,
    pub(super) workers: usize,
    pub(super) prefetch: usize,
    /// (size, views) of each group.
    pub(super) groups: Vec<(usize, usize)>,
    pub(super) samples: SampleType,
    pub(super) normalizer: Arc<Normalizer>,
    pub(super) bad: Arc<BadImages>,
    pub(super) waited_nanos: Arc<AtomicU64>,
}

/// What is said of an open batch, once: it is complete, or the text of a panic.
type Completion = Result<(), String>;

/// A batch that is being filled.
struct OpenBatch {
    step: usize,
    groups: Vec<OpenGroup>,
    /// Rows of a view.
    length: usize,
    /// Rows by slot.
    rows: Mutex<Vec<Option<Row>>>,
    missing: AtomicUsize,
    done: Sender<Completion>,
}

/// Views are twenty times cheaper to write than to make, so one lock a group does not hold up a few workers.
struct OpenGroup {
    size: usize,
    views: usize,
    /// Empty until the first view is there: fresh memory takes milliseconds, which are not to be the consumer's.
    pixels: Mutex<Pixels>,
}

struct Job {
    batch: Arc<OpenBatch>,
    slot: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenBatch {
    fn new(step: usize, rows: usize, settings: &Settings, done: Sender<Completion>) -> Self {
        Self {
            step,
            groups: settings
                .groups
                .iter()
                .map(|&(size, views)| OpenGroup {
                    size,
                    views,
                    pixels: Mutex::new(Pixels::zeros(settings.samples, 0)),
                })
                .collect(),
            length: rows,
            rows: Mutex::new((0..rows).map(|_| None).collect()),
            missing: AtomicUsize::new(rows),
            done,
        }
    }

    /// Makes a row and reports the batch if it was the last one.
    fn fill(
        &self,
        slot: usize,
        task: &dyn Task,
        workspace: &mut Workspace,
        normalizer: &Normalizer,
    ) {
        let mut put = |view, made: View<'_>| self.put(slot, view, made, normalizer);
        let row = task.prepare(self.step, slot, workspace, &mut put);
        lock(&self.rows)[slot] = Some(row);
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The consumer may be gone, then nobody needs the batch.
            let _ = self.done.try_send(Ok(()));
        }
    }

    /// Writes one view of a row.
    fn put(&self, slot: usize, view: usize, made: View<'_>, normalizer: &Normalizer) {
        let mut view = view;
        for group in &self.groups {
            if view < group.views {
                let length = 3 * group.size * group.size;
                let start = (view * self.length + slot) * length;
                let mut pixels = lock(&group.pixels);
                if pixels.is_empty() {
                    *pixels = pixels.zeros_alike(group.views * self.length * length);
                }
                match &mut *pixels {
                    Pixels::F32(all) => made.normalize(normalizer, &mut all[start..start + length]),
                    Pixels::U8(all) => all[start..start + length].copy_from_slice(made.samples()),
                }
                return;
            }
            view -= group.views;
        }
    }

    /// Takes the filled buffers; rows without views are left out. Also gives the unreadable images.
    fn finish(&self, settings: &Settings) -> (HostBatch, Vec<BadImage>) {
        let rows: Vec<Row> = lock(&self.rows).drain(..).flatten().collect();
        let kept: Vec<bool> = rows.iter().map(|row| row.shown).collect();
        let groups = self.groups.iter().map(|group| {
            let pixels = std::mem::replace(&mut *lock(&group.pixels), Pixels::U8(Vec::new()));
            let pixels = pixels.keeping(3 * group.size * group.size, &kept);
            ViewGroup {
                size: group.size,
                views: group.views,
                pixels,
            }
        });
        let groups = groups.collect();
        let shown = || rows.iter().filter(|row| row.shown);
        let batch = HostBatch {
            epoch: settings.epoch,
            step_in_epoch: self.step,
            indices: shown().map(|row| row.index).collect(),
            labels: shown().map(|row| row.label.map(|l| l as i64)).collect(),
            mean: settings.normalizer.mean(),
            std: settings.normalizer.std(),
            groups,
        };
        (batch, rows.into_iter().flat_map(|row| row.bad).collect())
    }
}

/// Iterator over the batches of an epoch, in order. It ends after the last step or after the first error.
/// Dropping it stops its threads as soon as each has finished the image in hand.
pub struct BatchStream {
    settings: Settings,
    task: Arc<dyn Task>,
    next_step: usize,
    in_flight: VecDeque<(Arc<OpenBatch>, Receiver<Completion>)>,
    jobs: Option<Sender<Job>>,
    cancelled: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
    waited: Duration,
}

impl BatchStream {
    pub(super) fn start(task: Arc<dyn Task>, settings: Settings) -> Self {
        let (jobs, queue) = unbounded();
        let cancelled = Arc::new(AtomicBool::new(false));
        let mut stream = Self {
            next_step: settings.start_step,
            in_flight: VecDeque::new(),
            jobs: Some(jobs),
            workers: Vec::new(),
            waited: Duration::ZERO,
            cancelled,
            task,
            settings,
        };
        if stream.task.rows(stream.next_step) > 0 {
            stream.spawn(&queue);
        }
        stream.open_batches();
        stream
    }

    /// Starts the threads. Fewer than asked for will do; without any, the first batch is an error.
    fn spawn(&mut self, queue: &Receiver<Job>) {
        for number in 0..self.settings.workers.max(1) {
            let queue = queue.clone();
            let task = Arc::clone(&self.task);
            let cancelled = Arc::clone(&self.cancelled);
            let normalizer = Arc::clone(&self.settings.normalizer);
            let spawned = std::thread::Builder::new()
                .name(format!("data-{number}"))
                .spawn(move || work(&queue, &*task, &normalizer, &cancelled));
            match spawned {
                Ok(worker) => self.workers.push(worker),
                Err(_) => break,
            }
        }
    }

    fn open_batches(&mut self) {
        let Some(jobs) = &self.jobs else { return };
        while self.in_flight.len() < self.settings.prefetch.max(1) {
            let rows = self.task.rows(self.next_step);
            if rows == 0 {
                break;
            }
            let (done, receiver) = bounded(1);
            let batch = OpenBatch::new(self.next_step, rows, &self.settings, done);
            let batch = Arc::new(batch);
            for slot in 0..rows {
                let batch = Arc::clone(&batch);
                // Fails only without workers, which the consumer finds out by itself.
                let _ = jobs.send(Job { batch, slot });
            }
            self.in_flight.push_back((batch, receiver));
            self.next_step += 1;
        }
    }

    /// Time that the consumer of this stream has waited for data.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// The unreadable images met so far, each once, in order of their index.
    pub fn bad_images(&self) -> Vec<BadImage> {
        self.settings.bad.list()
    }

    /// Waits for the oldest open batch.
    fn complete(
        &mut self,
        batch: &OpenBatch,
        done: &Receiver<Completion>,
    ) -> Result<HostBatch, DataError> {
        let failed = |reason| Err(DataError::Worker { reason });
        if self.workers.is_empty() {
            return failed("no thread could be started".into());
        }
        let start = Instant::now();
        let message = done.recv();
        let waited = start.elapsed();
        self.waited += waited;
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.settings
            .waited_nanos
            .fetch_add(nanos, Ordering::Relaxed);
        match message {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => return failed(panic),
            Err(_) => return failed("a batch was given up".into()),
        }
        let (batch, bad) = batch.finish(&self.settings);
        self.settings.bad.register(bad)?;
        Ok(batch)
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

impl Iterator for BatchStream {
    type Item = Result<HostBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (batch, done) = self.in_flight.pop_front()?;
            match self.complete(&batch, &done) {
                Ok(batch) => {
                    // Before the consumer goes off to use the batch, so that the workers stay busy.
                    self.open_batches();
                    if !batch.is_empty() {
                        return Some(Ok(batch));
                    }
                }
                Err(error) => {
                    self.stop();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Drop for BatchStream {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The life of a worker thread.
fn work(queue: &Receiver<Job>, task: &dyn Task, normalizer: &Normalizer, cancelled: &AtomicBool) {
    let mut workspace = Workspace::default();
    for Job { batch, slot } in queue {
        if cancelled.load(Ordering::Relaxed) {
            return;
        }
        let made = catch_unwind(AssertUnwindSafe(|| {
            batch.fill(slot, task, &mut workspace, normalizer);
        }));
        if let Err(panic) = made {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            let reason = format!("step {}, row {slot} panicked ({text})", batch.step);
            let _ = batch.done.try_send(Err(reason));
        }
    }
}
