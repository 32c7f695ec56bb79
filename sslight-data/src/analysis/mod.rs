//! What a view recipe does to the images at hand: measured, recommended, drawn.
//!
//! The paper studies views along four axes (Section 3.3): the scales of crops, the pixel scales of views, the number of local
//! views, and the weights of the loss. This module measures the first two on images of given sizes
//! ([`statistics`]), solves for a setting within a budget ([`recommend`]), and shows views ([`sheet`]) and
//! distributions ([`plot`]) to people.

mod canvas;
mod colours;
mod figure;
pub mod plot;
pub mod recommend;
pub mod sheet;
pub mod sizes;
pub mod statistics;
pub mod summary;

use crate::DataError;

/// A setting that an analysis cannot work with.
fn refuse(setting: &str, expected: &'static str, got: impl Into<String>) -> DataError {
    DataError::Setting {
        setting: setting.to_owned(),
        expected,
        got: got.into(),
    }
}
