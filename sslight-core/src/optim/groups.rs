//! Which parameters decay, adapt and move how fast: decided by name and shape alone.

/// The learning rate, weight decay and adaptation of one parameter in one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParamSettings {
    /// Learning rate.
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether LARS scales the update by the ratio of norms.
    pub adapt: bool,
}

/// The groups of the pre-training optimizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamGroup {
    /// Everything else: dense convolutions, linear layers, tokens, weight-norm gains of shape `[k, 1]`.
    Regular,
    /// Weights of depthwise convolutions: four dimensions, the second of size 1.
    Depthwise,
    /// Every tensor of one dimension: biases, scales and shifts of normalisation.
    Bias,
}

impl ParamGroup {
    /// The group of a parameter of this shape.
    pub fn of(shape: &[usize]) -> Self {
        match shape {
            [_] => Self::Bias,
            [_, 1, _, _] => Self::Depthwise,
            _ => Self::Regular,
        }
    }
}

/// How parameters are treated.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRules {
    /// Pre-training.
    Pretraining(PretrainingRules),
    /// Training a classifier on a backbone.
    Classification(ClassificationRules),
    /// Training a detector.
    Detection(DetectionRules),
}

/// Pre-training: the settings of the groups (reference: `SOLVER.*`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PretrainingRules {
    /// Factor on the weight decay of [`ParamGroup::Bias`].
    pub wd_factor_bias: f64,
    /// Factor on the weight decay of [`ParamGroup::Depthwise`].
    pub wd_factor_depthwise: f64,
    /// Whether LARS leaves [`ParamGroup::Bias`] unscaled.
    pub lars_exclude_bias: bool,
    /// Whether LARS leaves [`ParamGroup::Depthwise`] unscaled: the paper's text, not its code.
    pub lars_exclude_depthwise: bool,
}

/// Classification: nothing of one dimension decays or adapts, depthwise weights adapt without decay, and
/// the classifier may have a learning rate of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationRules {
    /// Factor on the learning rate of parameters whose name begins with `classifier`.
    pub lr_factor_classifier: f64,
    /// Further factors, of parameters whose name begins with a text; the first that fits counts.
    pub lr_factors: Vec<(String, f64)>,
}

/// Detection: everything decays, biases too, but for the normalisation (detectron2: `WEIGHT_DECAY_NORM`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectionRules {
    /// Parameters of one dimension whose names begin with this are scales and shifts of normalisation: all that a backbone has.
    pub normalised: &'static str,
}

impl ClassificationRules {
    fn lr_factor(&self, name: &str) -> f64 {
        let begins = |(start, _): &&(String, f64)| name.starts_with(start.as_str());
        self.lr_factors
            .iter()
            .find(begins)
            .map_or(1.0, |(_, factor)| *factor)
    }
}

impl GroupRules {
    /// The settings of one parameter, from the step's learning rate and weight decay.
    pub fn settings(
        &self,
        name: &str,
        shape: &[usize],
        lr: f64,
        weight_decay: f64,
    ) -> ParamSettings {
        let group = ParamGroup::of(shape);
        match self {
            Self::Pretraining(rules) => {
                let (factor, excluded) = match group {
                    ParamGroup::Regular => (1.0, false),
                    ParamGroup::Depthwise => {
                        (rules.wd_factor_depthwise, rules.lars_exclude_depthwise)
                    }
                    ParamGroup::Bias => (rules.wd_factor_bias, rules.lars_exclude_bias),
                };
                ParamSettings {
                    lr,
                    weight_decay: weight_decay * factor,
                    adapt: !excluded,
                }
            }
            Self::Detection(rules) => {
                let norm = group == ParamGroup::Bias && name.starts_with(rules.normalised);
                ParamSettings {
                    lr,
                    weight_decay: if norm { 0.0 } else { weight_decay },
                    adapt: false,
                }
            }
            Self::Classification(rules) => {
                let classifier = name.starts_with("classifier");
                let decays = match group {
                    ParamGroup::Regular => true,
                    ParamGroup::Depthwise => classifier,
                    ParamGroup::Bias => false,
                };
                let lr = lr * rules.lr_factor(name);
                ParamSettings {
                    lr: if classifier {
                        lr * rules.lr_factor_classifier
                    } else {
                        lr
                    },
                    weight_decay: if decays { weight_decay } else { 0.0 },
                    adapt: group != ParamGroup::Bias,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_decides_the_group() {
        assert_eq!(ParamGroup::of(&[64]), ParamGroup::Bias);
        assert_eq!(ParamGroup::of(&[32, 1, 3, 3]), ParamGroup::Depthwise);
        assert_eq!(ParamGroup::of(&[32, 16, 1, 1]), ParamGroup::Regular);
        // The gain of a weight-normed layer is a column, so it decays, as in the reference.
        assert_eq!(ParamGroup::of(&[4096, 1]), ParamGroup::Regular);
    }

    #[test]
    fn the_switches_act_on_their_own_group_only() {
        let rules = GroupRules::Pretraining(PretrainingRules {
            wd_factor_bias: 0.0,
            wd_factor_depthwise: 0.5,
            lars_exclude_bias: true,
            lars_exclude_depthwise: false,
        });
        let of = |shape: &[usize]| rules.settings("x", shape, 1.0, 0.1);
        assert_eq!((of(&[4, 4]).weight_decay, of(&[4, 4]).adapt), (0.1, true));
        assert_eq!(
            (of(&[4, 1, 3, 3]).weight_decay, of(&[4, 1, 3, 3]).adapt),
            (0.05, true)
        );
        assert_eq!((of(&[4]).weight_decay, of(&[4]).adapt), (0.0, false));
    }
}
