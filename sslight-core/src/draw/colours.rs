//! Colours that mean something.

/// Red, green and blue, 0 to 255.
pub(crate) type Colour = [u8; 3];

/// Of paper.
pub(crate) const WHITE: Colour = [255, 255, 255];
/// Of text.
pub(crate) const DARK: Colour = [33, 37, 41];
/// Of text that matters less.
pub(crate) const GREY: Colour = [108, 117, 125];
/// Of lines.
pub(crate) const LIGHT_GREY: Colour = [206, 212, 218];
/// Right. With [`DIFFERENT_CLASS`] a pair that most kinds of colour vision tell apart (Okabe and Ito, 2008).
pub(crate) const SAME_CLASS: Colour = [0, 158, 115];
/// Wrong.
pub(crate) const DIFFERENT_CLASS: Colour = [213, 94, 0];

/// Of the first classes: as far apart as ten colours can be that are dark enough on white.
const CLASSES: [Colour; 10] = [
    [31, 119, 180],
    [255, 127, 14],
    [44, 160, 44],
    [214, 39, 40],
    [148, 103, 189],
    [140, 86, 75],
    [227, 119, 194],
    [100, 100, 100],
    [188, 189, 34],
    [23, 190, 207],
];
/// The golden angle in turns: hues that follow each other by it never meet.
const GOLDEN_ANGLE: f64 = 0.381_966_011_250_105;

/// The colour of class `index` of `count`.
pub(crate) fn class_colour(index: usize, count: usize) -> Colour {
    if count <= CLASSES.len() {
        return CLASSES[index % CLASSES.len()];
    }
    let hue = (index as f64 * GOLDEN_ANGLE).fract();
    // Neighbours in hue differ in lightness too.
    let lightness = [0.42, 0.60, 0.30][index % 3];
    from_hsl(hue, 0.75, lightness)
}

fn from_hsl(hue: f64, saturation: f64, lightness: f64) -> Colour {
    let chroma = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset| {
        let k = (offset + 12.0 * hue) % 12.0;
        let value = lightness - chroma * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        (255.0 * value).round() as u8
    })
}

/// The colour map `inferno` of matplotlib (CC0) at nine places, with straight lines between them: black for 0 over red
/// to light yellow for 1.
pub(crate) fn inferno(value: f32) -> Colour {
    const STOPS: [Colour; 9] = [
        [0, 0, 4],
        [31, 12, 72],
        [85, 15, 109],
        [136, 34, 106],
        [186, 54, 85],
        [227, 89, 51],
        [249, 140, 10],
        [249, 201, 50],
        [252, 255, 164],
    ];
    let place = value.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let low = (place as usize).min(STOPS.len() - 2);
    let share = place - low as f32;
    [0, 1, 2].map(|channel| {
        let (a, b) = (STOPS[low][channel], STOPS[low + 1][channel]);
        (f32::from(a) + share * (f32::from(b) - f32::from(a))).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hues_come_out_as_the_primary_colours() {
        assert_eq!(from_hsl(0.0, 1.0, 0.5), [255, 0, 0]);
        assert_eq!(from_hsl(1.0 / 3.0, 1.0, 0.5), [0, 255, 0]);
        assert_eq!(from_hsl(2.0 / 3.0, 1.0, 0.5), [0, 0, 255]);
        assert_eq!(from_hsl(0.4, 0.0, 1.0), [255, 255, 255]);
    }

    #[test]
    fn a_hundred_classes_have_a_hundred_colours() {
        let mut colours: Vec<Colour> = (0..100).map(|class| class_colour(class, 100)).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), 100);
    }

    #[test]
    fn the_map_goes_through_its_stops() {
        assert_eq!(inferno(0.0), [0, 0, 4]);
        assert_eq!(inferno(0.5), [186, 54, 85]);
        assert_eq!(inferno(7.0), [252, 255, 164]);
        assert_eq!(inferno(1.0 / 16.0), [16, 6, 38]);
    }
}
