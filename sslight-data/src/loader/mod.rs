//! Training batches in order, prepared by worker threads.
//!
//! A batch depends on (source, recipe, seed, epoch, step) and on nothing else. Work is divided by image
//! within a batch, so the first batch is ready after its share of work, whatever the number of workers.

mod bad;
mod eval;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::batch::SampleType;
use crate::error::{BadImage, DataError};
use crate::ops::normalize::Normalizer;
use crate::plan::EpochPlan;
use crate::rng::Draws;
use crate::source::{ImageSource, Locality};
use crate::views::{View, ViewRecipe, Workspace, draw_plan};
use bad::BadImages;
use stream::{Row, Task};

pub use eval::{EvalConfig, eval_batches, eval_subset};
pub use stream::BatchStream;

/// Channel means of ImageNet in units of full scale.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Channel standard deviations of ImageNet in units of full scale.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
/// Share of unreadable images that is accepted by default.
pub const MAX_BAD_IMAGES: f64 = 0.001;

/// Settings of a [`Loader`].
#[derive(Clone, Debug, PartialEq)]
pub struct LoaderConfig {
    /// Images a batch.
    pub batch_size: usize,
    /// Seed of order and augmentation.
    pub seed: u64,
    /// Worker threads; zero counts as one. Does not change any batch.
    pub workers: usize,
    /// Batches that are prepared ahead; zero counts as one. Does not change any batch. Memory holds this
    /// many batches and the one in the consumer's hands.
    pub prefetch: usize,
    /// Channel means in units of full scale.
    pub mean: [f32; 3],
    /// Channel standard deviations in units of full scale.
    pub std: [f32; 3],
    /// Share of the images that may be unreadable, rounded down to a number of files.
    pub max_bad_images: f64,
    /// Whether the images that fill no batch make a shorter one at the end of each epoch; otherwise they are
    /// dropped, and a batch may not be larger than the data.
    pub keep_remainder: bool,
    /// What the samples of the batches are.
    pub samples: SampleType,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            batch_size: 128,
            seed: 0,
            workers: 1,
            prefetch: 2,
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
            max_bad_images: MAX_BAD_IMAGES,
            keep_remainder: false,
            samples: SampleType::F32,
        }
    }
}

/// Gives the batches of any epoch from any step on.
///
/// An image that cannot be read is replaced by the next readable one in the order of the epoch (going on
/// at its start after its end), which is seen through the draws of the unreadable one, so that it does
/// not look the same twice. [`crate::HostBatch::indices`] and labels are those of the image shown. Which files
/// are unreadable is a property of the data, so this is reproducible as well.
#[derive(Clone)]
pub struct Loader {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<dyn ImageSource>,
    locality: Option<Locality>,
    recipe: ViewRecipe,
    config: LoaderConfig,
    normalizer: Arc<Normalizer>,
    bad: Arc<BadImages>,
    waited_nanos: Arc<AtomicU64>,
}

impl Loader {
    /// A loader over a source.
    ///
    /// # Errors
    /// If a setting or the recipe is out of range, or the batch is larger than the data.
    pub fn new(
        source: Arc<dyn ImageSource>,
        recipe: ViewRecipe,
        config: LoaderConfig,
    ) -> Result<Self, DataError> {
        recipe.validate()?;
        check_batch_size(config.batch_size)?;
        check_std(config.std)?;
        if !(0.0..=1.0).contains(&config.max_bad_images) {
            return Err(DataError::Setting {
                setting: "max_bad_images".into(),
                expected: "a share in 0..=1",
                got: config.max_bad_images.to_string(),
            });
        }
        if config.batch_size > source.len() && !config.keep_remainder {
            return Err(DataError::BatchTooLarge {
                batch_size: config.batch_size,
                images: source.len(),
                source_name: source.describe(),
            });
        }
        let bad = BadImages::new(source.len(), config.max_bad_images);
        Ok(Self {
            shared: Arc::new(Shared {
                normalizer: Arc::new(Normalizer::new(config.mean, config.std)),
                bad: Arc::new(bad),
                waited_nanos: Arc::default(),
                locality: source.locality(),
                source,
                recipe,
                config,
            }),
        })
    }

    /// Steps of each epoch.
    pub fn steps_per_epoch(&self) -> usize {
        let (images, size) = (self.shared.source.len(), self.shared.config.batch_size);
        match self.shared.config.keep_remainder {
            true => images.div_ceil(size),
            false => images / size,
        }
    }

    /// The batches of an epoch from `start_step` on; none if that is beyond the end. Worker threads start
    /// at once and end with the stream.
    pub fn epoch(&self, epoch: usize, start_step: usize) -> BatchStream {
        let shared = Arc::clone(&self.shared);
        let config = &self.shared.config;
        let (size, seed) = (config.batch_size, config.seed);
        let plan = match &shared.locality {
            Some(locality) => EpochPlan::in_blocks(locality, size, seed, epoch),
            None => EpochPlan::new(shared.source.len(), size, seed, epoch),
        };
        let plan = plan.keeping_remainder(config.keep_remainder);
        BatchStream::start(
            Arc::new(EpochTask {
                shared: Arc::clone(&shared),
                plan,
                epoch,
            }),
            stream::Settings {
                epoch,
                start_step,
                workers: config.workers,
                prefetch: config.prefetch,
                groups: shared.recipe.groups(),
                samples: config.samples,
                normalizer: Arc::clone(&shared.normalizer),
                bad: Arc::clone(&shared.bad),
                waited_nanos: Arc::clone(&shared.waited_nanos),
            },
        )
    }

    /// Total time that consumers of all streams of this loader have waited for data.
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.shared.waited_nanos.load(Ordering::Relaxed))
    }

    /// The unreadable images met so far, each once, in order of their index.
    pub fn bad_images(&self) -> Vec<BadImage> {
        self.shared.bad.list()
    }

    /// The source of the images.
    pub fn source(&self) -> &Arc<dyn ImageSource> {
        &self.shared.source
    }
}

fn check_batch_size(batch_size: usize) -> Result<(), DataError> {
    if batch_size > 0 {
        return Ok(());
    }
    Err(DataError::Setting {
        setting: "batch_size".into(),
        expected: "at least 1",
        got: "0".into(),
    })
}

fn check_std(std: [f32; 3]) -> Result<(), DataError> {
    if std.iter().all(|s| *s > 0.0 && s.is_finite()) {
        return Ok(());
    }
    Err(DataError::Setting {
        setting: "std".into(),
        expected: "three positive numbers",
        got: format!("{std:?}"),
    })
}

/// One epoch of training.
struct EpochTask {
    shared: Arc<Shared>,
    plan: EpochPlan,
    epoch: usize,
}

impl Task for EpochTask {
    fn rows(&self, step: usize) -> usize {
        self.plan.step(step).map_or(0, <[usize]>::len)
    }

    fn prepare(
        &self,
        step: usize,
        slot: usize,
        workspace: &mut Workspace,
        put: &mut dyn FnMut(usize, View<'_>),
    ) -> Row {
        let Shared {
            source,
            recipe,
            config,
            bad: known_bad,
            ..
        } = &*self.shared;
        let position = self.plan.position(step) + slot;
        let (before, from_here) = self.plan.order().split_at(position);
        let drawn = from_here[0];
        let mut bad = Vec::new();
        for &index in from_here.iter().chain(before) {
            match known_bad.read(&**source, index) {
                Ok(image) => {
                    for (view, spec) in recipe.views.iter().enumerate() {
                        let mut draws = Draws::for_view(config.seed, self.epoch, drawn, view);
                        let plan = draw_plan(&mut draws, spec, image.width, image.height);
                        put(view, workspace.apply(&image, &plan));
                    }
                    return Row {
                        index,
                        label: source.label(index),
                        shown: true,
                        bad,
                    };
                }
                Err(image) => bad.push(image),
            }
            // More than the run accepts: the stream will end with this row.
            if bad.len() > known_bad.limit() {
                break;
            }
        }
        Row {
            index: drawn,
            label: None,
            shown: false,
            bad,
        }
    }
}

#[cfg(test)]
mod tests;
