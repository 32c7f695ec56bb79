//! Batches of annotated images, prepared by worker threads.
//!
//! Every draw is a function of (seed, epoch, image), and which images make a batch is a function of (seed, step): it follows from the
//! order of the epochs and the shapes of the images, without a look at any file. So a batch depends neither on the number of workers
//! nor on the step at which training went on.

mod batch;
mod config;
mod error;
mod loader;
mod order;
mod sample;
mod single;
mod stream;

pub use batch::{DetectionBatch, Targets};
pub use config::{LARGEST_SIDE, LoadingConfig};
pub use error::LoadingError;
pub use loader::DetectionLoader;
pub use order::{Draw, GroupedOrder};
pub use sample::{PlannedSample, resized};
pub use single::{PreparedImage, prepare};
pub use stream::DetectionStream;
