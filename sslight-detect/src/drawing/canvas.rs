//! An image that is drawn on. What lies outside is not drawn.

use sslight_data::{Image, lettering};

use super::colours::Colour;

/// A rectangle of whole pixels: columns `left..right` of rows `top..bottom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Area {
    pub(super) fn width(self) -> usize {
        self.right.saturating_sub(self.left)
    }

    pub(super) fn height(self) -> usize {
        self.bottom.saturating_sub(self.top)
    }

    /// Pixels that two have in common.
    pub(super) fn overlap(self, other: Self) -> usize {
        let common = Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        };
        common.width() * common.height()
    }

    /// Larger by `by` pixels on all sides, or smaller on the left and at the top where it begins earlier.
    pub(super) fn grown(self, by: usize) -> Self {
        Self {
            left: self.left.saturating_sub(by),
            top: self.top.saturating_sub(by),
            right: self.right.saturating_add(by),
            bottom: self.bottom.saturating_add(by),
        }
    }
}

/// Mixes `colour` into a pixel; all of it for `share` 1. A pixel outside the image is left out.
pub(super) fn blend(image: &mut Image, (x, y): (usize, usize), colour: Colour, share: f32) {
    if x >= image.width || y >= image.height {
        return;
    }
    let at = 3 * (y * image.width + x);
    for (value, new) in image.pixels[at..at + 3].iter_mut().zip(colour) {
        let old = f32::from(*value);
        *value = (old + share.clamp(0.0, 1.0) * (f32::from(new) - old)).round() as u8;
    }
}

/// Fills the part of a rectangle that is on the image.
pub(super) fn fill(image: &mut Image, area: Area, colour: Colour, opacity: f32) {
    for y in area.top..area.bottom.min(image.height) {
        for x in area.left..area.right.min(image.width) {
            blend(image, (x, y), colour, opacity);
        }
    }
}

/// A frame of `thickness` pixels just inside a rectangle, all of it if it is smaller than that.
pub(super) fn frame(image: &mut Image, area: Area, thickness: usize, colour: Colour, opacity: f32) {
    if area.width().min(area.height()) <= 2 * thickness {
        return fill(image, area, colour, opacity);
    }
    let Area {
        left,
        top,
        right,
        bottom,
    } = area;
    let (inner_top, inner_bottom) = (top + thickness, bottom - thickness);
    for [left, top, right, bottom] in [
        [left, top, right, inner_top],
        [left, inner_bottom, right, bottom],
        [left, inner_top, left + thickness, inner_bottom],
        [right - thickness, inner_top, right, inner_bottom],
    ] {
        let side = Area {
            left,
            top,
            right,
            bottom,
        };
        fill(image, side, colour, opacity);
    }
}

/// A line of text of `size` pixels whose left upper corner is at a place; nothing of it is drawn outside `inside`.
pub(super) fn text(
    image: &mut Image,
    content: &str,
    size: f32,
    (x, y): (usize, usize),
    inside: Area,
    colour: Colour,
) {
    lettering::cover(content, size, (x as f32, y as f32), |x, y, coverage| {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if (inside.left..inside.right).contains(&x) && (inside.top..inside.bottom).contains(&y) {
            blend(image, (x, y), colour, coverage);
        }
    });
}
