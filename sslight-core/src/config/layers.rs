//! One layer of a configuration as it was written: dotted keys, raw values, origins.

use std::path::Path;

use toml::Value;
use toml_edit::{Document, Item, TableLike};

use super::keys::{key, keys};
use super::{ConfigError, NamedConfig, Origin, RunConfig, configs, did_you_mean, named, nearest};

/// A key with its value, as written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub key: String,
    pub value: Value,
    pub origin: Origin,
}

/// What a word of the command line is.
pub(super) enum Word<'a> {
    /// `key=value`.
    Override { key: &'a str, raw: &'a str },
    /// The name of a built-in configuration.
    Named(&'static NamedConfig),
    /// The path of a file.
    File(&'a Path),
}

/// Splits `key=value`; `None` for a word that is something else.
pub(crate) fn key_value(word: &str) -> Option<(&str, &str)> {
    let is_key = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    };
    word.split_once('=').filter(|(key, _)| is_key(key))
}

/// Tells `key=value`, names and paths apart.
pub(super) fn classify(word: &str) -> Result<Word<'_>, ConfigError> {
    if let Some((key, raw)) = key_value(word) {
        return Ok(Word::Override { key, raw });
    }
    if let Some(config) = named::config(word) {
        return Ok(Word::Named(config));
    }
    if named::sweep(word).is_some() {
        return Err(ConfigError::IsSweep {
            place: word.to_owned(),
        });
    }
    if word.ends_with(".toml") || Path::new(word).is_file() {
        return Ok(Word::File(Path::new(word)));
    }
    let hint = if key(word).is_some() {
        format!("; write {word}=VALUE")
    } else if keys()
        .iter()
        .any(|key| key.name.starts_with(&format!("{word}.")))
    {
        format!("; {word} is a group of keys, write {word}.KEY=VALUE")
    } else {
        let names = nearest(word, configs().iter().map(|config| config.name));
        did_you_mean(&names, "; see `sslight list configs`")
    };
    Err(ConfigError::Word {
        word: word.to_owned(),
        hint,
    })
}

/// The entries of a configuration that is given by name or path.
pub(crate) fn base_entries(word: &str) -> Result<Vec<Entry>, ConfigError> {
    match classify(word)? {
        Word::Named(config) => named_entries(config),
        Word::File(path) => file_entries(path),
        Word::Override { .. } => Err(ConfigError::Word {
            word: word.to_owned(),
            hint: String::new(),
        }),
    }
}

/// The entry of a `key=value` word.
pub(crate) fn override_entry(name: &str, raw: &str) -> Entry {
    let value = key(name).map_or_else(|| Value::String(raw.to_owned()), |key| key.kind.parse(raw));
    Entry {
        key: name.to_owned(),
        value,
        origin: Origin::CommandLine,
    }
}

/// The entries of a built-in configuration.
pub(super) fn named_entries(config: &'static NamedConfig) -> Result<Vec<Entry>, ConfigError> {
    parse(config.text, config.name, |_| Origin::Named(config.name))
}

/// The entries of a file.
pub(super) fn file_entries(path: &Path) -> Result<Vec<Entry>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(&text, &path.display().to_string(), |line| Origin::File {
        path: path.to_owned(),
        line,
    })
}

/// Every key of a typed configuration, dotted.
pub(super) fn config_entries(config: &RunConfig) -> Result<Vec<(String, Value)>, ConfigError> {
    fn flatten(prefix: &str, value: Value, entries: &mut Vec<(String, Value)>) {
        match value {
            Value::Table(table) => {
                for (name, value) in table {
                    flatten(&dotted(prefix, &name), value, entries);
                }
            }
            value => entries.push((prefix.to_owned(), value)),
        }
    }
    let value =
        Value::try_from(config).map_err(|error| ConfigError::Internal(error.to_string()))?;
    let mut entries = Vec::new();
    flatten("", value, &mut entries);
    Ok(entries)
}

fn parse(
    text: &str,
    place: &str,
    origin: impl Fn(usize) -> Origin,
) -> Result<Vec<Entry>, ConfigError> {
    let document = document(text, place)?;
    if document.get("series").is_some_and(Item::is_array_of_tables) {
        return Err(ConfigError::IsSweep {
            place: place.to_owned(),
        });
    }
    Ok(table_entries(document.as_table(), |offset| {
        origin(line_of(text, offset))
    }))
}

/// Line of a byte of a text, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.bytes().take(offset);
    before.filter(|byte| *byte == b'\n').count() + 1
}

/// Reads TOML, with the place of everything in it.
pub(crate) fn document<'a>(text: &'a str, place: &str) -> Result<Document<&'a str>, ConfigError> {
    Document::parse(text).map_err(|error| ConfigError::Syntax {
        place: place.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        message: error
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    })
}

/// The settings that a table holds; `origin` is asked for the byte at which a key stands.
pub(crate) fn table_entries(table: &dyn TableLike, origin: impl Fn(usize) -> Origin) -> Vec<Entry> {
    let mut entries = Vec::new();
    walk("", table, &mut |key, value, offset| {
        entries.push(Entry {
            key,
            value,
            origin: origin(offset),
        });
    });
    entries
}

/// Calls `found` with the dotted key, value and byte offset of every leaf of a table. An empty table that is no
/// group of keys counts as a leaf, so that it is refused by name.
fn walk(prefix: &str, table: &dyn TableLike, found: &mut dyn FnMut(String, Value, usize)) {
    for (name, item) in table.iter() {
        let name_span = table
            .key(name)
            .and_then(toml_edit::Key::span)
            .or_else(|| item.span());
        let offset = name_span.map_or(0, |span| span.start);
        let path = dotted(prefix, name);
        match (item.as_table_like(), item) {
            (Some(inner), _) if !inner.is_empty() || is_group(&path) => walk(&path, inner, found),
            (Some(_), _) => found(path, Value::Table(toml::Table::new()), offset),
            (None, Item::Value(value)) => found(path, plain(value), offset),
            (None, _) => found(path, Value::Array(Vec::new()), offset),
        }
    }
}

fn is_group(path: &str) -> bool {
    keys().iter().any(|key| {
        key.name
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

fn dotted(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

fn plain(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::String(text.value().clone()),
        toml_edit::Value::Integer(integer) => Value::Integer(*integer.value()),
        toml_edit::Value::Float(float) => Value::Float(*float.value()),
        toml_edit::Value::Boolean(switch) => Value::Boolean(*switch.value()),
        // No key takes a date; as text it is refused with what was written.
        toml_edit::Value::Datetime(date) => Value::String(date.value().to_string()),
        toml_edit::Value::Array(list) => Value::Array(list.iter().map(plain).collect()),
        toml_edit::Value::InlineTable(table) => Value::Table(
            table
                .iter()
                .map(|(name, value)| (name.to_owned(), plain(value)))
                .collect(),
        ),
    }
}
