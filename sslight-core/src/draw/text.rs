//! Text in the built-in font, as coverage of pixels.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

use super::Colour;

static ROBOTO: &[u8] = include_bytes!("../../assets/roboto/Roboto-Regular.ttf");

const ELLIPSIS: char = '…';

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

/// The font; `None` only if the file built in were damaged.
fn font() -> Option<&'static FontRef<'static>> {
    static FONT: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    FONT.get_or_init(|| FontRef::try_from_slice(ROBOTO).ok())
        .as_ref()
}

/// Glyphs side by side from 0 on, with kerning, and the width of all.
fn layout(text: &str, size: f32) -> (Vec<Glyph>, f32) {
    let Some(font) = font() else {
        return (Vec::new(), 0.0);
    };
    let scaled = font.as_scaled(PxScale::from(size));
    let mut glyphs = Vec::new();
    let (mut x, mut last) = (0.0, None);
    for character in text.chars() {
        // A line break or a tab in a file name has no shape.
        let character = if character.is_control() {
            ' '
        } else {
            character
        };
        let id = scaled.glyph_id(character);
        if let Some(last) = last {
            x += scaled.kern(last, id);
        }
        glyphs.push(id.with_scale_and_position(size, point(x, scaled.ascent())));
        x += scaled.h_advance(id);
        last = Some(id);
    }
    (glyphs, x)
}

/// Pixels that a line of text takes from left to right.
pub(crate) fn width(text: &str, size: f32) -> f32 {
    layout(text, size).1
}

/// Calls `pixel(x, y, coverage)` for what a text covers; its line begins at `(0, 0)`, top left.
pub(super) fn cover(text: &str, size: f32, mut pixel: impl FnMut(i32, i32, f32)) {
    let Some(font) = font() else { return };
    for glyph in layout(text, size).0 {
        if let Some(outline) = font.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            let (left, top) = (corner.x as i32, corner.y as i32);
            outline.draw(|x, y, coverage| pixel(left + x as i32, top + y as i32, coverage));
        }
    }
}

/// The text if it is no wider than `most` pixels, else both its ends with dots between: the ends of file names tell
/// them apart.
pub(crate) fn fit(text: &str, size: f32, most: f32) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    let shortened = |kept: usize| -> String {
        let front = kept / 2;
        let back = characters.len() - (kept - front);
        let start = characters[..front].iter();
        let end = characters[back..].iter();
        start.chain([&ELLIPSIS]).chain(end).collect()
    };
    (0..characters.len())
        .rev()
        .map(shortened)
        .find(|text| width(text, size) <= most)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_covers_pixels_within_its_line_and_width() {
        let (mut covered, mut inside) = (0.0, true);
        let most = width("Agj 0.97", 20.0);
        cover("Agj 0.97", 20.0, |x, y, coverage| {
            covered += coverage;
            inside &= coverage == 0.0 || ((-1..22).contains(&y) && (x as f32) <= most + 1.0);
        });
        assert!(inside);
        // Strokes of a regular face fill about a sixth of the box.
        let share = covered / (20.0 * most);
        assert!((0.08..0.3).contains(&share), "{share}");
    }

    #[test]
    fn long_names_keep_both_ends_and_fit() {
        let name = "class_one/a_very_long_name_of_an_image_00017.jpg";
        let short = fit(name, 14.0, 120.0);
        assert!(width(&short, 14.0) <= 120.0, "{short}");
        let (front, back) = short.split_once(ELLIPSIS).unwrap_or_default();
        assert!(front.len() > 3 && name.starts_with(front), "{short}");
        assert!(back.len() > 3 && name.ends_with(back), "{short}");
        assert_eq!(fit("Bag", 14.0, 120.0), "Bag");
        assert_eq!(fit("Bag", 14.0, 1.0), "");
    }
}
