//! Configurations as text.

use super::super::{Backbone, Method, keys};
use super::{file, resolved};

#[test]
fn the_resolved_file_runs_again_with_equal_values() {
    for method in Method::all() {
        for backbone in Backbone::all() {
            let words = [
                format!("method={method}"),
                format!("backbone={backbone}"),
                "data=a \"quoted\" folder\\with = signs".to_owned(),
                "max_steps=12".to_owned(),
                "loss.beta=0.123456789012345678".to_owned(),
                "resume=never".to_owned(),
            ];
            let before = resolved(&words.each_ref().map(String::as_str)).config;
            let (_folder, path) = file(&before.to_toml().unwrap());
            assert_eq!(resolved(&[&path]).config, before);
        }
    }
}

#[test]
fn the_resolved_file_names_every_key_so_that_later_defaults_do_not_change_it() {
    let (_folder, path) = file(&resolved(&["data=d"]).config.to_toml().unwrap());
    let again = resolved(&[&path]);
    for key in keys() {
        assert!(
            again.provenance.of(key.name).to_string().starts_with(&path),
            "{}",
            key.name
        );
    }
}

#[test]
fn the_table_shows_each_key_with_value_and_origin_and_then_what_follows() {
    let table = resolved(&[
        "data=d",
        "batch_size=512",
        "epochs=5",
        "max_steps=100",
        "optim.warmup_epochs=10",
    ])
    .describe(Some(51_200))
    .unwrap();
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let row = |name: &str| {
        lines
            .iter()
            .find(|line| line.first() == Some(&name))
            .map(|line| line[1..].join(" "))
    };
    assert_eq!(row("batch_size").as_deref(), Some("512 command line"));
    assert_eq!(
        row("views.local.size").as_deref(),
        Some("128 recipe sslight")
    );
    assert_eq!(row("dino.out_dim").as_deref(), Some("\"auto\" default"));
    assert!(lines.contains(&vec!["head", "outputs", "4096"]), "{table}");
    assert!(
        table.contains("peak lr") && table.contains("0.96 = 0.48 x 512 / 256"),
        "{table}"
    );
    assert!(table.contains("500, stopping after 100"), "{table}");
    assert!(
        table.contains("warning: optim.warmup_epochs = 10 is longer"),
        "{table}"
    );
    let shown: Vec<&str> = lines
        .iter()
        .take_while(|line| !line.is_empty())
        .map(|line| line[0])
        .collect();
    assert_eq!(shown, keys().iter().map(|key| key.name).collect::<Vec<_>>());
}

#[test]
fn steps_are_shown_only_when_the_images_are_known() {
    let resolved = resolved(&["data=d"]);
    assert!(!resolved.describe(None).unwrap().contains("steps per epoch"));
    assert!(
        resolved
            .describe(Some(2048))
            .unwrap()
            .contains("steps per epoch")
    );
}

#[test]
fn sizes_that_depend_on_the_images_are_shown_for_each_method() {
    let shown = |words: &[&str], images| resolved(words).describe(images).unwrap();
    let has = |table: &str, line: &str| {
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            table.lines().any(|shown| squeezed(shown) == line),
            "{line}\n{table}"
        );
    };
    let small = ["data=d", "batch_size=64"];
    let swav = shown(&[&small[..], &["method=swav"]].concat(), Some(4000));
    has(&swav, "prototypes 300");
    has(&swav, "queue 384 from epoch 15");
    let moco = shown(&[&small[..], &["method=moco"]].concat(), Some(4000));
    has(&moco, "queue 1024");
    has(
        &shown(&small, None),
        "head outputs depends on the number of images",
    );
    has(
        &shown(&["data=d", "method=moco", "moco.queue_length=2048"], None),
        "queue 2048",
    );
    let supervised = shown(&["data=d", "method=supervised"], None);
    has(&supervised, "views 1 of 224 px, 0 of 128 px");
}

#[test]
fn differences_that_change_tensors_are_those_of_the_method_at_hand() {
    let ours = resolved(&["data=d", "method=swav", "swav.out_dim=64"]).config;
    let theirs = resolved(&["data=d", "dino.out_dim=64", "optim.base_lr=1"]).config;
    let shaping: Vec<&str> = ours
        .diff(&theirs)
        .unwrap()
        .iter()
        .filter(|difference| difference.is_shaping(ours.method))
        .map(|difference| difference.key)
        .collect();
    assert_eq!(shaping, ["method", "swav.out_dim"]);
}

#[test]
fn differences_say_whether_a_resume_may_go_on() {
    let old = resolved(&["data=d"]).config;
    let new = resolved(&[
        "data=d",
        "workers=3",
        "out=b",
        "eval.knn_k=5",
        "max_steps=9",
        "optim.momentum=0.8",
    ])
    .config;
    let differences: Vec<(&str, &str, &str, bool)> = old
        .diff(&new)
        .unwrap()
        .into_iter()
        .map(|d| (d.key, d.is_free(), d.ours, d.theirs))
        .map(|(key, free, ours, theirs)| {
            (
                key,
                String::leak(ours) as &str,
                String::leak(theirs) as &str,
                free,
            )
        })
        .collect();
    assert_eq!(
        differences,
        [
            ("out", "\"auto\"", "\"b\"", true),
            ("max_steps", "\"none\"", "9", true),
            ("workers", "\"auto\"", "3", true),
            ("optim.momentum", "0.9", "0.8", false),
            ("eval.knn_k", "20", "5", true),
        ]
    );
}
