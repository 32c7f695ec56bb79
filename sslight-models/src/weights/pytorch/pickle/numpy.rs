//! NumPy's scalars, which become plain numbers.

use super::node::Node;

/// A NumPy type of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct NumpyType {
    kind: Kind,
    size: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
    Bool,
}

impl NumpyType {
    /// The type of a code as in `numpy.dtype("f8")`.
    pub(super) fn of_code(code: &str) -> Option<Self> {
        let (kind, size) = match code {
            "f8" => (Kind::Float, 8),
            "f4" => (Kind::Float, 4),
            "f2" => (Kind::Float, 2),
            "i8" => (Kind::Signed, 8),
            "i4" => (Kind::Signed, 4),
            "i2" => (Kind::Signed, 2),
            "i1" => (Kind::Signed, 1),
            "u8" => (Kind::Unsigned, 8),
            "u4" => (Kind::Unsigned, 4),
            "u2" => (Kind::Unsigned, 2),
            "u1" => (Kind::Unsigned, 1),
            "b1" => (Kind::Bool, 1),
            _ => return None,
        };
        Some(Self {
            kind,
            size,
            big_endian: false,
        })
    }

    /// The type with the byte order of its pickled state: `<`, `>`, `|` or `=`.
    pub(super) fn with_order(self, order: &str) -> Option<Self> {
        let big_endian = match order {
            "<" | "|" => false,
            ">" => true,
            // The order of the machine that wrote the file, which nobody knows any more.
            _ => return None,
        };
        Some(Self { big_endian, ..self })
    }

    /// The number that these bytes are.
    pub(super) fn scalar(self, bytes: &[u8]) -> Option<Node> {
        if bytes.len() != self.size {
            return None;
        }
        // Little-endian, sign-extended to 16 bytes.
        let mut word = [0; 16];
        for (place, byte) in bytes.iter().enumerate() {
            let place = if self.big_endian {
                self.size - 1 - place
            } else {
                place
            };
            word[place] = *byte;
        }
        let unsigned = u128::from_le_bytes(word);
        let shift = 128 - 8 * self.size;
        Some(match self.kind {
            Kind::Bool => Node::Bool(unsigned != 0),
            Kind::Unsigned => Node::Int(i128::try_from(unsigned).ok()?),
            Kind::Signed => Node::Int((unsigned << shift).cast_signed() >> shift),
            Kind::Float => Node::Float(match self.size {
                8 => f64::from_bits(u64::try_from(unsigned).ok()?),
                4 => f32::from_bits(u32::try_from(unsigned).ok()?).into(),
                _ => half::f16::from_bits(u16::try_from(unsigned).ok()?).into(),
            }),
        })
    }
}
