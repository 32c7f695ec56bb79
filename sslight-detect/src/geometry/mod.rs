//! Boxes and what is computed of them on the host: nothing here is differentiated.

mod anchors;
mod bounding_box;
mod box_coder;
mod levels;
mod matching;
mod sampling;
mod suppression;

pub use anchors::AnchorCell;
pub use bounding_box::BoundingBox;
pub use box_coder::BoxCoder;
pub use levels::LevelAssignment;
pub use matching::{Label, LowQuality, Matcher};
pub use sampling::{Sampled, Sampler};
pub use suppression::{suppress, suppress_by_class};
