//! `sslight bench`: how long a training step or a batch of features takes on this machine, and what takes it.

mod knn;
mod ops;
mod views;

use serde::Serialize;
use sslight_core::config::resolve;
use sslight_core::run::{
    BenchOptions, OperationTime, StepPart, StepTimes, bench_inference, bench_step, peak_memory,
};

use burn::tensor::backend::AutodiffBackend;

use crate::args::{BenchInferenceArgs, BenchStepArgs, BenchVerb};
use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// What `--json` prints; times are medians over the measured steps.
#[derive(Debug, Serialize)]
struct Report {
    backend: String,
    configuration: String,
    batch_size: usize,
    steps: usize,
    /// Without waiting for views.
    step_seconds: f64,
    images_per_s: f64,
    share_outside_backbone: f64,
    /// Billions of floating-point operations a second, of matrix products and convolutions over the whole step.
    gflops: f64,
    /// The most memory that the process had, where the system tells.
    peak_bytes: Option<u64>,
    parts: Vec<Part>,
    operations: Vec<Operation>,
}

/// What an operation takes of a step.
#[derive(Debug, Serialize)]
struct Operation {
    name: &'static str,
    calls: f64,
    seconds: f64,
    gflops: f64,
}

impl From<&OperationTime> for Operation {
    fn from(time: &OperationTime) -> Self {
        Self {
            name: time.name,
            calls: time.calls,
            seconds: time.seconds,
            gflops: time.flops / time.seconds / 1e9,
        }
    }
}

#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    seconds: f64,
}

/// Measures what the verb says.
pub fn run(verb: &BenchVerb) -> Result<Outcome, CliError> {
    match verb {
        BenchVerb::Step(args) => step(args),
        BenchVerb::Inference(args) => inference(args),
        BenchVerb::Knn(args) => knn::run(args),
        BenchVerb::Ops(args) => ops::run(args),
        BenchVerb::Views(args) => views::run(args),
    }
}

/// What `bench inference --json` prints.
#[derive(Debug, Serialize)]
struct InferenceReport {
    backend: String,
    backbone: String,
    batch_size: usize,
    steps: usize,
    step_seconds: f64,
    images_per_s: f64,
    peak_bytes: Option<u64>,
    operations: Vec<Operation>,
}

impl InferenceReport {
    fn text(&self, breakdown: bool) -> String {
        let mut text = format!(
            "{} on {}, batch {}: {:.4} s a batch, {:.1} images/s (median of {} batches)\n",
            self.backbone,
            self.backend,
            self.batch_size,
            self.step_seconds,
            self.images_per_s,
            self.steps
        );
        if breakdown {
            text.push_str(&lines(&self.operations, self.step_seconds));
        }
        text
    }
}

/// A line for each operation, with its share of the whole.
fn lines(operations: &[Operation], whole: f64) -> String {
    let line = |operation: &Operation| {
        let share = 100.0 * operation.seconds / whole;
        format!(
            "  {:<36}  {:>6.0} calls  {:>9.4} s  {share:>5.1} %  {:>6.1} GFLOP/s\n",
            operation.name, operation.calls, operation.seconds, operation.gflops
        )
    };
    operations.iter().map(line).collect()
}

fn inference(args: &BenchInferenceArgs) -> Result<Outcome, CliError> {
    let resolved = resolve(&args.words)?;
    let config = &resolved.config;
    let engine = backend::choose(config.backend)?;
    let times = with_engine!(engine, |B, device| {
        bench_inference::<<B as AutodiffBackend>::InnerBackend>(
            config,
            &device,
            args.warmup,
            args.steps,
        )
    })?;
    let report = InferenceReport {
        backend: engine.choice().to_string(),
        backbone: config.backbone.to_string(),
        batch_size: config.batch_size,
        steps: args.steps,
        step_seconds: times.seconds,
        images_per_s: config.batch_size as f64 / times.seconds,
        peak_bytes: peak_memory(),
        operations: times.operations.iter().map(Operation::from).collect(),
    };
    ui::show(args.output.json, &report, || report.text(args.breakdown))?;
    Ok(Outcome::Done)
}

fn step(args: &BenchStepArgs) -> Result<Outcome, CliError> {
    let resolved = resolve(&args.words)?;
    resolved.require_data()?;
    let engine = backend::choose(resolved.config.backend)?;
    let times = with_engine!(engine, |B, device| {
        bench_step::<B>(
            &resolved,
            &device,
            BenchOptions {
                warmup: args.warmup,
                steps: args.steps,
                fixed_views: args.fixed_views,
            },
        )
    })?;
    let config = &resolved.config;
    let report = Report::new(
        engine.choice().to_string(),
        format!("{} {} {}", config.method, config.backbone, config.recipe),
        &times,
    );
    ui::show(args.output.json, &report, || report.text(args.breakdown))?;
    Ok(Outcome::Done)
}

impl Report {
    fn new(backend: String, configuration: String, times: &StepTimes) -> Self {
        let step_seconds = times.step_seconds();
        let flops: f64 = times.operations.iter().map(|part| part.flops).sum();
        Self {
            backend,
            configuration,
            batch_size: times.batch_size,
            steps: times.len(),
            step_seconds,
            images_per_s: times.batch_size as f64 / step_seconds,
            share_outside_backbone: times.share_outside_backbone(),
            gflops: flops / step_seconds / 1e9,
            peak_bytes: peak_memory(),
            operations: times.operations.iter().map(Operation::from).collect(),
            parts: StepPart::ALL
                .iter()
                .map(|part| Part {
                    name: part.name(),
                    seconds: times.seconds(*part),
                })
                .collect(),
        }
    }

    fn text(&self, breakdown: bool) -> String {
        let mut text = format!(
            "{} on {}, batch {}: {:.3} s a step without waiting for views, {:.1} images/s (median of {} steps)\n",
            self.configuration,
            self.backend,
            self.batch_size,
            self.step_seconds,
            self.images_per_s,
            self.steps
        );
        if breakdown {
            for part in &self.parts {
                let share = 100.0 * part.seconds / self.step_seconds;
                text.push_str(&format!(
                    "  {:<20}  {:>9.4} s  {share:>5.1} %\n",
                    part.name, part.seconds
                ));
            }
            text.push_str(&lines(&self.operations, self.step_seconds));
            text.push_str(&format!(
                "outside the backbones: {:.1} % of a step\n",
                100.0 * self.share_outside_backbone
            ));
            if let Some(bytes) = self.peak_bytes {
                text.push_str(&format!("peak memory: {:.2} GB, ", bytes as f64 / 1e9));
            }
            text.push_str(&format!("{:.1} GFLOP/s over the step\n", self.gflops));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breakdown_has_a_line_a_part_and_the_share() {
        let report = Report {
            backend: "flex".to_owned(),
            configuration: "dino resnet18 sslight".to_owned(),
            batch_size: 32,
            steps: 5,
            step_seconds: 2.0,
            images_per_s: 16.0,
            share_outside_backbone: 0.055,
            gflops: 80.0,
            peak_bytes: Some(3_000_000_000),
            parts: vec![Part {
                name: "optimizer",
                seconds: 0.1,
            }],
            operations: vec![Operation {
                name: "depthwise forward",
                calls: 17.0,
                seconds: 0.2,
                gflops: 12.5,
            }],
        };
        assert_eq!(
            report.text(true),
            "dino resnet18 sslight on flex, batch 32: 2.000 s a step without waiting for views, 16.0 images/s \
             (median of 5 steps)\n  optimizer                0.1000 s    5.0 %\n  \
             depthwise forward                         17 calls     0.2000 s   10.0 %    12.5 GFLOP/s\n\
             outside the backbones: 5.5 % of a step\npeak memory: 3.00 GB, 80.0 GFLOP/s over the step\n"
        );
        assert_eq!(report.text(false).lines().count(), 1);
    }
}
