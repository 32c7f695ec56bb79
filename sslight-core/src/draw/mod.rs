//! Pictures made of pixels: a canvas, text in a font of our own, colours. No system font is asked for.

mod canvas;
mod colours;
mod plot;
mod text;

pub(crate) use canvas::Canvas;
pub(crate) use colours::{
    Colour, DARK, DIFFERENT_CLASS, GREY, LIGHT_GREY, SAME_CLASS, WHITE, class_colour, inferno,
};
pub(crate) use plot::PlotCanvas;
pub(crate) use sslight_data::lettering::{ends as fit, width};
pub(crate) use text::{Align, TextStyle};
