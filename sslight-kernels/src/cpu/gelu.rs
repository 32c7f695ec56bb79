//! The exact (erf) GELU and its slope.

use super::exp::exp;
use super::simd::mul_add;

/// Abramowitz and Stegun 7.1.26: `erfc(u) = (a1 t + ... + a5 t^5) e^(-u^2)` with `t = 1 / (1 + p u)`, within 1.5e-7.
const P: f32 = 0.327_591_1;
const A: [f32; 5] = [
    1.061_405_4,
    -1.453_152,
    1.421_413_7,
    -0.284_496_72,
    0.254_829_6,
];
/// `1 / sqrt(2 pi)`.
const DENSITY: f32 = 0.398_942_3;

/// The normal distribution at `z`: up to it, and its density.
#[inline(always)]
fn normal<const FMA: bool>(z: f32) -> [f32; 2] {
    let bell = exp::<FMA>(-0.5 * z * z);
    let u = z.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / mul_add::<FMA>(P, u, 1.0);
    let mut series = A[0];
    for a in &A[1..] {
        series = mul_add::<FMA>(series, t, *a);
    }
    // What lies beyond |z| on one side, without the cancellation of `1 - erf`.
    let tail = 0.5 * series * t * bell;
    let up_to = if z > 0.0 { 1.0 - tail } else { tail };
    [up_to, DENSITY * bell]
}

/// `z` times the normal distribution up to `z`.
#[inline(always)]
pub(super) fn gelu<const FMA: bool>(z: f32) -> f32 {
    z * normal::<FMA>(z)[0]
}

/// The derivative of [`gelu`].
#[inline(always)]
pub(super) fn slope<const FMA: bool>(z: f32) -> f32 {
    let [up_to, density] = normal::<FMA>(z);
    mul_add::<FMA>(z, density, up_to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The normal distribution up to `z` by Simpson's rule.
    fn up_to(z: f64) -> f64 {
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let (count, low) = (4000, -12.0);
        let step = (z - low) / f64::from(count);
        let sum: f64 = (0..=count)
            .map(|i| {
                let weight = match i {
                    0 => 1.0,
                    i if i == count => 1.0,
                    i if i % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                weight * density(low + step * f64::from(i))
            })
            .sum();
        sum * step / 3.0
    }

    #[test]
    fn values_and_slopes_agree_with_the_integral() {
        for step in -160..=160 {
            let z = step as f32 * 0.05;
            let exact = f64::from(z);
            let density = (-0.5 * exact * exact).exp() / std::f64::consts::TAU.sqrt();
            let want = [exact * up_to(exact), up_to(exact) + exact * density];
            for got in [
                [gelu::<false>(z), slope::<false>(z)],
                [gelu::<true>(z), slope::<true>(z)],
            ] {
                for (got, want) in got.iter().zip(want) {
                    // The series is within 1e-7, times z, and z is rounded.
                    let limit = 2e-7 * (1.0 + exact.abs());
                    let error = (f64::from(*got) - want).abs();
                    assert!(error <= limit, "at {z}: {got}, not {want}");
                }
            }
        }
    }

    #[test]
    fn far_out_it_is_zero_or_the_value_and_not_a_number_stays() {
        assert_eq!(gelu::<true>(-20.0), 0.0);
        assert_eq!(gelu::<true>(20.0), 20.0);
        assert!(gelu::<true>(f32::NAN).is_nan() && slope::<false>(f32::NAN).is_nan());
    }
}
