//! What the kernels of the CPU engines took, by operation: for benchmarks.
//!
//! Off, it costs one relaxed load a call. It counts the whole process, so that one measurement runs at a time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static ON: AtomicBool = AtomicBool::new(false);
static SPENT: Mutex<BTreeMap<&'static str, Spent>> = Mutex::new(BTreeMap::new());

/// What the calls of one operation took together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// How often it was called.
    pub calls: usize,
    /// How long that took.
    pub time: Duration,
    /// Floating-point operations of matrix products and convolutions, a multiply-add being two; 0 where they do not
    /// matter.
    pub flops: f64,
}

/// Begins to count, from nothing.
pub fn start() {
    lock().clear();
    ON.store(true, Ordering::Relaxed);
}

/// Ends counting; what each operation took since [`start`], by its name.
pub fn stop() -> BTreeMap<&'static str, Spent> {
    ON.store(false, Ordering::Relaxed);
    std::mem::take(&mut *lock())
}

/// Runs an operation, and counts it if asked to.
pub(crate) fn timed<T>(
    name: &'static str,
    flops: impl FnOnce() -> f64,
    operation: impl FnOnce() -> T,
) -> T {
    if !ON.load(Ordering::Relaxed) {
        return operation();
    }
    let start = Instant::now();
    let result = operation();
    let time = start.elapsed();
    let mut spent = lock();
    let spent = spent.entry(name).or_default();
    spent.calls += 1;
    spent.time += time;
    spent.flops += flops();
    result
}

fn lock() -> std::sync::MutexGuard<'static, BTreeMap<&'static str, Spent>> {
    // A counter is never left half-written.
    SPENT
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happens_between_start_and_stop_counts() {
        timed("test: before", || 1.0, || ());
        start();
        for _ in 0..2 {
            assert_eq!(timed("test: within", || 3.0, || 7), 7);
        }
        let spent = stop();
        timed("test: after", || 1.0, || ());
        assert_eq!(spent["test: within"].calls, 2);
        assert_eq!(spent["test: within"].flops, 6.0);
        assert!(!spent.contains_key("test: before"));
        start();
        assert!(!stop().contains_key("test: after"));
    }
}
