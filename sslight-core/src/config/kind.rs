//! The types of keys: what may be written, what a run can have, and how that is said.

use toml::Value;

use super::nearest;

/// The type of a key and the values that a run can have.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text; the field says what it means, as in "a path".
    Text(&'static str),
    /// One of a few words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A whole number not below the given one.
    Integer(i64),
    /// A finite number in a range.
    Number(Range),
    /// A fixed count of numbers, each in a range.
    Numbers(usize, Range),
    /// One number in a range, or a list of such.
    List(Range),
    /// Two numbers `[a, b]` with `0 < a <= b <= 1`.
    Scale,
    /// Any count of increasing whole numbers from 1.
    Epochs,
    /// A word that stands for "not given", or a value of another kind.
    Or(&'static str, &'static Kind),
}

/// A range of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Above 0.
    Positive,
    /// 0 or above.
    NotNegative,
    /// 0 to 1, both included.
    Unit,
    /// 0 to 1, without 1.
    BelowOne,
    /// 0 to 0.5, both included.
    HalfTurn,
    /// Everything.
    Any,
}

impl Range {
    fn holds(self, number: f64) -> bool {
        number.is_finite()
            && match self {
                Self::Positive => number > 0.0,
                Self::NotNegative => number >= 0.0,
                Self::Unit => (0.0..=1.0).contains(&number),
                Self::BelowOne => (0.0..1.0).contains(&number),
                Self::HalfTurn => (0.0..=0.5).contains(&number),
                Self::Any => true,
            }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Positive => "above 0",
            Self::NotNegative => "0 or above",
            Self::Unit => "from 0 to 1",
            Self::BelowOne => "from 0 to below 1",
            Self::HalfTurn => "from 0 to 0.5",
            Self::Any => "finite",
        }
    }
}

/// Why a value does not fit its kind.
pub(super) enum Fault {
    Type {
        expected: String,
    },
    Word {
        word: String,
        allowed: &'static [&'static str],
        nearest: Vec<&'static str>,
    },
    Range {
        allowed: String,
    },
}

impl Kind {
    /// The type in a word or two, for tables.
    pub fn name(&self) -> String {
        match self {
            Self::Text(what) => (*what).to_owned(),
            Self::Word(words) => words.join("|"),
            Self::Switch => "true|false".to_owned(),
            Self::Integer(_) => "integer".to_owned(),
            Self::Number(_) => "number".to_owned(),
            Self::Numbers(count, _) => format!("[{count} numbers]"),
            Self::List(_) => "number|[numbers]".to_owned(),
            Self::Scale => "[min, max]".to_owned(),
            Self::Epochs => "[integers]".to_owned(),
            Self::Or(word, kind) => format!("{word}|{}", kind.name()),
        }
    }

    /// The type in words, for messages.
    fn words(&self) -> String {
        match self {
            Self::Text(what) => format!("text ({what})"),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Switch => "true or false".to_owned(),
            Self::Integer(_) => "an integer".to_owned(),
            Self::Number(_) => "a number".to_owned(),
            Self::Numbers(count, _) => format!("a list of {count} numbers"),
            Self::List(_) => "a number or a list of numbers".to_owned(),
            Self::Scale => "a list of 2 numbers [min, max]".to_owned(),
            Self::Epochs => "a list of integers".to_owned(),
            Self::Or(word, kind) => format!("{word:?} or {}", kind.words()),
        }
    }

    /// Reads the right-hand side of a `key=value` word: TOML where the kind is not text, with plain words and
    /// numbers like `.5` allowed as well.
    pub(super) fn parse(&self, raw: &str) -> Value {
        let text = || Value::String(raw.to_owned());
        let parsed = raw.parse::<Value>().ok();
        match self {
            Self::Text(_) | Self::Word(_) => parsed.filter(Value::is_str).unwrap_or_else(text),
            Self::Or(word, _) if *word == raw => text(),
            Self::Or(_, kind) => kind.parse(raw),
            Self::Number(_) | Self::List(_) => parsed
                .or_else(|| raw.parse().ok().map(Value::Float))
                .unwrap_or_else(text),
            _ => parsed.unwrap_or_else(text),
        }
    }

    /// Checks a value and gives it the exact type of its field (integers become numbers where numbers are due).
    pub(super) fn check(&self, value: &Value) -> Result<Value, Fault> {
        let wrong_type = || Fault::Type {
            expected: self.words(),
        };
        let out_of_range = |allowed: String| Fault::Range { allowed };
        match self {
            Self::Text(_) => value.as_str().map(|_| value.clone()).ok_or_else(wrong_type),
            Self::Switch => value
                .as_bool()
                .map(|_| value.clone())
                .ok_or_else(wrong_type),
            Self::Word(allowed) => {
                let word = value.as_str().ok_or_else(wrong_type)?;
                if allowed.contains(&word) {
                    return Ok(value.clone());
                }
                let nearest = nearest(word, allowed.iter().copied());
                Err(Fault::Word {
                    word: word.to_owned(),
                    allowed,
                    nearest,
                })
            }
            Self::Integer(least) => {
                let integer = value.as_integer().ok_or_else(wrong_type)?;
                if integer < *least {
                    return Err(out_of_range(format!("an integer of at least {least}")));
                }
                Ok(value.clone())
            }
            Self::Number(range) => {
                let number = number(value).ok_or_else(wrong_type)?;
                if !range.holds(number) {
                    return Err(out_of_range(format!("a number {}", range.words())));
                }
                Ok(Value::Float(number))
            }
            Self::Numbers(count, range) => {
                let numbers = numbers(value)
                    .filter(|list| list.len() == *count)
                    .ok_or_else(wrong_type)?;
                if !numbers.iter().all(|number| range.holds(*number)) {
                    return Err(out_of_range(format!("{count} numbers {}", range.words())));
                }
                Ok(Value::Array(
                    numbers.into_iter().map(Value::Float).collect(),
                ))
            }
            Self::List(range) => {
                let one = number(value).map(|number| vec![number]);
                let list = one.or_else(|| numbers(value)).ok_or_else(wrong_type)?;
                if list.is_empty() || !list.iter().all(|number| range.holds(*number)) {
                    return Err(out_of_range(format!(
                        "one or more numbers {}",
                        range.words()
                    )));
                }
                Ok(Value::Array(list.into_iter().map(Value::Float).collect()))
            }
            Self::Scale => {
                let numbers = numbers(value).ok_or_else(wrong_type)?;
                let [min, max] = numbers[..] else {
                    return Err(wrong_type());
                };
                if !(min > 0.0 && min <= max && max <= 1.0) {
                    return Err(out_of_range(
                        "[min, max] with 0 < min <= max <= 1".to_owned(),
                    ));
                }
                Ok(Value::Array(vec![Value::Float(min), Value::Float(max)]))
            }
            Self::Epochs => {
                let list = value.as_array().ok_or_else(wrong_type)?;
                let epochs: Option<Vec<i64>> = list.iter().map(Value::as_integer).collect();
                let epochs = epochs.ok_or_else(wrong_type)?;
                if epochs.iter().any(|epoch| *epoch < 1)
                    || epochs.windows(2).any(|pair| pair[0] >= pair[1])
                {
                    return Err(out_of_range("increasing integers from 1".to_owned()));
                }
                Ok(value.clone())
            }
            Self::Or(word, kind) => {
                if value.as_str() == Some(word) {
                    return Ok(value.clone());
                }
                kind.check(value).map_err(|fault| match fault {
                    Fault::Type { .. } => wrong_type(),
                    Fault::Range { allowed } => Fault::Range {
                        allowed: format!("{word:?} or {allowed}"),
                    },
                    fault => fault,
                })
            }
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    value
        .as_float()
        .or_else(|| value.as_integer().map(|integer| integer as f64))
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(number).collect()
}
