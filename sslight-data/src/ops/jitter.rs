//! Colour jitter: brightness, contrast, saturation and hue, each on 8-bit samples (Pillow's
//! `ImageEnhance` and its HSV conversion, as torchvision 0.10 calls them).

use super::gray::luma;
use crate::Image;
use crate::planes::{Planes, through_planes};
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
    through_planes(image, |planes| jitter_planes(planes, plan));
}

/// As [`jitter`].
pub(crate) fn jitter_planes(planes: &mut Planes, plan: &JitterPlan) {
    for op in plan.order {
        match op {
            JitterOp::Brightness => blend_with_constant(planes.samples_mut(), 0, plan.brightness),
            JitterOp::Contrast => contrast_planes(planes, plan.contrast),
            JitterOp::Saturation => saturate_planes(planes, plan.saturation),
            JitterOp::Hue => turn_planes(planes, plan.hue),
        }
    }
}

/// Moves from `degenerate` (factor 0) to `sample` (factor 1) and beyond, truncated and clipped.
#[inline(always)]
fn blend(degenerate: f32, sample: u8, factor: f32) -> u8 {
    let value = degenerate + factor * (f32::from(sample) - degenerate);
    // What is no number becomes zero.
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    (floor(value) + WHOLE).to_bits() as u8
}

/// Blends every sample with one constant.
fn blend_with_constant(samples: &mut [u8], degenerate: u8, factor: f64) {
    dispatch(Blend {
        samples,
        degenerate,
        factor: factor as f32,
    });
}

struct Blend<'a> {
    samples: &'a mut [u8],
    degenerate: u8,
    factor: f32,
}

impl Loop for Blend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let degenerate = f32::from(self.degenerate);
        for sample in self.samples {
            *sample = blend(degenerate, *sample, self.factor);
        }
    }
}

/// Scales towards (factor below 1) or away from black.
pub fn brightness(image: &mut Image, factor: f64) {
    blend_with_constant(&mut image.pixels, 0, factor);
}

/// Scales towards or away from the rounded mean luma of the picture.
pub fn contrast(image: &mut Image, factor: f64) {
    through_planes(image, |planes| contrast_planes(planes, factor));
}

fn contrast_planes(planes: &mut Planes, factor: f64) {
    let channels = planes.channels();
    let count = channels[0].len() as u64;
    let total = dispatch(SumOfLuma(channels));
    let mean = (2 * total + count) / (2 * count);
    blend_with_constant(planes.samples_mut(), mean as u8, factor);
}

struct SumOfLuma<'a>([&'a [u8]; 3]);

impl Loop for SumOfLuma<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> u64 {
        // Sums of so many samples fit 32 bits.
        const PART: usize = 1 << 16;
        let [red, green, blue] = self.0;
        let mut total = 0;
        let parts = red.chunks(PART).zip(green.chunks(PART));
        for ((red, green), blue) in parts.zip(blue.chunks(PART)) {
            let mut sum = 0;
            for ((r, g), b) in red.iter().zip(green).zip(blue) {
                sum += u32::from(luma([*r, *g, *b]));
            }
            total += u64::from(sum);
        }
        total
    }
}

/// Scales each pixel towards or away from its own luma.
pub fn saturation(image: &mut Image, factor: f64) {
    through_planes(image, |planes| saturate_planes(planes, factor));
}

fn saturate_planes(planes: &mut Planes, factor: f64) {
    dispatch(Saturate {
        channels: planes.channels_mut(),
        factor: factor as f32,
    });
}

struct Saturate<'a> {
    channels: [&'a mut [u8]; 3],
    factor: f32,
}

impl Loop for Saturate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let [red, green, blue] = self.channels;
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let gray = f32::from(luma([*r, *g, *b]));
            *r = blend(gray, *r, self.factor);
            *g = blend(gray, *g, self.factor);
            *b = blend(gray, *b, self.factor);
        }
    }
}

/// Turns the hue by `factor` of a full turn, in -0.5..=0.5. A factor of zero still goes through 8-bit
/// HSV, which is not lossless.
pub fn hue(image: &mut Image, factor: f64) {
    through_planes(image, |planes| turn_planes(planes, factor));
}

fn turn_planes(planes: &mut Planes, factor: f64) {
    dispatch(TurnHue {
        channels: planes.channels_mut(),
        turn: (factor * 255.0) as i32 as u8,
    });
}

struct TurnHue<'a> {
    channels: [&'a mut [u8]; 3],
    turn: u8,
}

impl Loop for TurnHue<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let [red, green, blue] = self.channels;
        let turn = f32::from(self.turn);
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let [hue, saturation, value] = to_hsv([*r, *g, *b]);
            // Modulo 256, as the library adds it.
            let hue = hue + turn;
            let hue = if hue >= 256.0 { hue - 256.0 } else { hue };
            [*r, *g, *b] = to_rgb([hue, saturation, value]);
        }
    }
}

/// Beside a number of this size no fraction can be held: adding it rounds to the nearest whole number, which the last bits hold.
/// Half as much again as the least such number, so that what is added may be below zero.
const WHOLE: f32 = (3 << 22) as f32;

/// The whole part of a number in 0..=255.
#[inline(always)]
fn floor(value: f32) -> f32 {
    let nearest = value + WHOLE - WHOLE;
    if nearest > value {
        nearest - 1.0
    } else {
        nearest
    }
}

/// A sector of the hue is 255/6 = 42.5 steps of it, so in half steps 85.
const SECTOR: f32 = 85.0;
const FULL: f32 = 255.0 * SECTOR;

/// 8-bit HSV as whole numbers, the hue in 255ths of a turn; the hue of a gray pixel is any number.
///
/// The library divides and adds in a mixture of single and double precision, and truncates. That decides on which side of a whole
/// number a hue falls that is one. These are the operations in single precision that give the same; the tests compare them with
/// the library's for every colour.
#[inline(always)]
fn to_hsv([r, g, b]: [u8; 3]) -> [f32; 3] {
    let max = r.max(g).max(b);
    let min = r.min(g).min(b);
    let value = f32::from(max);
    let chroma = value - f32::from(min);
    let (base, plus, minus) = if r == max {
        (0.0, b, g)
    } else if g == max {
        (2.0, r, b)
    } else {
        (4.0, g, r)
    };
    let (plus, minus) = (value - f32::from(plus), value - f32::from(minus));
    // One of the two is the distance of the least sample, which is the chroma: its share is one.
    let share = (plus + minus - chroma) / at_least_one(chroma);
    let sixths = if minus == chroma {
        base - 1.0 + share
    } else {
        base + 1.0 - share
    };
    let turns = sixths / 6.0;
    let turns = if turns < 0.0 { turns + 1.0 } else { turns };
    [
        floor(turns * 255.0),
        floor(255.0 * chroma / at_least_one(value)),
        value,
    ]
}

/// The way back, where the library computes in floats and rounds to nearest. All quotients have odd denominators, so no tie exists.
///
/// A channel is at the value within a sector of its own hue on either side, at the least level for two sectors on the other side of
/// the circle, and on a ramp in between.
#[inline(always)]
fn to_rgb([hue, saturation, value]: [f32; 3]) -> [u8; 3] {
    let channel = |offset: f32| {
        let place = 2.0 * hue + offset * SECTOR;
        let place = if place >= 6.0 * SECTOR {
            place - 6.0 * SECTOR
        } else {
            place
        };
        let other = 4.0 * SECTOR - place;
        let ramp = if place < other { place } else { other };
        let ramp = if ramp > 0.0 { ramp } else { 0.0 };
        let ramp = if ramp < SECTOR { ramp } else { SECTOR };
        let level = value * (FULL - saturation * ramp);
        (level * (1.0 / FULL) + WHOLE).to_bits() as u8
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

#[inline(always)]
fn at_least_one(value: f32) -> f32 {
    if value > 1.0 { value } else { 1.0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// 8-bit HSV. Which values are `f32` and which `f64` follows the library: it decides truncations.
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
    fn every_colour_has_the_hsv_of_the_library() {
        for rgb in 0..1u32 << 24 {
            let [_, r, g, b] = rgb.to_be_bytes();
            let want = rgb_to_hsv([r, g, b]);
            let [h, s, v] = to_hsv([r, g, b]).map(|whole| whole as u8);
            // The hue of a gray pixel plays no part.
            let h = if s == 0 { want[0] } else { h };
            assert_eq!([h, s, v], want, "{r} {g} {b}");
        }
    }

    #[test]
    fn all_hsv_have_the_colour_of_the_library() {
        for hsv in 0..1u32 << 24 {
            let [_, h, s, v] = hsv.to_be_bytes();
            let got = to_rgb([h, s, v].map(f32::from));
            assert_eq!(got, hsv_to_rgb_in_floats([h, s, v]), "{h} {s} {v}");
        }
    }

    #[test]
    fn vectors_of_pixels_turn_as_single_ones_do() {
        let pixels: Vec<u8> = (0..3 * 61 * 7).map(|i| (i * i % 251) as u8).collect();
        let before = Image::from_rgb(61, 7, pixels).unwrap();
        for turn in 0..=255u8 {
            let mut planes = Planes::of(&before);
            dispatch(TurnHue {
                channels: planes.channels_mut(),
                turn,
            });
            let after = planes.to_image();
            let pixels = before.pixels.as_chunks::<3>().0.iter();
            for (before, after) in pixels.zip(after.pixels.as_chunks::<3>().0) {
                let [h, s, v] = rgb_to_hsv(*before);
                let want = hsv_to_rgb_in_floats([h.wrapping_add(turn), s, v]);
                assert_eq!(*after, want, "{before:?} by {turn}");
            }
        }
    }

    #[test]
    fn every_blend_truncates_and_clips_as_a_cast_does() {
        for factor in [
            0.0,
            0.1,
            0.6,
            0.999,
            1.0,
            1.3,
            2.0,
            1e9,
            f32::NAN,
            f32::INFINITY,
        ] {
            for degenerate in 0..=255u8 {
                let mut samples: Vec<u8> = (0..=255).collect();
                dispatch(Blend {
                    samples: &mut samples,
                    degenerate,
                    factor,
                });
                for (sample, got) in samples.iter().enumerate() {
                    let from = f32::from(degenerate);
                    let want = (from + factor * (sample as f32 - from)) as u8;
                    assert_eq!(*got, want, "{degenerate} to {sample} by {factor}");
                }
            }
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
