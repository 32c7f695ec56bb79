//! Annotated images: what is on them, where, and how well it was found.
//!
//! [`DetectionSet`] is read from COCO's JSON or Pascal VOC's XML and checked as a whole, so that a mistake in it is an error of the
//! first second and not of the third day. [`evaluate`] gives COCO's average precision and [`write_results`] the file that COCO's
//! own programs read. Formats, run-length codes and the measure itself are the crate `hotcoco`'s.

mod build;
mod classes;
mod error;
mod evaluation;
mod find;
mod header;
mod listed;
mod open;
mod repairs;
mod results;
mod set;

pub(crate) use build::is_polygon;
pub use error::AnnotationError;
pub use evaluation::{AveragePrecision, Measure, evaluate};
pub use repairs::{Repairs, Tally};
pub use results::{Detection, write_results};
pub use set::{Class, DetectionImage, DetectionSet, Object};
