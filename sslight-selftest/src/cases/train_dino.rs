//! `train.dino`: a few complete training steps of DINO across an epoch boundary, through the method,
//! the optimizer and the clock that a run uses.

use std::collections::HashMap;

use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor, TensorData};
use burn_train::{ItemLazy, TrainOutput, TrainStep};
use serde::Deserialize;
use sslight_core::loss::PairWeights;
use sslight_core::method::ViewBatch;
use sslight_core::method::dino::{Dino, DinoConfig, DinoStep};
use sslight_core::optim::{GroupRules, GroupedOptimizer, PretrainingRules, Rule, grads};
use sslight_core::schedule::{Clock, LearningRate, Schedule, WarmupCosine};
use sslight_models::BackboneKind;
use sslight_models::backend::AutodiffBackend;
use sslight_models::params::{NamedTensor, host_values};
use sslight_models::weights::load_named;

use super::modules::{self, put_running_sums};
use super::{CaseContext, l2, put};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::names::torchvision_name;
use crate::tensors::{HostTensor, Values};

#[derive(Deserialize)]
struct Params {
    arch: String,
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
    teacher_init: String,
    out_dim: usize,
    hidden: usize,
    bottleneck: usize,
    layers: usize,
    use_bn: bool,
    norm_last_layer: bool,
    freeze_last_layer_epochs: usize,
    student_temp: f64,
    warmup_teacher_temp: f64,
    teacher_temp: f64,
    warmup_teacher_temp_epochs: usize,
    center_momentum: f64,
    model_momentum: f64,
    model_momentum_end: f64,
}

impl Params {
    fn schedule(&self) -> Schedule {
        let total_steps = self.total_epochs * self.iters_per_epoch;
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
            ema_momentum: WarmupCosine::cosine(
                self.model_momentum,
                self.model_momentum_end,
                total_steps,
            ),
            warmup_teacher_temp: self.warmup_teacher_temp,
            teacher_temp: self.teacher_temp,
            warmup_teacher_temp_epochs: self.warmup_teacher_temp_epochs,
            freeze_last_layer_epochs: self.freeze_last_layer_epochs,
        }
    }

    fn config(&self) -> Result<DinoConfig, CaseError> {
        let backbone: BackboneKind = self.arch.parse().map_err(|_| self.not_covered())?;
        let [alpha, beta] = self.lambdas;
        Ok(DinoConfig {
            backbone,
            small_input: false,
            out_dim: self.out_dim,
            hidden_dim: self.hidden,
            bottleneck_dim: self.bottleneck,
            layers: self.layers,
            use_bn: self.use_bn,
            norm_last_layer: self.norm_last_layer,
            probe_classes: self.probe.then_some(self.classes),
            step: DinoStep {
                weights: PairWeights {
                    alpha,
                    beta,
                    global_only: false,
                },
                student_temp: self.student_temp,
                center_momentum: self.center_momentum,
                clip_grad: self.clip_grad,
            },
        })
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

    /// `{student,teacher}.{backbone,head}.*` and `classifier.*` of the reference under our names.
    fn our_name(&self, reference: &str) -> Result<String, CaseError> {
        for network in ["student.backbone.", "teacher.backbone."] {
            if let Some(name) = reference.strip_prefix(network) {
                return Ok(format!("{network}{}", torchvision_name(&self.arch, name)?));
            }
        }
        Ok(reference.to_string())
    }
}

/// One value a step of everything that is recorded over time.
#[derive(Default)]
struct Series {
    ssl_loss: Vec<f64>,
    sup_loss: Vec<f64>,
    loss: Vec<f64>,
    loss_gg: Vec<f64>,
    loss_gl: Vec<f64>,
    grad_norm: Vec<f64>,
    lr: Vec<f64>,
    wd: Vec<f64>,
    ema_momentum: Vec<f64>,
    teacher_temp: Vec<f64>,
    grad_norms: Vec<f64>,
    center: Vec<f32>,
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let params: Params = context.params()?;
    let clock = Clock::new(params.schedule());
    let mut dino = initial::<B>(context, &params, &clock, device)?;
    let initial = modules::tensors_by_name(&dino);
    let mut optimizer = GroupedOptimizer::<B>::new(params.rule()?, params.groups(), clock.clone());

    let mut series = Series::default();
    for step in 0..params.steps {
        clock.set(step);
        let batch = batch::<B>(context, &params, step, device)?;
        let TrainOutput { mut grads, item } = TrainStep::step(&dino, batch);
        let norms = gradient_norms(&dino, &mut grads);
        let squares = norms.values().flatten().map(|norm| norm * norm);
        series.grad_norm.push(squares.sum::<f64>().sqrt());
        for name in context.index("grad_norms")? {
            let norm = norms.get(&params.our_name(name)?).copied().flatten();
            series.grad_norms.push(norm.unwrap_or(-1.0));
        }
        let stats = item.sync();
        let probe = stats.loss_probe.unwrap_or(0.0);
        series.loss.push(stats.loss);
        series.sup_loss.push(probe);
        series.ssl_loss.push(stats.loss - probe);
        series.loss_gg.extend(stats.loss_global);
        series.loss_gl.extend(stats.loss_local);
        series.lr.push(stats.values.lr);
        series.wd.push(stats.values.weight_decay);
        series.ema_momentum.push(stats.values.ema_momentum);
        series.teacher_temp.push(stats.values.teacher_temp);
        dino = dino.optimize(&mut optimizer, stats.values.lr, grads);
        series.center.extend(host_values(dino.center.value()));
    }

    let mut outputs = Outputs::new();
    put_series(&mut outputs, &params, series);
    put_final(
        context,
        &params,
        &initial,
        &modules::tensors_by_name(&dino),
        &mut outputs,
    )?;
    Ok(outputs)
}

/// The networks with the weights of the case.
fn initial<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    params: &Params,
    clock: &Clock,
    device: &B::Device,
) -> Result<Dino<B>, CaseError> {
    let mut dino: Dino<B> = params
        .config()?
        .init(0, clock.clone(), device)
        .map_err(|_| params.not_covered())?;
    let network = |prefix: &str| {
        context.weights(prefix, |rest| {
            let name = params.our_name(&format!("{prefix}{rest}"))?;
            Ok(name.strip_prefix(prefix).unwrap_or(&name).to_string())
        })
    };
    let teacher_prefix = match params.teacher_init.as_str() {
        "copy" => "student.",
        "formula" => "teacher.",
        other => return Err(CaseError::failed(format!("unknown teacher_init {other}"))),
    };
    dino.student = load_named(dino.student, &network("student.")?).map_err(CaseError::failed)?;
    dino.teacher =
        load_named(dino.teacher, &network(teacher_prefix)?).map_err(CaseError::failed)?;
    if let Some(classifier) = dino.classifier.take() {
        let weights = network("classifier.")?;
        dino.classifier = Some(load_named(classifier, &weights).map_err(CaseError::failed)?);
    }
    Ok(dino)
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
    let Values::I64(labels) = context.input("labels")?.values else {
        return Err(CaseError::failed("the labels are not I64"));
    };
    let labels = labels
        .chunks_exact(params.batch)
        .nth(step)
        .ok_or_else(|| CaseError::failed(format!("no labels for step {step}")))?;
    let labels = TensorData::new(labels.to_vec(), [params.batch]);
    Ok(ViewBatch {
        groups,
        batch: params.batch,
        labels: Some(Tensor::<B, 1, Int>::from_data(labels, device)),
    })
}

/// Norm of the gradient of each trainable parameter, as the optimizer gets it.
fn gradient_norms<B: AutodiffBackend>(
    dino: &Dino<B>,
    gradients: &mut GradientsParams,
) -> HashMap<String, Option<f64>> {
    let student = grads::norms::<B, _>(&dino.student, gradients);
    let classifier = match &dino.classifier {
        Some(classifier) => grads::norms::<B, _>(classifier, gradients),
        None => Vec::new(),
    };
    let under = |prefix: &'static str| move |(name, norm)| (format!("{prefix}.{name}"), norm);
    student
        .into_iter()
        .map(under("student"))
        .chain(classifier.into_iter().map(under("classifier")))
        .collect()
}

fn put_series(outputs: &mut Outputs, params: &Params, series: Series) {
    let steps = params.steps;
    let parameters = series.grad_norms.len() / steps.max(1);
    for (name, values) in [
        ("ssl_loss", series.ssl_loss),
        ("sup_loss", series.sup_loss),
        ("loss", series.loss),
        ("loss_gg", series.loss_gg),
        ("loss_gl", series.loss_gl),
        ("grad_norm", series.grad_norm),
        ("lr", series.lr),
        ("wd", series.wd),
        ("ema_momentum", series.ema_momentum),
        ("teacher_temp", series.teacher_temp),
    ] {
        put(outputs, name, HostTensor::f64([values.len()], values));
    }
    put(
        outputs,
        "grad_norms",
        HostTensor::f64([steps, parameters], series.grad_norms),
    );
    put(
        outputs,
        "center",
        HostTensor::f32([steps, params.out_dim], series.center),
    );
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
