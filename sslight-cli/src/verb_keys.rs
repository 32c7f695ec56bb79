//! The `key=value` words of a verb's own keys, alone or among those of the configuration.
//!
//! Settings of an evaluation are recorded with its result and are typed in the library
//! ([`sslight_core::config::VerbKeys`]); these here say what a command does with a result, and are kept nowhere.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sslight_core::config::{self, did_you_mean, nearest};

use crate::exit::CliError;

/// A key of a verb.
#[derive(Debug, Clone, Copy)]
pub struct VerbKey {
    /// Its name.
    pub name: &'static str,
    /// Its values, for the help and for messages: words with bars between, or what is to be given.
    pub values: &'static str,
    /// What is taken without it.
    pub default: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// What the words of a command line give to the keys of a verb.
#[derive(Debug)]
pub struct VerbWords {
    keys: &'static [VerbKey],
    values: BTreeMap<&'static str, String>,
    /// The words that are of the configuration.
    pub rest: Vec<String>,
}

impl VerbWords {
    /// Reads the words of a verb without a configuration: each must be one of its keys with a value. The last of several
    /// values of a key counts, as in a configuration.
    ///
    /// # Errors
    /// [`CliError::Usage`] for a word of another form, or for an unknown key with the nearest ones.
    pub fn parse(keys: &'static [VerbKey], words: &[String]) -> Result<Self, CliError> {
        let read = Self::divide(keys, words);
        let names = || keys.iter().map(|key| key.name);
        let all = || names().collect::<Vec<_>>().join(", ");
        match read.rest.first().map(|word| (word, word.split_once('='))) {
            None => Ok(read),
            Some((word, None)) => Err(usage(format!(
                "{word} is no key=value; the keys are {}",
                all()
            ))),
            Some((_, Some((name, _)))) => {
                let hint = did_you_mean(
                    &nearest(name, names()),
                    &format!("; the keys are {}", all()),
                );
                Err(usage(format!("unknown key {name}{hint}")))
            }
        }
    }

    /// Reads the words of a verb with a configuration, whose words are the rest.
    ///
    /// # Errors
    /// [`CliError::Usage`] for a key that neither the verb nor the configuration has, with the nearest ones.
    pub fn take(keys: &'static [VerbKey], words: &[String]) -> Result<Self, CliError> {
        let read = Self::divide(keys, words);
        let known = || config::keys().iter().map(|key| key.name);
        let names = read.rest.iter().filter_map(|word| word.split_once('='));
        for (name, _) in names {
            if !known().any(|key| key == name) {
                let names = keys.iter().map(|key| key.name).chain(known());
                let hint = did_you_mean(&nearest(name, names), "; --help lists the keys");
                return Err(usage(format!("unknown key {name}{hint}")));
            }
        }
        Ok(read)
    }

    fn divide(keys: &'static [VerbKey], words: &[String]) -> Self {
        let mut read = Self {
            keys,
            values: BTreeMap::new(),
            rest: Vec::new(),
        };
        for word in words {
            let own = word.split_once('=').and_then(|(name, value)| {
                let key = keys.iter().find(|key| key.name == name)?;
                Some((key.name, value))
            });
            match own {
                Some((name, value)) => {
                    read.values.insert(name, value.to_owned());
                }
                None => read.rest.push(word.clone()),
            }
        }
        read
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

    /// A path that must be given.
    ///
    /// # Errors
    /// [`CliError::Usage`] if it is not, with an example.
    pub fn required_path(&self, key: &str, example: &str) -> Result<&Path, CliError> {
        self.text(key)
            .filter(|path| !path.is_empty())
            .map(Path::new)
            .ok_or_else(|| usage(format!("{key} is missing; write {key}={example}")))
    }

    /// One of the key's words, or of `words` where its values are told another way.
    ///
    /// # Errors
    /// [`CliError::Usage`] for another word, with the nearest ones.
    pub fn word<T: FromStr>(&self, key: &str, words: &[&str]) -> Result<Option<T>, CliError> {
        let Some(given) = self.text(key) else {
            return Ok(None);
        };
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

    /// A number from `least` on.
    ///
    /// # Errors
    /// [`CliError::Usage`] for anything else, with what the key's values are.
    pub fn at_least<T: FromStr + PartialOrd>(
        &self,
        key: &str,
        least: T,
    ) -> Result<Option<T>, CliError> {
        let Some(given) = self.text(key) else {
            return Ok(None);
        };
        match given.parse() {
            Ok(number) if number >= least => Ok(Some(number)),
            _ => {
                let own = self.keys.iter().find(|own| own.name == key);
                let values = own.map_or("another value", |own| own.values);
                Err(usage(format!("{key} is {given}, but must be {values}")))
            }
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
            name: "k",
            values: "an integer of at least 1",
            default: "8",
            help: "",
        },
        VerbKey {
            name: "overwrite",
            values: "true|false",
            default: "false",
            help: "",
        },
    ];

    type Read = fn(&'static [VerbKey], &[String]) -> Result<VerbWords, CliError>;

    fn read(read: Read, words: &[&str]) -> Result<VerbWords, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        read(KEYS, &words).map_err(|error| error.to_string())
    }

    fn message<T>(result: Result<T, CliError>) -> Option<String> {
        result.err().map(|error| error.to_string())
    }

    #[test]
    fn words_of_another_form_and_unknown_keys_are_refused_with_what_there_is() {
        let all = "; the keys are dtype, k, overwrite";
        for (reader, word, what) in [
            (
                VerbWords::parse as Read,
                "f16",
                format!("f16 is no key=value{all}"),
            ),
            (
                VerbWords::parse,
                "dtyp=f16",
                "unknown key dtyp; did you mean dtype?".to_owned(),
            ),
            (VerbWords::parse, "q=1", format!("unknown key q{all}")),
            (VerbWords::parse, "data=x", format!("unknown key data{all}")),
            (
                VerbWords::take,
                "dtyp=f16",
                "unknown key dtyp; did you mean dtype?".to_owned(),
            ),
            (
                VerbWords::take,
                "dato=x",
                "unknown key dato; did you mean data?".to_owned(),
            ),
        ] {
            let error = read(reader, &["k=3", word]).err();
            assert_eq!(error, Some(format!("command line: {what}")));
        }
    }

    #[test]
    fn words_are_told_apart_and_the_last_one_counts() -> Result<(), String> {
        let words = read(
            VerbWords::take,
            &["debug/tiny", "k=3", "data=a=b", "k=4", "seed=1"],
        )?;
        assert_eq!(words.text("k"), Some("4"));
        assert_eq!(words.text("dtype"), None);
        assert_eq!(words.rest, ["debug/tiny", "data=a=b", "seed=1"]);
        Ok(())
    }

    #[test]
    fn values_are_checked() -> Result<(), String> {
        let words = read(VerbWords::parse, &["dtype=f61", "overwrite=yes", "k=0"])?;
        for (error, what) in [
            (
                message(words.word::<u8>("dtype", &["f32", "f16"])),
                "dtype is f61, but must be one of f32, f16; did you mean f16?",
            ),
            (
                message(words.flag("overwrite")),
                "overwrite is yes, but must be one of true, false",
            ),
            (
                message(words.at_least("k", 1)),
                "k is 0, but must be an integer of at least 1",
            ),
        ] {
            assert_eq!(error, Some(format!("command line: {what}")));
        }
        let none = read(VerbWords::parse, &[])?;
        assert_eq!(
            none.at_least("k", 1).map_err(|error| error.to_string())?,
            None
        );
        assert_eq!(
            message(none.required_path("out", "a.png")),
            Some("command line: out is missing; write out=a.png".to_owned())
        );
        Ok(())
    }
}
