//! Serde forms of "a value, or a word that stands for none": `auto`, `none` and `all`.

/// Declares a serde module in which `None` is written as the given word.
macro_rules! word {
    ($(#[$meta:meta])* $name:ident, $word:literal) => {
        $(#[$meta])*
        pub mod $name {
            use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

            /// Writes the word for `None`.
            ///
            /// # Errors
            /// The serializer's.
            pub fn serialize<T, S>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error>
            where
                T: Serialize,
                S: Serializer,
            {
                match value {
                    Some(value) => value.serialize(serializer),
                    None => serializer.serialize_str($word),
                }
            }

            /// Reads the word as `None`.
            ///
            /// # Errors
            /// The deserializer's, or if the value is of another type.
            pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
            where
                T: for<'a> Deserialize<'a>,
                D: Deserializer<'de>,
            {
                match toml::Value::deserialize(deserializer)? {
                    toml::Value::String(word) if word == $word => Ok(None),
                    value => T::deserialize(value).map(Some).map_err(D::Error::custom),
                }
            }
        }
    };
}

word! {
    /// `None` is written "auto".
    auto, "auto"
}
word! {
    /// `None` is written "none".
    none, "none"
}
word! {
    /// `None` is written "all".
    all, "all"
}
