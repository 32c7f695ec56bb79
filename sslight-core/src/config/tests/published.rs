//! The configurations of the paper against the numbers that are published or follow from them.

use std::collections::BTreeSet;

use super::super::configs;
use super::resolved;

/// Images of ImageNet-1k's training set.
const IMAGENET: usize = 1_281_167;
const BASELINE: f64 = 1.0 / 7.0;
const VIT_BASELINE: f64 = 1.0 / 11.0;

/// Name below `paper/`; peak learning rate, epochs, steps an epoch, warm-up epochs, alpha, local views and their size.
type Row = (&'static str, f64, usize, usize, usize, f64, usize, usize);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("dino-mobilenet_v2-baseline", 1.92, 200, 1251, 10, BASELINE, 6, 96),
    ("dino-mobilenet_v2-baseline-crop_scales", 1.92, 200, 1251, 10, BASELINE, 6, 96),
    ("dino-mobilenet_v2-baseline-pixel_scale", 1.92, 200, 1251, 10, BASELINE, 6, 128),
    ("dino-mobilenet_v2-sslight", 1.92, 200, 1251, 10, 0.4, 6, 128),
    ("dino-mobilenet_v2-sslight-400", 1.92, 400, 1251, 10, 0.4, 6, 128),
    ("dino-resnet18-baseline", 1.92, 200, 1251, 10, BASELINE, 6, 96),
    ("dino-resnet18-sslight", 1.92, 200, 1251, 10, 0.4, 6, 128),
    ("dino-resnet18-sslight-400", 1.92, 400, 1251, 10, 0.4, 6, 128),
    ("dino-resnet34-baseline", 1.92, 200, 1251, 10, BASELINE, 6, 96),
    ("dino-resnet34-sslight", 1.92, 200, 1251, 10, 0.4, 6, 128),
    ("dino-resnet34-sslight-400", 1.92, 400, 1251, 10, 0.4, 6, 128),
    ("dino-resnet50-baseline", 1.2, 200, 2001, 10, BASELINE, 6, 96),
    ("dino-resnet50-sslight", 1.2, 200, 2001, 10, 0.4, 6, 128),
    ("dino-vit_tiny_32-baseline", 0.002, 200, 1251, 10, VIT_BASELINE, 10, 96),
    ("dino-vit_tiny_32-sslight", 0.002, 200, 1251, 10, 0.4, 10, 128),
    ("dino-vit_tiny_16-baseline", 0.002, 200, 1251, 10, VIT_BASELINE, 10, 96),
    ("dino-vit_tiny_16-sslight", 0.002, 200, 1251, 10, 0.4, 10, 128),
    ("dino-vit_small_16-baseline", 0.00125, 200, 2001, 10, VIT_BASELINE, 10, 96),
    ("dino-vit_small_16-sslight", 0.00125, 200, 2001, 10, 0.4, 10, 128),
    ("swav-mobilenet_v2-baseline", 1.2, 200, 1251, 10, BASELINE, 6, 96),
    ("swav-mobilenet_v2-sslight", 1.2, 200, 1251, 10, 0.4, 6, 128),
    ("moco-mobilenet_v2-baseline", 1.92, 200, 1251, 10, BASELINE, 6, 96),
    ("moco-mobilenet_v2-sslight", 1.92, 200, 1251, 10, 0.4, 6, 128),
    ("moco-mobilenet_v2-baseline-two_views", 1.92, 200, 1251, 10, 1.0, 0, 96),
    // Not published beside the score: the customary setting, which the files call ours.
    ("supervised-mobilenet_v2", 0.1, 90, 5004, 0, 1.0, 0, 96),
    ("supervised-resnet18", 0.1, 90, 5004, 0, 1.0, 0, 96),
    ("supervised-resnet34", 0.1, 90, 5004, 0, 1.0, 0, 96),
    ("supervised-resnet50", 0.1, 90, 5004, 0, 1.0, 0, 96),
];

#[test]
fn each_configuration_of_the_paper_has_the_rates_steps_weights_and_sizes_of_its_row() {
    for (name, peak, epochs, steps, warmup, alpha, locals, local_size) in ROWS {
        let config = resolved(&[&format!("paper/{name}"), "data=d"]).config;
        assert!((config.peak_lr() - peak).abs() < 1e-12, "{name}");
        assert_eq!(config.steps_per_epoch(IMAGENET), *steps, "{name}");
        assert_eq!(config.total_steps(IMAGENET), epochs * steps, "{name}");
        assert_eq!(config.warmup_steps(IMAGENET), warmup * steps, "{name}");
        assert!((config.alpha() - alpha).abs() < 1e-12, "{name}");
        assert!((config.beta() - (1.0 - alpha)).abs() < 1e-12, "{name}");
        assert_eq!(
            (
                config.locals(),
                config.views.local.size,
                config.views.global.size
            ),
            (*locals, *local_size, 224),
            "{name}"
        );
    }
}

#[test]
fn every_configuration_of_the_paper_has_a_row_and_a_line_in_the_readme() {
    let files: BTreeSet<&str> = configs()
        .iter()
        .filter_map(|config| config.name.strip_prefix("paper/"))
        .collect();
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.0).collect();
    assert_eq!(files, rows);
    let readme = include_str!("../../../../configs/paper/README.md");
    for name in files {
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn each_step_of_table_2_changes_its_own_keys_and_the_last_is_the_recipe() {
    let ladder = [
        (
            "baseline",
            "baseline-crop_scales",
            vec!["views.global.scale", "views.local.scale"],
        ),
        (
            "baseline-crop_scales",
            "baseline-pixel_scale",
            vec!["views.local.size"],
        ),
        (
            "baseline-pixel_scale",
            "sslight",
            vec!["recipe", "loss.alpha", "loss.beta"],
        ),
    ];
    for (from, to, keys) in ladder {
        let of =
            |step: &str| resolved(&[&format!("paper/dino-mobilenet_v2-{step}"), "data=d"]).config;
        let differences = of(from).diff(&of(to)).unwrap();
        let changed: Vec<&str> = differences
            .iter()
            .map(|difference| difference.key)
            .collect();
        assert_eq!(changed, keys, "{from} to {to}");
    }
}
