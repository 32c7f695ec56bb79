//! Boxes and what is computed of them on the host: nothing here is differentiated.

mod bounding_box;

pub use bounding_box::BoundingBox;
