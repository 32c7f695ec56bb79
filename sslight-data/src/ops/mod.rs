//! One 8-bit operation a file, each with the integer arithmetic of the reference's image library
//! (Pillow 9.2 and torchvision 0.10), proved against it in `tests/parity.rs`.

pub mod blur;
pub mod crop;
pub mod eval;
pub mod flip;
pub mod gray;
pub mod jitter;
pub mod normalize;
pub mod resize;
pub mod solarize;
mod transpose;

pub use eval::{EvalView, eval_transform};
pub use resize::Interpolation;
