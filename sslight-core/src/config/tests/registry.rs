use std::collections::BTreeSet;

use super::super::layers::config_entries;
use super::super::{Backbone, Method, Recipe, configs, keys, paper_defaults, sweeps};
use super::resolved;

#[test]
fn every_key_has_a_field_and_every_field_a_key() {
    let entries = config_entries(&paper_defaults(Method::Dino, Backbone::MobilenetV2)).unwrap();
    let fields: BTreeSet<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    let registered: BTreeSet<&str> = keys().iter().map(|key| key.name).collect();
    assert_eq!(fields, registered);
    assert_eq!(keys().len(), registered.len(), "a key is registered twice");
}

#[test]
fn every_default_is_a_value_that_its_key_accepts_unchanged() {
    for method in Method::all() {
        for backbone in Backbone::all() {
            for (name, value) in config_entries(&paper_defaults(*method, *backbone)).unwrap() {
                let key = keys().iter().find(|key| key.name == name).unwrap();
                let Ok(checked) = key.kind.check(&value) else {
                    panic!("{method} {backbone}: {name} = {value}")
                };
                assert_eq!(checked, value, "{name}");
            }
        }
    }
}

#[test]
fn every_method_backbone_and_recipe_resolves_without_a_warning() {
    for method in Method::all() {
        for backbone in Backbone::all() {
            for recipe in Recipe::all() {
                let words = [
                    format!("method={method}"),
                    format!("backbone={backbone}"),
                    format!("recipe={recipe}"),
                    "data=images".to_owned(),
                ];
                let resolved = resolved(&words.each_ref().map(String::as_str));
                assert_eq!(resolved.warnings, Vec::<String>::new(), "{words:?}");
                assert_eq!(
                    (
                        resolved.config.method,
                        resolved.config.backbone,
                        resolved.config.recipe
                    ),
                    (*method, *backbone, *recipe)
                );
            }
        }
    }
}

#[test]
fn every_built_in_configuration_resolves_and_opens_with_what_it_is() {
    for config in configs() {
        let resolved = resolved(&[config.name]);
        assert_eq!(resolved.warnings, Vec::<String>::new(), "{}", config.name);
        assert!(
            config.summary().len() > 20,
            "{}: {:?}",
            config.name,
            config.summary()
        );
        let command = format!(
            "# Command: sslight pretrain {}",
            if config.name == "demo" {
                ""
            } else {
                config.name
            }
        );
        assert!(config.text.contains(command.trim_end()), "{}", config.name);
        assert!(
            config.text.contains("# Published score: "),
            "{}",
            config.name
        );
    }
}

#[test]
fn every_file_of_the_configs_folder_is_built_in() {
    fn names(folder: &std::path::Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            // Those of detectors are built into the crate that trains them, which has a test of its own.
            if path.is_dir() && stem != "detect" {
                names(&path, &format!("{prefix}{stem}/"), found);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                found.insert(format!("{prefix}{stem}"));
            }
        }
    }
    let mut files = BTreeSet::new();
    names(
        std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs")),
        "",
        &mut files,
    );
    let built_in: BTreeSet<String> = configs()
        .iter()
        .chain(sweeps())
        .map(|config| config.name.to_owned())
        .collect();
    assert_eq!(built_in, files);
}

#[test]
fn every_word_of_a_vocabulary_reads_back() {
    for backbone in Backbone::all() {
        assert_eq!(backbone.to_string().parse(), Ok(*backbone));
    }
    assert_eq!(
        "resnet50x".parse::<Backbone>().unwrap_err().to_string(),
        "\"resnet50x\" is not one of mobilenet_v2, resnet18, resnet34, resnet50, vit_tiny_16, vit_tiny_32, \
         vit_small_16; did you mean resnet50?"
    );
}

#[test]
fn a_configuration_of_the_paper_leaves_no_size_and_no_warm_up_to_the_data() {
    let sizes = |method: &str| match method {
        "dino" => vec!["dino.out_dim", "dino.warmup_teacher_temp_epochs"],
        "swav" => vec![
            "swav.prototypes",
            "swav.queue_length",
            "swav.queue_start_epoch",
        ],
        "moco" => vec!["moco.queue_length"],
        _ => vec![],
    };
    for config in configs()
        .iter()
        .filter(|config| config.name.starts_with("paper/"))
    {
        let config = resolved(&[config.name]).config;
        let values = config.values().unwrap();
        for key in [sizes(config.method.word()), vec!["optim.warmup_epochs"]].concat() {
            let (_, value) = values.iter().find(|(name, _)| *name == key).unwrap();
            assert_ne!(value.as_str(), Some("auto"), "{}: {key}", config.backbone);
        }
    }
}
