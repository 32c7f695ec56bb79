//! Keys that belong to a verb and not to the configuration, among the same `key=value` words.

use std::str::FromStr;

use sslight_core::config::{did_you_mean, keys, nearest};

use crate::exit::CliError;
use crate::verb_keys::VerbKey;

/// The words of a command line, those of the verb apart from those of the configuration.
#[derive(Debug)]
pub struct OwnWords {
    keys: &'static [VerbKey],
    values: Vec<(&'static str, String)>,
    /// Words for the configuration.
    pub rest: Vec<String>,
}

impl OwnWords {
    /// Takes the words of these keys out. The last of several values of a key counts.
    ///
    /// # Errors
    /// If a word names a key that neither the verb nor the configuration has.
    pub fn take(words: &[String], own: &'static [VerbKey]) -> Result<Self, CliError> {
        let mut taken = Self {
            keys: own,
            values: Vec::new(),
            rest: Vec::new(),
        };
        for word in words {
            let Some((name, value)) = word.split_once('=') else {
                taken.rest.push(word.clone());
                continue;
            };
            if let Some(key) = own.iter().find(|key| key.name == name) {
                taken.values.push((key.name, value.to_owned()));
                continue;
            }
            let of_configuration = || keys().iter().map(|key| key.name);
            if !of_configuration().any(|key| key == name) {
                let names = own.iter().map(|key| key.name).chain(of_configuration());
                let hint = did_you_mean(&nearest(name, names), "; --help lists the keys");
                let text = format!("command line: unknown key {name}{hint}");
                return Err(CliError::Usage(text));
            }
            taken.rest.push(word.clone());
        }
        Ok(taken)
    }

    /// The value of a key, if it is given.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.values.iter().rev();
        let (_, value) = values.find(|(key, _)| *key == name)?;
        Some(value)
    }

    /// The value of a key as what it should be, or `default`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn parsed<T: FromStr>(&self, name: &str, default: T) -> Result<T, CliError> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        value.parse().map_err(|_| self.complaint(name, value))
    }

    /// As [`Self::parsed`], for numbers from `least` on.
    ///
    /// # Errors
    /// If it is something else, or less.
    pub fn at_least<T: FromStr + PartialOrd>(
        &self,
        name: &str,
        default: T,
        least: T,
    ) -> Result<T, CliError> {
        let value = self.parsed(name, default)?;
        if value < least {
            return Err(self.complaint(name, self.get(name).unwrap_or_default()));
        }
        Ok(value)
    }

    /// The value of a key that must be given.
    ///
    /// # Errors
    /// If it is not.
    pub fn required(&self, name: &str, example: &str) -> Result<&str, CliError> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                CliError::Usage(format!("command line: {name} is missing; write {example}"))
            })
    }

    fn complaint(&self, name: &str, value: &str) -> CliError {
        let key = self.keys.iter().find(|key| key.name == name);
        let kind = key.map_or("another value", |key| key.values);
        let near = did_you_mean(&nearest(value, kind.split('|')), "");
        CliError::Usage(format!(
            "command line: {name}: expected {kind}, got {value}{near}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[VerbKey] = &[
        VerbKey {
            name: "split",
            values: "train|validation",
            default: "train",
            help: "",
        },
        VerbKey {
            name: "k",
            values: "a whole number from 1 on",
            default: "8",
            help: "",
        },
    ];

    fn take(words: &[&str]) -> Result<OwnWords, CliError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        OwnWords::take(&words, KEYS)
    }

    fn message<T>(result: Result<T, CliError>) -> String {
        result
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn words_are_told_apart_and_the_last_one_counts() -> Result<(), CliError> {
        let words = take(&["debug/tiny", "k=3", "data=a=b", "k=4"])?;
        assert_eq!(words.parsed("k", 8)?, 4);
        assert_eq!(words.parsed("split", 1)?, 1);
        assert_eq!(words.rest, ["debug/tiny", "data=a=b"]);
        Ok(())
    }

    #[test]
    fn mistakes_name_what_is_near() {
        assert_eq!(
            message(take(&["spilt=train"])),
            "command line: unknown key spilt; did you mean split?"
        );
        assert_eq!(
            message(take(&["dato=x"])),
            "command line: unknown key dato; did you mean data?"
        );
        let number = |word| take(&[word]).and_then(|words| words.at_least("k", 8, 1));
        assert_eq!(
            message(number("k=0")),
            "command line: k: expected a whole number from 1 on, got 0"
        );
        let missing = take(&[]);
        assert_eq!(
            message(missing.and_then(|words| words.required("k", "k=8").map(str::to_owned))),
            "command line: k is missing; write k=8"
        );
    }
}
