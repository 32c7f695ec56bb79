//! Unreadable images: named, counted once, and limited.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Image;
use crate::error::{BadImage, DataError};
use crate::source::ImageSource;

/// The unreadable images of one source.
pub(super) struct BadImages {
    found: Mutex<BTreeMap<usize, BadImage>>,
    limit: usize,
    total: usize,
}

impl BadImages {
    /// Accepts `share` of `total` images, rounded down, but never all of them.
    pub(super) fn new(total: usize, share: f64) -> Self {
        let limit = (share * total as f64).floor() as usize;
        Self {
            found: Mutex::default(),
            limit: limit.min(total.saturating_sub(1)),
            total,
        }
    }

    /// How many unreadable images are accepted.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<usize, BadImage>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads an image that is not known to be bad.
    pub(super) fn read(&self, source: &dyn ImageSource, index: usize) -> Result<Image, BadImage> {
        if let Some(known) = self.found().get(&index) {
            return Err(known.clone());
        }
        source.image(index).map_err(|error| BadImage {
            index,
            name: source.name(index),
            reason: error.to_string(),
        })
    }

    /// Counts images. Called by the consumer in the order of the batches, so that the step at which a run
    /// stops does not depend on how far the workers are ahead.
    pub(super) fn register(&self, bad: Vec<BadImage>) -> Result<(), DataError> {
        let mut found = self.found();
        found.extend(bad.into_iter().map(|image| (image.index, image)));
        if found.len() <= self.limit {
            return Ok(());
        }
        Err(DataError::TooManyBadImages {
            bad: found.values().cloned().collect(),
            limit: self.limit,
            total: self.total,
        })
    }

    pub(super) fn list(&self) -> Vec<BadImage> {
        self.found().values().cloned().collect()
    }
}
