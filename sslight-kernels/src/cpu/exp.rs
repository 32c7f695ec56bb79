//! The exponential function as a few products, which the compiler vectorises; a call of the library is none.

use super::simd::mul_add;

/// Adding it to a small number leaves that number, rounded to an integer, in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;
/// `ln 2` in two parts, the first with so few bits that its product with an exponent is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Below it the result is no normal number, and is given as 0.
const LOWEST: f32 = -87.336_54;

/// `e^x` for `x` of at most 88, within two units in the last place; 0 below -87.3.
///
/// Not-a-number gives itself.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    let inside = x.clamp(LOWEST, 88.0);
    let shifted = mul_add::<FMA>(inside, std::f32::consts::LOG2_E, ROUNDER);
    let exponent = shifted - ROUNDER;
    let rest = mul_add::<FMA>(exponent, -LN_2[0], inside);
    let rest = mul_add::<FMA>(exponent, -LN_2[1], rest);
    // Taylor's series up to the 7th power: |rest| is at most ln(2) / 2.
    let mut series = 1.0 / 5040.0;
    for factor in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        series = mul_add::<FMA>(series, rest, factor);
    }
    let power = shifted
        .to_bits()
        .wrapping_sub(ROUNDER.to_bits())
        .wrapping_add(127)
        << 23;
    let value = series * f32::from_bits(power);
    if x < LOWEST { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[track_caller]
    fn within(x: f32, units: f64) {
        let want = f64::from(x).exp();
        for got in [exp::<false>(x), exp::<true>(x)] {
            let error = (f64::from(got) - want).abs() / want / f64::from(f32::EPSILON);
            assert!(error <= units, "exp({x}) = {got}, off by {error} units");
        }
    }

    #[test]
    fn it_is_within_two_units_of_the_library() {
        for step in -87_000..=87_990 {
            within(step as f32 * 1e-3, 2.0);
        }
        for x in [
            0.0,
            -0.0,
            f32::MIN_POSITIVE,
            1e-20,
            -1e-20,
            0.346_573,
            -0.346_574,
        ] {
            within(x, 1.0);
        }
    }

    #[test]
    fn it_vanishes_far_below_and_is_one_at_zero() {
        assert_eq!(exp::<false>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<false>(-200.0), 0.0);
        assert_eq!(exp::<true>(0.0), 1.0);
        assert!(exp::<false>(f32::NAN).is_nan() && exp::<true>(f32::NAN).is_nan());
    }
}
