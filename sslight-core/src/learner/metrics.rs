//! Our scalars as burn-train metrics, for a renderer.

use std::sync::Arc;

use burn_train::logger::MetricLogger;
use burn_train::metric::state::{FormatOptions, NumericMetricState};
use burn_train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn_train::metric::{
    Adaptor, Metric, MetricAttributes, MetricDefinition, MetricMetadata, MetricName, Numeric,
    NumericAttributes, NumericEntry, SerializedEntry,
};
use burn_train::{ItemLazy, SupervisedTraining};
use sslight_models::backend::AutodiffBackend;

use super::{Components, Trained};
use crate::method::{AnyMethod, StepStats, ValidationStats};

/// One number of a step or an evaluation as a burn metric.
pub struct ScalarMetric<T> {
    name: MetricName,
    higher_is_better: bool,
    read: fn(&T) -> Option<f64>,
    state: NumericMetricState,
}

impl<T> Clone for ScalarMetric<T> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            higher_is_better: self.higher_is_better,
            read: self.read,
            state: self.state.clone(),
        }
    }
}

impl<T> ScalarMetric<T> {
    /// A metric that `read` finds in the item. A number that is absent is shown as not-a-number, which a renderer is to leave
    /// out: neither 0 nor the last one again.
    pub fn new(name: &str, higher_is_better: bool, read: fn(&T) -> Option<f64>) -> Self {
        Self {
            name: Arc::new(name.to_string()),
            higher_is_better,
            read,
            state: NumericMetricState::new(),
        }
    }
}

impl<T: Send + Sync> Metric for ScalarMetric<T> {
    type Input = T;

    fn name(&self) -> MetricName {
        Arc::clone(&self.name)
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: self.higher_is_better,
        }
        .into()
    }

    fn update(&mut self, item: &T, _metadata: &MetricMetadata) -> SerializedEntry {
        let value = (self.read)(item).unwrap_or(f64::NAN);
        self.state
            .update(value, 1, FormatOptions::new(self.name()).precision(4))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl<T> Numeric for ScalarMetric<T> {
    fn value(&self) -> NumericEntry {
        self.state.current_value()
    }

    fn running_value(&self) -> NumericEntry {
        self.state.running_value()
    }
}

impl Adaptor<StepStats> for StepStats {
    fn adapt(&self) -> StepStats {
        *self
    }
}

impl Adaptor<ValidationStats> for ValidationStats {
    fn adapt(&self) -> ValidationStats {
        *self
    }
}

/// Where a metric finds its number.
pub type Read<T> = fn(&T) -> Option<f64>;

/// The numbers of a training step, by their keys in `metrics.jsonl`.
const OF_STEPS: &[(&str, Read<StepStats>)] = &[
    ("loss", |s| Some(s.loss)),
    ("loss_global", |s| s.loss_global),
    ("loss_local", |s| s.loss_local),
    ("loss_probe", |s| s.loss_probe),
    ("lr", |s| Some(s.values.lr)),
    ("weight_decay", |s| Some(s.values.weight_decay)),
    ("ema_momentum", |s| s.ema_momentum),
    ("teacher_temp", |s| s.teacher_temp),
    ("target_entropy", |s| s.targets.map(|t| t.entropy)),
    ("target_usage", |s| s.targets.map(|t| t.usage())),
    ("feature_std", |s| s.features.map(|spread| spread.std)),
    ("grad_norm", |s| s.gradients.map(|g| g.norm)),
    ("embedding_std", |s| s.embeddings.map(|e| e.spread.std)),
];

/// The numbers of an evaluation; more is better for all of them.
const OF_EVALUATIONS: &[(&str, Read<ValidationStats>)] = &[
    ("knn_top1", |s| s.knn_top1),
    ("knn_top5", |s| s.knn_top5),
    ("probe_top1", |s| s.probe_top1),
    ("effective_rank", |s| s.effective_rank),
];

/// Adds the numbers of training steps and evaluations to a training, by their names: the keys of `metrics.jsonl`. Of losses
/// less is better, of all others more.
pub fn register<B, M, S, V>(
    mut training: SupervisedTraining<Components<B, M>>,
    of_steps: &[(&str, Read<S>)],
    of_evaluations: &[(&str, Read<V>)],
) -> SupervisedTraining<Components<B, M>>
where
    B: AutodiffBackend,
    M: Trained<B>,
    S: Send + Sync + 'static,
    V: Send + Sync + 'static,
    <M::Taken as ItemLazy>::ItemSync: Adaptor<S>,
    <M::Measured as ItemLazy>::ItemSync: Adaptor<V>,
{
    for &(name, read) in of_steps {
        let higher_is_better = !name.starts_with("loss");
        let metric = ScalarMetric::<S>::new(name, higher_is_better, read);
        training = training.metric_train_numeric(metric);
    }
    for &(name, read) in of_evaluations {
        let metric = ScalarMetric::<V>::new(name, true, read);
        training = training.metric_valid_numeric(metric);
    }
    training
}

/// [`register`] with the numbers of pre-training.
pub fn register_method<B: AutodiffBackend>(
    training: SupervisedTraining<Components<B, AnyMethod<B>>>,
) -> SupervisedTraining<Components<B, AnyMethod<B>>> {
    register(training, OF_STEPS, OF_EVALUATIONS)
}

/// burn-train writes a folder of files per epoch unless it has another logger; the run folder has
/// `metrics.jsonl` instead.
pub struct NoMetricFiles;

impl MetricLogger for NoMetricFiles {
    fn log(&mut self, _update: MetricsUpdate, _epoch: usize, _split: &Split) {}

    fn read_numeric(
        &mut self,
        _name: &str,
        _epoch: usize,
        _split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        Ok(Vec::new())
    }

    fn log_metric_definition(&mut self, _definition: MetricDefinition) {}

    fn log_epoch_summary(&mut self, _summary: EpochSummary) {}
}

#[cfg(test)]
mod tests {
    use burn::data::dataloader::Progress;
    use burn_train::metric::Numeric;

    use super::*;

    #[test]
    fn an_absent_number_is_neither_zero_nor_the_last_one() {
        let mut metric = ScalarMetric::<Option<f64>>::new("a", true, |item| *item);
        let progress = || Progress::new(1, 1);
        let metadata = MetricMetadata {
            progress: progress(),
            global_progress: progress(),
            iteration: None,
            lr: None,
        };
        for (item, expected) in [(Some(2.5), Some(2.5)), (None, None), (Some(1.0), Some(1.0))] {
            metric.update(&item, &metadata);
            let shown = metric.value().current();
            assert_eq!(Some(shown).filter(|shown| !shown.is_nan()), expected);
        }
    }
}
