//! From a run to the dashboard: its events, and the metrics of burn-train's learner.

use std::collections::HashMap;

use burn::train::metric::{MetricDefinition, MetricId};
use burn::train::renderer::{
    EvaluationName, EvaluationProgress, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining, ProgressType, TrainingProgress,
};
use serde_json::Value;
use sslight_core::observe::{Level, Observer, RunEvent};
use sslight_core::run::RunFiles;
use sslight_report::{Line, MetricsReader};

use super::{Message, Numbers, SyncSender};
use crate::ui::text::{epoch_text, summary_text};

/// Passes on what a run tells.
pub struct Events {
    to: SyncSender<Message>,
    epochs: usize,
}

impl Events {
    pub(super) fn new(to: SyncSender<Message>) -> Self {
        Self { to, epochs: 0 }
    }

    /// Training waits for nobody: what does not fit is not shown.
    fn send(&self, message: Message) {
        let _ = self.to.try_send(message);
    }

    /// Before the first step the dashboard only takes, and the terminal is not in its way.
    fn wait_and_send(&self, message: Message) {
        // It has ended if the terminal is gone, and there is nobody to tell.
        let _ = self.to.send(message);
    }
}

impl Observer for Events {
    fn on_event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Start(start) => {
                self.epochs = start.epochs;
                if start.first_step > 0 {
                    // What earlier parts of the run measured.
                    let files = RunFiles::of(&start.out);
                    let news = files.map(|files| MetricsReader::open(files.metrics).read_new());
                    for line in news.into_iter().flatten().flat_map(|news| news.lines) {
                        if let Some(numbers) = line_numbers(&line, true) {
                            self.wait_and_send(Message::Numbers(numbers));
                        }
                    }
                }
                self.wait_and_send(Message::Start(Box::new(start.clone())));
            }
            RunEvent::Step(report) => self.send(Message::Numbers(Numbers {
                step: report.step,
                done: report.step + 1,
                values: numbers_of(event),
                is_history: false,
            })),
            RunEvent::Epoch(report) => {
                let mut values = numbers_of(event);
                values.retain(|(key, _)| !OF_STEPS.contains(&key.as_str()));
                self.send(Message::Numbers(Numbers {
                    step: report.step,
                    done: report.step,
                    values,
                    is_history: false,
                }));
            }
            RunEvent::Notice(notice) if notice.level == Level::Warning => {
                // It is to be read after the dashboard too.
                crate::ui::warn(&notice.text);
                return;
            }
            RunEvent::Notice(_) | RunEvent::Event(_) | RunEvent::Finished(_) => {}
        }
        if let Some((level, text)) = message_of(event, self.epochs) {
            self.send(Message::Said(level, text));
        }
    }
}

/// Numbers of an epoch that each step has too, measured otherwise: one graph shows those of steps.
const OF_STEPS: [&str; 2] = ["loss", "feature_std"];

/// What an event is among the messages.
pub fn message_of(event: &RunEvent, epochs: usize) -> Option<(Level, String)> {
    match event {
        RunEvent::Start(_) | RunEvent::Step(_) => None,
        RunEvent::Epoch(report) => Some((Level::Info, epoch_text(report, epochs))),
        RunEvent::Event(event) => {
            let text = format!("step {}: {}", event.step, event.name.replace('_', " "));
            Some((Level::Info, text))
        }
        RunEvent::Notice(notice) => Some((notice.level, notice.text.clone())),
        RunEvent::Finished(summary) => Some((Level::Info, summary_text(summary))),
    }
}

/// The numbers of an event by the keys that they have in `metrics.jsonl`.
fn numbers_of(event: &RunEvent) -> Vec<(String, f64)> {
    let Ok(Value::Object(fields)) = serde_json::to_value(event) else {
        return Vec::new();
    };
    let number = |(key, value): (String, Value)| Some((key, value.as_f64()?));
    fields.into_iter().filter_map(number).collect()
}

/// The numbers of a line of `metrics.jsonl`, if it has some to draw.
pub fn line_numbers(line: &Line, is_history: bool) -> Option<Numbers> {
    let (step, done, of_epoch) = match line {
        Line::Step(step) => (step.step, step.step + 1, false),
        Line::Epoch(epoch) => (epoch.step, epoch.step, true),
        Line::Event(_) | Line::Summary(_) => return None,
    };
    let values = line
        .fields()
        .numbers()
        .filter(|(key, _)| !(of_epoch && OF_STEPS.contains(key)))
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    Some(Numbers {
        step: step as usize,
        done: done as usize,
        values,
        is_history,
    })
}

/// Passes on what burn-train's learner measures, as its renderer.
pub struct Metrics {
    to: SyncSender<Message>,
    names: HashMap<MetricId, String>,
    of_step: Vec<(String, f64)>,
    of_evaluation: Vec<(String, f64)>,
}

impl Metrics {
    pub(super) fn new(to: SyncSender<Message>) -> Self {
        Self {
            to,
            names: HashMap::new(),
            of_step: Vec::new(),
            of_evaluation: Vec::new(),
        }
    }

    /// Name and value of a number; absent ones are not-a-number.
    fn number(&self, state: MetricState) -> Option<(String, f64)> {
        match state {
            MetricState::Numeric(entry, value) => {
                let name = self.names.get(&entry.metric_id)?;
                Some((name.clone(), value.current())).filter(|(_, value)| value.is_finite())
            }
            MetricState::Generic(_) => None,
        }
    }

    fn send(&self, step: usize, done: usize, values: Vec<(String, f64)>) {
        // Training waits for nobody: what does not fit is not shown.
        let _ = self.to.try_send(Message::Numbers(Numbers {
            step,
            done,
            values,
            is_history: false,
        }));
    }
}

impl MetricsRendererTraining for Metrics {
    fn update_train(&mut self, state: MetricState) {
        let number = self.number(state);
        self.of_step.extend(number);
    }

    fn update_valid(&mut self, state: MetricState) {
        let number = self.number(state);
        self.of_evaluation.extend(number);
    }

    fn render_train(&mut self, item: TrainingProgress, _indicators: Vec<ProgressType>) {
        let values = std::mem::take(&mut self.of_step);
        if let Some(done) = item.iteration {
            self.send(done.saturating_sub(1), done, values);
        }
    }

    fn render_valid(&mut self, item: TrainingProgress, _indicators: Vec<ProgressType>) {
        let values = std::mem::take(&mut self.of_evaluation);
        if let Some(done) = item.iteration {
            self.send(done, done, values);
        }
    }
}

impl MetricsRendererEvaluation for Metrics {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
    fn render_test(&mut self, _item: EvaluationProgress, _indicators: Vec<ProgressType>) {}
}

impl MetricsRenderer for Metrics {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.names.insert(definition.metric_id, definition.name);
    }
}
