//! Pictures of what was found, or of what is annotated: boxes, masks and names on an image.
//!
//! [`draw`] keeps the size of the image, [`draw_enlarged`] is for small ones, whose names would hide them. A class has the same
//! colour on all pictures.

mod canvas;
mod colours;
mod drawn;
mod picture;
mod tags;

pub use colours::class_colour;
pub use drawn::{Drawn, annotated, found};
pub use picture::{draw, draw_enlarged};
