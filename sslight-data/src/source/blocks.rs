//! Sources that are read block by block: which images go together, and the blocks in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::DataError;

/// Memory for the blocks whose images are shuffled together.
pub(super) const SHUFFLE_BYTES: u64 = 512 << 20;

/// Which images of a source are read together. An order that keeps to it reads every block once: blocks in random
/// order, `together` of them at a time, and their images in random order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locality {
    /// For each image the number of its block.
    pub block_of: Vec<u32>,
    /// Number of blocks that are in memory at a time.
    pub together: usize,
}

/// The blocks in memory: those used last. Threads that want the same block wait for one of them to read it.
pub(super) struct BlockCache<T> {
    slots: Mutex<VecDeque<(usize, Arc<Slot<T>>)>>,
    capacity: usize,
}

type Slot<T> = Mutex<Option<Arc<T>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> BlockCache<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            slots: Mutex::default(),
            capacity: capacity.max(1),
        }
    }

    /// A block from memory, or as `read` gives it. What cannot be read is tried again the next time.
    pub(super) fn get(
        &self,
        block: usize,
        read: impl FnOnce() -> Result<T, DataError>,
    ) -> Result<Arc<T>, DataError> {
        let slot = self.slot(block);
        let mut content = lock(&slot);
        if let Some(content) = &*content {
            return Ok(Arc::clone(content));
        }
        let read = Arc::new(read()?);
        *content = Some(Arc::clone(&read));
        Ok(read)
    }

    fn slot(&self, block: usize) -> Arc<Slot<T>> {
        let mut slots = lock(&self.slots);
        let known = slots.iter().position(|(number, _)| *number == block);
        let slot = match known.and_then(|place| slots.remove(place)) {
            Some((_, slot)) => slot,
            None => Arc::default(),
        };
        slots.push_back((block, Arc::clone(&slot)));
        if slots.len() > self.capacity {
            slots.pop_front();
        }
        slot
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_used_last_are_kept_and_failures_are_not() {
        let cache = BlockCache::new(2);
        let mut reads = Vec::new();
        for block in [0, 1, 0, 2, 0, 1] {
            let got = cache.get(block, || {
                reads.push(block);
                Ok(block * 10)
            });
            assert_eq!(*got.unwrap(), block * 10);
        }
        assert_eq!(reads, [0, 1, 2, 1]);
        let fails = || {
            Err(DataError::Unusable {
                reason: "once".into(),
            })
        };
        assert!(cache.get(7, fails).is_err());
        assert_eq!(*cache.get(7, || Ok(70)).unwrap(), 70);
    }
}
