//! The published values, and what follows from them.

use super::super::{Backbone, OptimizerKind, Recipe, paper_defaults};
use super::resolved;

/// Images of ImageNet-1k's training set.
const IMAGENET: usize = 1_281_167;

#[test]
fn dino_on_convolutional_networks_has_the_published_setting() {
    let config = resolved(&["data=d", "recipe=baseline"]).config;
    assert_eq!(
        (config.views.global.scale, config.views.global.size),
        ([0.14, 1.0], 224)
    );
    assert_eq!(
        (config.views.local.scale, config.views.local.size),
        ([0.05, 0.14], 96)
    );
    assert_eq!(
        (
            config.views.locals,
            config.views.blur,
            config.views.solarize
        ),
        (6, [1.0, 0.1, 0.5], 0.2)
    );
    assert_eq!(
        (
            config.dino_out_dim(IMAGENET),
            config.dino.use_bn,
            config.dino.norm_last_layer
        ),
        (4096, true, true)
    );
    assert_eq!(
        (
            config.teacher_temp_warmup_epochs(),
            config.dino.ema_momentum
        ),
        (50, 0.996)
    );
    assert_eq!(
        (config.optim.kind, config.optim.min_lr),
        (OptimizerKind::Lars, 0.0048)
    );
    assert_eq!(
        (config.optim.weight_decay, config.optim.weight_decay_end),
        (1e-6, 1e-6)
    );
    assert_eq!(config.batch_size, 1024);
    assert!((config.peak_lr() - 1.92).abs() < 1e-12);
    assert!((config.alpha() - 1.0 / 7.0).abs() < 1e-12);
    assert!((config.beta() - 6.0 / 7.0).abs() < 1e-12);
}

#[test]
fn dino_on_vision_transformers_has_the_published_setting() {
    let config = resolved(&["data=d", "recipe=baseline", "backbone=vit_tiny_16"]).config;
    assert_eq!(
        (config.views.global.scale, config.views.local.scale),
        ([0.25, 1.0], [0.05, 0.25])
    );
    assert_eq!((config.views.locals, config.views.local.size), (10, 96));
    assert_eq!(
        (
            config.dino_out_dim(IMAGENET),
            config.dino.use_bn,
            config.dino.norm_last_layer
        ),
        (65536, false, false)
    );
    assert_eq!(config.teacher_temp_warmup_epochs(), 30);
    assert_eq!(config.model.drop_path, 0.1);
    assert_eq!(
        (config.optim.kind, config.optim.min_lr),
        (OptimizerKind::Adamw, 1e-5)
    );
    assert_eq!(
        (config.optim.weight_decay, config.optim.weight_decay_end),
        (0.04, 0.4)
    );
    assert!((config.peak_lr() - 2e-3).abs() < 1e-12);
    assert!((config.alpha() - 1.0 / 11.0).abs() < 1e-12);
}

#[test]
fn swav_has_stronger_jitter_even_blur_and_no_solarisation() {
    let config = resolved(&["data=d", "method=swav"]).config;
    let jitter = &config.views.jitter;
    assert_eq!(
        (
            jitter.brightness,
            jitter.contrast,
            jitter.saturation,
            jitter.hue
        ),
        (0.8, 0.8, 0.8, 0.2)
    );
    assert_eq!((config.views.blur, config.views.solarize), ([0.5; 3], 0.0));
    assert_eq!(
        (config.optim.base_lr, config.optim.start_warmup_lr),
        (0.3, 0.075)
    );
    assert!((config.peak_lr() - 1.2).abs() < 1e-12);
}

#[test]
fn swav_on_imagenet_has_the_published_head_codes_and_queue() {
    let config = resolved(&["data=d", "method=swav", "recipe=baseline"]).config;
    let swav = &config.swav;
    assert_eq!(
        (swav.out_dim, swav.hidden_dim, swav.layers, swav.use_bn),
        (128, 4096, 2, true)
    );
    assert_eq!(
        (swav.temperature, swav.epsilon, swav.sinkhorn_iterations),
        (0.1, 0.05, 3)
    );
    assert_eq!(config.swav_prototypes(IMAGENET), 3000);
    // 3840 less the remainder of whole batches of 1024.
    assert_eq!(config.swav_queue_length(IMAGENET), 3072);
    assert_eq!(
        (
            config.swav_queue_start_epoch(),
            config.freeze_last_layer_epochs()
        ),
        (15, 1)
    );
    assert_eq!(config.optim.min_lr, 0.0048);
    assert!((config.alpha() - 1.0 / 7.0).abs() < 1e-12);
}

#[test]
fn moco_on_imagenet_has_the_published_head_queue_and_momentum() {
    let config = resolved(&["data=d", "method=moco", "recipe=baseline"]).config;
    let moco = &config.moco;
    assert_eq!(
        (moco.out_dim, moco.hidden_dim, moco.layers, moco.use_bn),
        (128, 2048, 2, false)
    );
    assert_eq!((moco.temperature, moco.ema_momentum), (0.2, 0.999));
    assert_eq!(config.moco_queue_length(IMAGENET), 65536);
    assert_eq!((config.optim.base_lr, config.optim.min_lr), (0.48, 0.0048));
    assert_eq!((config.views.locals, config.views.solarize), (6, 0.2));
}

#[test]
fn two_views_of_moco_are_weighed_as_their_plain_mean_whatever_the_recipe() {
    for two_views in ["views.locals=0", "moco.global_only=true"] {
        let config = resolved(&["data=d", "method=moco", two_views]).config;
        assert_eq!((config.alpha(), config.beta()), (1.0, 0.0), "{two_views}");
        assert_eq!(config.view_recipe().views.len(), 2, "{two_views}");
        assert_eq!(config.views_per_step(), config.batch_size, "{two_views}");
    }
}

#[test]
fn supervised_training_draws_one_view_that_is_cropped_and_flipped() {
    let config = resolved(&["data=d", "method=supervised"]).config;
    let views = config.view_recipe().views;
    assert_eq!(views.len(), 1);
    assert_eq!(
        (views[0].flip, views[0].jitter.probability, views[0].blur),
        (0.5, 0.0, 0.0)
    );
    assert_eq!((views[0].grayscale, views[0].solarize), (0.0, 0.0));
}

#[test]
fn the_papers_two_largest_networks_have_smaller_batches() {
    for backbone in Backbone::all() {
        let config = paper_defaults(super::super::Method::Dino, *backbone);
        let large = matches!(backbone, Backbone::Resnet50 | Backbone::VitSmall16);
        assert_eq!(
            config.batch_size,
            if large { 640 } else { 1024 },
            "{backbone}"
        );
    }
}

#[test]
fn the_recipe_changes_scales_local_size_and_loss_weights_and_nothing_else() {
    let sslight = resolved(&["data=d", "recipe=sslight"]).config;
    let baseline = resolved(&["data=d", "recipe=baseline"]).config;
    let differing: Vec<&str> = sslight
        .diff(&baseline)
        .unwrap()
        .iter()
        .map(|difference| difference.key)
        .collect();
    assert_eq!(
        differing,
        [
            "recipe",
            "views.global.scale",
            "views.local.scale",
            "views.local.size",
            "loss.alpha",
            "loss.beta"
        ]
    );
    assert_eq!(
        (sslight.views.global.scale, sslight.views.local.scale),
        ([0.3, 1.0], [0.05, 0.3])
    );
    assert_eq!(
        (sslight.views.local.size, sslight.alpha(), sslight.beta()),
        (128, 0.4, 0.6)
    );
}

#[test]
fn the_recipes_local_size_keeps_its_ratio_to_other_global_sizes() {
    let local = |recipe: &str, global: &str| {
        resolved(&["data=d", recipe, global])
            .config
            .views
            .local
            .size
    };
    assert_eq!(local("recipe=sslight", "views.global.size=32"), 18);
    assert_eq!(local("recipe=baseline", "views.global.size=32"), 14);
    assert_eq!(local("recipe=sslight", "views.global.size=112"), 64);
}

#[test]
fn the_recipes_local_size_is_a_multiple_of_a_transformers_patch() {
    let local = |words: &[&str]| resolved(words).config.views.local.size;
    let vit = ["data=d", "backbone=vit_tiny_16", "eval.crop=32"];
    // 128/224 of 32 is 18; the small-image transformer has patches of 4, the full-size one of 16.
    assert_eq!(
        local(&[vit.as_slice(), &["views.global.size=32"]].concat()),
        20
    );
    let full = ["views.global.size=32", "model.small_input=false"];
    assert_eq!(local(&[vit.as_slice(), &full].concat()), 16);
    assert_eq!(local(&["data=d", "backbone=vit_tiny_32"]), 128);
}

#[test]
fn without_local_views_all_weight_is_on_global_pairs() {
    let config = resolved(&["data=d", "recipe=baseline", "views.locals=0"]).config;
    assert_eq!((config.alpha(), config.beta()), (1.0, 0.0));
}

#[test]
fn an_explicit_alpha_leaves_the_rest_to_beta() {
    let config = resolved(&["data=d", "loss.alpha=.25", "loss.beta=auto"]).config;
    assert_eq!((config.alpha(), config.beta()), (0.25, 0.75));
}

#[test]
fn steps_leave_out_the_last_short_batch_and_max_steps_leaves_the_schedule_alone() {
    let config = resolved(&["paper/dino-mobilenet_v2-sslight", "data=d", "max_steps=500"]).config;
    assert_eq!(config.steps_per_epoch(IMAGENET), 1251);
    assert_eq!(config.total_steps(IMAGENET), 250_200);
    assert_eq!(config.warmup_steps(IMAGENET), 12_510);
    assert_eq!(config.last_step(IMAGENET), 500);
    assert_eq!(config.steps_per_epoch(1023), 0);
}

#[test]
fn a_warm_up_longer_than_the_run_is_shortened_with_a_warning() {
    let resolved = resolved(&[
        "data=d",
        "epochs=8",
        "optim.warmup_epochs=10",
        "dino.warmup_teacher_temp_epochs=50",
    ]);
    assert_eq!(
        (
            resolved.config.warmup_epochs(),
            resolved.config.optim.warmup_epochs
        ),
        (0.4, Some(10.0))
    );
    assert_eq!(resolved.config.teacher_temp_warmup_epochs(), 2);
    assert_eq!(
        resolved.warnings,
        [
            "optim.warmup_epochs = 10 is longer than the run of 8 epochs; shortened to 0.4",
            "dino.warmup_teacher_temp_epochs = 50 is longer than the run of 8 epochs; shortened to 2",
        ]
    );
}

#[test]
fn a_warm_up_as_long_as_the_run_is_kept() {
    let resolved = resolved(&[
        "data=d",
        "epochs=10",
        "optim.warmup_epochs=10",
        "dino.warmup_teacher_temp_epochs=10",
    ]);
    assert_eq!(
        (
            resolved.config.warmup_epochs(),
            resolved.config.teacher_temp_warmup_epochs()
        ),
        (10.0, 10)
    );
    assert!(resolved.warnings.is_empty());
}

#[test]
fn a_last_layer_frozen_for_the_whole_run_is_warned_about() {
    let resolved = resolved(&[
        "data=d",
        "epochs=1",
        "optim.warmup_epochs=0",
        "dino.warmup_teacher_temp_epochs=0",
    ]);
    assert_eq!(
        resolved.warnings,
        [
            "dino.freeze_last_layer_epochs = 1 covers the run of 1 epochs; the last layer will never be trained"
        ]
    );
}

#[test]
fn small_global_views_get_the_stem_for_small_images_unless_told_otherwise() {
    let small = |words: &[&str]| resolved(words).config.small_input();
    assert!(small(&["data=d", "views.global.size=64"]));
    assert!(!small(&["data=d", "views.global.size=65"]));
    assert!(small(&["data=d", "model.small_input=true"]));
    assert!(!small(&[
        "data=d",
        "views.global.size=64",
        "model.small_input=false"
    ]));
}

#[test]
fn the_run_folder_is_named_after_the_run_unless_given() {
    let out = |words: &[&str]| resolved(words).config.out_dir().display().to_string();
    assert_eq!(out(&["data=d"]), "runs/dino-mobilenet_v2-sslight");
    assert_eq!(out(&[]), "runs/demo");
    assert_eq!(out(&["out=runs/a"]), "runs/a");
}

#[test]
fn the_default_recipe_is_the_papers_own() {
    assert_eq!(resolved(&["data=d"]).config.recipe, Recipe::Sslight);
}
