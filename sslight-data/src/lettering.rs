//! Text in the project's own font, as coverage of pixels: no system font is asked for.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

/// The font of the other pictures of the project; its licence stands beside it.
static ROBOTO: &[u8] = include_bytes!("../assets/roboto/Roboto-Regular.ttf");

const ELLIPSIS: &str = "…";

/// The font; `None` only if the file built in were damaged.
fn font() -> Option<&'static FontRef<'static>> {
    static FONT: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    FONT.get_or_init(|| FontRef::try_from_slice(ROBOTO).ok())
        .as_ref()
}

/// Glyphs side by side from `left` on, with kerning, and the place where the next one would begin.
fn layout(text: &str, size: f32, (left, top): (f32, f32)) -> (Vec<Glyph>, f32) {
    let Some(font) = font() else {
        return (Vec::new(), left);
    };
    let scaled = font.as_scaled(PxScale::from(size));
    let (mut x, mut last) = (left, None);
    let glyphs = text.chars().map(|character| {
        // A line break or a tab in a file name has no shape.
        let shown = if character.is_control() {
            ' '
        } else {
            character
        };
        let id = scaled.glyph_id(shown);
        x += last.map_or(0.0, |last| scaled.kern(last, id));
        let glyph = id.with_scale_and_position(size, point(x, top + scaled.ascent()));
        x += scaled.h_advance(id);
        last = Some(id);
        glyph
    });
    (glyphs.collect(), x)
}

/// Pixels that a line of text takes from left to right. `size` is the height of a line in pixels.
pub fn width(text: &str, size: f32) -> f32 {
    layout(text, size, (0.0, 0.0)).1
}

/// Calls `pixel(x, y, coverage)` for what a text covers whose line begins at a place, top left.
pub fn cover(text: &str, size: f32, place: (f32, f32), mut pixel: impl FnMut(i32, i32, f32)) {
    let Some(font) = font() else { return };
    for glyph in layout(text, size, place).0 {
        if let Some(outline) = font.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            let (left, top) = (corner.x as i32, corner.y as i32);
            outline.draw(|x, y, coverage| pixel(left + x as i32, top + y as i32, coverage));
        }
    }
}

/// The text if it is no wider than `most` pixels, else both its ends with dots between: the ends of file names tell
/// them apart.
pub fn ends(text: &str, size: f32, most: f32) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    let shortened = |kept: usize| -> String {
        let front = kept / 2;
        let back = characters.len() - (kept - front);
        let start = characters[..front].iter().collect::<String>();
        let end = characters[back..].iter().collect::<String>();
        format!("{start}{ELLIPSIS}{end}")
    };
    (0..characters.len())
        .rev()
        .map(shortened)
        .find(|text| width(text, size) <= most)
        .unwrap_or_default()
}

/// The text if it is no wider than `most` pixels, else as much of its end as is, after dots: the ends of paths tell them
/// apart.
pub fn end(text: &str, size: f32, most: f32) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let starts = text.char_indices().skip(1).map(|(at, _)| at);
    starts
        .map(|at| format!("{ELLIPSIS}{}", &text[at..]))
        .find(|short| width(short, size) <= most)
        .unwrap_or_default()
}

/// The text if it is no wider than `most` pixels, else as much of its start as is, with dots after it: sentences lose
/// their end, unlike paths.
pub fn start(text: &str, size: f32, most: f32) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let ends = text.char_indices().rev().map(|(at, _)| at);
    ends.map(|at| format!("{}{ELLIPSIS}", text[..at].trim_end()))
        .find(|short| width(short, size) <= most)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_covers_pixels_within_its_line_and_width() {
        let (mut covered, mut inside) = (0.0, true);
        let most = width("Agj 0.97", 20.0);
        cover("Agj 0.97", 20.0, (3.0, 5.0), |x, y, coverage| {
            covered += coverage;
            inside &= coverage == 0.0 || ((4..27).contains(&y) && (x as f32) <= 3.0 + most + 1.0);
        });
        assert!(inside);
        // Strokes of a regular face fill about a sixth of the box.
        let share = covered / (20.0 * most);
        assert!((0.08..0.3).contains(&share), "{share}");
    }

    #[test]
    fn long_names_keep_both_ends_and_fit() {
        let name = "class_one/a_very_long_name_of_an_image_00017.jpg";
        let short = ends(name, 14.0, 120.0);
        assert!(width(&short, 14.0) <= 120.0, "{short}");
        let (front, back) = short.split_once(ELLIPSIS).unwrap_or_default();
        assert!(front.len() > 3 && name.starts_with(front), "{short}");
        assert!(back.len() > 3 && name.ends_with(back), "{short}");
        assert_eq!(ends("Bag", 14.0, 120.0), "Bag");
        assert_eq!(ends("Bag", 14.0, 1.0), "");
    }

    #[test]
    fn a_long_path_keeps_its_end_and_fits() {
        let path = "photos/a_very_long_name_of_a_folder/with an ümlaut/00017.jpg";
        let short = end(path, 14.0, 120.0);
        assert!(width(&short, 14.0) <= 120.0, "{short}");
        assert!(
            short.starts_with(ELLIPSIS) && short.ends_with("00017.jpg"),
            "{short}"
        );
        assert_eq!(end("Bag", 14.0, 120.0), "Bag");
        assert_eq!(end("Bag", 14.0, 1.0), "");
        let short = start(path, 14.0, 120.0);
        assert!(width(&short, 14.0) <= 120.0, "{short}");
        assert!(
            short.starts_with("photos/a_") && short.ends_with(ELLIPSIS),
            "{short}"
        );
        assert_eq!(start("Bag", 14.0, 120.0), "Bag");
        assert_eq!(start("Bag", 14.0, 1.0), "");
    }
}
