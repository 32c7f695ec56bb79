//! The names of objects, each in a filled tag.

use sslight_data::{Image, lettering};

use super::canvas::{self, Area};
use super::colours::{Colour, ink_on};

/// How solid a tag is.
const OPACITY: f32 = 0.92;

/// A tag before it has its place.
pub(super) struct Tag {
    /// The box that it names.
    pub bounds: Area,
    pub text: String,
    pub colour: Colour,
}

/// How tags are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Height of a line of text in pixels.
    pub size: f32,
    /// Thickness of the frames of boxes.
    pub frame: usize,
}

/// Draws tags, each above its box or where it is in the way of the fewest others, and always on the image.
pub(super) fn draw(image: &mut Image, tags: &[Tag], style: Style) {
    let mut taken: Vec<Area> = Vec::new();
    let padding = ((style.size / 4.0).round() as usize).max(1);
    for tag in tags {
        let room = image.width.saturating_sub(2 * padding) as f32;
        let text = lettering::start(&tag.text, style.size, room);
        if text.is_empty() {
            continue;
        }
        let width = lettering::width(&text, style.size).ceil() as usize + 2 * padding;
        let height = style.size.ceil() as usize;
        if width > image.width || height > image.height {
            continue;
        }
        let place = place(tag.bounds, (width, height), style.frame, image, &taken);
        canvas::fill(image, place, tag.colour, OPACITY);
        let corner = (place.left + padding, place.top);
        let ink = ink_on(tag.colour);
        canvas::text(image, &text, style.size, corner, place, ink);
        taken.push(place);
    }
}

/// Where a tag of some width and height goes: the first of the usual places that overlaps the others least.
fn place(
    bounds: Area,
    (width, height): (usize, usize),
    frame: usize,
    image: &Image,
    taken: &[Area],
) -> Area {
    let Area {
        left,
        top,
        right,
        bottom,
    } = bounds;
    let at_right = right.saturating_sub(width);
    let (below_top, above_bottom) = (top + frame, bottom.saturating_sub(height + frame));
    let mut candidates = Vec::new();
    // Above the box.
    if let Some(above) = top.checked_sub(height) {
        candidates.extend([(left, above), (at_right, above)]);
    }
    // In it, and below it.
    candidates.extend([(left + frame, below_top), (left, bottom)]);
    candidates.extend([(left + frame, above_bottom), (at_right, bottom)]);
    let on_image = |(x, y): (usize, usize)| {
        let left = x.min(image.width.saturating_sub(width));
        let top = y.min(image.height.saturating_sub(height));
        Area {
            left,
            top,
            right: left + width,
            bottom: top + height,
        }
    };
    let hidden = |area: &Area| -> usize { taken.iter().map(|t| area.overlap(*t)).sum() };
    let first = on_image((left, top.saturating_sub(height)));
    let places = candidates.into_iter().map(on_image);
    // Of equals the first is taken.
    places.min_by_key(hidden).unwrap_or(first)
}
