//! From the words of a command line to a resolved configuration: layers in order, every problem at once.

use std::collections::BTreeMap;
use std::str::FromStr;

use sslight_models::BackboneKind;
use toml::Value;

use super::keys::{key, nearest_keys};
use super::kind::Fault;
use super::layers::{self, Entry, Word};
use super::{
    Backbone, ConfigError, Method, NamedConfig, Origin, Problem, Problems, Provenance, RunConfig,
    auto, checks, defaults, named, paper_defaults,
};

/// A valid configuration, with the origin of each value and what the reader should know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedConfig {
    /// The values.
    pub config: RunConfig,
    /// Where each came from.
    pub provenance: Provenance,
    /// Things that are allowed but probably not meant; one sentence each.
    pub warnings: Vec<String>,
}

/// Resolves the words of a command line: names of built-in configurations, paths of files, and `key=value`.
///
/// Later layers win: defaults of the paper for the method and backbone, then the recipe, then built-in
/// configurations, then files, then `key=value` words. Without a configuration and without `data=`, the
/// built-in demonstration is the configuration.
///
/// # Errors
/// [`ConfigError::Invalid`] lists every invalid key and value with its origin; the others are words that mean
/// nothing and files that cannot be read.
pub fn resolve<S: AsRef<str>>(words: &[S]) -> Result<ResolvedConfig, ConfigError> {
    resolve_entries(written_layers(words)?)
}

/// Resolves entries that stand in order of precedence, the last winning, on top of defaults and recipe.
pub(crate) fn resolve_entries(written: Vec<Entry>) -> Result<ResolvedConfig, ConfigError> {
    let (mut valid, mut problems) = checked(written);

    let default = default_choice();
    let method = chosen(&valid, "method").unwrap_or(default.method);
    let backbone = chosen(&valid, "backbone").unwrap_or(default.backbone);
    let recipe = chosen(&valid, "recipe").unwrap_or(default.recipe);

    let mut leaves: BTreeMap<String, (Value, Origin)> = BTreeMap::new();
    for (name, value) in layers::config_entries(&paper_defaults(method, backbone))? {
        leaves.insert(name, (value, Origin::Default));
    }
    let global_size = valid
        .iter()
        .rev()
        .find(|entry| entry.key == "views.global.size")
        .and_then(|entry| entry.value.as_integer())
        .and_then(|size| usize::try_from(size).ok())
        .unwrap_or(default.views.global.size);
    let small_input = valid
        .iter()
        .rev()
        .find(|entry| entry.key == "model.small_input")
        .and_then(|entry| entry.value.as_bool());
    let patch =
        BackboneKind::from(backbone).patch_size(auto::small_input(small_input, global_size));
    for (name, value) in defaults::recipe(recipe, method, backbone.family(), global_size, patch) {
        leaves.insert(name.to_owned(), (value, Origin::Recipe(recipe)));
    }
    let of_optimizer = chosen(&valid, "optim.kind")
        .and_then(|kind| defaults::optimizer(kind, method, backbone.family()));
    for (name, value) in of_optimizer.into_iter().flatten() {
        leaves.insert(name.to_owned(), (value, Origin::Default));
    }
    for (name, value) in defaults::evaluation_sizes(global_size) {
        leaves.insert(name.to_owned(), (value, Origin::Default));
    }
    for entry in valid.drain(..) {
        leaves.insert(entry.key, (entry.value, entry.origin));
    }

    let mut provenance = Provenance::default();
    let mut table = toml::Table::new();
    for (name, (value, origin)) in leaves {
        provenance.set(&name, origin);
        insert(&mut table, &name, value);
    }
    let config: RunConfig = Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| ConfigError::Internal(error.to_string()))?;

    // A value that was refused stands at its default here, so relations between keys are judged only afterwards.
    if problems.is_empty() {
        problems.extend(checks::problems(&config, &provenance));
    }
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let warnings = checks::warnings(&config, &provenance);
    Ok(ResolvedConfig {
        config,
        provenance,
        warnings,
    })
}

impl ResolvedConfig {
    /// Refuses a configuration that names no data, which no run can do without.
    ///
    /// # Errors
    /// [`Problem::Missing`] for `data`.
    pub fn require_data(&self) -> Result<(), ConfigError> {
        if !self.config.data.is_empty() {
            return Ok(());
        }
        let advice = "give data=PATH, or data=embedded for the built-in images";
        Err(Problems(vec![Problem::Missing {
            key: "data",
            advice,
        }])
        .into())
    }
}

fn default_choice() -> RunConfig {
    paper_defaults(Method::Dino, Backbone::MobilenetV2)
}

/// The entries of all words, in order of precedence.
fn written_layers<S: AsRef<str>>(words: &[S]) -> Result<Vec<Entry>, ConfigError> {
    let mut named_layers: Vec<&'static NamedConfig> = Vec::new();
    let mut files = Vec::new();
    let mut overrides = Vec::new();
    for word in words {
        match layers::classify(word.as_ref())? {
            Word::Named(config) => named_layers.push(config),
            Word::File(path) => files.extend(layers::file_entries(path)?),
            Word::Override { key, raw } => overrides.push(layers::override_entry(key, raw)),
        }
    }
    let has_file = words
        .iter()
        .any(|word| matches!(layers::classify(word.as_ref()), Ok(Word::File(_))));
    if named_layers.is_empty() && !has_file && !overrides.iter().any(|entry| entry.key == "data") {
        named_layers.extend(named::config(named::DEMO));
    }
    let mut entries = Vec::new();
    for config in named_layers {
        entries.extend(layers::named_entries(config)?);
    }
    entries.extend(files);
    entries.extend(overrides);
    Ok(entries)
}

/// Splits entries into valid ones (with the exact type of their key) and problems.
fn checked(entries: Vec<Entry>) -> (Vec<Entry>, Vec<Problem>) {
    let mut valid = Vec::new();
    let mut problems = Vec::new();
    for entry in entries {
        let Some(key) = key(&entry.key) else {
            let nearest = nearest_keys(&entry.key);
            problems.push(Problem::UnknownKey {
                key: entry.key,
                origin: entry.origin,
                nearest,
            });
            continue;
        };
        match key.kind.check(&entry.value) {
            Ok(value) => valid.push(Entry { value, ..entry }),
            Err(fault) => problems.push(problem(key.name, &entry.value, entry.origin, fault)),
        }
    }
    (valid, problems)
}

pub(super) fn problem(key: &'static str, value: &Value, origin: Origin, fault: Fault) -> Problem {
    match fault {
        Fault::Type { expected } => Problem::WrongType {
            key,
            expected,
            got: with_type(value),
            origin,
        },
        Fault::Word {
            word,
            allowed,
            nearest,
        } => Problem::UnknownWord {
            key,
            word,
            allowed,
            nearest,
            origin,
        },
        Fault::Range { allowed } => Problem::OutOfRange {
            key,
            value: value.to_string(),
            allowed,
            origin,
        },
    }
}

fn with_type(value: &Value) -> String {
    let name = match value {
        Value::String(_) => "text",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    };
    format!("{value} ({name})")
}

/// The last valid choice of a word.
fn chosen<T: FromStr>(entries: &[Entry], key: &str) -> Option<T> {
    entries
        .iter()
        .rev()
        .filter(|entry| entry.key == key)
        .find_map(|entry| entry.value.as_str()?.parse().ok())
}

pub(super) fn insert(table: &mut toml::Table, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            table.insert(name.to_owned(), value);
        }
        Some((group, rest)) => {
            let inner = table
                .entry(group)
                .or_insert_with(|| Value::Table(toml::Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
