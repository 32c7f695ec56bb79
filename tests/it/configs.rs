//! Every built-in configuration trains: two steps each, with its own method, network, views and loss weights.

use std::path::Path;

use sslight_core::config::{Backbone, configs, resolve};
use sslight_core::observe::End;

use crate::runs::{Cpu, NEVER, image_folder, losses, train};

/// What makes a run of the paper's size one of a second; nothing here chooses a method, a network or a weight.
const TINY: &[&str] = &[
    "batch_size=8",
    "max_steps=2",
    "log_every=1",
    // The paper's own networks, not those for small images.
    "model.small_input=false",
    "dino.out_dim=32",
    "dino.hidden_dim=16",
    "dino.bottleneck_dim=8",
    "swav.hidden_dim=16",
    "swav.out_dim=8",
    "swav.prototypes=6",
    "swav.queue_length=8",
    "moco.hidden_dim=16",
    "moco.out_dim=8",
    "moco.queue_length=16",
    "eval.resize=32",
    "eval.crop=32",
    "eval.knn_every=0",
];

/// The smallest views that a network takes, global and local: whole patches, or more than one pixel at its end.
fn sizes(backbone: Backbone) -> [&'static str; 2] {
    match backbone {
        Backbone::VitTiny32 => ["views.global.size=64", "views.local.size=32"],
        _ => ["views.global.size=32", "views.local.size=16"],
    }
}

/// The words of a tiny run of a configuration.
pub fn tiny_words(config: &str, data: &str, out: &Path) -> Vec<String> {
    let backbone = resolve(&[config]).unwrap().config.backbone;
    let mut words = vec![config.to_owned()];
    words.extend(TINY.iter().map(|word| (*word).to_owned()));
    words.extend(sizes(backbone).map(str::to_owned));
    words.push(format!("data={data}"));
    words.push(format!("out={}", out.display()));
    words
}

#[test]
fn every_built_in_configuration_trains_two_steps() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    for (index, named) in configs().iter().enumerate() {
        let out = folder.path().join(index.to_string());
        let written = resolve(&[named.name]).unwrap().config;
        let words = tiny_words(named.name, &data, &out);
        let tiny = resolve(&words).unwrap().config;
        assert_eq!(
            (tiny.method, tiny.backbone, tiny.locals(), tiny.optim.kind),
            (
                written.method,
                written.backbone,
                written.locals(),
                written.optim.kind
            ),
            "{}",
            named.name
        );
        let summary =
            train::<Cpu>(&words, NEVER).unwrap_or_else(|error| panic!("{}: {error}", named.name));
        assert_eq!(
            (summary.end, summary.steps),
            (End::MaxSteps, 2),
            "{}",
            named.name
        );
        let losses = losses(&out);
        assert!(
            losses.len() == 2 && losses.iter().all(|(_, loss)| loss.is_finite()),
            "{}: {losses:?}",
            named.name
        );
        // Checkpoints of thirty networks need not lie about together.
        std::fs::remove_dir_all(&out).unwrap();
    }
}
