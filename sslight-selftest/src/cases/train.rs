//! `train.*`: a few complete training steps across an epoch boundary, through the methods, the optimizer and the
//! clock that a run uses. One file a method says what the method is made from and what it records of its own.

mod dino;
mod moco;
mod swav;

use std::collections::HashMap;

use burn::tensor::{Int, Tensor, TensorData};
use burn_train::{ItemLazy, TrainOutput, TrainStep};
use serde::Deserialize;
use sslight_core::loss::PairWeights;
use sslight_core::method::{AnyMethod, StepOptions, StepStats, ViewBatch};
use sslight_core::optim::{GroupRules, GroupedOptimizer, PretrainingRules, Rule, grads};
use sslight_core::schedule::{Clock, LearningRate, Schedule, WarmupCosine};
use sslight_models::BackboneKind;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::params::NamedTensor;
use sslight_models::weights::{WeightMap, load_named};

use super::modules::{self, put_running_sums};
use super::{CaseContext, Runner, l2, put};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::names::torchvision_name;
use crate::tensors::HostTensor;

/// The runner of a kind `train.*`.
pub(super) fn runner<B: AutodiffBackend>(kind: &str) -> Option<Runner<B>> {
    match kind {
        "train.dino" => Some(dino::run::<B>),
        "train.moco" => Some(moco::run::<B>),
        "train.swav" => Some(swav::run::<B>),
        _ => None,
    }
}

/// The parameters that all methods have.
#[derive(Deserialize)]
struct Params {
    arch: String,
    patch: Option<usize>,
    batch: usize,
    globals: usize,
    locals: usize,
    lambdas: [f64; 2],
    steps: usize,
    iters_per_epoch: usize,
    optimizer: String,
    peak_lr: f64,
    min_lr: f64,
    start_warmup_lr: f64,
    warmup_epochs: usize,
    total_epochs: usize,
    weight_decay: f64,
    weight_decay_end: f64,
    momentum: f64,
    eta: f64,
    wd_factor_bias: f64,
    wd_factor_dw: f64,
    lars_exclude_bias: bool,
    lars_exclude_dw: bool,
    clip_grad: f64,
    probe: bool,
    classes: usize,
}

impl Params {
    fn total_steps(&self) -> usize {
        self.total_epochs * self.iters_per_epoch
    }

    /// The schedules, with a constant momentum and without a teacher temperature.
    fn schedule(&self) -> Schedule {
        let total_steps = self.total_steps();
        Schedule {
            steps_per_epoch: self.iters_per_epoch,
            lr: LearningRate::Cosine(WarmupCosine {
                start: self.start_warmup_lr,
                peak: self.peak_lr,
                end: self.min_lr,
                warmup_steps: self.warmup_epochs * self.iters_per_epoch,
                total_steps,
            }),
            weight_decay: WarmupCosine::cosine(
                self.weight_decay,
                self.weight_decay_end,
                total_steps,
            ),
            ema_momentum: WarmupCosine::cosine(1.0, 1.0, total_steps),
            warmup_teacher_temp: 1.0,
            teacher_temp: 1.0,
            warmup_teacher_temp_epochs: 0,
            freeze_last_layer_epochs: 0,
        }
    }

    fn weights(&self, global_only: bool) -> PairWeights {
        let [alpha, beta] = self.lambdas;
        PairWeights {
            alpha,
            beta,
            global_only,
        }
    }

    fn options(&self) -> StepOptions {
        StepOptions {
            clip_grad: self.clip_grad,
            ..StepOptions::PLAIN
        }
    }

    fn probe_classes(&self) -> Option<usize> {
        self.probe.then_some(self.classes)
    }

    fn backbone(&self) -> Result<BackboneKind, CaseError> {
        let name = match self.patch {
            Some(patch) => format!("{}_{patch}", self.arch),
            None => self.arch.clone(),
        };
        name.parse().map_err(|_| self.not_covered())
    }

    fn not_covered(&self) -> CaseError {
        CaseError::NotCovered(format!("backbone {} is not in this build yet", self.arch))
    }

    fn rule(&self) -> Result<Rule, CaseError> {
        match self.optimizer.as_str() {
            "LARS" => Ok(Rule::Lars {
                momentum: self.momentum,
                eta: self.eta,
            }),
            "AdamW" => Ok(Rule::AdamW {
                betas: [0.9, 0.999],
                eps: 1e-8,
            }),
            other => Err(CaseError::failed(format!("no optimizer named {other}"))),
        }
    }

    fn groups(&self) -> GroupRules {
        GroupRules::Pretraining(PretrainingRules {
            wd_factor_bias: self.wd_factor_bias,
            wd_factor_depthwise: self.wd_factor_dw,
            lars_exclude_bias: self.lars_exclude_bias,
            lars_exclude_depthwise: self.lars_exclude_dw,
        })
    }

    /// A parameter or buffer of the reference under our name: `encoder_q` and `encoder_k` are `query` and `key`
    /// here, backbones have torchvision's names, everything else is equal.
    fn our_name(&self, reference: &str) -> Result<String, CaseError> {
        let (network, rest) = reference.split_once('.').unwrap_or((reference, ""));
        let network = match network {
            "encoder_q" => "query",
            "encoder_k" => "key",
            other => other,
        };
        match rest.strip_prefix("backbone.") {
            Some(name) => Ok(format!(
                "{network}.backbone.{}",
                torchvision_name(&self.arch, name)?
            )),
            None => Ok(format!("{network}.{rest}")),
        }
    }

    /// The tensors of the reference's network `prefix` under our names inside a network.
    fn network(&self, context: &CaseContext<'_>, prefix: &str) -> Result<WeightMap, CaseError> {
        context.weights(prefix, |rest| {
            let name = self.our_name(&format!("{prefix}{rest}"))?;
            Ok(name
                .split_once('.')
                .map_or(name.clone(), |(_, name)| name.to_string()))
        })
    }
}

/// `module` with the tensors of the reference's network `prefix`.
fn loaded<B: Backend, M: burn::module::Module<B>>(
    module: M,
    context: &CaseContext<'_>,
    params: &Params,
    prefix: &str,
) -> Result<M, CaseError> {
    load_named(module, &params.network(context, prefix)?).map_err(CaseError::failed)
}

/// One value a step of everything that is recorded over time; empty what the method lacks.
#[derive(Default)]
struct Series {
    values: HashMap<&'static str, Vec<f64>>,
    grad_norms: Vec<f64>,
}

impl Series {
    fn push(&mut self, name: &'static str, value: Option<f64>) {
        self.values.entry(name).or_default().extend(value);
    }

    fn push_stats(&mut self, stats: &StepStats) {
        let probe = stats.loss_probe.unwrap_or(0.0);
        self.push("loss", Some(stats.loss));
        self.push("sup_loss", Some(probe));
        self.push("ssl_loss", Some(stats.loss - probe));
        self.push("loss_gg", stats.loss_global);
        self.push("loss_gl", stats.loss_local);
        self.push("lr", Some(stats.values.lr));
        self.push("wd", Some(stats.values.weight_decay));
        self.push("ema_momentum", stats.ema_momentum);
        self.push("teacher_temp", stats.teacher_temp);
    }

    fn put(self, outputs: &mut Outputs, steps: usize) {
        for (name, values) in self.values {
            if values.len() == steps {
                put(outputs, name, HostTensor::f64([steps], values));
            }
        }
        let parameters = self.grad_norms.len() / steps.max(1);
        let norms = HostTensor::f64([steps, parameters], self.grad_norms);
        put(outputs, "grad_norms", norms);
    }
}

/// When a step is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

/// Carries out the steps of a case; `watch` sees the method before and after each, with the clock at the step.
fn train<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    params: &Params,
    mut method: AnyMethod<B>,
    clock: &Clock,
    device: &B::Device,
    mut watch: impl FnMut(&AnyMethod<B>, Moment),
) -> Result<Outputs, CaseError> {
    let initial = modules::tensors_by_name(&method);
    let mut optimizer = GroupedOptimizer::<B>::new(params.rule()?, params.groups(), clock.clone());
    let mut series = Series::default();
    for step in 0..params.steps {
        clock.set(step);
        watch(&method, Moment::Before);
        let batch = batch::<B>(context, params, step, device)?;
        let TrainOutput { mut grads, item } = TrainStep::step(&method, batch);
        let norms: HashMap<String, Option<f64>> = grads::norms::<B, _>(&method, &mut grads)
            .into_iter()
            .collect();
        let squares = norms.values().flatten().map(|norm| norm * norm);
        series.push("grad_norm", Some(squares.sum::<f64>().sqrt()));
        for name in context.index("grad_norms")? {
            let norm = norms.get(&params.our_name(name)?).copied().flatten();
            series.grad_norms.push(norm.unwrap_or(-1.0));
        }
        let stats = item.sync();
        series.push_stats(&stats);
        method = method.optimize(&mut optimizer, stats.values.lr, grads);
        watch(&method, Moment::After);
    }
    let mut outputs = Outputs::new();
    series.put(&mut outputs, params.steps);
    let last = modules::tensors_by_name(&method);
    put_final(context, params, &initial, &last, &mut outputs)?;
    Ok(outputs)
}

/// The views of a step, one group for the global and one for the local size.
fn batch<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    params: &Params,
    step: usize,
    device: &B::Device,
) -> Result<ViewBatch<B>, CaseError> {
    let group = |views: std::ops::Range<usize>| {
        let images = views
            .map(|view| context.tensor::<B, 4>(&format!("input.step{step}.view{view}"), device))
            .collect::<Result<Vec<_>, _>>()?;
        Ok::<_, CaseError>(Tensor::cat(images, 0))
    };
    let views = params.globals + params.locals;
    let mut groups = vec![group(0..params.globals)?];
    if params.locals > 0 {
        groups.push(group(params.globals..views)?);
    }
    let labels: Vec<i64> = context
        .labels("labels")?
        .chunks_exact(params.batch)
        .nth(step)
        .ok_or_else(|| CaseError::failed(format!("no labels for step {step}")))?
        .iter()
        .map(|label| *label as i64)
        .collect();
    let labels = TensorData::new(labels, [params.batch]);
    Ok(ViewBatch {
        groups,
        batch: params.batch,
        labels: Some(Tensor::<B, 1, Int>::from_data(labels, device)),
    })
}

/// What the steps have made of parameters and running statistics.
fn put_final(
    context: &CaseContext<'_>,
    params: &Params,
    before: &HashMap<String, NamedTensor>,
    after: &HashMap<String, NamedTensor>,
    outputs: &mut Outputs,
) -> Result<(), CaseError> {
    let find = |tensors: &'_ HashMap<String, NamedTensor>, name: &str| {
        tensors
            .get(&params.our_name(name)?)
            .cloned()
            .ok_or_else(|| CaseError::failed(format!("the method has no tensor {name}")))
    };
    let (mut norms, mut moved) = (Vec::new(), Vec::new());
    for name in context.index("param_norms")? {
        let (old, new) = (find(before, name)?, find(after, name)?);
        norms.push(l2(&new.values));
        // In float64: a float32 difference of equals would round to a wrong length.
        let squares = new.values.iter().zip(&old.values).map(|(&new, &old)| {
            let delta = f64::from(new) - f64::from(old);
            delta * delta
        });
        moved.push(squares.sum::<f64>().sqrt());
    }
    put(
        outputs,
        "param_norms",
        HostTensor::f64([norms.len()], norms),
    );
    put(
        outputs,
        "delta_norms",
        HostTensor::f64([moved.len()], moved),
    );
    put_running_sums(context, outputs, |name| find(after, name))?;
    for name in context.outputs_of("final.") {
        put(
            outputs,
            format!("final.{name}"),
            modules::host(&find(after, name)?),
        );
    }
    Ok(())
}
