//! Which layer wins, and that every value knows its layer.

use std::path::PathBuf;

use super::super::{Backbone, Origin, Recipe, Resume};
use super::{file, resolved};

#[test]
fn without_words_the_demonstration_is_the_configuration() {
    let resolved = resolved(&[]);
    assert_eq!(resolved.config.data, "embedded");
    assert_eq!(resolved.config.views.global.size, 32);
    assert_eq!(resolved.provenance.of("data"), &Origin::Named("demo"));
    assert!(resolved.require_data().is_ok());
}

#[test]
fn data_alone_takes_the_papers_setting_and_not_the_demonstrations() {
    let resolved = resolved(&["data=images"]);
    assert_eq!(
        (
            resolved.config.data.as_str(),
            resolved.config.views.global.size
        ),
        ("images", 224)
    );
    assert_eq!(
        resolved.provenance.of("views.global.size"),
        &Origin::Default
    );
}

#[test]
fn other_keys_alone_change_the_demonstration() {
    let resolved = resolved(&["epochs=1", "backend=ndarray"]);
    assert_eq!(
        (resolved.config.data.as_str(), resolved.config.epochs),
        ("embedded", 1)
    );
}

#[test]
fn the_recipe_of_the_command_line_moves_the_demonstrations_views() {
    let resolved = resolved(&["recipe=baseline"]);
    assert_eq!(resolved.config.views.local.size, 14);
    assert_eq!(resolved.config.views.global.scale, [0.14, 1.0]);
    assert_eq!(
        resolved.provenance.of("views.local.size"),
        &Origin::Recipe(Recipe::Baseline)
    );
    assert_eq!(resolved.provenance.of("recipe"), &Origin::CommandLine);
}

#[test]
fn the_command_line_beats_a_file_a_file_a_named_configuration_and_that_the_recipe() {
    let (_folder, path) = file("# mine\nepochs = 7\n\n[views]\nlocal.size = 40\nlocals = 3\n");
    let resolved = resolved(&[
        "views.locals=4",
        &path,
        "paper/dino-resnet18-baseline",
        "data=images",
    ]);
    let config = &resolved.config;
    assert_eq!(
        (config.backbone, config.recipe),
        (Backbone::Resnet18, Recipe::Baseline)
    );
    assert_eq!(
        (config.epochs, config.views.local.size, config.views.locals),
        (7, 40, 4)
    );
    let from = |key| resolved.provenance.of(key).to_string();
    assert_eq!(
        from("backbone"),
        "configuration paper/dino-resnet18-baseline"
    );
    assert_eq!(from("epochs"), format!("{path}:2"));
    assert_eq!(from("views.local.size"), format!("{path}:5"));
    assert_eq!(from("views.locals"), "command line");
    assert_eq!(from("views.global.scale"), "recipe baseline");
    assert_eq!(from("optim.kind"), "default");
}

#[test]
fn the_method_and_backbone_of_any_layer_choose_the_defaults() {
    let (_folder, path) = file("backbone = \"vit_tiny_32\"\n");
    let resolved = resolved(&[&path, "data=images"]);
    assert_eq!(
        (
            resolved.config.dino_out_dim(1_000_000),
            resolved.config.views.locals
        ),
        (65536, 10)
    );
    assert_eq!(resolved.provenance.of("dino.out_dim"), &Origin::Default);
}

#[test]
fn keys_in_tables_dotted_keys_and_inline_tables_are_the_same() {
    let spellings = [
        "views.jitter.hue = 0.05\nviews.locals = 2\n",
        "[views]\nlocals = 2\n[views.jitter]\nhue = 0.05\n",
        "views = { locals = 2, jitter = { hue = 0.05 } }\n",
    ];
    for text in spellings {
        let (_folder, path) = file(text);
        let config = resolved(&[&path]).config;
        assert_eq!(
            (config.views.locals, config.views.jitter.hue),
            (2, 0.05),
            "{text}"
        );
    }
}

#[test]
fn values_of_the_command_line_may_be_written_plainly() {
    let config = resolved(&[
        "data=my images/a=b",
        "out=1",
        "loss.alpha=.3",
        "optim.base_lr=1",
        "views.blur=[0, 0.5, 1]",
        "method=\"dino\"",
        "max_steps=none",
        "eval.bank_size=100",
        "resume=runs/old",
        "workers=auto",
    ])
    .config;
    assert_eq!(
        (config.data.as_str(), config.out.as_deref()),
        ("my images/a=b", Some("1"))
    );
    assert_eq!((config.loss.alpha, config.optim.base_lr), (Some(0.3), 1.0));
    assert_eq!(config.views.blur, [0.0, 0.5, 1.0]);
    assert_eq!(
        (config.max_steps, config.eval.bank_size, config.workers),
        (None, Some(100), None)
    );
    assert_eq!(config.resume, Resume::Path(PathBuf::from("runs/old")));
}

#[test]
fn the_last_of_two_equal_keys_wins() {
    assert_eq!(resolved(&["epochs=3", "epochs=4"]).config.epochs, 4);
}

#[test]
fn a_path_with_an_equals_sign_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("lr=0.1");
    std::fs::create_dir(&inner).unwrap();
    let path = inner.join("config.toml");
    std::fs::write(&path, "epochs = 9\n").unwrap();
    assert_eq!(resolved(&[path.to_str().unwrap()]).config.epochs, 9);
}

#[test]
fn rates_and_decays_are_those_that_go_with_the_optimizer_unless_stated() {
    let of = |words: &[&str]| {
        let optim = resolved(&[&["data=d"], words].concat()).config.optim;
        [optim.base_lr, optim.min_lr, optim.weight_decay]
    };
    let (lars, adamw) = ([0.48, 0.0048, 1e-6], [5e-4, 1e-5, 0.04]);
    assert_eq!(of(&["backbone=resnet18"]), lars);
    assert_eq!(of(&["backbone=resnet18", "optim.kind=adamw"]), adamw);
    assert_eq!(of(&["backbone=vit_tiny_16", "optim.kind=lars"]), lars);
    assert_eq!(of(&["optim.kind=sgd"]), [0.03, 0.0, 1e-4]);
    assert_eq!(of(&["optim.kind=adamw", "optim.min_lr=0.1"])[1], 0.1);
    // Naming the published one changes nothing.
    assert_eq!(of(&["optim.kind=lars"]), lars);
}

#[test]
fn images_are_evaluated_at_the_size_of_global_views_unless_stated() {
    let sizes = |words: &[&str]| {
        let eval = resolved(words).config.eval;
        (eval.resize, eval.crop)
    };
    assert_eq!(sizes(&["data=d"]), (256, 224));
    assert_eq!(sizes(&["data=d", "views.global.size=64"]), (73, 64));
    assert_eq!(
        sizes(&["data=d", "views.global.size=64", "eval.resize=80"]),
        (80, 64)
    );
}
