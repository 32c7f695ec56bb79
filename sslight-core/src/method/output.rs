//! What a training step and an evaluation hand to metrics.

use burn::tensor::Tensor;
use burn_train::ItemLazy;
use sslight_models::backend::Backend;

use crate::eval::FeatureSpread;
use crate::loss::{PairTerms, SpreadStats, TargetStats, spread};
use crate::schedule::StepValues;

/// The losses of one step, still on the device.
#[derive(Debug, Clone)]
pub struct StepOutput<B: Backend> {
    /// The loss that was minimised, `[1]`.
    pub loss: Tensor<B, 1>,
    /// Mean over global-global pairs, `[1]`.
    pub loss_global: Option<Tensor<B, 1>>,
    /// Mean over global-local pairs, `[1]`.
    pub loss_local: Option<Tensor<B, 1>>,
    /// The online probe's cross entropy, `[1]`, which is part of `loss`.
    pub loss_probe: Option<Tensor<B, 1>>,
    /// Momentum of the teacher or key encoder, where the method has one.
    pub ema_momentum: Option<f64>,
    /// Temperature of the teacher's softmax, where the method has one.
    pub teacher_temp: Option<f64>,
    /// What the targets look like, where the method has targets over outputs.
    pub targets: Option<TargetStats<B>>,
    /// What the embeddings of one view look like, where the method contrasts embeddings.
    pub embeddings: Option<EmbeddingStats<B>>,
    /// Spread of the trained backbone's features of one view.
    pub features: Option<SpreadStats<B>>,
    /// Norm of each parameter's gradient before clipping, in the order of [`crate::optim::grads::names`].
    pub grad_norms: Option<Tensor<B, 1>>,
    /// The schedules' values.
    pub values: StepValues,
}

/// Embeddings that are told from each other, still on the device.
#[derive(Debug, Clone)]
pub struct EmbeddingStats<B: Backend> {
    /// How much they differ.
    pub spread: SpreadStats<B>,
    /// Number of rows.
    pub rows: usize,
    /// The loss of embeddings that are all alike.
    pub chance_loss: f64,
}

impl<B: Backend> StepOutput<B> {
    /// Detached losses; momentum and temperature absent.
    pub fn new(loss: Tensor<B, 1>, values: StepValues) -> Self {
        Self {
            loss: loss.detach(),
            loss_global: None,
            loss_local: None,
            loss_probe: None,
            ema_momentum: None,
            teacher_temp: None,
            targets: None,
            embeddings: None,
            features: None,
            grad_norms: None,
            values,
        }
    }

    /// The mean over the parts of a batch, which are of one size. Momentum, temperature and the schedules'
    /// values are the same in all of them.
    ///
    /// # Panics
    /// Without parts.
    pub(super) fn mean(parts: Vec<Self>) -> Self {
        let count = parts.len();
        let sum = parts.into_iter().reduce(Self::plus);
        let Some(sum) = sum else {
            panic!("StepOutput::mean: a batch has at least one part")
        };
        if count == 1 {
            return sum;
        }
        let share = |sum: Tensor<B, 1>| sum / count as f64;
        let share_spread = |sum: SpreadStats<B>| SpreadStats {
            std: share(sum.std),
            ..sum
        };
        Self {
            loss: share(sum.loss),
            loss_global: sum.loss_global.map(share),
            loss_local: sum.loss_local.map(share),
            loss_probe: sum.loss_probe.map(share),
            targets: sum.targets.map(|targets| TargetStats {
                entropy: share(targets.entropy),
                winners: share(targets.winners),
                ..targets
            }),
            embeddings: sum.embeddings.map(|embeddings| EmbeddingStats {
                spread: share_spread(embeddings.spread),
                ..embeddings
            }),
            features: sum.features.map(share_spread),
            ..sum
        }
    }

    fn plus(self, other: Self) -> Self {
        fn both<B: Backend>(
            left: Option<Tensor<B, 1>>,
            right: Option<Tensor<B, 1>>,
        ) -> Option<Tensor<B, 1>> {
            Some(left? + right?)
        }
        fn plus_spread<B: Backend>(left: SpreadStats<B>, right: SpreadStats<B>) -> SpreadStats<B> {
            SpreadStats {
                std: left.std + right.std,
                ..left
            }
        }
        Self {
            loss: self.loss + other.loss,
            loss_global: both(self.loss_global, other.loss_global),
            loss_local: both(self.loss_local, other.loss_local),
            loss_probe: both(self.loss_probe, other.loss_probe),
            targets: self
                .targets
                .zip(other.targets)
                .map(|(left, right)| TargetStats {
                    entropy: left.entropy + right.entropy,
                    winners: left.winners + right.winners,
                    ..left
                }),
            embeddings: self
                .embeddings
                .zip(other.embeddings)
                .map(|(left, right)| EmbeddingStats {
                    spread: plus_spread(left.spread, right.spread),
                    ..left
                }),
            features: self
                .features
                .zip(other.features)
                .map(|(left, right)| plus_spread(left, right)),
            ..self
        }
    }

    /// The same with the terms of pairs of views.
    pub fn with_terms(self, terms: PairTerms<B>) -> Self {
        Self {
            loss_global: Some(terms.global.detach()),
            loss_local: terms.local.map(Tensor::detach),
            ..self
        }
    }

    /// The same with what the embeddings of one view, `[rows, d]`, look like; equal ones would have the loss `chance_loss`.
    pub fn with_embeddings(self, embeddings: Tensor<B, 2>, chance_loss: f64) -> Self {
        let [rows, _] = embeddings.dims();
        Self {
            embeddings: Some(EmbeddingStats {
                spread: spread(embeddings.detach()),
                rows,
                chance_loss,
            }),
            ..self
        }
    }

    /// The same with the probe's loss.
    pub fn with_probe(self, probe: Option<Tensor<B, 1>>) -> Self {
        Self {
            loss_probe: probe.map(Tensor::detach),
            ..self
        }
    }
}

/// [`TargetStats`] on the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetSummary {
    /// Mean over rows of the entropy of a target, in nats.
    pub entropy: f64,
    /// Number of outputs that are some row's largest.
    pub winners: f64,
    /// Number of rows.
    pub rows: usize,
    /// Number of outputs.
    pub outputs: usize,
}

impl TargetSummary {
    /// The entropy of uniform targets, which is the loss of a network that tells no image from another.
    pub fn max_entropy(&self) -> f64 {
        (self.outputs as f64).ln()
    }

    /// Share of the outputs that could be some row's largest and are.
    pub fn usage(&self) -> f64 {
        self.winners / self.outputs.min(self.rows).max(1) as f64
    }
}

/// [`EmbeddingStats`] on the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbeddingSummary {
    /// How much embeddings differ.
    pub spread: FeatureSpread,
    /// Number of embeddings.
    pub rows: usize,
    /// The loss of embeddings that are all alike.
    pub chance_loss: f64,
}

/// The gradients of a step on the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientSummary {
    /// Euclidean norm over all parameters, before clipping.
    pub norm: f64,
    /// Parameters whose gradient holds a value that is no number, if there are any.
    pub broken: Option<BrokenGradients>,
}

/// Gradients that hold a value that is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenGradients {
    /// The place among [`crate::optim::grads::names`] of the first one that the backward pass came to, which is the last one
    /// of the forward pass: what lies before it got it from there.
    pub first: usize,
    /// How many there are.
    pub count: usize,
}

impl GradientSummary {
    /// The summary of the norms of single gradients.
    pub fn of(norms: &[f32]) -> Self {
        let squares = norms.iter().map(|norm| f64::from(*norm).powi(2));
        let broken = norms
            .iter()
            .enumerate()
            .filter(|(_, norm)| !norm.is_finite());
        Self {
            norm: squares.sum::<f64>().sqrt(),
            broken: broken
                .clone()
                .next_back()
                .map(|(first, _)| BrokenGradients {
                    first,
                    count: broken.count(),
                }),
        }
    }
}

/// A [`StepOutput`] on the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepStats {
    /// The loss that was minimised.
    pub loss: f64,
    /// Mean over global-global pairs.
    pub loss_global: Option<f64>,
    /// Mean over global-local pairs.
    pub loss_local: Option<f64>,
    /// The online probe's cross entropy, which is part of `loss`.
    pub loss_probe: Option<f64>,
    /// Momentum of the teacher or key encoder, where the method has one.
    pub ema_momentum: Option<f64>,
    /// Temperature of the teacher's softmax, where the method has one.
    pub teacher_temp: Option<f64>,
    /// What the targets look like, where the method has targets over outputs.
    pub targets: Option<TargetSummary>,
    /// What the embeddings of one view look like, where the method contrasts embeddings.
    pub embeddings: Option<EmbeddingSummary>,
    /// Spread of the trained backbone's features of one view.
    pub features: Option<FeatureSpread>,
    /// The gradients.
    pub gradients: Option<GradientSummary>,
    /// The schedules' values.
    pub values: StepValues,
}

impl<B: Backend> ItemLazy for StepOutput<B> {
    type ItemSync = StepStats;

    fn sync(self) -> StepStats {
        let scalar = |tensor: Tensor<B, 1>| {
            let values = sslight_models::params::host_values(tensor);
            values.first().map_or(f64::NAN, |value| f64::from(*value))
        };
        let spread = |spread: SpreadStats<B>| FeatureSpread::of(scalar(spread.std), spread.dim);
        StepStats {
            loss: scalar(self.loss),
            loss_global: self.loss_global.map(scalar),
            loss_local: self.loss_local.map(scalar),
            loss_probe: self.loss_probe.map(scalar),
            ema_momentum: self.ema_momentum,
            teacher_temp: self.teacher_temp,
            targets: self.targets.map(|targets| TargetSummary {
                entropy: scalar(targets.entropy),
                winners: scalar(targets.winners),
                rows: targets.rows,
                outputs: targets.outputs,
            }),
            embeddings: self.embeddings.map(|embeddings| EmbeddingSummary {
                spread: spread(embeddings.spread),
                rows: embeddings.rows,
                chance_loss: embeddings.chance_loss,
            }),
            features: self.features.map(spread),
            gradients: (self.grad_norms)
                .map(|norms| GradientSummary::of(&sslight_models::params::host_values(norms))),
            values: self.values,
        }
    }
}

/// What the evaluation at the end of an epoch measured.
///
/// Validation of a self-supervised method is a measurement over whole sets of features, not a mean over
/// batches. The evaluator makes it and hands it through burn-train's validation step to the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ValidationStats {
    /// kNN accuracy in percent.
    pub knn_top1: Option<f64>,
    /// kNN top-5 accuracy in percent.
    pub knn_top5: Option<f64>,
    /// Mean standard deviation of the dimensions of normalised features.
    pub feature_std: Option<f64>,
    /// Accuracy of the classifier that is trained along, in percent.
    pub probe_top1: Option<f64>,
    /// Exponential of the entropy of the features' singular values.
    pub effective_rank: Option<f64>,
}

impl ItemLazy for ValidationStats {
    type ItemSync = Self;

    fn sync(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_broken_gradient_is_the_one_nearest_to_the_loss() {
        let found = GradientSummary::of(&[f32::NAN, f32::INFINITY, 3.0]);
        assert_eq!(found.broken, Some(BrokenGradients { first: 1, count: 2 }));
        let whole = GradientSummary::of(&[3.0, 0.0, 4.0]);
        assert_eq!((whole.norm, whole.broken), (5.0, None));
    }
}
