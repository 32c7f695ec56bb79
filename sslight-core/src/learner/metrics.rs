//! Our scalars as burn-train metrics, for its dashboard.

use std::sync::Arc;

use burn_train::SupervisedTraining;
use burn_train::logger::MetricLogger;
use burn_train::metric::state::{FormatOptions, NumericMetricState};
use burn_train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn_train::metric::{
    Adaptor, Metric, MetricAttributes, MetricDefinition, MetricMetadata, MetricName, Numeric,
    NumericAttributes, NumericEntry, SerializedEntry,
};
use sslight_models::backend::AutodiffBackend;

use super::Components;
use crate::method::{StepStats, ValidationStats};

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
    /// A metric that `read` finds in the item; an absent number leaves the metric as it was.
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
        let value = (self.read)(item).unwrap_or_else(|| self.state.current_value().current());
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

/// Adds the numbers of training steps and evaluations to a training.
pub fn register<B: AutodiffBackend>(
    training: SupervisedTraining<Components<B>>,
) -> SupervisedTraining<Components<B>> {
    training
        .metric_train_numeric(ScalarMetric::<StepStats>::new("Loss", false, |s| {
            Some(s.loss)
        }))
        .metric_train_numeric(ScalarMetric::<StepStats>::new("Global pairs", false, |s| {
            s.loss_global
        }))
        .metric_train_numeric(ScalarMetric::<StepStats>::new("Local pairs", false, |s| {
            s.loss_local
        }))
        .metric_train_numeric(ScalarMetric::<StepStats>::new("Learning rate", true, |s| {
            Some(s.values.lr)
        }))
        .metric_train_numeric(ScalarMetric::<StepStats>::new("EMA momentum", true, |s| {
            s.ema_momentum
        }))
        .metric_train_numeric(ScalarMetric::<StepStats>::new(
            "Teacher temperature",
            true,
            |s| s.teacher_temp,
        ))
        .metric_valid_numeric(ScalarMetric::<ValidationStats>::new(
            "kNN top-1",
            true,
            |s| s.knn_top1,
        ))
        .metric_valid_numeric(ScalarMetric::<ValidationStats>::new(
            "kNN top-5",
            true,
            |s| s.knn_top5,
        ))
        .metric_valid_numeric(ScalarMetric::<ValidationStats>::new(
            "Feature std",
            true,
            |s| s.feature_std,
        ))
        .metric_valid_numeric(ScalarMetric::<ValidationStats>::new(
            "Probe top-1",
            true,
            |s| s.probe_top1,
        ))
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
