//! Numbers in JSON that come back with the same bits: serde_json reads a number to within a unit in its last place, which a resumed
//! run would carry on. They are written as text, and numbers of older files are read as they are.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes the shortest text that Rust reads back as the same number.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads text or a number.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Exact;
    impl Visitor<'_> for Exact {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, or one as text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }
    }
    deserializer.deserialize_any(Exact)
}

/// A number in JSON with its bits.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Exact(#[serde(with = "self")] f64);

/// The same for a number that may be missing.
pub mod optional {
    use super::*;

    /// As [`super::serialize`].
    pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Exact).serialize(serializer)
    }

    /// As [`super::deserialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        let value = Option::<Exact>::deserialize(deserializer)?;
        Ok(value.map(|value| value.0))
    }
}

/// The same for two numbers that may be missing.
pub mod optional_pair {
    use super::*;

    /// As [`super::serialize`].
    pub fn serialize<S: Serializer>(
        value: &Option<(f64, f64)>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value
            .map(|(first, second)| (Exact(first), Exact(second)))
            .serialize(serializer)
    }

    /// As [`super::deserialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<(f64, f64)>, D::Error> {
        let value = Option::<(Exact, Exact)>::deserialize(deserializer)?;
        Ok(value.map(|(first, second)| (first.0, second.0)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    struct Held(#[serde(with = "super")] f64);

    #[test]
    fn a_million_numbers_come_back_with_their_bits() {
        let mut bits = 1u64;
        for _ in 0..1_000_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Of every sign, and of sizes around those of losses.
            let value = f64::from_bits(bits & !(0x7FF << 52) | (1000 + (bits >> 40) % 50) << 52);
            let text = serde_json::to_string(&Held(value)).unwrap();
            let back: Held = serde_json::from_str(&text).unwrap();
            assert_eq!(back.0.to_bits(), value.to_bits(), "{text}");
        }
    }

    #[test]
    fn numbers_of_older_files_and_what_is_none_are_read() {
        for (text, value) in [
            ("1.5", 1.5),
            ("-2", -2.0),
            ("7", 7.0),
            ("\"inf\"", f64::INFINITY),
        ] {
            assert_eq!(serde_json::from_str::<Held>(text).unwrap().0, value);
        }
        assert!(serde_json::from_str::<Held>("\"NaN\"").unwrap().0.is_nan());
        assert!(serde_json::from_str::<Held>("\"much\"").is_err());
    }
}
