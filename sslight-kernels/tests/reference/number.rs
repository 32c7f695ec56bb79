//! The numbers that references compute with: plain f64, and bounds of what f32 makes of the same formula.

use std::fmt::Debug;
use std::ops::{Add, Mul, Sub};

/// What a naive formula is written in.
pub trait Number:
    Copy + Debug + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    /// A number that is no operand.
    fn constant(value: f64) -> Self;

    fn value(self) -> f64;

    /// A bound for the rounding of this number, in units of f32 epsilon times a small factor.
    fn mass(self) -> f64;

    /// A function of one number, given by itself and its first two derivatives there.
    fn map(self, function: [f64; 3]) -> Self;

    fn zero() -> Self {
        Self::constant(0.0)
    }

    fn sum(terms: impl IntoIterator<Item = Self>) -> Self {
        terms.into_iter().fold(Self::zero(), Add::add)
    }

    fn over(self, divisor: Self) -> Self {
        let by = divisor.value();
        self * divisor.map([1.0 / by, -1.0 / (by * by), 2.0 / (by * by * by)])
    }

    fn sqrt(self) -> Self {
        let root = self.value().sqrt();
        self.map([root, 0.5 / root, -0.25 / (root * root * root)])
    }

    fn exp(self) -> Self {
        self.map([self.value().exp(); 3])
    }

    fn ln(self) -> Self {
        let value = self.value();
        self.map([value.ln(), 1.0 / value, -1.0 / (value * value)])
    }
}

impl Number for f64 {
    fn constant(value: f64) -> Self {
        value
    }

    fn value(self) -> f64 {
        self
    }

    fn mass(self) -> f64 {
        0.0
    }

    fn map(self, function: [f64; 3]) -> Self {
        function[0]
    }
}

/// A value with what f32 may make of it.
///
/// The rounding of a sum, to first order, is at most some units of epsilon times the sum of the magnitudes of its terms,
/// whatever cancels; that of a product is relative to the magnitudes of its factors, which bring their own rounding. So
/// `mass` is computed as the value, with every term and every factor by its magnitude: the f32 result is off by at most
/// some units of epsilon times `mass`.
///
/// `slope` does the same for a derivative: with the magnitudes of a direction in place of the derivatives of the operands,
/// it adds the magnitudes of all products along all paths from an operand to the result. These are the terms that a
/// backward pass sums, in another order, hence its rounding is relative to it too.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    value: f64,
    mass: f64,
    slope: f64,
}

impl Bound {
    /// An operand, known exactly, which changes by `direction`.
    pub fn operand(value: f64, direction: f64) -> Self {
        Self {
            value,
            mass: value.abs(),
            slope: direction.abs(),
        }
    }

    /// The magnitudes of the terms of the derivative along the direction.
    pub fn slope(self) -> f64 {
        self.slope
    }
}

impl Add for Bound {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            value: self.value + other.value,
            mass: self.mass + other.mass,
            slope: self.slope + other.slope,
        }
    }
}

impl Sub for Bound {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            value: self.value - other.value,
            ..self + other
        }
    }
}

impl Mul for Bound {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            value: self.value * other.value,
            mass: self.mass * other.mass,
            slope: self.mass * other.slope + self.slope * other.mass,
        }
    }
}

impl Number for Bound {
    fn constant(value: f64) -> Self {
        Self::operand(value, 0.0)
    }

    fn value(self) -> f64 {
        self.value
    }

    fn mass(self) -> f64 {
        self.mass
    }

    /// The rounding of the argument reaches the function through its derivative, and the derivative through the second.
    fn map(self, [value, first, second]: [f64; 3]) -> Self {
        let through = |value: f64, slope: f64| {
            // No rounding, whatever the slope: the root of zero.
            let reached = slope.abs() * self.mass;
            value.abs() + if self.mass == 0.0 { 0.0 } else { reached }
        };
        Self {
            value,
            mass: through(value, first),
            slope: through(first, second) * self.slope,
        }
    }
}

/// The choices at the kinks of a formula: which part of an activation applies, and which value of a window is the largest.
///
/// Differences across a kink are no derivatives. So choices are made once, at the centre, and repeated by each later
/// evaluation of the same formula, which then is smooth.
#[derive(Debug, Default)]
pub struct Kinks {
    chosen: Vec<usize>,
    next: Option<usize>,
    /// Choices that the rounding of f32 may make otherwise.
    pub ambiguous: usize,
}

impl Kinks {
    /// Repeat the choices from the first one on.
    pub fn replay(&mut self) {
        self.next = Some(0);
    }

    /// The next choice, made by `choose` the first time.
    pub fn choice(&mut self, choose: impl FnOnce() -> usize) -> usize {
        match &mut self.next {
            Some(next) => {
                *next += 1;
                self.chosen[*next - 1]
            }
            None => {
                self.chosen.push(choose());
                self.chosen[self.chosen.len() - 1]
            }
        }
    }

    /// Counts the choice as ambiguous, if rounding could bring a number of this mass as far as `distance`.
    pub fn note(&mut self, distance: f64, mass: f64) {
        if distance.abs() <= 64.0 * f64::from(f32::EPSILON) * mass {
            self.ambiguous += 1;
        }
    }
}
