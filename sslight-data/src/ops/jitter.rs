//! Colour jitter: brightness, contrast, saturation and hue, each on 8-bit samples (Pillow's
//! `ImageEnhance` and its HSV conversion, as torchvision 0.10 calls them).

use super::gray::luma;
use crate::Image;

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
#[inline]
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
    let total: u64 = pixels.iter().map(|&p| u64::from(luma(p))).sum();
    let mean = (2 * total + count) / (2 * count);
    blend_with_constant(image, mean as u8, factor);
}

/// Scales each pixel towards or away from its own luma.
pub fn saturation(image: &mut Image, factor: f64) {
    let factor = factor as f32;
    for pixel in image.pixels.as_chunks_mut::<3>().0 {
        let gray = luma(*pixel);
        *pixel = pixel.map(|sample| blend(gray, sample, factor));
    }
}

/// Turns the hue by `factor` of a full turn, in -0.5..=0.5. A factor of zero still goes through 8-bit
/// HSV, which is not lossless.
pub fn hue(image: &mut Image, factor: f64) {
    let turn = (factor * 255.0) as i32 as u8;
    for pixel in image.pixels.as_chunks_mut::<3>().0 {
        let [h, s, v] = rgb_to_hsv(*pixel);
        *pixel = hsv_to_rgb([h.wrapping_add(turn), s, v]);
    }
}

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

/// Back from 8-bit HSV. The library computes in floats and rounds to nearest; all quotients here have
/// odd denominators, so no tie exists and exact integers give the same.
#[inline]
fn hsv_to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    // A sector is 255/6 = 42.5 steps of hue, so in half steps 85.
    const SECTOR: u32 = 85;
    const FULL: u32 = 255 * SECTOR;
    if s == 0 {
        return [v; 3];
    }
    let (sector, part) = (2 * u32::from(h) / SECTOR, 2 * u32::from(h) % SECTOR);
    let scaled = |part: u32| {
        let share = FULL - u32::from(s) * part;
        ((2 * u32::from(v) * share + FULL) / (2 * FULL)) as u8
    };
    let levels = [v, scaled(SECTOR), scaled(part), scaled(SECTOR - part)];
    SECTORS[sector as usize].map(|level| levels[level])
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
