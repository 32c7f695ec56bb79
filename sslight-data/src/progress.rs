//! Work that takes long, told while it goes on.
//!
//! Listing a million files or making the features of a whole set happens far below whoever could show it, so that the process
//! has one watcher, as it has one logger. Without one, nothing is told.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Between two reports of one work.
const PAUSE: Duration = Duration::from_millis(100);

type Watcher = Box<dyn Fn(&Report<'_>) + Send + Sync>;

static WATCHER: OnceLock<Watcher> = OnceLock::new();

/// How far a work is.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Which work of the process.
    pub id: u64,
    /// What is done, as in `listing photos`.
    pub what: &'a str,
    /// What is counted, as in `images`.
    pub unit: &'static str,
    /// How many are done.
    pub done: usize,
    /// How many there are, if that is known.
    pub of: Option<usize>,
    /// Seconds since it began.
    pub seconds: f64,
    /// Whether this is its last report.
    pub ended: bool,
}

/// Has all work of the process reported from now on; says whether it is the first watcher, later ones are not kept. It is
/// called on the thread that works, some times a second at most.
pub fn watch(watcher: impl Fn(&Report<'_>) + Send + Sync + 'static) -> bool {
    WATCHER.set(Box::new(watcher)).is_ok()
}

/// Work that is going on, from its beginning until it is dropped.
#[derive(Debug)]
pub struct Work {
    id: u64,
    what: String,
    unit: &'static str,
    of: Option<usize>,
    began: Instant,
    done: AtomicUsize,
    /// Milliseconds from the beginning to the last report.
    told: AtomicU64,
}

impl Work {
    /// Work on `of` units, if their number is known.
    pub fn begin(what: impl Into<String>, unit: &'static str, of: Option<usize>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            what: what.into(),
            unit,
            of,
            began: Instant::now(),
            done: AtomicUsize::new(0),
            told: AtomicU64::new(0),
        }
    }

    /// Some more are done.
    pub fn add(&self, count: usize) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        if WATCHER.get().is_none() {
            return;
        }
        let now = self.began.elapsed().as_millis() as u64;
        let told = self.told.load(Ordering::Relaxed);
        let pause = PAUSE.as_millis() as u64;
        // One of several threads tells.
        let mine = || {
            let (old, new) = (Ordering::Relaxed, Ordering::Relaxed);
            self.told.compare_exchange(told, now, old, new).is_ok()
        };
        if now >= told + pause && mine() {
            self.report(done, false);
        }
    }

    fn report(&self, done: usize, ended: bool) {
        if let Some(watcher) = WATCHER.get() {
            watcher(&Report {
                id: self.id,
                what: &self.what,
                unit: self.unit,
                done,
                of: self.of,
                seconds: self.began.elapsed().as_secs_f64(),
                ended,
            });
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What was never told needs no end.
        if self.told.load(Ordering::Relaxed) > 0 {
            self.report(self.done.load(Ordering::Relaxed), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    static SEEN: Mutex<Vec<(String, usize, bool)>> = Mutex::new(Vec::new());

    #[test]
    fn long_work_is_told_with_its_end_and_short_work_is_not() {
        let first = watch(|report| {
            let seen = (report.what.to_owned(), report.done, report.ended);
            if let Ok(mut all) = SEEN.lock() {
                all.push(seen);
            }
        });
        assert!(first && !watch(|_| {}));
        let short = Work::begin("short of the test", "images", None);
        short.add(3);
        drop(short);
        let long = Work::begin("long of the test", "images", Some(4));
        std::thread::sleep(PAUSE * 2);
        long.add(3);
        long.add(1);
        drop(long);
        let seen = SEEN.lock().map(|all| all.clone()).unwrap_or_default();
        let of = |word: &str| -> Vec<_> {
            let ours = seen.iter().filter(|(what, ..)| what.starts_with(word));
            ours.map(|(_, done, ended)| (*done, *ended)).collect()
        };
        assert_eq!(of("short of"), []);
        assert_eq!(of("long of"), [(3, false), (4, true)]);
    }
}
