//! What lies behind the objects: two colours in smooth noise, and shapes of no class.

use sslight_data::rng::Draws;

use super::colours::{Colour, mixed, random, shaded};

/// Cells of the lattices of random values along a side, and how much each counts.
const OCTAVES: [(usize, f32); 3] = [(3, 0.6), (8, 0.27), (20, 0.13)];
/// Cells of the lattice that shades distractors.
const GRAIN_OF_SHAPES: usize = 16;

/// A textured square of `side` x `side` colours, row by row, with `shapes` shapes on it.
pub(super) fn draw(side: usize, shapes: usize, draws: &mut Draws) -> Vec<Colour> {
    let (dark, light) = (random(draws, 0.15, 0.6), random(draws, 0.4, 0.95));
    let octaves: Vec<(Noise, f32)> = OCTAVES
        .iter()
        .map(|&(cells, weight)| (Noise::new(cells, draws), weight))
        .collect();
    let mut colours = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            let place = unit_place(x, y, side);
            let value: f32 = octaves.iter().map(|(noise, w)| w * noise.at(place)).sum();
            // Sums of noise stay near the middle; this uses all of both colours.
            let share = smooth(((value - 0.25) / 0.5).clamp(0.0, 1.0));
            colours.push(mixed(dark, light, share));
        }
    }
    for _ in 0..shapes {
        let shape = Shape::random(side, draws);
        let shade = Noise::new(GRAIN_OF_SHAPES, draws);
        for y in 0..side {
            for x in 0..side {
                if shape.covers(x as f64 + 0.5, y as f64 + 0.5) {
                    let light = 0.6 + 0.4 * shade.at(unit_place(x, y, side));
                    colours[y * side + x] = shaded(shape.colour, light);
                }
            }
        }
    }
    colours
}

/// The centre of a pixel, 0 to 1 across and down.
fn unit_place(x: usize, y: usize, side: usize) -> (f32, f32) {
    let along = |pixel: usize| (pixel as f32 + 0.5) / side as f32;
    (along(x), along(y))
}

/// A step from 0 to 1 that is level at both ends.
fn smooth(share: f32) -> f32 {
    share * share * (3.0 - 2.0 * share)
}

/// Random values on a square lattice, smooth between them.
struct Noise {
    cells: usize,
    values: Vec<f32>,
}

impl Noise {
    fn new(cells: usize, draws: &mut Draws) -> Self {
        let count = (cells + 1) * (cells + 1);
        Self {
            cells,
            values: (0..count).map(|_| draws.unit() as f32).collect(),
        }
    }

    /// The value at a place from 0 to 1 across and down.
    fn at(&self, (x, y): (f32, f32)) -> f32 {
        let split = |along: f32| {
            let place = along * self.cells as f32;
            let cell = (place as usize).min(self.cells.saturating_sub(1));
            (cell, smooth(place - cell as f32))
        };
        let ((column, across), (row, down)) = (split(x), split(y));
        let value = |r: usize, c: usize| self.values[r * (self.cells + 1) + c];
        let upper = value(row, column) * (1.0 - across) + value(row, column + 1) * across;
        let lower = value(row + 1, column) * (1.0 - across) + value(row + 1, column + 1) * across;
        upper * (1.0 - down) + lower * down
    }
}

/// A turned rectangle, line or ellipse.
struct Shape {
    centre: (f64, f64),
    /// Half of its length and of its breadth in pixels.
    half: (f64, f64),
    /// Cosine and sine of what it is turned by.
    turn: (f64, f64),
    round: bool,
    colour: Colour,
}

impl Shape {
    fn random(side: usize, draws: &mut Draws) -> Self {
        let side = side as f64;
        let centre = (draws.uniform(0.0, side), draws.uniform(0.0, side));
        let kind = draws.below(3);
        let half = match kind {
            // A line.
            0 => (
                draws.uniform(0.1, 0.5) * side,
                draws.uniform(0.004, 0.015) * side,
            ),
            _ => (
                draws.uniform(0.05, 0.2) * side,
                draws.uniform(0.03, 0.15) * side,
            ),
        };
        let angle = draws.uniform(0.0, std::f64::consts::PI);
        Self {
            centre,
            half,
            turn: (angle.cos(), angle.sin()),
            round: kind == 1,
            colour: random(draws, 0.3, 1.0),
        }
    }

    fn covers(&self, x: f64, y: f64) -> bool {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let (cos, sin) = self.turn;
        let along = ((dx * cos + dy * sin) / self.half.0).abs();
        let across = ((dy * cos - dx * sin) / self.half.1).abs();
        match self.round {
            true => along * along + across * across <= 1.0,
            false => along <= 1.0 && across <= 1.0,
        }
    }
}
