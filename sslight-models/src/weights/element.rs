//! Element types of weights files, and their values as the numbers of this program.

use std::fmt;

use half::{bf16, f16};

/// The type of a tensor's elements in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// 16-bit float of IEEE 754.
    F16,
    /// The upper half of a 32-bit float.
    Bf16,
    /// 64-bit integer.
    I64,
    /// 32-bit integer.
    I32,
    /// 16-bit integer.
    I16,
    /// 8-bit integer.
    I8,
    /// 8-bit integer without sign.
    U8,
    /// A byte that is 0 or not.
    Bool,
}

impl ElementType {
    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// Little-endian elements as `f32`, rounded to nearest where they have more digits.
    pub fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => words(bytes, f32::from_le_bytes),
            // A second rounding, after one to f64, could go the other way.
            Self::I64 => words(bytes, |word| i64::from_le_bytes(word) as f32),
            _ => self
                .to_f64(bytes)
                .into_iter()
                .map(|value| value as f32)
                .collect(),
        }
    }

    /// Little-endian elements as `f64`, which holds all of them but integers beyond 2^53.
    pub fn to_f64(self, bytes: &[u8]) -> Vec<f64> {
        match self {
            Self::F64 => words(bytes, f64::from_le_bytes),
            Self::F32 => words(bytes, |word| f32::from_le_bytes(word).into()),
            Self::F16 => words(bytes, |word| f16::from_le_bytes(word).into()),
            Self::Bf16 => words(bytes, |word| bf16::from_le_bytes(word).into()),
            Self::I64 => words(bytes, |word| i64::from_le_bytes(word) as f64),
            Self::I32 => words(bytes, |word| i32::from_le_bytes(word).into()),
            Self::I16 => words(bytes, |word| i16::from_le_bytes(word).into()),
            Self::I8 => words(bytes, |word| i8::from_le_bytes(word).into()),
            Self::U8 => words(bytes, |word| u8::from_le_bytes(word).into()),
            Self::Bool => words(bytes, |[byte]| u8::from(byte != 0).into()),
        }
    }
}

/// As safetensors names them.
impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
        })
    }
}

/// Words of `N` bytes as numbers.
fn words<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|word| read(*word))
        .collect()
}
