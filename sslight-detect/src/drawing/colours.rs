//! Colours of classes.

/// Red, green and blue, 0 to 255.
pub(super) type Colour = [u8; 3];

const BLACK: Colour = [0, 0, 0];
const WHITE: Colour = [255, 255, 255];

/// Of the first classes: those of Okabe and Ito (2008) without black, which most kinds of colour vision tell apart, and then those
/// of Tol's scheme `muted` that differ from them, and a grey.
const CLASSES: [Colour; 13] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
    [204, 121, 167],
    [51, 34, 136],
    [136, 34, 85],
    [153, 153, 51],
    [17, 119, 51],
    [170, 68, 153],
    [140, 140, 140],
];
/// The golden angle in turns: hues that follow each other by it never meet.
const GOLDEN_ANGLE: f64 = 0.381_966_011_250_105;

/// The colour of a class: red, green and blue, 0 to 255. It depends on the index alone, so that a class has the same colour on all
/// pictures, and no two of the first hundred have the same.
pub fn class_colour(class: usize) -> [u8; 3] {
    if let Some(colour) = CLASSES.get(class) {
        return *colour;
    }
    let hue = (class as f64 * GOLDEN_ANGLE).fract();
    // Neighbours in hue differ in lightness too, as far as a line is seen on dark and on light pictures.
    let lightness = [0.45, 0.65, 0.35][class % 3];
    let chroma = 0.75 * f64::min(lightness, 1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset| {
        let k = (offset + 12.0 * hue) % 12.0;
        let value: f64 = lightness - chroma * f64::min(k - 3.0, 9.0 - k).clamp(-1.0, 1.0);
        (255.0 * value).round() as u8
    })
}

/// Black or white, whichever is easier to read on a colour.
pub(super) fn ink_on(colour: Colour) -> Colour {
    // Contrasts as WCAG 2 has them, with 1 for white and 0 for black.
    let light = luminance(colour);
    let (on_black, on_white) = ((light + 0.05) / 0.05, 1.05 / (light + 0.05));
    if on_black >= on_white { BLACK } else { WHITE }
}

/// Relative luminance, 0 to 1.
fn luminance(colour: Colour) -> f32 {
    let linear = |value: u8| (f32::from(value) / 255.0).powf(2.2);
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_classes_have_a_hundred_colours() {
        let mut colours: Vec<Colour> = (0..100).map(class_colour).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), 100);
        // The first ones are far apart.
        for (place, colour) in CLASSES.iter().enumerate() {
            for other in &CLASSES[..place] {
                let apart: u32 = (0..3)
                    .map(|c| u32::from(colour[c].abs_diff(other[c])))
                    .sum();
                assert!(apart > 70, "{colour:?} {other:?}");
            }
        }
        assert_ne!(class_colour(usize::MAX), class_colour(usize::MAX - 1));
    }

    #[test]
    fn names_can_be_read_on_every_colour() {
        for class in 0..100 {
            let colour = class_colour(class);
            let (ink, ground) = (luminance(ink_on(colour)), luminance(colour));
            let contrast = (ink.max(ground) + 0.05) / (ink.min(ground) + 0.05);
            // What WCAG 2 asks of text.
            assert!(contrast >= 4.5, "{class}: {contrast}");
        }
    }
}
