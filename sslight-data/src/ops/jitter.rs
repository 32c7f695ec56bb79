//! Colour jitter: brightness, contrast, saturation and hue, each on 8-bit samples (Pillow's
//! `ImageEnhance` and its HSV conversion, as torchvision 0.10 calls them).

use std::sync::OnceLock;

use super::gray::luma;
use crate::Image;
use crate::simd::{Loop, dispatch};

/// The four operations in the numbering of the draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JitterOp {
    /// Blend with black.
    Brightness,
    /// Blend with the mean luma of the whole picture.
    Contrast,
    /// Blend with the luma of the pixel.
    Saturation,
    /// Turn the colour circle.
    Hue,
}

impl JitterOp {
    /// All operations; the position of each is its number.
    pub const ALL: [Self; 4] = [
        Self::Brightness,
        Self::Contrast,
        Self::Saturation,
        Self::Hue,
    ];
}

/// The draws of one colour jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JitterPlan {
    /// Order of application.
    pub order: [JitterOp; 4],
    /// Factor of [`brightness`].
    pub brightness: f64,
    /// Factor of [`contrast`].
    pub contrast: f64,
    /// Factor of [`saturation`].
    pub saturation: f64,
    /// Share of a full turn for [`hue`].
    pub hue: f64,
}

/// Applies the four operations in their order.
pub fn jitter(image: &mut Image, plan: &JitterPlan) {
    for op in plan.order {
        match op {
            JitterOp::Brightness => brightness(image, plan.brightness),
            JitterOp::Contrast => contrast(image, plan.contrast),
            JitterOp::Saturation => saturation(image, plan.saturation),
            JitterOp::Hue => hue(image, plan.hue),
        }
    }
}

/// Moves from `degenerate` (factor 0) to `sample` (factor 1) and beyond, truncated and clipped.
#[inline(always)]
fn blend(degenerate: u8, sample: u8, factor: f32) -> u8 {
    let degenerate = f32::from(degenerate);
    // The cast truncates and clips.
    (degenerate + factor * (f32::from(sample) - degenerate)) as u8
}

/// Blends every sample with one constant; 256 possible results, so through a table.
fn blend_with_constant(image: &mut Image, degenerate: u8, factor: f64) {
    let table: [u8; 256] = std::array::from_fn(|v| blend(degenerate, v as u8, factor as f32));
    for sample in &mut image.pixels {
        *sample = table[usize::from(*sample)];
    }
}

/// Scales towards (factor below 1) or away from black.
pub fn brightness(image: &mut Image, factor: f64) {
    blend_with_constant(image, 0, factor);
}

/// Scales towards or away from the rounded mean luma of the picture.
pub fn contrast(image: &mut Image, factor: f64) {
    let pixels = image.pixels.as_chunks::<3>().0;
    let count = pixels.len() as u64;
    let total = dispatch(SumOfLuma { pixels });
    let mean = (2 * total + count) / (2 * count);
    blend_with_constant(image, mean as u8, factor);
}

struct SumOfLuma<'a> {
    pixels: &'a [[u8; 3]],
}

impl Loop for SumOfLuma<'_> {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        // Sums of so many samples fit 32 bits.
        let parts = self.pixels.chunks(1 << 16);
        parts
            .map(|part| u64::from(part.iter().map(|p| u32::from(luma(*p))).sum::<u32>()))
            .sum()
    }
}

/// Scales each pixel towards or away from its own luma.
pub fn saturation(image: &mut Image, factor: f64) {
    dispatch(Saturate {
        pixels: &mut image.pixels,
        factor: factor as f32,
    });
}

struct Saturate<'a> {
    pixels: &'a mut [u8],
    factor: f32,
}

impl Loop for Saturate<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for pixel in self.pixels.as_chunks_mut::<3>().0 {
            let gray = luma(*pixel);
            for sample in pixel {
                *sample = blend(gray, *sample, self.factor);
            }
        }
    }
}

/// Turns the hue by `factor` of a full turn, in -0.5..=0.5. A factor of zero still goes through 8-bit
/// HSV, which is not lossless.
pub fn hue(image: &mut Image, factor: f64) {
    let turn = (factor * 255.0) as i32 as u8;
    dispatch(TurnHue {
        pixels: &mut image.pixels,
        table: HSV.get_or_init(HsvTable::new),
        back: std::array::from_fn(|h| Back::of((h as u8).wrapping_add(turn))),
    });
}

struct TurnHue<'a> {
    pixels: &'a mut [u8],
    table: &'a HsvTable,
    /// By hue before the turn.
    back: [Back; 256],
}

impl Loop for TurnHue<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for pixel in self.pixels.as_chunks_mut::<3>().0 {
            let [h, s, v] = self.table.of(*pixel);
            *pixel = self.back[usize::from(h)].rgb(s, v);
        }
    }
}

/// The way back from a hue of 8-bit HSV, whatever saturation and value are. The library computes in floats and rounds to nearest;
/// all quotients here have odd denominators, so no tie exists and exact integers give the same.
#[derive(Clone, Copy)]
struct Back {
    /// Of the level between the largest and the least.
    part: u32,
    /// Where red, green and blue are among largest, least and the level between, a byte each.
    shifts: [u8; 3],
}

impl Back {
    fn of(h: u8) -> Self {
        let (sector, part) = (2 * u32::from(h) / SECTOR, 2 * u32::from(h) % SECTOR);
        let [v, p, q, t] = [0, 8, 16, 16];
        Self {
            part: if sector % 2 == 1 { part } else { SECTOR - part },
            shifts: SECTORS[sector as usize].map(|level| [v, p, q, t][level]),
        }
    }

    #[inline(always)]
    fn rgb(self, s: u8, v: u8) -> [u8; 3] {
        let (s, v) = (u32::from(s), u32::from(v));
        let levels = v | level(s, v, SECTOR) << 8 | level(s, v, self.part) << 16;
        self.shifts.map(|shift| (levels >> shift) as u8)
    }
}

/// A sector of the hue is 255/6 = 42.5 steps of it, so in half steps 85.
const SECTOR: u32 = 85;
const FULL: u32 = 255 * SECTOR;

/// The share `1 - s part` of `v`, rounded, where `part` is in units of a sector.
#[inline(always)]
fn level(s: u32, v: u32, part: u32) -> u32 {
    (2 * v * (FULL - s * part) + FULL) / (2 * FULL)
}

static HSV: OnceLock<HsvTable> = OnceLock::new();

/// [`rgb_to_hsv`] by the few numbers that it depends on: which sample is the largest and which the least, their difference, and
/// the distance of the third from the largest.
struct HsvTable {
    /// By order, difference and distance.
    hue: Vec<u8>,
    /// By difference and largest sample.
    saturation: Vec<u8>,
}

impl HsvTable {
    fn new() -> Self {
        let mut hue = vec![0; 6 << 16];
        let mut saturation = vec![0; 1 << 16];
        for chroma in 1..=255u8 {
            for distance in 0..=chroma {
                // Any picture of the order will do.
                let (max, mid, min) = (255, 255 - distance, 255 - chroma);
                for (order, place) in ORDERS.iter().enumerate() {
                    let pixel = place.map(|place| [max, mid, min][place]);
                    let index = Self::hue_index(order, chroma, distance);
                    hue[index] = rgb_to_hsv(pixel)[0];
                }
            }
            for max in chroma..=255 {
                let index = Self::saturation_index(chroma, max);
                saturation[index] = rgb_to_hsv([max, max, max - chroma])[1];
            }
        }
        Self { hue, saturation }
    }

    #[inline(always)]
    fn hue_index(order: usize, chroma: u8, distance: u8) -> usize {
        order << 16 | usize::from(chroma) << 8 | usize::from(distance)
    }

    #[inline(always)]
    fn saturation_index(chroma: u8, max: u8) -> usize {
        usize::from(chroma) << 8 | usize::from(max)
    }

    #[inline(always)]
    fn of(&self, [r, g, b]: [u8; 3]) -> [u8; 3] {
        let max = r.max(g).max(b);
        let min = r.min(g).min(b);
        let mid =
            (u16::from(r) + u16::from(g) + u16::from(b) - u16::from(max) - u16::from(min)) as u8;
        let order = match (r == max, g == max) {
            (true, _) => usize::from(g == min),
            (false, true) => 2 + usize::from(b == min),
            (false, false) => 4 + usize::from(r == min),
        };
        let chroma = max - min;
        [
            self.hue[Self::hue_index(order, chroma, max - mid)],
            self.saturation[Self::saturation_index(chroma, max)],
            max,
        ]
    }
}

/// For each order of the samples, whether red, green and blue are the largest (0), the one between (1) or the least (2): the largest
/// red, green or blue, and then by which of the others is the least.
const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [2, 0, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 1, 0],
];

/// 8-bit HSV. Which values are `f32` and which `f64` follows the library: it decides truncations.
#[inline]
fn rgb_to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let max = r.max(g).max(b);
    let min = r.min(g).min(b);
    if max == min {
        return [0, 0, max];
    }
    let chroma = f32::from(max - min);
    let s = chroma / f32::from(max);
    let (base, plus, minus) = if r == max {
        (0.0, b, g)
    } else if g == max {
        (2.0, r, b)
    } else {
        (4.0, g, r)
    };
    let distance = |sample: u8| f64::from(f32::from(max - sample) / chroma);
    let h = base + distance(plus) - distance(minus);
    // h lies in -1..=5, so the fractional part of h/6 + 1 needs one subtraction at most.
    let turn = f64::from(h as f32) / 6.0 + 1.0;
    let h = (if turn < 1.0 { turn } else { turn - 1.0 }) as f32;
    [
        (f64::from(h) * 255.0) as u8,
        (f64::from(s) * 255.0) as u8,
        max,
    ]
}

#[cfg(test)]
fn hsv_to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    Back::of(h).rgb(s, v)
}

/// For each sector of the hue, which of the levels v, p, q, t red, green and blue take. A hue of 255 is
/// a full turn and begins the first sector again.
const SECTORS: [[usize; 3]; 7] = {
    const V: usize = 0;
    const P: usize = 1;
    const Q: usize = 2;
    const T: usize = 3;
    [
        [V, T, P],
        [Q, V, P],
        [P, V, T],
        [P, Q, V],
        [T, P, V],
        [V, P, Q],
        [V, T, P],
    ]
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The library's own float arithmetic.
    fn hsv_to_rgb_in_floats([h, s, v]: [u8; 3]) -> [u8; 3] {
        if s == 0 {
            return [v; 3];
        }
        let position = f64::from(h) * 6.0 / 255.0;
        let sector = position.floor();
        let f = f64::from((position - sector) as f32);
        let fs = f64::from((f64::from(s) / 255.0) as f32);
        let v_float = f64::from(v);
        let p = (v_float * (1.0 - fs)).round() as u8;
        let q = (v_float * (1.0 - fs * f)).round() as u8;
        let t = (v_float * (1.0 - fs * (1.0 - f))).round() as u8;
        match sector as u32 % 6 {
            0 => [v, t, p],
            1 => [q, v, p],
            2 => [p, v, t],
            3 => [p, q, v],
            4 => [t, p, v],
            _ => [v, p, q],
        }
    }

    #[test]
    fn integer_and_float_hsv_agree_everywhere() {
        for h in 0..=255 {
            for s in 0..=255 {
                for v in 0..=255 {
                    assert_eq!(
                        hsv_to_rgb([h, s, v]),
                        hsv_to_rgb_in_floats([h, s, v]),
                        "{h} {s} {v}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_table_of_hues_is_the_formula_for_every_pixel() {
        let table = HsvTable::new();
        for rgb in 0..1u32 << 24 {
            let [_, r, g, b] = rgb.to_be_bytes();
            assert_eq!(table.of([r, g, b]), rgb_to_hsv([r, g, b]), "{r} {g} {b}");
        }
    }

    #[test]
    fn gray_pixels_have_no_hue_to_turn() {
        let gray: Vec<u8> = (0..=255).collect();
        let mut image = Image::from_gray(16, 16, &gray).unwrap();
        let before = image.clone();
        hue(&mut image, 0.37);
        saturation(&mut image, 1.6);
        assert_eq!(image, before);
    }

    #[test]
    fn the_hue_turns_red_into_green_and_back() {
        let mut image = Image::from_rgb(1, 1, vec![255, 0, 0]).unwrap();
        hue(&mut image, 1.0 / 3.0);
        assert_eq!(image.pixels, [0, 255, 0]);
        hue(&mut image, -1.0 / 3.0);
        assert_eq!(image.pixels, [255, 0, 0]);
    }

    #[test]
    fn factors_far_outside_clip_instead_of_wrapping() {
        let mut image = Image::from_rgb(2, 1, vec![10, 200, 90, 0, 255, 7]).unwrap();
        brightness(&mut image, 100.0);
        assert_eq!(image.pixels, [255, 255, 255, 0, 255, 255]);
        let mut image = Image::from_rgb(2, 1, vec![10, 200, 90, 0, 255, 7]).unwrap();
        contrast(&mut image, 1000.0);
        assert_eq!(image.pixels, [0, 255, 0, 0, 255, 0]);
    }
}
