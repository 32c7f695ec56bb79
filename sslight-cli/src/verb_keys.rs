//! The `key=value` words of verbs that take a few keys of their own instead of a configuration.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use sslight_core::config::{did_you_mean, nearest};

use crate::exit::CliError;

/// A key of a verb.
#[derive(Debug, Clone, Copy)]
pub struct VerbKey {
    /// Its name.
    pub name: &'static str,
    /// Its values, for the help: words, or what is to be given.
    pub values: &'static str,
    /// What is taken without it.
    pub default: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// What the words of a command line give to the keys of a verb.
#[derive(Debug)]
pub struct VerbWords {
    values: BTreeMap<&'static str, String>,
}

impl VerbWords {
    /// Reads words, each of which must be a key and a value.
    ///
    /// # Errors
    /// [`CliError::Usage`] for a word of another form, an unknown key with the nearest ones, or a key that is given twice.
    pub fn parse(keys: &[VerbKey], words: &[String]) -> Result<Self, CliError> {
        let mut values = BTreeMap::new();
        for word in words {
            let names = || keys.iter().map(|key| key.name);
            let Some((name, value)) = word.split_once('=') else {
                return Err(usage(format!(
                    "{word} is no key=value; the keys are {}",
                    names().collect::<Vec<_>>().join(", ")
                )));
            };
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                let all = format!("; the keys are {}", names().collect::<Vec<_>>().join(", "));
                let hint = did_you_mean(&nearest(name, names()), &all);
                return Err(usage(format!("unknown key {name}{hint}")));
            };
            if values.insert(key.name, value.to_owned()).is_some() {
                return Err(usage(format!("{name} is given twice")));
            }
        }
        Ok(Self { values })
    }

    /// A value as it is.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// A path, which must not be empty.
    ///
    /// # Errors
    /// [`CliError::Usage`] for an empty one.
    pub fn path(&self, key: &str) -> Result<Option<PathBuf>, CliError> {
        match self.text(key) {
            Some("") => Err(usage(format!("{key} is empty, but must be a path"))),
            path => Ok(path.map(PathBuf::from)),
        }
    }

    /// One of a few words.
    ///
    /// # Errors
    /// [`CliError::Usage`] for another word, with the nearest ones.
    pub fn word<T: FromStr>(
        &self,
        key: &str,
        words: &[impl AsRef<str>],
    ) -> Result<Option<T>, CliError> {
        let Some(given) = self.text(key) else {
            return Ok(None);
        };
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        given.parse().map(Some).map_err(|_| {
            let hint = did_you_mean(&nearest(given, words.iter().copied()), "");
            let words = words.join(", ");
            usage(format!(
                "{key} is {given}, but must be one of {words}{hint}"
            ))
        })
    }

    /// `true` or `false`; `None` if it is not given.
    ///
    /// # Errors
    /// [`CliError::Usage`] for anything else.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, CliError> {
        self.word(key, &["true", "false"])
    }

    /// A whole number from 1 on.
    ///
    /// # Errors
    /// [`CliError::Usage`] for anything else.
    pub fn count(&self, key: &str) -> Result<Option<usize>, CliError> {
        let Some(given) = self.text(key) else {
            return Ok(None);
        };
        match given.parse() {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(usage(format!(
                "{key} is {given}, but must be an integer of at least 1"
            ))),
        }
    }
}

/// Two lines a key, as the help of `pretrain` has them.
pub fn key_table(keys: &[VerbKey]) -> String {
    let line = |key: &VerbKey| {
        let VerbKey {
            name,
            values,
            default,
            help,
        } = key;
        format!("  {name}  {values}  [{default}]\n      {help}\n")
    };
    keys.iter().map(line).collect()
}

fn usage(what: impl Display) -> CliError {
    CliError::Usage(format!("command line: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[VerbKey] = &[
        VerbKey {
            name: "dtype",
            values: "f32|f16",
            default: "f32",
            help: "",
        },
        VerbKey {
            name: "overwrite",
            values: "true|false",
            default: "false",
            help: "",
        },
    ];

    fn parse(words: &[&str]) -> Result<VerbWords, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        VerbWords::parse(KEYS, &words).map_err(|error| error.to_string())
    }

    #[test]
    fn words_of_another_form_and_unknown_keys_are_refused_with_what_there_is() {
        for (words, message) in [
            (
                vec!["f16"],
                "command line: f16 is no key=value; the keys are dtype, overwrite",
            ),
            (
                vec!["dtyp=f16"],
                "command line: unknown key dtyp; did you mean dtype?",
            ),
            (
                vec!["q=1"],
                "command line: unknown key q; the keys are dtype, overwrite",
            ),
            (
                vec!["dtype=f16", "dtype=f32"],
                "command line: dtype is given twice",
            ),
        ] {
            assert_eq!(parse(&words).err().as_deref(), Some(message));
        }
    }

    #[test]
    fn values_are_checked() {
        let words = parse(&["dtype=f61", "overwrite=yes"]);
        let words = words.as_ref().ok();
        let dtype: Option<Result<Option<i32>, String>> = words.map(|words| {
            let word = words.word("dtype", &["f32", "f16"]);
            word.map_err(|error| error.to_string())
        });
        assert_eq!(
            dtype,
            Some(Err(
                "command line: dtype is f61, but must be one of f32, f16; did you mean f16?".into()
            ))
        );
        let flag = words.map(|words| words.flag("overwrite").map_err(|error| error.to_string()));
        assert_eq!(
            flag,
            Some(Err(
                "command line: overwrite is yes, but must be one of true, false".into()
            ))
        );
    }
}
