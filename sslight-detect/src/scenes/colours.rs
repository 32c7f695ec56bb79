//! Colours of garments and backgrounds.

use sslight_data::rng::Draws;

/// Red, green and blue, 0 to 1.
pub(super) type Colour = [f32; 3];

/// How often a colour is nearly grey.
const GREYS: f64 = 0.2;

/// A colour of any hue whose largest component is from `low` to `high`.
pub(super) fn random(draws: &mut Draws, low: f64, high: f64) -> Colour {
    let hue = draws.unit();
    let value = draws.uniform(low, high);
    let saturation = match draws.unit() < GREYS {
        true => draws.uniform(0.0, 0.15),
        false => draws.uniform(0.35, 0.95),
    };
    // From hue, saturation and value, by the distance of each component's hue.
    [5.0, 3.0, 1.0].map(|offset| {
        let sextant = (offset + 6.0 * hue) % 6.0;
        let fallen: f64 = sextant.min(4.0 - sextant).clamp(0.0, 1.0);
        (value * (1.0 - saturation * fallen)) as f32
    })
}

/// A colour with all components times `factor`.
pub(super) fn shaded(colour: Colour, factor: f32) -> Colour {
    colour.map(|component| component * factor)
}

/// From one colour for 0 to another for 1.
pub(super) fn mixed(from: Colour, to: Colour, share: f32) -> Colour {
    [0, 1, 2].map(|c| from[c] + share * (to[c] - from[c]))
}
