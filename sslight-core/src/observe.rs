//! What a run tells while it trains: typed events, for the terminal, the log, `metrics.jsonl` and TensorBoard.
//!
//! The `step`, `epoch`, `event` and `summary` events serialise to the lines of `metrics.jsonl`, key by key; see
//! [`RunEvent::metrics_line`]. Steps count optimizer steps from 0, epochs from 0; accuracies are in percent.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Receives the events of a run, in order, on the thread that trains: a slow observer slows the run.
pub trait Observer {
    /// Called once per event.
    fn on_event(&mut self, event: &RunEvent);
}

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RunEvent {
    /// The run is set up and about to take its first step.
    Start(StartInfo),
    /// A training step that is reported (every `log_every` steps).
    Step(StepReport),
    /// The end of an epoch, with what was measured there.
    Epoch(EpochReport),
    /// Something worth keeping in the metrics, such as a sign of collapse.
    Event(HealthEvent),
    /// A sentence for the reader.
    Notice(Notice),
    /// The run is over.
    #[serde(rename = "summary")]
    Finished(Summary),
}

impl RunEvent {
    /// The event as a line of `metrics.jsonl` (without the line feed); `None` for events that are not metrics.
    pub fn metrics_line(&self) -> Option<String> {
        match self {
            Self::Start(_) | Self::Notice(_) => None,
            Self::Step(_) | Self::Epoch(_) | Self::Event(_) | Self::Finished(_) => {
                serde_json::to_string(self).ok()
            }
        }
    }
}

/// What a run is, when it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartInfo {
    /// Method, backbone and recipe, as in `dino mobilenet_v2 sslight`.
    pub title: String,
    /// The engine and its device.
    pub backend: String,
    /// The training data.
    pub data: String,
    /// Number of training images.
    pub images: usize,
    /// Number of trainable parameters.
    pub parameters: usize,
    /// The run folder.
    pub out: PathBuf,
    /// Step from which the run continues; 0 for a new run.
    pub first_step: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Epochs of the whole run.
    pub epochs: usize,
}

/// One training step. Optional values are absent for methods that lack them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The optimizer step, from 0.
    pub step: usize,
    /// Its epoch, from 0.
    pub epoch: usize,
    /// The loss that is minimised.
    pub loss: f64,
    /// Mean over global-global pairs, unweighted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_global: Option<f64>,
    /// Mean over global-local pairs, unweighted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_local: Option<f64>,
    /// Cross entropy of the classifier that is trained along, which is part of `loss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_probe: Option<f64>,
    /// Learning rate of this step.
    pub lr: f64,
    /// Weight decay of this step.
    pub weight_decay: f64,
    /// Momentum of the teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema_momentum: Option<f64>,
    /// Temperature of the teacher's softmax.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_temp: Option<f64>,
    /// Mean entropy of the targets in nats; that of uniform targets, `ln k`, means collapse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_entropy: Option<f64>,
    /// Share of the outputs that could be some target's largest and are; one output means collapse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_usage: Option<f64>,
    /// Euclidean norm of all gradients before clipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f64>,
    /// Mean over dimensions of the standard deviation of normalised features of one view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_std: Option<f64>,
    /// The same of the normalised embeddings that are told from each other, where the method does that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_std: Option<f64>,
    /// Age of the oldest entry of the queue, in epochs, where the method has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_age: Option<f64>,
    /// Further terms of `loss`, where the method has other ones, by name as in `loss_mask`.
    #[serde(flatten)]
    pub losses: Map<String, Value>,
    /// Images per second since the last report.
    pub images_per_s: f64,
    /// Share of the time since the last report that was spent waiting for data, 0 to 1.
    pub data_wait: f64,
    /// Steps of the whole run; not a metric.
    #[serde(skip)]
    pub total_steps: usize,
}

/// The end of an epoch. Optional values are absent when they were not measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochReport {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The number of optimizer steps taken so far.
    pub step: usize,
    /// Mean loss over the epoch.
    pub loss: f64,
    /// kNN accuracy in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knn_top1: Option<f64>,
    /// Share of images with the right class among the five best, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knn_top5: Option<f64>,
    /// Mean over dimensions of the standard deviation of normalised features; 0 means collapse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_std: Option<f64>,
    /// Exponential of the entropy of the features' normalised singular values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_rank: Option<f64>,
    /// The largest of these singular values, which add up to 1, falling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spectrum: Option<Vec<f64>>,
    /// Distance of the teacher's backbone from the student's, in units of the length of the latter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema_distance: Option<f64>,
    /// Accuracy of the online linear probe in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_top1: Option<f64>,
    /// What else was measured, by name as in `box_ap`.
    #[serde(flatten)]
    pub scores: Map<String, Value>,
    /// Seconds that the epoch took, evaluation included.
    pub seconds: f64,
}

/// Something in the course of a run that is kept among its metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthEvent {
    /// The number of optimizer steps taken so far.
    pub step: usize,
    /// What happened, as in `collapse_warning`.
    pub name: String,
    /// The measurements that show it, by name.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

/// A sentence for the reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// How much it matters.
    pub level: Level,
    /// The sentence.
    pub text: String,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Info,
    /// Probably not meant.
    Warning,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Why it ended.
    pub end: End,
    /// The number of optimizer steps taken so far.
    pub steps: usize,
    /// The number of complete epochs.
    pub epochs: usize,
    /// The last loss that was reported.
    pub loss: f64,
    /// The last kNN accuracy in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knn_top1: Option<f64>,
    /// The last kNN top-5 accuracy in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knn_top5: Option<f64>,
    /// kNN accuracy of the network before training, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knn_before: Option<f64>,
    /// kNN accuracy of raw pixels in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knn_pixels: Option<f64>,
    /// The protocol of these accuracies, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knn_protocol: Option<String>,
    /// What else was measured last, by name as in `box_ap`.
    #[serde(flatten)]
    pub scores: Map<String, Value>,
    /// Seconds from start to end, without earlier parts of a resumed run.
    pub seconds: f64,
    /// The run folder.
    pub out: PathBuf,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All epochs are done.
    Completed,
    /// `max_steps` was reached.
    MaxSteps,
    /// A stop was asked for; a checkpoint was saved.
    Interrupted,
}

/// Asks a run to stop at the next step, with a checkpoint. Clones share the request.
#[derive(Debug, Clone, Default)]
pub struct StopHandle(Arc<AtomicBool>);

impl StopHandle {
    /// A handle on which no stop was asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a stop; says whether this was the first request.
    pub fn request(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Asks a run for a checkpoint after the next step, without an end. Clones share the request.
#[derive(Debug, Clone, Default)]
pub struct SaveHandle(Arc<AtomicBool>);

impl SaveHandle {
    /// A handle on which nothing was asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a checkpoint.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether one was asked for since the last call.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }

    /// What a signal handler sets to ask for one.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> StepReport {
        StepReport {
            step: 0,
            epoch: 0,
            loss: 8.25,
            loss_global: Some(8.0),
            loss_local: Some(8.5),
            loss_probe: None,
            lr: 0.5,
            weight_decay: 1e-6,
            ema_momentum: Some(0.996),
            teacher_temp: Some(0.04),
            target_entropy: Some(2.5),
            target_usage: Some(0.75),
            grad_norm: Some(1.5),
            feature_std: Some(0.03125),
            embedding_std: None,
            queue_age: None,
            losses: Map::new(),
            images_per_s: 10.0,
            data_wait: 0.25,
            total_steps: 7,
        }
    }

    #[test]
    fn a_step_line_has_the_contracts_keys_in_order_and_nothing_else() {
        assert_eq!(
            RunEvent::Step(step()).metrics_line().as_deref(),
            Some(
                r#"{"kind":"step","step":0,"epoch":0,"loss":8.25,"loss_global":8.0,"loss_local":8.5,"lr":0.5,"weight_decay":1e-6,"ema_momentum":0.996,"teacher_temp":0.04,"target_entropy":2.5,"target_usage":0.75,"grad_norm":1.5,"feature_std":0.03125,"images_per_s":10.0,"data_wait":0.25}"#
            )
        );
    }

    #[test]
    fn keys_that_a_method_lacks_are_absent() {
        let report = StepReport {
            ema_momentum: None,
            teacher_temp: None,
            target_entropy: None,
            target_usage: None,
            loss_local: None,
            ..step()
        };
        let line = RunEvent::Step(report).metrics_line().unwrap_or_default();
        assert!(
            !line.contains("ema_momentum")
                && !line.contains("teacher_temp")
                && !line.contains("target_")
                && !line.contains("loss_local")
        );
        assert!(line.contains("loss_global"));
    }

    #[test]
    fn an_epoch_line_has_the_contracts_keys_in_order() {
        let report = EpochReport {
            epoch: 1,
            step: 124,
            loss: 7.5,
            knn_top1: Some(61.0),
            knn_top5: Some(90.5),
            feature_std: Some(0.02),
            effective_rank: Some(33.0),
            spectrum: Some(vec![0.5, 0.25]),
            ema_distance: Some(0.125),
            probe_top1: Some(60.0),
            scores: Map::new(),
            seconds: 12.5,
        };
        assert_eq!(
            RunEvent::Epoch(report).metrics_line().as_deref(),
            Some(
                r#"{"kind":"epoch","epoch":1,"step":124,"loss":7.5,"knn_top1":61.0,"knn_top5":90.5,"feature_std":0.02,"effective_rank":33.0,"spectrum":[0.5,0.25],"ema_distance":0.125,"probe_top1":60.0,"seconds":12.5}"#
            )
        );
    }

    #[test]
    fn an_event_line_carries_its_measurements_beside_its_name() {
        let mut details = Map::new();
        details.insert("feature_std".to_owned(), 0.001.into());
        let event = HealthEvent {
            step: 40,
            name: "collapse_warning".to_owned(),
            details,
        };
        assert_eq!(
            RunEvent::Event(event).metrics_line().as_deref(),
            Some(r#"{"kind":"event","step":40,"name":"collapse_warning","feature_std":0.001}"#)
        );
    }

    #[test]
    fn a_summary_line_says_how_the_run_ended_and_notices_are_no_metrics() {
        let summary = Summary {
            end: End::MaxSteps,
            steps: 2,
            epochs: 0,
            loss: 4.0,
            knn_top1: None,
            knn_top5: None,
            knn_before: None,
            knn_pixels: None,
            knn_protocol: None,
            scores: Map::new(),
            seconds: 1.5,
            out: PathBuf::from("runs/a"),
        };
        assert_eq!(
            RunEvent::Finished(summary).metrics_line().as_deref(),
            Some(
                r#"{"kind":"summary","end":"max_steps","steps":2,"epochs":0,"loss":4.0,"seconds":1.5,"out":"runs/a"}"#
            )
        );
        let notice = Notice {
            level: Level::Info,
            text: "hello".to_owned(),
        };
        assert_eq!(RunEvent::Notice(notice).metrics_line(), None);
    }

    #[test]
    fn only_the_first_request_to_stop_is_the_first_and_clones_share_it() {
        let stop = StopHandle::new();
        let other = stop.clone();
        assert!(!other.is_requested());
        assert!(stop.request());
        assert!(other.is_requested());
        assert!(!other.request());
    }
}
