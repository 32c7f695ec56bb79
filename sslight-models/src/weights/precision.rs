//! The element types that floating point weights are written in.

use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};

use super::{ElementType, WeightsError};

/// How exactly weights are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    F32,
    /// IEEE 754 half precision: 11 significant bits, up to 65504.
    F16,
    /// The upper half of 32 bits: 8 significant bits, the range of `f32`.
    Bf16,
}

impl Precision {
    /// The words for them.
    pub const WORDS: [&'static str; 3] = ["f32", "f16", "bf16"];

    /// The element type in a file.
    pub fn element(self) -> ElementType {
        match self {
            Self::F32 => ElementType::F32,
            Self::F16 => ElementType::F16,
            Self::Bf16 => ElementType::Bf16,
        }
    }

    /// Little-endian elements, rounded to nearest; `name` is for messages.
    ///
    /// # Errors
    /// [`WeightsError::OutOfRange`] for a finite value that would become infinite.
    pub fn encode(self, name: &str, values: &[f32]) -> Result<Vec<u8>, WeightsError> {
        let finite = |value: f32, rounded: f32| {
            if value.is_finite() && !rounded.is_finite() {
                return Err(WeightsError::OutOfRange {
                    name: name.to_string(),
                    value,
                    precision: self,
                });
            }
            Ok(())
        };
        let mut bytes = Vec::with_capacity(values.len() * self.element().size());
        for value in values {
            match self {
                Self::F32 => bytes.extend(value.to_le_bytes()),
                Self::F16 => {
                    let rounded = f16::from_f32(*value);
                    finite(*value, rounded.to_f32())?;
                    bytes.extend(rounded.to_le_bytes());
                }
                Self::Bf16 => {
                    let rounded = bf16::from_f32(*value);
                    finite(*value, rounded.to_f32())?;
                    bytes.extend(rounded.to_le_bytes());
                }
            }
        }
        Ok(bytes)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let all = [Self::F32, Self::F16, Self::Bf16];
        let known = all.into_iter().find(|known| known.to_string() == word);
        known.ok_or_else(|| format!("no element type for weights is called `{word}`"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_to_nearest_even() {
        // One plus half a step of f16, and of bf16: both go to the even neighbour, which is one.
        let half_step = [1.0 + 2_f32.powi(-11), 1.0 + 2_f32.powi(-8)];
        let f16 = Precision::F16.encode("w", &half_step[..1]).unwrap();
        assert_eq!(f16, [0x00, 0x3c]);
        let bf16 = Precision::Bf16.encode("w", &half_step[1..]).unwrap();
        assert_eq!(bf16, [0x80, 0x3f]);
    }

    #[test]
    fn a_value_beyond_the_range_is_refused_and_infinity_stays() {
        let error = Precision::F16
            .encode("bn1.running_var", &[1.0, 7e4])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "tensor bn1.running_var has the value 70000, which f16 cannot hold; write it as bf16 or f32"
        );
        assert_eq!(Precision::Bf16.encode("w", &[7e4]).unwrap().len(), 2);
        assert_eq!(
            Precision::F16.encode("w", &[f32::INFINITY]).unwrap(),
            [0x00, 0x7c]
        );
    }
}
