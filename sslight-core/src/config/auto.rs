//! What `auto` stands for in sizes and warm-ups: the published value where the data and the run are as large as
//! the paper's, and a smaller one where they are not.
//!
//! | key | published | rule |
//! |---|---|---|
//! | `dino.out_dim` | 4096 CNN, 65536 ViT | 1024 below 20,000 images, 2048 below 50,000, 4096 below 100,000, 16384 below 200,000, 32768 below 500,000; never above the published |
//! | `swav.prototypes` | 3000 | a tenth of the images, 300 at most below 20,000 of them, 1000 below 50,000 |
//! | `swav.queue_length` | 3840 | a tenth of the images at most, in whole batches |
//! | `moco.queue_length` | 65536 | 4096 below 100,000 images; a power of two that is at most half of the images, and at least a batch |
//! | `optim.warmup_epochs` | 10 | at most 10 % of the run |
//! | `dino.warmup_teacher_temp_epochs` | 50 CNN, 30 ViT | at most 30 % of the run |
//! | `swav.queue_start_epoch` | 15 | at most 15 % of the run |
//!
//! The sizes follow lightly-train's rules for DINO, carried over to the other methods: a codebook should be small
//! against the images, and a queue must not hold the keys of the images that it is compared with. A configuration
//! that states a value, as those of the paper do, is left alone.

use sslight_models::BackboneKind;

use super::{Family, Method, RunConfig};

const CNN_OUTPUTS: usize = 4096;
const VIT_OUTPUTS: usize = 65536;
const PROTOTYPES: usize = 3000;
const SWAV_QUEUE: usize = 3840;
const MOCO_QUEUE: usize = 65536;
/// The queue that MoCo's authors and others take for small data.
const MOCO_SMALL_QUEUE: usize = 4096;
const WARMUP_EPOCHS: f64 = 10.0;
const CNN_TEMP_WARMUP: usize = 50;
const VIT_TEMP_WARMUP: usize = 30;
const QUEUE_START: usize = 15;

/// Largest global view for which `model.small_input = "auto"` keeps the resolution of the stem.
const SMALL_INPUT_SIZE: usize = 64;
/// The share of a run that the paper's schedules warm up: 10 of 200 epochs for the learning rate, and 50 of 200
/// for the teacher's temperature. Stated warm-ups that do not fit a run are shortened to the same share of it.
const LR_WARMUP_SHARE: f64 = 10.0 / 200.0;
const TEMP_WARMUP_SHARE: f64 = 50.0 / 200.0;
/// The largest shares of a run that `auto` warms up.
const AUTO_LR_SHARE: f64 = 0.1;
const AUTO_TEMP_SHARE: f64 = 0.3;
const AUTO_QUEUE_SHARE: f64 = 0.15;

/// Whether the stem is the one for small images.
pub(super) fn small_input(setting: Option<bool>, global_size: usize) -> bool {
    setting.unwrap_or(global_size <= SMALL_INPUT_SIZE)
}

/// `(limit of images, value)` in rising order: the value below the first limit that the images are below.
fn tier(images: usize, tiers: &[(usize, usize)], otherwise: usize) -> usize {
    tiers
        .iter()
        .find(|(limit, _)| images < *limit)
        .map_or(otherwise, |(_, value)| *value)
}

/// Prototypes of SwAV for this many images; two are the fewest between which there is anything to choose.
pub(super) fn swav_prototypes(images: usize) -> usize {
    let most = tier(images, &[(20_000, 300), (50_000, 1000)], PROTOTYPES);
    most.min(images / 10).max(2)
}

/// SwAV's queue for this many images, before it is cut to whole batches.
pub(super) fn swav_queue(images: usize) -> usize {
    SWAV_QUEUE.min(images / 10)
}

/// MoCo's queue for this many images and this batch.
pub(super) fn moco_queue(images: usize, batch_size: usize) -> usize {
    let most = tier(images, &[(100_000, MOCO_SMALL_QUEUE)], MOCO_QUEUE);
    let half = (images / 2).max(1);
    most.min(1 << half.ilog2()).max(batch_size)
}

impl RunConfig {
    /// Outputs of the DINO head for this many training images.
    pub fn dino_out_dim(&self, images: usize) -> usize {
        self.dino.out_dim.unwrap_or_else(|| {
            let published = match self.backbone.family() {
                Family::Cnn => CNN_OUTPUTS,
                Family::Vit => VIT_OUTPUTS,
            };
            let tiers = [
                (20_000, 1024),
                (50_000, 2048),
                (100_000, 4096),
                (200_000, 16384),
                (500_000, 32768),
            ];
            tier(images, &tiers, VIT_OUTPUTS).min(published)
        })
    }

    /// Prototypes of SwAV for this many training images.
    pub fn swav_prototypes(&self, images: usize) -> usize {
        self.swav
            .prototypes
            .unwrap_or_else(|| swav_prototypes(images))
    }

    /// Embeddings of each view in SwAV's queue for this many training images: as stated, or auto, less the
    /// remainder of whole batches; 0 is no queue.
    pub fn swav_queue_length(&self, images: usize) -> usize {
        let length = self.swav.queue_length.unwrap_or_else(|| swav_queue(images));
        length - length % self.batch_size
    }

    /// First epoch whose embeddings enter SwAV's queue.
    pub fn swav_queue_start_epoch(&self) -> usize {
        self.swav.queue_start_epoch.unwrap_or_else(|| {
            QUEUE_START.min((AUTO_QUEUE_SHARE * self.epochs as f64).round() as usize)
        })
    }

    /// Keys in MoCo's queue for this many training images.
    pub fn moco_queue_length(&self, images: usize) -> usize {
        self.moco
            .queue_length
            .unwrap_or_else(|| moco_queue(images, self.batch_size))
    }

    /// Length of the learning rate's warm-up in epochs: as stated, or 5 % of a run that is shorter than that;
    /// auto is 10 epochs, or 10 % of a shorter run.
    pub fn warmup_epochs(&self) -> f64 {
        let epochs = self.epochs as f64;
        match self.optim.warmup_epochs {
            None => WARMUP_EPOCHS.min(AUTO_LR_SHARE * epochs),
            Some(stated) if stated > epochs => LR_WARMUP_SHARE * epochs,
            Some(stated) => stated,
        }
    }

    /// Length of the learning rate's warm-up in steps, rounded to the nearest.
    pub fn warmup_steps(&self, images: usize) -> usize {
        (self.warmup_epochs() * self.steps_per_epoch(images) as f64).round() as usize
    }

    /// Length of the teacher temperature's warm-up in epochs: as stated, or a quarter (at least one epoch) of a
    /// run that is shorter than that; auto is 50 epochs (30 for transformers), or 30 % of a shorter run.
    pub fn teacher_temp_warmup_epochs(&self) -> usize {
        let share = |share: f64| (share * self.epochs as f64).round() as usize;
        match self.dino.warmup_teacher_temp_epochs {
            None => {
                let published = match self.backbone.family() {
                    Family::Cnn => CNN_TEMP_WARMUP,
                    Family::Vit => VIT_TEMP_WARMUP,
                };
                published.min(share(AUTO_TEMP_SHARE))
            }
            Some(stated) if stated > self.epochs => share(TEMP_WARMUP_SHARE).max(1),
            Some(stated) => stated,
        }
    }

    /// First epochs in which the last layer of the head stands still: DINO's last layer, SwAV's prototypes.
    pub fn freeze_last_layer_epochs(&self) -> usize {
        match self.method {
            Method::Dino => self.dino.freeze_last_layer_epochs,
            Method::Swav => self.swav.freeze_prototypes_epochs,
            _ => 0,
        }
    }

    /// Whether the network is the one for small images; auto: when global views have at most 64 pixels.
    pub fn small_input(&self) -> bool {
        small_input(self.model.small_input, self.views.global.size)
    }

    /// Side of a patch in pixels, for vision transformers.
    pub fn patch_size(&self) -> Option<usize> {
        BackboneKind::from(self.backbone).patch_size(self.small_input())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::resolve;
    use super::*;

    fn config(words: &[&str]) -> RunConfig {
        resolve(&[&["data=d", "batch_size=64"], words].concat())
            .unwrap()
            .config
    }

    #[test]
    fn sizes_grow_with_the_images_up_to_the_published_ones() {
        let cnn = config(&[]);
        let vit = config(&["backbone=vit_tiny_16"]);
        let rows = [
            // images, outputs CNN, outputs ViT, prototypes, queue of SwAV, queue of MoCo
            (1_000, 1024, 1024, 100, 64, 256),
            (4_000, 1024, 1024, 300, 384, 1024),
            (20_000, 2048, 2048, 1000, 1984, 4096),
            (50_000, 4096, 4096, 3000, 3840, 4096),
            (126_000, 4096, 16384, 3000, 3840, 32768),
            (1_281_167, 4096, 65536, 3000, 3840, 65536),
        ];
        for (images, out_cnn, out_vit, prototypes, swav_queue, moco_queue) in rows {
            assert_eq!(cnn.dino_out_dim(images), out_cnn, "{images}");
            assert_eq!(vit.dino_out_dim(images), out_vit, "{images}");
            assert_eq!(cnn.swav_prototypes(images), prototypes, "{images}");
            assert_eq!(cnn.swav_queue_length(images), swav_queue, "{images}");
            assert_eq!(cnn.moco_queue_length(images), moco_queue, "{images}");
        }
    }

    #[test]
    fn a_handful_of_images_still_gives_sizes_that_work() {
        let config = config(&[]);
        for images in 0..200 {
            assert!(config.swav_prototypes(images) >= 2);
            assert!(config.moco_queue_length(images) >= config.batch_size);
            assert_eq!(config.swav_queue_length(images) % config.batch_size, 0);
        }
    }

    #[test]
    fn warm_ups_are_the_published_ones_or_a_share_of_a_short_run() {
        let of = |words: &[&str]| {
            let config = config(words);
            (
                config.warmup_epochs(),
                config.teacher_temp_warmup_epochs(),
                config.swav_queue_start_epoch(),
            )
        };
        assert_eq!(of(&["epochs=200"]), (10.0, 50, 15));
        assert_eq!(of(&["epochs=400"]), (10.0, 50, 15));
        assert_eq!(of(&["epochs=200", "backbone=vit_tiny_16"]), (10.0, 30, 15));
        assert_eq!(of(&["epochs=20"]), (2.0, 6, 3));
        let (lr, temp, queue) = of(&["epochs=1"]);
        assert!((lr - 0.1).abs() < 1e-12 && temp == 0 && queue == 0);
    }

    #[test]
    fn a_stated_value_is_left_alone() {
        let config = config(&[
            "dino.out_dim=7",
            "swav.prototypes=9",
            "moco.queue_length=70",
        ]);
        assert_eq!(config.dino_out_dim(10), 7);
        assert_eq!(config.swav_prototypes(10), 9);
        assert_eq!(config.moco_queue_length(10), 70);
    }
}
