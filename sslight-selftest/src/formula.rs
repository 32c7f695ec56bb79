//! The value formula: every large input and every weight of the fixtures is a pure function of a
//! name, so the files store only what must come out.
//!
//! `u(key, i)` is the top 24 bits of a SplitMix64 step over `FNV-1a(key) + i`, as a number in
//! `[-1, 1)` that float32 holds exactly. A [`Role`] scales it, one float32 rounding an operation,
//! so any implementation that follows the order of operations gets the same bits.

use serde::Deserialize;

/// What an input is, and so how its uniform numbers are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Weight of a convolution or linear layer: `u * sqrt(3 / fan_in)`.
    Weight,
    /// Bias of a convolution or linear layer: `u * 0.01`.
    Bias,
    /// Scale of a normalisation layer, or a trainable weight-norm gain: `1 + 0.1 u`.
    NormWeight,
    /// Offset of a normalisation layer: `0.1 u`.
    NormBias,
    /// Running mean of a batch normalisation: `0.1 u`.
    RunningMean,
    /// Running variance of a batch normalisation: `1 + 0.1 |u|`.
    RunningVar,
    /// Class token or positional embedding: `u * 0.02 sqrt(3)`.
    Token,
    /// Network input: `u * 1.7`.
    Input,
    /// `u` itself.
    Unit,
    /// All zero.
    Zero,
    /// All one.
    One,
    /// A counter that starts at zero; no floating-point tensor.
    ZeroI64,
}

/// 64-bit FNV-1a of `bytes`.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The SplitMix64 output function.
fn mix(x: u64) -> u64 {
    let z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Uniform number in `[-1, 1)` for element `i` of the tensor whose key hashes to `hash`.
fn uniform(hash: u64, i: usize) -> f32 {
    let bits = mix(hash.wrapping_add(i as u64)) >> 40;
    // 24 bits over 2^23 minus one: every step is exact in float32.
    (bits as f32) / ((1u32 << 23) as f32) - 1.0
}

/// Row-major values of the tensor `key` (`CASE/NAME`) with the given role and shape.
///
/// `fan_in` of a weight is the product of all dimensions but the first.
pub fn values(key: &str, role: Role, shape: &[usize]) -> Vec<f32> {
    let hash = fnv1a(key.as_bytes());
    let count = shape.iter().product();
    let draw = |scale: &dyn Fn(f32) -> f32| (0..count).map(|i| scale(uniform(hash, i))).collect();
    match role {
        Role::Weight => {
            let fan_in: usize = shape.iter().skip(1).product();
            let bound = (3.0 / fan_in as f64).sqrt() as f32;
            draw(&|u| u * bound)
        }
        Role::Bias => draw(&|u| u * 0.01),
        Role::NormWeight => draw(&|u| 1.0 + 0.1 * u),
        Role::NormBias | Role::RunningMean => draw(&|u| 0.1 * u),
        Role::RunningVar => draw(&|u| 1.0 + 0.1 * u.abs()),
        Role::Token => {
            let bound = (0.02 * 3.0_f64.sqrt()) as f32;
            draw(&|u| u * bound)
        }
        Role::Input => draw(&|u| u * 1.7),
        Role::Unit => draw(&|u| u),
        Role::Zero | Role::ZeroI64 => vec![0.0; count],
        Role::One => vec![1.0; count],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_gives_the_published_hashes() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    /// A row of the README's table of worked values.
    struct Worked {
        key: &'static str,
        i: usize,
        role: Role,
        shape: &'static [usize],
        hash: u64,
        draw: u64,
        bits: u32,
    }

    const WORKED: [Worked; 4] = [
        Worked {
            key: "demo/encoder.0.weight",
            i: 0,
            role: Role::Weight,
            shape: &[64, 3, 7, 7],
            hash: 0xbb2d_2942_1fd1_2087,
            draw: 1_484_185,
            bits: 0xbdf0_cea3,
        },
        Worked {
            key: "demo/encoder.1.bias",
            i: 5,
            role: Role::NormBias,
            shape: &[64],
            hash: 0xc9fe_835e_4b50_b163,
            draw: 1_196_677,
            bits: 0xbdaf_9592,
        },
        Worked {
            key: "demo/input",
            i: 1000,
            role: Role::Input,
            shape: &[2, 3, 32, 32],
            hash: 0xe218_7689_4305_c769,
            draw: 8_003_196,
            bits: 0xbd9f_f607,
        },
        Worked {
            key: "demo/encoder.1.running_var",
            i: 3,
            role: Role::RunningVar,
            shape: &[64],
            hash: 0xc3c5_da93_67c7_6d33,
            draw: 15_913_187,
            bits: 0x3f8b_7b4a,
        },
    ];

    #[test]
    fn worked_values_are_met_bit_for_bit() {
        for row in WORKED {
            let key = row.key;
            assert_eq!(fnv1a(key.as_bytes()), row.hash, "hash of {key}");
            let draw = mix(row.hash.wrapping_add(row.i as u64)) >> 40;
            assert_eq!(draw, row.draw, "draw of {key}");
            let value = values(key, row.role, row.shape)[row.i];
            assert_eq!(value.to_bits(), row.bits, "value of {key}");
        }
    }

    #[test]
    fn uniform_numbers_stay_within_minus_one_and_one() {
        let hash = fnv1a(b"range");
        assert!((0..10_000).all(|i| (-1.0..1.0).contains(&uniform(hash, i))));
    }
}
