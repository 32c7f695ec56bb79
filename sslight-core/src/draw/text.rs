//! How text looks. Its letters are those of [`sslight_data::lettering`].

use super::Colour;

/// Which end of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Centre,
}

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TextStyle {
    /// Height of a line in pixels.
    pub size: f32,
    pub colour: Colour,
    pub align: Align,
}

impl TextStyle {
    pub(crate) fn new(size: f32, colour: Colour, align: Align) -> Self {
        Self {
            size,
            colour,
            align,
        }
    }
}
