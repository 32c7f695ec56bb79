//! Keys of a single verb, beside those of a run: same syntax, same checks, same messages, no place in run folders.

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Value;

use super::layers::key_value;
use super::resolve::{insert, problem};
use super::{ConfigError, Key, Origin, Problem, Problems, nearest};

/// Settings of a verb that are written `key=value`, with their registry of keys.
///
/// The dotted names are the fields of the type; a test of each type should hold both equal with
/// [`has_a_key_for_each_field`](VerbKeys::has_a_key_for_each_field).
pub trait VerbKeys: Serialize + DeserializeOwned {
    /// The keys, in the order in which they are shown.
    fn keys() -> &'static [Key];

    /// These settings with those of `key=value` words in place of their own, the last winning.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] lists every invalid key and value.
    fn with_words<S: AsRef<str>>(&self, words: &[S]) -> Result<Self, ConfigError> {
        let internal = |error: String| ConfigError::Internal(error);
        let mut table = toml::Table::try_from(self).map_err(|error| internal(error.to_string()))?;
        let mut problems = Vec::new();
        for word in words {
            let Some((name, raw)) = key_value(word.as_ref()) else {
                return Err(ConfigError::Word {
                    word: word.as_ref().to_owned(),
                    hint: String::new(),
                });
            };
            let origin = Origin::CommandLine;
            let Some(key) = Self::keys().iter().find(|key| key.name == name) else {
                problems.push(Problem::UnknownKey {
                    key: name.to_owned(),
                    origin,
                    nearest: nearest(name, Self::keys().iter().map(|key| key.name)),
                });
                continue;
            };
            let value = key.kind.parse(raw);
            match key.kind.check(&value) {
                Ok(value) => insert(&mut table, name, value),
                Err(fault) => problems.push(problem(key.name, &value, origin, fault)),
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems).into());
        }
        Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| internal(error.to_string()))
    }

    /// Each key with its value in these settings, as TOML.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] if a key has no field.
    fn values(&self) -> Result<Vec<(&'static Key, Value)>, ConfigError> {
        let value =
            Value::try_from(self).map_err(|error| ConfigError::Internal(error.to_string()))?;
        let field = |key: &'static Key| {
            let at = |value: &Value, part: &str| value.get(part).cloned();
            let found = key
                .name
                .split('.')
                .try_fold(value.clone(), |value, part| at(&value, part));
            let missing = || ConfigError::Internal(format!("key {} has no field", key.name));
            found.map(|value| (key, value)).ok_or_else(missing)
        };
        Self::keys().iter().map(field).collect()
    }

    /// Whether keys and fields are the same.
    fn has_a_key_for_each_field(&self) -> bool {
        fn leaves(value: &Value) -> usize {
            match value {
                Value::Table(table) => table.values().map(leaves).sum(),
                _ => 1,
            }
        }
        let fields = Value::try_from(self).map(|value| leaves(&value));
        self.values().is_ok() && fields == Ok(Self::keys().len())
    }
}

/// Divides words into those of a verb, whose keys begin with `group.`, and those of a run.
pub fn split_words(group: &str, words: &[String]) -> (Vec<String>, Vec<String>) {
    let own = |word: &String| {
        key_value(word)
            .and_then(|(key, _)| key.strip_prefix(group))
            .is_some_and(|rest| rest.starts_with('.'))
    };
    words.iter().cloned().partition(own)
}
