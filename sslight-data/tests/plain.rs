//! Views against plain scalar versions of every operation, on random images and draws.
//!
//! The plain versions follow the reference's description pixel by pixel, without windows, tables or vectors.

#![allow(clippy::unwrap_used)]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sslight_data::ops::crop::CropBox;
use sslight_data::ops::jitter::{JitterOp, JitterPlan};
use sslight_data::ops::resize::Interpolation;
use sslight_data::{EvalView, Image, ViewPlan, apply, eval_transform};

const CASES: u64 = 1000;

/// Draws for the cases.
struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }

    fn unit(&mut self) -> f64 {
        self.0.next_u32() as f64 / f64::from(u32::MAX)
    }

    fn flag(&mut self) -> bool {
        self.0.next_u32().is_multiple_of(2)
    }

    /// Noise, or large areas of few colours with gray and extreme ones among them.
    fn image(&mut self) -> Image {
        let (width, height) = (1 + self.below(70), 1 + self.below(60));
        let palette: Vec<u8> = (0..7)
            .map(|_| self.0.next_u32() as u8)
            .chain([0, 255])
            .collect();
        let noise = self.flag();
        let pixels = (0..width * height).flat_map(|place| match noise {
            true => self.0.next_u32().to_le_bytes()[..3].to_vec(),
            false => {
                let place = place % width / 9 + place / width / 7;
                (0..3)
                    .map(|c| palette[(place * (c + 1)) % palette.len()])
                    .collect()
            }
        });
        let pixels = pixels.collect();
        Image::from_rgb(width, height, pixels).unwrap()
    }

    fn plan(&mut self, image: &Image) -> ViewPlan {
        let (width, height) = (1 + self.below(image.width), 1 + self.below(image.height));
        let mut order = JitterOp::ALL;
        for last in (1..4).rev() {
            order.swap(last, self.below(last + 1));
        }
        let jitter = JitterPlan {
            order,
            brightness: 2.0 * self.unit(),
            contrast: 2.0 * self.unit(),
            saturation: 2.0 * self.unit(),
            hue: self.unit() - 0.5,
        };
        ViewPlan {
            crop: CropBox {
                top: self.below(image.height - height + 1),
                left: self.below(image.width - width + 1),
                height,
                width,
            },
            size: 1 + self.below(50),
            flip: self.flag(),
            jitter: self.flag().then_some(jitter),
            grayscale: self.below(5) == 0,
            blur_sigma: self.flag().then(|| 0.1 + 1.9 * self.unit()),
            solarize: self.flag(),
        }
    }
}

/// A picture as rows of pixels.
type Rows = Vec<Vec<[u8; 3]>>;

fn rows(image: &Image) -> Rows {
    let pixel = |x, y| image.pixel(x, y);
    let row = |y| (0..image.width).map(|x| pixel(x, y)).collect();
    (0..image.height).map(row).collect()
}

fn image(rows: &Rows) -> Image {
    let pixels = rows.iter().flatten().flatten().copied().collect();
    Image::from_rgb(rows[0].len(), rows.len(), pixels).unwrap()
}

fn transposed(rows: &Rows) -> Rows {
    let column = |x| rows.iter().map(|row: &Vec<[u8; 3]>| row[x]).collect();
    (0..rows[0].len()).map(column).collect()
}

fn each(rows: &mut Rows, change: impl Fn([u8; 3]) -> [u8; 3]) {
    rows.iter_mut()
        .flatten()
        .for_each(|pixel| *pixel = change(*pixel));
}

fn kernel(interpolation: Interpolation, t: f64) -> f64 {
    let t = t.abs();
    match interpolation {
        Interpolation::Bilinear if t < 1.0 => 1.0 - t,
        Interpolation::Bicubic if t < 1.0 => (1.5 * t - 2.5) * t * t + 1.0,
        Interpolation::Bicubic if t < 2.0 => -0.5 * (((t - 5.0) * t + 8.0) * t - 4.0),
        _ => 0.0,
    }
}

/// The horizontal pass.
fn resized_rows(source: &Rows, size: usize, interpolation: Interpolation) -> Rows {
    let width = source[0].len();
    if width == size {
        return source.clone();
    }
    let scale = width as f64 / size as f64;
    let stretch = scale.max(1.0);
    let half = stretch
        * if interpolation == Interpolation::Bicubic {
            2.0
        } else {
            1.0
        };
    let pixel = |row: &Vec<[u8; 3]>, x: usize| {
        let center = (x as f64 + 0.5) * scale;
        let start = (center - half + 0.5).max(0.0) as usize;
        let end = ((center + half + 0.5) as usize).min(width);
        let weight = |j: usize| kernel(interpolation, (j as f64 - center + 0.5) * (1.0 / stretch));
        let total: f64 = (start..end).map(weight).sum();
        std::array::from_fn(|channel| {
            let sum: i64 = (start..end)
                .map(|j| {
                    let fixed = weight(j) / total * f64::from(1 << 22);
                    let fixed = (fixed + if fixed < 0.0 { -0.5 } else { 0.5 }) as i64;
                    fixed * i64::from(row[j][channel])
                })
                .sum();
            ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8
        })
    };
    let row = |row: &Vec<[u8; 3]>| (0..size).map(|x| pixel(row, x)).collect();
    source.iter().map(row).collect()
}

fn resized(source: &Rows, [width, height]: [usize; 2], interpolation: Interpolation) -> Rows {
    let narrowed = resized_rows(source, width, interpolation);
    transposed(&resized_rows(&transposed(&narrowed), height, interpolation))
}

fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19595 * i64::from(r) + 38470 * i64::from(g) + 7471 * i64::from(b) + 32768) >> 16) as u8
}

fn blended(from: u8, to: u8, factor: f64) -> u8 {
    let value = f32::from(from) + factor as f32 * (f32::from(to) - f32::from(from));
    value.clamp(0.0, 255.0) as u8
}

fn turned([r, g, b]: [u8; 3], factor: f64) -> [u8; 3] {
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    let (mut h, mut s) = (0u8, 0u8);
    if max > min {
        let chroma = f32::from(max - min);
        let away = |sample: u8| f64::from(f32::from(max - sample) / chroma);
        let sixth = match max {
            _ if r == max => away(b) - away(g),
            _ if g == max => 2.0 + away(r) - away(b),
            _ => 4.0 + away(g) - away(r),
        };
        let turn = (f64::from(sixth as f32) / 6.0 + 1.0) % 1.0;
        h = (f64::from(turn as f32) * 255.0) as u8;
        s = (f64::from(chroma / f32::from(max)) * 255.0) as u8;
    }
    h = h.wrapping_add((factor * 255.0).trunc() as i64 as u8);
    if s == 0 {
        return [max; 3];
    }
    let place = f64::from(h) * 6.0 / 255.0;
    let f = f64::from((place - place.floor()) as f32);
    let s = f64::from((f64::from(s) / 255.0) as f32);
    let level = |share: f64| (f64::from(max) * (1.0 - share)).round() as u8;
    let (v, p, q, t) = (max, level(s), level(s * f), level(s * (1.0 - f)));
    match place.floor() as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

fn jittered(rows: &mut Rows, plan: &JitterPlan) {
    for op in plan.order {
        let lumas: Vec<f64> = rows.iter().flatten().map(|p| f64::from(luma(*p))).collect();
        let mean = (lumas.iter().sum::<f64>() / lumas.len() as f64 + 0.5) as u8;
        each(rows, |pixel| match op {
            JitterOp::Brightness => pixel.map(|v| blended(0, v, plan.brightness)),
            JitterOp::Contrast => pixel.map(|v| blended(mean, v, plan.contrast)),
            JitterOp::Saturation => pixel.map(|v| blended(luma(pixel), v, plan.saturation)),
            JitterOp::Hue => turned(pixel, plan.hue),
        });
    }
}

/// Three box blurs along rows.
fn blurred_rows(rows: &Rows, sigma: f64) -> Rows {
    let sigma = sigma as f32;
    let variance = sigma * sigma / 3.0;
    let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
    let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
    let share = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
        / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
    let radius = whole + share;
    let reach = radius as i64;
    let full = (16_777_216.0 / (radius * 2.0 + 1.0)) as i64;
    let edge = (16_777_216 - (2 * reach + 1) * full) / 2;
    let mut rows = rows.clone();
    for _ in 0..3 {
        rows = rows
            .iter()
            .map(|row| {
                let at =
                    |x: i64, c: usize| i64::from(row[x.clamp(0, row.len() as i64 - 1) as usize][c]);
                let pixel = |x: i64| {
                    std::array::from_fn(|c| {
                        let inner: i64 = (x - reach..=x + reach).map(|x| at(x, c)).sum();
                        let outer = at(x - reach - 1, c) + at(x + reach + 1, c);
                        ((inner * full + outer * edge + (1 << 23)) >> 24) as u8
                    })
                };
                (0..row.len() as i64).map(pixel).collect()
            })
            .collect();
    }
    rows
}

fn plain_view(source: &Image, plan: &ViewPlan) -> Image {
    let CropBox {
        top,
        left,
        height,
        width,
    } = plan.crop;
    let whole = rows(source);
    let cut = whole[top..top + height].iter();
    let cut: Rows = cut.map(|row| row[left..left + width].to_vec()).collect();
    let mut view = resized(&cut, [plan.size; 2], Interpolation::Bicubic);
    if plan.flip {
        view.iter_mut().for_each(|row| row.reverse());
    }
    if let Some(jitter) = &plan.jitter {
        jittered(&mut view, jitter);
    }
    if plan.grayscale {
        each(&mut view, |pixel| [luma(pixel); 3]);
    }
    if let Some(sigma) = plan.blur_sigma {
        view = transposed(&blurred_rows(
            &transposed(&blurred_rows(&view, sigma)),
            sigma,
        ));
    }
    if plan.solarize {
        each(&mut view, |pixel| {
            pixel.map(|v| if v < 128 { v } else { 255 - v })
        });
    }
    image(&view)
}

#[test]
fn random_views_are_those_of_the_plain_operations() {
    for case in 0..CASES {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(case));
        let source = dice.image();
        let plan = dice.plan(&source);
        assert!(
            apply(&source, &plan) == plain_view(&source, &plan),
            "case {case}: {plan:?}"
        );
    }
}

#[test]
fn random_images_in_evaluation_are_those_of_the_plain_operations() {
    for case in 0..CASES / 4 {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(case));
        let source = dice.image();
        let crop = 1 + dice.below(40);
        let view = EvalView {
            resize: crop + dice.below(20),
            crop,
            interpolation: match dice.flag() {
                true => Interpolation::Bilinear,
                false => Interpolation::Bicubic,
            },
        };
        let (width, height) = (source.width, source.height);
        let size = match width <= height {
            true => [view.resize, view.resize * height / width],
            false => [view.resize * width / height, view.resize],
        };
        let whole = resized(&rows(&source), size, view.interpolation);
        // Half to even.
        let offset = |side: usize| ((side - crop) as f64 / 2.0).round_ties_even() as usize;
        let [left, top] = size.map(offset);
        let cut = whole[top..top + crop].iter();
        let cut: Rows = cut.map(|row| row[left..left + crop].to_vec()).collect();
        assert!(
            eval_transform(&source, view) == image(&cut),
            "case {case}: {view:?}"
        );
    }
}
