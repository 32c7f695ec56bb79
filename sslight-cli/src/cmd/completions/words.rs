//! The words that verbs take: configurations, keys and the values of keys, from the registries of keys.

use sslight_core::config::{
    FinetuneSettings, Key, Kind, ProbeSettings, VerbKeys, configs, keys, sweeps,
};

use sslight_detect::training::{DetectConfig, configs as detect_configs};

use crate::cmd;
use crate::verb_keys::VerbKey;

/// The words of a verb.
#[derive(Debug)]
pub struct Verb {
    /// Its name; of verbs below a verb both, as in `views preview`.
    pub name: &'static str,
    /// Names of configurations.
    pub configs: Vec<&'static str>,
    /// Its keys.
    pub keys: Vec<KeyWords>,
}

/// A key and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyWords {
    /// The key.
    pub name: &'static str,
    /// Words that it may be; empty for numbers and paths.
    pub values: Vec<&'static str>,
    /// Whether its value may be a path.
    pub is_path: bool,
}

/// All verbs that take words, with them.
pub fn verbs() -> Vec<Verb> {
    let named: Vec<&str> = configs().iter().map(|config| config.name).collect();
    let sweeps: Vec<&str> = sweeps().iter().map(|sweep| sweep.name).collect();
    let detectors: Vec<&str> = detect_configs().iter().map(|config| config.name).collect();
    let with = |name, own: Vec<KeyWords>| {
        let mut all = own;
        for key in keys().iter().map(of_key) {
            // A key of the verb itself goes before one of the configuration.
            if !all.iter().any(|own| own.name == key.name) {
                all.push(key);
            }
        }
        Verb {
            name,
            configs: named.clone(),
            keys: all,
        }
    };
    let own = |keys: &[VerbKey]| -> Vec<KeyWords> { keys.iter().map(of_verb_key).collect() };
    let of = |keys: &'static [Key]| -> Vec<KeyWords> { keys.iter().map(of_key).collect() };
    let alone = |name, keys: &[VerbKey]| Verb {
        name,
        configs: Vec::new(),
        keys: own(keys),
    };
    vec![
        with("pretrain", Vec::new()),
        Verb {
            configs: sweeps,
            ..with("sweep", Vec::new())
        },
        with("knn", Vec::new()),
        with("probe", of(ProbeSettings::keys())),
        with("finetune", of(FinetuneSettings::keys())),
        Verb {
            name: "detect train",
            configs: detectors,
            keys: of(DetectConfig::keys()),
        },
        Verb {
            name: "detect eval",
            configs: Vec::new(),
            keys: of(DetectConfig::keys()),
        },
        Verb {
            name: "detect predict",
            configs: Vec::new(),
            keys: of(DetectConfig::keys()),
        },
        alone("detect compose", cmd::detect::COMPOSE_KEYS),
        alone("export", cmd::export::KEYS),
        alone("import", cmd::import::KEYS),
        alone("inspect", cmd::inspect::KEYS),
        with("embed", own(cmd::embed::KEYS)),
        with("neighbours", own(cmd::neighbours::KEYS)),
        with("project", own(cmd::project::KEYS)),
        with("attention", own(cmd::attention::KEYS)),
        with("classify", own(cmd::classify::KEYS)),
        with("views preview", own(cmd::views::PREVIEW_KEYS)),
        with("views analyze", own(cmd::views::ANALYZE_KEYS)),
        with("views recommend", own(cmd::views::RECOMMEND_KEYS)),
        with("bench step", Vec::new()),
        with("bench inference", Vec::new()),
        with("bench views", Vec::new()),
        with("doctor", Vec::new()),
    ]
}

fn of_key(key: &Key) -> KeyWords {
    let (values, is_path) = of_kind(&key.kind);
    KeyWords {
        name: key.name,
        values,
        is_path,
    }
}

fn of_kind(kind: &Kind) -> (Vec<&'static str>, bool) {
    match kind {
        Kind::Word(words) => (words.to_vec(), false),
        Kind::Switch => (vec!["true", "false"], false),
        Kind::Or(word, kind) => {
            let (mut values, is_path) = of_kind(kind);
            values.insert(0, word);
            (values, is_path)
        }
        Kind::Text(values) => of_text(values),
        _ => (Vec::new(), false),
    }
}

/// Values in words, as help has them: alternatives with bars between, of which `path` stands for any.
fn of_text(values: &'static str) -> (Vec<&'static str>, bool) {
    let is_word = |word: &&str| *word != "path" && !word.contains(' ');
    let words: Vec<&str> = match values.contains('|') {
        true => values.split('|').filter(is_word).collect(),
        false => Vec::new(),
    };
    let mut parts = values.split([' ', '|']);
    (
        words,
        parts.any(|part| matches!(part, "path" | "file" | "folder")),
    )
}

fn of_verb_key(key: &VerbKey) -> KeyWords {
    // A reference to a list that another key has.
    let shared = keys().iter().find(|known| known.name == key.name);
    let (values, is_path) = match (of_text(key.values), shared) {
        ((values, false), Some(shared)) if values.is_empty() && key.values.contains('`') => {
            of_kind(&shared.kind)
        }
        (own, _) => own,
    };
    KeyWords {
        name: key.name,
        values,
        is_path,
    }
}

/// Names that have the same value, together, in the order of the first of each; scripts say it once.
pub fn grouped<T: PartialEq>(
    of_names: impl Iterator<Item = (&'static str, T)>,
) -> Vec<(Vec<&'static str>, T)> {
    let mut groups: Vec<(Vec<&'static str>, T)> = Vec::new();
    for (name, value) in of_names {
        match groups.iter_mut().find(|(_, known)| *known == value) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], value)),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(verb: &str, name: &str) -> Option<KeyWords> {
        let verb = verbs().into_iter().find(|of| of.name == verb)?;
        verb.keys.into_iter().find(|key| key.name == name)
    }

    #[test]
    fn values_are_those_of_the_registry_and_a_verbs_own_key_goes_first() {
        let values = |verb, name| key(verb, name).map(|key| key.values);
        assert_eq!(
            values("pretrain", "method"),
            Some(vec!["dino", "swav", "moco", "simclr", "supervised"])
        );
        assert_eq!(values("project", "method"), Some(vec!["pca", "tsne"]));
        assert_eq!(values("pretrain", "probe"), Some(vec!["true", "false"]));
        assert_eq!(values("pretrain", "epochs"), Some(vec![]));
        assert_eq!(values("export", "dtype"), Some(vec!["f32", "f16", "bf16"]));
        let backbones = values("export", "backbone").unwrap_or_default();
        assert!(backbones.contains(&"resnet18"), "{backbones:?}");
        assert_eq!(values("export", "data"), None);
    }

    #[test]
    fn paths_are_known_as_such() {
        let is_path = |verb, name| key(verb, name).map(|key| key.is_path);
        for (verb, name) in [
            ("pretrain", "data"),
            ("pretrain", "out"),
            ("pretrain", "resume"),
            ("embed", "out"),
            ("export", "out"),
            ("views preview", "to"),
        ] {
            assert_eq!(is_path(verb, name), Some(true), "{verb} {name}");
        }
        assert_eq!(is_path("pretrain", "epochs"), Some(false));
    }
}
