//! Colours of pictures for people.

/// Red, green and blue, 0 to 255.
pub(super) type Colour = [u8; 3];

/// Of paper.
pub(super) const WHITE: Colour = [255, 255, 255];
/// Behind the cards of a sheet.
pub(super) const PAGE: Colour = [244, 246, 248];
/// Of text.
pub(super) const DARK: Colour = [33, 37, 41];
/// Of text that matters less.
pub(super) const GREY: Colour = [108, 117, 125];
/// Of what is off.
pub(super) const FAINT: Colour = [173, 181, 189];
/// Of lines.
pub(super) const LIGHT_GREY: Colour = [222, 226, 230];

/// Of global views. With [`LOCAL`] a pair that most kinds of colour vision tell apart (Okabe and Ito, 2008).
pub(super) const GLOBAL: Colour = [0, 114, 178];
/// Of local views.
pub(super) const LOCAL: Colour = [230, 159, 0];
/// Of what is measured of pairs.
pub(super) const PAIR: Colour = [0, 140, 104];

/// Of the two global views of an image, then of its local ones.
const VIEWS: [Colour; 12] = [
    [0, 90, 181],
    [214, 40, 57],
    [240, 140, 0],
    [43, 138, 62],
    [151, 80, 200],
    [12, 160, 180],
    [214, 80, 160],
    [140, 86, 54],
    [110, 130, 20],
    [90, 100, 220],
    [200, 120, 90],
    [80, 90, 100],
];

/// The colour of view `index` of an image; after twelve they come again.
pub(super) fn of_view(index: usize) -> Colour {
    VIEWS[index % VIEWS.len()]
}
