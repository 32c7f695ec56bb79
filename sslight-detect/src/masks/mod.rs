//! Masks of objects: what a network is to learn of them, and what its answer covers on an image.
//!
//! Polygons are rasterised, and run-length codes written and read, by the crate `hotcoco`, bit for bit as COCO's own program does.

mod bitmap;
mod mask;
mod paste;

pub use bitmap::Bitmap;
pub use mask::{Mask, mask_target};
pub use paste::{MASK_THRESHOLD, paste};
