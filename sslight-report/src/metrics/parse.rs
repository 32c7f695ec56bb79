//! One line of JSON into its fields, without the detour over a tree of values: runs have hundreds of thousands of lines.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::line::{EpochLine, EventLine, Field, Fields, Line, StepLine, SummaryLine};

/// Keys that were seen, so that lines share them; lines of a file that makes up new ones do not fill the memory.
#[derive(Debug, Default)]
pub(super) struct Keys(HashSet<Arc<str>>);

const MOST_KEYS: usize = 1024;

impl Keys {
    fn shared(&mut self, key: &str) -> Arc<str> {
        if let Some(known) = self.0.get(key) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(key);
        if self.0.len() < MOST_KEYS {
            self.0.insert(Arc::clone(&new));
        }
        new
    }
}

/// The line, or why it is none, in words.
pub(super) fn parse(bytes: &[u8], keys: &mut Keys) -> Result<Line, String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut fields = FieldsSeed(keys)
        .deserialize(&mut json)
        .and_then(|fields| json.end().map(|()| fields))
        .map_err(|error| format!("it is no JSON object: {error}"))?;
    let kind = take_text(&mut fields, "kind").ok_or("it has no `kind`")?;
    let needed = |fields: &Fields, key: &str| {
        fields
            .count(key)
            .ok_or_else(|| format!("a line of kind `{kind}` needs a count `{key}`"))
    };
    match &*kind {
        "step" => Ok(Line::Step(StepLine {
            step: needed(&fields, "step")?,
            epoch: fields.count("epoch"),
            fields,
        })),
        "epoch" => Ok(Line::Epoch(EpochLine {
            epoch: needed(&fields, "epoch")?,
            step: needed(&fields, "step")?,
            seconds: fields.number("seconds"),
            fields,
        })),
        "event" => Ok(Line::Event(EventLine {
            step: needed(&fields, "step")?,
            name: fields
                .text("name")
                .ok_or("a line of kind `event` needs a `name`")?
                .to_owned(),
            reason: fields.text("reason").map(str::to_owned),
            advice: fields.text("advice").map(str::to_owned),
            fields,
        })),
        "summary" => Ok(Line::Summary(SummaryLine {
            end: fields
                .text("end")
                .ok_or("a line of kind `summary` needs `end`")?
                .to_owned(),
            steps: fields.count("steps"),
            epochs: fields.count("epochs"),
            fields,
        })),
        other => Err(format!("kind `{other}` is not known")),
    }
}

fn take_text(fields: &mut Fields, key: &str) -> Option<Box<str>> {
    let at = fields
        .entries
        .iter()
        .position(|(name, field)| &**name == key && matches!(field, Field::Text(_)))?;
    match fields.entries.remove(at).1 {
        Field::Text(text) => Some(text),
        Field::Number(_) | Field::List(_) => None,
    }
}

struct FieldsSeed<'a>(&'a mut Keys);

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_> {
    type Value = Fields;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_> {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut entries: Vec<(Arc<str>, Field)> = Vec::with_capacity(16);
        while let Some(key) = map.next_key_seed(KeySeed(self.0))? {
            let field = map.next_value()?;
            match entries.iter_mut().find(|(known, _)| *known == key) {
                Some((_, earlier)) => *earlier = field,
                None => entries.push((key, field)),
            }
        }
        Ok(Fields { entries })
    }
}

struct KeySeed<'a>(&'a mut Keys);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Arc<str>, E> {
        Ok(self.0.shared(key))
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_f64<E>(self, number: f64) -> Result<Field, E> {
        Ok(Field::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field, E> {
        Ok(Field::Number(number as f64))
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::Number(f64::NAN))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(text.into()))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Field, E> {
        Ok(Field::Text(truth.to_string().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field, A::Error> {
        let mut values: Vec<Value> = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        let numbers: Option<Box<[f64]>> = values
            .iter()
            .map(|value| match value {
                Value::Null => Some(f64::NAN),
                value => value.as_f64(),
            })
            .collect();
        Ok(match numbers {
            Some(numbers) => Field::List(numbers),
            None => Field::Text(Value::Array(values).to_string().into()),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
        let object = Map::<String, Value>::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Field::Text(Value::Object(object).to_string().into()))
    }
}
