//! Keys of a single verb, beside those of a run: same syntax, same checks, same messages, no place in run folders.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Value;

use super::annotated::annotated;
use super::layers::{self, Entry, key_value};
use super::resolve::{insert, problem};
use super::{
    ConfigError, Difference, Key, NamedConfig, Origin, Problem, Problems, Provenance, did_you_mean,
    nearest,
};

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
        let entry = |word: &S| {
            let pair = key_value(word.as_ref()).ok_or_else(|| no_word(word.as_ref(), &[]))?;
            Ok(entry::<Self>(pair))
        };
        let entries = words
            .iter()
            .map(entry)
            .collect::<Result<_, ConfigError>>()?;
        Ok(with_entries(self, entries)?.settings)
    }

    /// These settings with what the words of a command line say: names of `configs`, paths of files, and `key=value`, of which
    /// later kinds win.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] lists every invalid key and value with its origin; the others are words that mean nothing and
    /// files that cannot be read.
    fn resolve<S: AsRef<str>>(
        &self,
        configs: &'static [NamedConfig],
        words: &[S],
    ) -> Result<ResolvedVerb<Self>, ConfigError> {
        let (mut named, mut files, mut overrides) = (Vec::new(), Vec::new(), Vec::new());
        for word in words.iter().map(AsRef::as_ref) {
            if let Some(pair) = key_value(word) {
                overrides.push(entry::<Self>(pair));
            } else if let Some(config) = configs.iter().find(|config| config.name == word) {
                named.extend(layers::named_entries(config)?);
            } else if word.ends_with(".toml") || Path::new(word).is_file() {
                files.extend(layers::file_entries(Path::new(word))?);
            } else {
                return Err(no_word(word, configs));
            }
        }
        named.extend(files);
        named.extend(overrides);
        with_entries(self, named)
    }

    /// The keys whose values differ from those of `other`.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    fn differences(&self, other: &Self) -> Result<Vec<Difference>, ConfigError> {
        let pairs = self.values()?.into_iter().zip(other.values()?);
        Ok(pairs
            .filter(|((_, ours), (_, theirs))| ours != theirs)
            .map(|((key, ours), (_, theirs))| Difference {
                key: key.name,
                ours: ours.to_string(),
                theirs: theirs.to_string(),
            })
            .collect())
    }

    /// The settings as a TOML file that resolves to the same settings.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| ConfigError::Internal(error.to_string()))
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

/// Settings of a verb with the origin of each.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedVerb<T> {
    /// The values.
    pub settings: T,
    /// Where each came from.
    pub provenance: Provenance,
}

impl<T: VerbKeys> ResolvedVerb<T> {
    /// The settings as TOML, with a comment on each value that is no default.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    pub fn to_annotated_toml(&self) -> Result<String, ConfigError> {
        annotated(&self.settings.to_toml()?, &self.provenance)
    }

    /// Every key with its value and origin, a line each.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    pub fn describe(&self) -> Result<String, ConfigError> {
        let values = self.settings.values()?;
        let value_width = |value: &Value| value.to_string().chars().count();
        let key_width = values.iter().map(|(key, _)| key.name.len()).max();
        let widest = values.iter().map(|(_, value)| value_width(value)).max();
        let (key_width, widest) = (key_width.unwrap_or(0), widest.unwrap_or(0).min(MOST_WIDTH));
        let line = |(key, value): (&Key, Value)| {
            let (name, origin) = (key.name, self.provenance.of(key.name));
            let value = value.to_string();
            format!("{name:<key_width$}  {value:<widest$}  {origin}\n")
        };
        Ok(values.into_iter().map(line).collect())
    }
}

/// Width of a column of values.
const MOST_WIDTH: usize = 40;

fn entry<T: VerbKeys>((name, raw): (&str, &str)) -> Entry {
    let key = T::keys().iter().find(|key| key.name == name);
    Entry {
        key: name.to_owned(),
        value: key.map_or_else(|| Value::String(raw.to_owned()), |key| key.kind.parse(raw)),
        origin: Origin::CommandLine,
    }
}

fn no_word(word: &str, configs: &[NamedConfig]) -> ConfigError {
    let names = nearest(word, configs.iter().map(|config| config.name));
    let hint = match names.is_empty() {
        true => String::new(),
        false => did_you_mean(&names, ""),
    };
    ConfigError::Word {
        word: word.to_owned(),
        hint,
    }
}

/// `defaults` with the values of entries in order of precedence, the last winning.
fn with_entries<T: VerbKeys>(
    defaults: &T,
    entries: Vec<Entry>,
) -> Result<ResolvedVerb<T>, ConfigError> {
    let internal = |error: String| ConfigError::Internal(error);
    let mut table = toml::Table::try_from(defaults).map_err(|error| internal(error.to_string()))?;
    let mut provenance = Provenance::default();
    let mut problems = Vec::new();
    for Entry {
        key: name,
        value,
        origin,
    } in entries
    {
        let Some(key) = T::keys().iter().find(|key| key.name == name) else {
            problems.push(Problem::UnknownKey {
                nearest: nearest(&name, T::keys().iter().map(|key| key.name)),
                key: name,
                origin,
            });
            continue;
        };
        match key.kind.check(&value) {
            Ok(value) => {
                insert(&mut table, key.name, value);
                provenance.set(key.name, origin);
            }
            Err(fault) => problems.push(problem(key.name, &value, origin, fault)),
        }
    }
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let settings = Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| internal(error.to_string()))?;
    Ok(ResolvedVerb {
        settings,
        provenance,
    })
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
