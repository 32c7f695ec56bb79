//! The scores that the paper publishes, by the configuration that they are of (ImageNet-1k).

use crate::config::{RunConfig, resolve};

/// Training images of ImageNet-1k, on which all rows are pre-trained.
pub(super) const IMAGENET_TRAIN: usize = 1_281_167;

/// Scores in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// The built-in configuration.
    pub config: &'static str,
    /// Linear probe, top-1.
    pub probe_top1: f64,
    /// Linear probe, top-5, where it is given.
    pub probe_top5: Option<f64>,
    /// Fine-tuning with 1 % and 10 % of the labels, top-1, where it is given.
    pub semi_top1: Option<[f64; 2]>,
}

const fn row(
    config: &'static str,
    probe_top1: f64,
    probe_top5: Option<f64>,
    semi_top1: Option<[f64; 2]>,
) -> Published {
    Published {
        config,
        probe_top1,
        probe_top5,
        semi_top1,
    }
}

/// The rows of the paper that are pre-trained without labels.
#[rustfmt::skip]
pub const PUBLISHED: &[Published] = &[
    row("paper/dino-mobilenet_v2-baseline", 66.2, Some(86.4), Some([47.9, 61.3])),
    row("paper/dino-mobilenet_v2-baseline-crop_scales", 67.0, None, None),
    row("paper/dino-mobilenet_v2-baseline-pixel_scale", 67.9, None, None),
    row("paper/dino-mobilenet_v2-sslight", 68.3, Some(87.8), Some([50.6, 63.5])),
    row("paper/dino-mobilenet_v2-sslight-400", 68.8, Some(88.3), Some([52.6, 64.0])),
    row("paper/dino-resnet18-baseline", 62.2, Some(84.0), Some([44.5, 59.2])),
    row("paper/dino-resnet18-sslight", 65.7, Some(86.6), Some([49.8, 63.0])),
    row("paper/dino-resnet18-sslight-400", 66.8, Some(87.3), Some([51.6, 63.7])),
    row("paper/dino-resnet34-baseline", 67.7, Some(88.4), Some([52.4, 65.4])),
    row("paper/dino-resnet34-sslight", 69.7, Some(89.5), Some([55.2, 67.2])),
    row("paper/dino-resnet34-sslight-400", 70.8, Some(90.0), Some([56.8, 67.5])),
    row("paper/dino-resnet50-baseline", 73.4, Some(91.5), None),
    row("paper/dino-resnet50-sslight", 73.4, Some(91.5), None),
    row("paper/dino-vit_tiny_32-baseline", 55.4, Some(78.1), None),
    row("paper/dino-vit_tiny_32-sslight", 60.1, Some(81.8), None),
    row("paper/dino-vit_tiny_16-baseline", 66.7, Some(86.6), None),
    row("paper/dino-vit_tiny_16-sslight", 69.5, Some(88.5), None),
    row("paper/dino-vit_small_16-baseline", 75.4, Some(92.3), None),
    row("paper/dino-vit_small_16-sslight", 76.1, Some(92.7), None),
    row("paper/swav-mobilenet_v2-baseline", 65.2, Some(85.6), None),
    row("paper/swav-mobilenet_v2-sslight", 67.3, Some(87.2), None),
    row("paper/moco-mobilenet_v2-baseline-two_views", 53.8, Some(77.6), None),
    row("paper/moco-mobilenet_v2-baseline", 60.6, Some(83.3), None),
    row("paper/moco-mobilenet_v2-sslight", 61.6, Some(84.2), None),
];

/// Keys that change neither the weights of a run nor how they are meant, and groups of such ending in `.`.
const BESIDE_THE_POINT: &[&str] = &[
    "data",
    "backend",
    "seed",
    "accumulate",
    "model.grad_checkpointing",
    "max_bad_images",
    "cache",
    "cache_gb",
    "max_pixels",
];

/// The published row that a run is a repetition of: its configuration is that of the row in all that counts.
pub fn published(config: &RunConfig) -> Option<&'static Published> {
    PUBLISHED.iter().find(|row| repeats(config, row.config))
}

/// Whether a configuration is a built-in one in all that counts.
pub(super) fn repeats(config: &RunConfig, name: &str) -> bool {
    let theirs = resolve(&[name, "data=imagenet"]).ok();
    let differences = theirs.and_then(|theirs| config.diff(&theirs.config).ok());
    differences.is_some_and(|differences| {
        differences
            .iter()
            .all(|d| d.is_free() && d.key != "max_steps" || BESIDE_THE_POINT.contains(&d.key))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_found_by_its_own_configuration_alone_and_stands_in_its_file() {
        for row in PUBLISHED {
            let words = [
                row.config,
                "data=/d",
                "seed=4",
                "workers=3",
                "eval.knn_k=10",
            ];
            let config = resolve(&words).unwrap().config;
            assert_eq!(published(&config), Some(row), "{}", row.config);
            let named = crate::config::configs()
                .iter()
                .find(|named| named.name == row.config);
            let text = named.unwrap().text;
            let scores = match row.probe_top5 {
                Some(top5) => format!("{:.1} / {top5:.1} %", row.probe_top1),
                None => format!("{:.1} / not given", row.probe_top1),
            };
            assert!(text.contains(&scores), "{}: {scores}", row.config);
        }
    }

    #[test]
    fn another_batch_or_a_shorter_run_is_no_repetition() {
        for word in [
            "batch_size=512",
            "epochs=100",
            "max_steps=5",
            "views.locals=4",
        ] {
            let words = ["paper/dino-resnet18-sslight", "data=/d", word];
            assert_eq!(published(&resolve(&words).unwrap().config), None, "{word}");
        }
    }
}
