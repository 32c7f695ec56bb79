//! What of a configuration fits no run, and what of it is probably not meant.

use sslight_core::config::{ConfigError, Origin, Problem, Problems};

use super::{DetectConfig, Norm};
use crate::loading::LARGEST_SIDE;
use crate::model::Layout;

impl DetectConfig {
    /// What is allowed but probably not meant, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.warmup_steps() >= self.steps {
            warnings.push(format!(
                "optim.warmup_steps={} is no less than steps={}: the full learning rate is never reached",
                self.warmup_steps(),
                self.steps
            ));
        }
        if let Some(late) = self.milestones().iter().find(|step| **step >= self.steps) {
            warnings.push(format!(
                "optim.milestones has {late}, and there are {} steps: the learning rate does not fall there",
                self.steps
            ));
        }
        if self.norm == Norm::Frozen && self.init.is_empty() {
            warnings.push(
                "norm=frozen without init: the statistics of a random backbone are those of nothing; give init, or \
                 norm=batch"
                    .to_owned(),
            );
        }
        warnings
    }

    /// Refuses settings that fit no run.
    ///
    /// # Errors
    /// [`Problem::Missing`] for `data`, and the backbones that cannot detect.
    pub fn check(&self, origin: impl Fn(&str) -> Origin) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        if self.data.is_empty() {
            let advice =
                "give data=PATH: a COCO .json file, a folder with one, or a Pascal VOC folder";
            problems.push(Problem::Missing {
                key: "data",
                advice,
            });
        }
        if Layout::of(self.backbone.into()).is_err() {
            problems.push(Problem::OutOfRange {
                key: "backbone",
                value: self.backbone.to_string(),
                allowed: "mobilenet_v2, resnet18, resnet34 or resnet50, which have maps of several resolutions".to_owned(),
                origin: origin("backbone"),
            });
        }
        let mut too_long = |key: &'static str, side: usize| {
            if side > LARGEST_SIDE {
                problems.push(Problem::OutOfRange {
                    key,
                    value: side.to_string(),
                    allowed: format!("at most {LARGEST_SIDE}"),
                    origin: origin(key),
                });
            }
        };
        too_long("input.longest_side", self.input.longest_side);
        too_long("input.test_side", self.input.test_side);
        let longest = self.input.short_sides.iter().max();
        too_long("input.short_sides", longest.copied().unwrap_or(0));
        if longest.is_none() {
            problems.push(Problem::OutOfRange {
                key: "input.short_sides",
                value: "[]".to_owned(),
                allowed: "one or more sides".to_owned(),
                origin: origin("input.short_sides"),
            });
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(problems).into())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sslight_core::config::VerbKeys;

    use super::*;

    #[test]
    fn what_is_probably_not_meant_is_said() {
        let of = |words: &[&str]| {
            let config = DetectConfig::default().with_words(words).unwrap();
            config.warnings().len()
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&["steps=500", "optim.warmup_steps=1000"]), 1);
        assert_eq!(of(&["steps=20000", "optim.milestones=[60000,80000]"]), 1);
        assert_eq!(of(&["norm=frozen"]), 1);
        let config = DetectConfig::default().with_words(&["data=x", "input.short_sides=[20000]"]);
        let error = config.unwrap().check(|_| Origin::CommandLine).unwrap_err();
        assert!(error.to_string().contains("input.short_sides"), "{error}");
    }

    #[test]
    fn a_backbone_without_stages_and_missing_data_are_told_together() {
        let config = DetectConfig::default().with_words(&["backbone=vit_tiny_16"]);
        let error = config.unwrap().check(|_| Origin::CommandLine).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("data") && text.contains("resnet18"), "{text}");
    }
}
