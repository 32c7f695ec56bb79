//! Composed scenes: a data set for detection and instance segmentation of which every pixel is known.
//!
//! Garments of the sample that is built into the program are cut out, tinted, turned, scaled and laid over each other on textured
//! backgrounds, between shapes of no class. A pixel belongs to the topmost garment that covers it, so that masks, boxes and areas
//! are exact. Training and validation scenes show different garments.
//!
//! [`compose`] writes a folder that [`crate::annotations::DetectionSet::open`] reads; [`Composer`] makes scenes in memory.

mod background;
mod colours;
mod config;
mod error;
mod folder;
mod garment;
mod layers;
mod scene;

pub use config::SceneConfig;
pub use error::SceneError;
pub use folder::{SceneSummary, compose};
pub use scene::{Composer, Scene, SceneObject};
