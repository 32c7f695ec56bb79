//! Garments cut out of their images, and laid down in any size and direction.

use sslight_data::Image;

/// Grey above which a pixel shows cloth: the images are black around it, with a little noise.
const CLOTH: u8 = 20;
/// Dark spots of fewer pixels inside a garment are cloth too; larger ones, as below the handle of a bag, are seen through.
const HOLE: usize = 16;
/// Bright spots of fewer pixels beside it are noise.
const SPECK: usize = 6;

/// A garment on the grid of its image.
#[derive(Clone, Debug)]
pub(super) struct Garment {
    width: usize,
    height: usize,
    /// How much of each pixel is cloth, 0 to 1, row by row; the outline runs through 0.5.
    cover: Vec<f32>,
    /// Brightness of the cloth, 0 to 1, continued beyond the outline.
    shade: Vec<f32>,
}

/// How a garment lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    /// Longer side of its box in pixels.
    pub size: usize,
    /// Turned by, in radians.
    pub angle: f64,
    /// Left and right exchanged.
    pub mirrored: bool,
}

/// The pixels of a garment in a pose, in a box that they touch on all sides; empty if there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cutout {
    pub width: usize,
    pub height: usize,
    /// Brightness where there is cloth, row by row.
    pub pixels: Vec<Option<f32>>,
}

impl Garment {
    /// Cuts out what a grey image shows.
    pub(super) fn new(image: &Image) -> Self {
        let (width, height) = (image.width, image.height);
        let grey: Vec<u8> = image.pixels.iter().step_by(3).copied().collect();
        let mut cloth: Vec<bool> = grey.iter().map(|value| *value > CLOTH).collect();
        for (value, limit) in [(true, SPECK), (false, HOLE)] {
            let patches = small_patches(&cloth, width, value, limit);
            // What reaches the border of the image is beside the garment.
            let kept = |patch: &&Vec<usize>| value || !reaches_border(patch, width, height);
            for patch in patches.iter().filter(kept) {
                patch.iter().for_each(|&at| cloth[at] = !value);
            }
        }
        let brightest = grey.iter().copied().max().unwrap_or(0).max(1);
        let cover = |(at, &value): (usize, &u8)| match (cloth[at], value > CLOTH) {
            (true, true) => (f32::from(value) / f32::from(2 * CLOTH)).min(1.0),
            (true, false) => 1.0,
            (false, true) => 0.0,
            (false, false) => f32::from(value) / f32::from(2 * CLOTH + 2),
        };
        let shade = grey
            .iter()
            .map(|value| f32::from(*value) / f32::from(brightest));
        let mut garment = Self {
            width,
            height,
            cover: grey.iter().enumerate().map(cover).collect(),
            shade: shade.collect(),
        };
        garment.continue_shade(&cloth);
        garment
    }

    /// Gives pixels beside the cloth its mean brightness nearby, so that an outline between pixels is not darkened by what is
    /// beyond it.
    fn continue_shade(&mut self, cloth: &[bool]) {
        let before = self.shade.clone();
        for at in (0..before.len()).filter(|at| !cloth[*at]) {
            let around = neighbours(at, self.width, self.height);
            let (mut sum, mut count) = (0.0, 0.0);
            for near in around.filter(|near| cloth[*near]) {
                sum += before[near];
                count += 1.0;
            }
            if count > 0.0 {
                self.shade[at] = sum / count;
            }
        }
    }

    /// The pixels that it covers in a pose.
    pub(super) fn cut_out(&self, pose: Pose) -> Cutout {
        let (cos, sin) = (pose.angle.cos(), pose.angle.sin());
        let centre = (self.width as f64 / 2.0, self.height as f64 / 2.0);
        let Some(extent) = self.extent((cos, sin), centre) else {
            return Cutout::default();
        };
        let [left, top, right, bottom] = extent;
        let scale = pose.size as f64 / (right - left).max(bottom - top);
        let pixels_of = |length: f64| ((length * scale).ceil() as usize).clamp(1, pose.size);
        let (width, height) = (pixels_of(right - left), pixels_of(bottom - top));
        let mut pixels = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                let u = left + (column as f64 + 0.5) / scale;
                let v = top + (row as f64 + 0.5) / scale;
                // Back from the turned garment to its image, where pixels are at their centres.
                let x = u * cos + v * sin + centre.0 - 0.5;
                let y = v * cos - u * sin + centre.1 - 0.5;
                let cover = self.sample(&self.cover, (x, y));
                pixels.push((cover >= 0.5).then(|| self.sample(&self.shade, (x, y))));
            }
        }
        let cutout = Cutout {
            width,
            height,
            pixels,
        };
        match pose.mirrored {
            true => cutout.mirrored().cropped(),
            false => cutout.cropped(),
        }
    }

    /// Left, top, right and bottom of the turned cloth, from the centre of the image; `None` without cloth.
    fn extent(&self, (cos, sin): (f64, f64), centre: (f64, f64)) -> Option<[f64; 4]> {
        let mut extent = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];
        for at in (0..self.cover.len()).filter(|at| self.cover[*at] >= 0.5) {
            let (column, row) = (at % self.width, at / self.width);
            for (right, down) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let x = (column + right) as f64 - centre.0;
                let y = (row + down) as f64 - centre.1;
                let (u, v) = (x * cos - y * sin, x * sin + y * cos);
                extent = [
                    extent[0].min(u),
                    extent[1].min(v),
                    extent[2].max(u),
                    extent[3].max(v),
                ];
            }
        }
        (extent[2] > extent[0]).then_some(extent)
    }

    /// A smooth sample (Catmull and Rom) of values on the grid of the image, 0 outside, between 0 and 1.
    fn sample(&self, values: &[f32], (x, y): (f64, f64)) -> f32 {
        let (column, row) = (x.floor(), y.floor());
        let across = catmull_rom((x - column) as f32);
        let down = catmull_rom((y - row) as f32);
        let inside = |place: f64, offset: usize, length: usize| {
            let at = place as isize + offset as isize - 1;
            usize::try_from(at).ok().filter(|at| *at < length)
        };
        let mut sum = 0.0;
        for (j, weight) in down.iter().enumerate() {
            let Some(r) = inside(row, j, self.height) else {
                continue;
            };
            for (i, along) in across.iter().enumerate() {
                if let Some(c) = inside(column, i, self.width) {
                    sum += weight * along * values[r * self.width + c];
                }
            }
        }
        sum.clamp(0.0, 1.0)
    }
}

/// Weights of four values in a row for a place between the middle two.
fn catmull_rom(t: f32) -> [f32; 4] {
    let (square, cube) = (t * t, t * t * t);
    [
        0.5 * (2.0 * square - t - cube),
        0.5 * (3.0 * cube - 5.0 * square + 2.0),
        0.5 * (4.0 * square + t - 3.0 * cube),
        0.5 * (cube - square),
    ]
}

/// The pixels around one, corners included.
fn neighbours(at: usize, width: usize, height: usize) -> impl Iterator<Item = usize> {
    let (column, row) = (at % width, at / width);
    let rows = row.saturating_sub(1)..(row + 2).min(height);
    let columns = column.saturating_sub(1)..(column + 2).min(width);
    rows.flat_map(move |r| columns.clone().map(move |c| r * width + c))
        .filter(move |near| *near != at)
}

/// Whether a pixel of a patch is at the border of the image.
fn reaches_border(patch: &[usize], width: usize, height: usize) -> bool {
    patch.iter().any(|at| {
        let (column, row) = (at % width, at / width);
        column == 0 || row == 0 || column + 1 == width || row + 1 == height
    })
}

/// Connected patches of `value` with fewer than `limit` pixels.
fn small_patches(cloth: &[bool], width: usize, value: bool, limit: usize) -> Vec<Vec<usize>> {
    let height = cloth.len() / width.max(1);
    let mut seen = vec![false; cloth.len()];
    let mut patches = Vec::new();
    for start in 0..cloth.len() {
        if seen[start] || cloth[start] != value {
            continue;
        }
        seen[start] = true;
        let (mut patch, mut next) = (vec![start], 0);
        while let Some(&at) = patch.get(next) {
            next += 1;
            for near in neighbours(at, width, height) {
                if !seen[near] && cloth[near] == value {
                    seen[near] = true;
                    patch.push(near);
                }
            }
        }
        if patch.len() < limit {
            patches.push(patch);
        }
    }
    patches
}

impl Cutout {
    fn mirrored(mut self) -> Self {
        for row in self.pixels.chunks_exact_mut(self.width.max(1)) {
            row.reverse();
        }
        self
    }

    /// Without empty rows and columns at its borders.
    fn cropped(self) -> Self {
        let covered = |row: usize, column: usize| self.pixels[row * self.width + column].is_some();
        let rows: Vec<usize> = (0..self.height)
            .filter(|&r| (0..self.width).any(|c| covered(r, c)))
            .collect();
        let columns: Vec<usize> = (0..self.width)
            .filter(|&c| (0..self.height).any(|r| covered(r, c)))
            .collect();
        let (Some((&top, &bottom)), Some((&left, &right))) = (
            rows.first().zip(rows.last()),
            columns.first().zip(columns.last()),
        ) else {
            return Self::default();
        };
        let pixels = (top..=bottom)
            .flat_map(|r| (left..=right).map(move |c| r * self.width + c))
            .map(|at| self.pixels[at])
            .collect();
        Self {
            width: right - left + 1,
            height: bottom - top + 1,
            pixels,
        }
    }

    /// How many pixels it covers.
    pub(super) fn area(&self) -> usize {
        self.pixels.iter().flatten().count()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
