//! A configuration as a file that also says where each value came from, in a comment behind it.

use std::path::Path;

use toml_edit::{DocumentMut, Item, TableLike};

use super::{ConfigError, Origin, Provenance, ResolvedConfig};

/// A key of an annotated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotated {
    /// Dotted name.
    pub key: String,
    /// Its value as TOML.
    pub value: String,
    /// Where it came from, in words; `default` without a comment.
    pub origin: String,
}

impl ResolvedConfig {
    /// The configuration as TOML that resolves to the same values, with a comment on each that is no default.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    pub fn to_annotated_toml(&self) -> Result<String, ConfigError> {
        annotated(&self.config.to_toml()?, &self.provenance)
    }
}

/// A TOML file with a comment on each value that is no default.
pub(super) fn annotated(toml: &str, provenance: &Provenance) -> Result<String, ConfigError> {
    let internal = |error: toml_edit::TomlError| ConfigError::Internal(error.to_string());
    let mut document: DocumentMut = toml.parse().map_err(internal)?;
    annotate(document.as_table_mut(), "", provenance);
    Ok(document.to_string())
}

fn annotate(table: &mut dyn TableLike, prefix: &str, provenance: &Provenance) {
    for (key, item) in table.iter_mut() {
        let name = format!("{prefix}{key}");
        match item {
            Item::Value(value) => {
                let origin = provenance.of(&name);
                if *origin != Origin::Default {
                    // A file may have any name, and a comment ends with its line.
                    let words = origin.to_string().replace(char::is_control, "?");
                    value.decor_mut().set_suffix(format!("  # {words}"));
                }
            }
            Item::Table(inner) => annotate(inner, &format!("{name}."), provenance),
            Item::None | Item::ArrayOfTables(_) => {}
        }
    }
}

/// The keys of an annotated file, in its order.
///
/// # Errors
/// If it cannot be read or is no TOML.
pub fn read_annotated(path: &Path) -> Result<Vec<Annotated>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        ConfigError::Internal(format!("{}: {error}", path.display()))
    })?;
    let mut found = Vec::new();
    collect(document.as_table(), "", &mut found);
    Ok(found)
}

fn collect(table: &dyn TableLike, prefix: &str, found: &mut Vec<Annotated>) {
    for (key, item) in table.iter() {
        let key = format!("{prefix}{key}");
        match item {
            Item::Value(value) => {
                let suffix = value.decor().suffix().and_then(|suffix| suffix.as_str());
                let comment = suffix.and_then(|suffix| suffix.trim().strip_prefix('#'));
                let mut plain = value.clone();
                plain.decor_mut().clear();
                found.push(Annotated {
                    key,
                    value: plain.to_string(),
                    origin: comment.map_or("default", str::trim).to_owned(),
                });
            }
            Item::Table(inner) => collect(inner, &format!("{key}."), found),
            Item::None | Item::ArrayOfTables(_) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::resolve;

    #[test]
    fn an_annotated_file_has_the_same_values_and_tells_where_they_came_from() {
        let words = ["debug/tiny", "seed=4", "views.global.scale=[0.2,1.0]"];
        let resolved = resolve(&words).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, resolved.to_annotated_toml().unwrap()).unwrap();
        let again = resolve(&[path.to_str().unwrap()]).unwrap();
        assert_eq!(again.config, resolved.config);
        let found = read_annotated(&path).unwrap();
        let of = |key: &str| {
            let found = found.iter().find(|found| found.key == key).unwrap();
            (found.value.as_str(), found.origin.as_str())
        };
        assert_eq!(of("seed"), ("4", "command line"));
        assert_eq!(of("views.global.scale"), ("[0.2, 1.0]", "command line"));
        assert_eq!(of("batch_size"), ("8", "configuration debug/tiny"));
        assert_eq!(of("swav.epsilon").1, "default");
        assert_eq!(found.len(), resolved.config.values().unwrap().len());
    }
}
