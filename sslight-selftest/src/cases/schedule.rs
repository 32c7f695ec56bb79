//! `schedule.*`: learning rate, weight decay, EMA momentum and teacher temperature over a run; `eval.linear_lr`:
//! the learning rate of a classifier, which is set once an epoch.

use serde::Deserialize;
use sslight_core::schedule::{WarmupCosine, WarmupMultistep, teacher_temp};

use super::{CaseContext, put};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

/// The kinds that [`run`] carries out.
pub(crate) const KINDS: [&str; 5] = [
    "schedule.cosine",
    "schedule.multistep",
    "schedule.teacher_temp",
    "schedule.paper",
    "eval.linear_lr",
];

pub(crate) fn run(context: &CaseContext<'_>) -> Result<Outputs, CaseError> {
    let mut outputs = Outputs::new();
    match context.case.kind.as_str() {
        "schedule.cosine" => {
            let curve = context.params::<Cosine>()?.curve();
            put_curve(
                &mut outputs,
                "value",
                (0..curve.total_steps).map(|step| curve.at(step)),
            );
        }
        "schedule.multistep" => {
            let Multistep {
                base,
                milestones_epochs,
                gamma,
                epochs,
                iters_per_epoch,
            } = context.params()?;
            let curve = WarmupMultistep {
                start: base,
                peak: base,
                warmup_steps: 0,
                milestones: milestones_epochs
                    .iter()
                    .map(|e| e * iters_per_epoch)
                    .collect(),
                gamma,
            };
            let steps = epochs * iters_per_epoch;
            put_curve(&mut outputs, "value", (0..steps).map(|step| curve.at(step)));
        }
        "schedule.teacher_temp" => {
            let p: TeacherTemp = context.params()?;
            let at = |epoch| {
                teacher_temp(
                    p.warmup_teacher_temp,
                    p.teacher_temp,
                    p.warmup_epochs,
                    epoch,
                )
            };
            put_curve(&mut outputs, "value", (0..p.epochs).map(at));
        }
        "eval.linear_lr" => {
            let p: LinearLr = context.params()?;
            let curve = WarmupCosine::cosine(p.base_lr, p.min_lr, p.epochs * p.iters_per_epoch);
            let at = |epoch| curve.at(epoch * p.iters_per_epoch);
            put_curve(&mut outputs, "value", (0..p.epochs).map(at));
        }
        _ => paper(context, &mut outputs)?,
    }
    Ok(outputs)
}

fn put_curve(outputs: &mut Outputs, name: &str, values: impl Iterator<Item = f64>) {
    let values: Vec<f64> = values.collect();
    put(outputs, name, HostTensor::f64([values.len()], values));
}

#[derive(Deserialize)]
struct Cosine {
    base: f64,
    #[serde(rename = "final")]
    last: f64,
    epochs: usize,
    iters_per_epoch: usize,
    warmup_epochs: usize,
    start_warmup: f64,
}

impl Cosine {
    fn curve(&self) -> WarmupCosine {
        WarmupCosine {
            start: self.start_warmup,
            peak: self.base,
            end: self.last,
            warmup_steps: self.warmup_epochs * self.iters_per_epoch,
            total_steps: self.epochs * self.iters_per_epoch,
        }
    }
}

#[derive(Deserialize)]
struct Multistep {
    base: f64,
    milestones_epochs: Vec<usize>,
    gamma: f64,
    epochs: usize,
    iters_per_epoch: usize,
}

#[derive(Deserialize)]
struct TeacherTemp {
    warmup_teacher_temp: f64,
    teacher_temp: f64,
    warmup_epochs: usize,
    epochs: usize,
}

#[derive(Deserialize)]
struct LinearLr {
    base_lr: f64,
    min_lr: f64,
    epochs: usize,
    iters_per_epoch: usize,
}

#[derive(Deserialize)]
struct Paper {
    peak_lr: f64,
    min_lr: f64,
    start_warmup: f64,
    warmup_epochs: usize,
    epochs: usize,
    iters_per_epoch: usize,
    wd_start: f64,
    wd_end: f64,
    momentum_start: f64,
    momentum_end: f64,
}

/// The published runs, at the steps that the file names.
fn paper(context: &CaseContext<'_>, outputs: &mut Outputs) -> Result<(), CaseError> {
    let p: Paper = context.params()?;
    let total_steps = p.epochs * p.iters_per_epoch;
    let lr = WarmupCosine {
        start: p.start_warmup,
        peak: p.peak_lr,
        end: p.min_lr,
        warmup_steps: p.warmup_epochs * p.iters_per_epoch,
        total_steps,
    };
    let weight_decay = WarmupCosine::cosine(p.wd_start, p.wd_end, total_steps);
    let momentum = WarmupCosine::cosine(p.momentum_start, p.momentum_end, total_steps);
    let steps = context.stored("step")?.values.to_f64();
    for (name, curve) in [("lr", lr), ("wd", weight_decay), ("momentum", momentum)] {
        put_curve(
            outputs,
            name,
            steps.iter().map(|&step| curve.at(step as usize)),
        );
    }
    Ok(())
}
