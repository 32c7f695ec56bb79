//! Which tag a number of a step or an epoch has: its key, in a group.

use serde_json::{Map, Value};

/// Keys that say where a line belongs and measure nothing.
const PLACES: &[&str] = &["step", "epoch"];

/// Beginnings of keys and their groups; the first that fits counts.
const GROUPS: &[(&str, &str)] = &[
    ("lr", "schedule"),
    ("weight_decay", "schedule"),
    ("ema_momentum", "schedule"),
    ("teacher_temp", "schedule"),
    ("images_per_s", "speed"),
    ("data_wait", "speed"),
    ("seconds", "speed"),
    ("grad", "health"),
    ("update", "health"),
    ("target", "health"),
    ("feature", "health"),
    ("effective_rank", "health"),
    ("center", "health"),
    ("prototype", "health"),
];

/// The numbers of a line with their tags. Those of a key that holds an object are below the key.
pub(super) fn scalars(of_epoch: bool, line: &Map<String, Value>) -> Vec<(String, f64)> {
    let mut scalars = Vec::new();
    for (key, value) in line {
        if !PLACES.contains(&key.as_str()) {
            collect(&tag(of_epoch, key), value, &mut scalars);
        }
    }
    scalars
}

fn collect(tag: &str, value: &Value, into: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(number) => into.extend(number.as_f64().map(|value| (tag.to_owned(), value))),
        Value::Object(fields) => {
            for (key, value) in fields {
                collect(&format!("{tag}/{key}"), value, into);
            }
        }
        _ => {}
    }
}

fn tag(of_epoch: bool, key: &str) -> String {
    match key {
        // A step has these too.
        "loss" if of_epoch => return "train/loss_of_epoch".to_owned(),
        "feature_std" if of_epoch => return "health/feature_std_of_epoch".to_owned(),
        "seconds" if of_epoch => return "speed/seconds_of_epoch".to_owned(),
        _ => {}
    }
    let group = GROUPS
        .iter()
        .find(|(beginning, _)| key.starts_with(beginning));
    let group = match group {
        Some((_, group)) => group,
        None if of_epoch => "evaluation",
        None => "train",
    };
    format!("{group}/{key}")
}
