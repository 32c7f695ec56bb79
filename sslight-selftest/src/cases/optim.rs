//! `optim.*`: six updates of a toy set of named parameters, with their groups, gaps and clipping.

use burn::tensor::{Tensor, TensorData};
use serde::Deserialize;
use sslight_core::optim::grads::clip;
use sslight_core::optim::{ClassificationRules, GroupRules, ParamState, PretrainingRules, Rule};
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::params::host_values;

use super::{CaseContext, l2, put};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

/// The kinds that [`run`] carries out.
pub(crate) const KINDS: [&str; 6] = [
    "optim.lars",
    "optim.adamw",
    "optim.sgd",
    "optim.sgd_nesterov",
    "optim.sgd_cls",
    "optim.lars_cls",
];

#[derive(Deserialize)]
struct Params {
    optimizer: String,
    lr: Vec<f64>,
    weight_decay: WeightDecay,
    momentum: f64,
    eta: f64,
    #[serde(default)]
    betas: [f64; 2],
    #[serde(default)]
    eps: f64,
    #[serde(default)]
    nesterov: bool,
    #[serde(default)]
    clip_grad: f64,
    #[serde(flatten)]
    rules: Rules,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WeightDecay {
    Constant(f64),
    PerStep(Vec<f64>),
}

impl WeightDecay {
    fn at(&self, step: usize) -> f64 {
        match self {
            Self::Constant(value) => *value,
            // A table that is too short makes the outputs not-a-number, which fails the case.
            Self::PerStep(values) => values.get(step).copied().unwrap_or(f64::NAN),
        }
    }
}

/// Which of the two sets of rules: the key tells.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rules {
    Classification {
        lr_factor_classifier: f64,
    },
    Pretraining {
        wd_factor_bias: f64,
        wd_factor_dw: f64,
        lars_exclude_bias: bool,
        lars_exclude_dw: bool,
    },
}

impl From<&Rules> for GroupRules {
    fn from(rules: &Rules) -> Self {
        match *rules {
            Rules::Classification {
                lr_factor_classifier,
            } => Self::Classification(ClassificationRules {
                lr_factors: Vec::new(),
                lr_factor_classifier,
            }),
            Rules::Pretraining {
                wd_factor_bias,
                wd_factor_dw,
                lars_exclude_bias,
                lars_exclude_dw,
            } => Self::Pretraining(PretrainingRules {
                wd_factor_bias,
                wd_factor_depthwise: wd_factor_dw,
                lars_exclude_bias,
                lars_exclude_depthwise: lars_exclude_dw,
            }),
        }
    }
}

impl Params {
    /// The update rule, and the reference's names of what it remembers.
    fn rule(&self) -> Result<(Rule, &'static [&'static str]), CaseError> {
        let &Self {
            momentum,
            eta,
            nesterov,
            betas,
            eps,
            ..
        } = self;
        match self.optimizer.as_str() {
            "lars" => Ok((Rule::Lars { momentum, eta }, &["mu"])),
            "sgd" => Ok((Rule::Sgd { momentum, nesterov }, &["momentum_buffer"])),
            "adamw" => Ok((Rule::AdamW { betas, eps }, &["exp_avg", "exp_avg_sq"])),
            other => Err(CaseError::failed(format!("no optimizer named {other}"))),
        }
    }
}

/// A parameter between steps.
struct Toy<B: Backend> {
    name: String,
    shape: Vec<usize>,
    value: Tensor<B, 1>,
    state: ParamState<B>,
    /// Values after each step so far.
    after: Vec<f32>,
    /// Norm of each step's gradient before clipping; -1 without gradient.
    norms: Vec<f32>,
}

/// Whether the fixtures leave the parameter without gradient (`missing_grad`).
fn has_no_gradient(name: &str, step: usize) -> bool {
    step == 0 && name.contains("last_layer")
}

/// Whether the fixtures make the gradient exactly zero (`grad_rule`).
fn has_zero_gradient(name: &str, step: usize) -> bool {
    matches!(
        (name, step),
        ("head.mlp.0.bias", 2) | ("classifier.weight", 3)
    )
}

pub(crate) fn run<A: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &A::Device,
) -> Result<Outputs, CaseError> {
    update::<A::InnerBackend>(context, device)
}

fn update<B: Backend>(context: &CaseContext<'_>, device: &B::Device) -> Result<Outputs, CaseError> {
    let params: Params = context.params()?;
    let (rule, memories) = params.rule()?;
    let groups = GroupRules::from(&params.rules);
    let steps = params.lr.len();
    let flat = |values: Vec<f32>| {
        let count = values.len();
        Tensor::<B, 1>::from_data(TensorData::new(values, [count]), device)
    };
    let mut toys = Vec::new();
    for input in &context.case.inputs {
        if !input.name.starts_with("grad.") {
            toys.push(Toy {
                name: input.name.clone(),
                shape: input.shape.clone(),
                value: flat(context.input(&input.name)?.into_f32()),
                state: ParamState::default(),
                after: Vec::new(),
                norms: Vec::new(),
            });
        }
    }
    for (step, &lr) in params.lr.iter().enumerate() {
        for toy in &mut toys {
            let settings = groups.settings(&toy.name, &toy.shape, lr, params.weight_decay.at(step));
            if has_no_gradient(&toy.name, step) {
                toy.norms.push(-1.0);
            } else {
                let mut gradient = context
                    .input(&format!("grad.step{step}.{}", toy.name))?
                    .into_f32();
                let scale = if has_zero_gradient(&toy.name, step) {
                    0.0
                } else {
                    0.2
                };
                gradient.iter_mut().for_each(|g| *g *= scale);
                toy.norms.push(l2(&gradient) as f32);
                let mut gradient = flat(gradient);
                if params.clip_grad > 0.0 {
                    gradient = clip(gradient, params.clip_grad);
                }
                toy.value = rule.update(toy.value.clone(), gradient, &mut toy.state, settings);
            }
            toy.after.extend(host_values(toy.value.clone()));
        }
    }

    let mut outputs = Outputs::new();
    let norms = (0..steps)
        .flat_map(|step| toys.iter().map(move |toy| toy.norms[step]))
        .collect();
    put(
        &mut outputs,
        "norms_before_clip",
        HostTensor::f32([steps, toys.len()], norms),
    );
    for toy in toys {
        let shape: Vec<usize> = [steps]
            .into_iter()
            .chain(toy.shape.iter().copied())
            .collect();
        put(
            &mut outputs,
            format!("after.{}", toy.name),
            HostTensor::f32(shape, toy.after),
        );
        for (memory, state) in memories.iter().zip([toy.state.first, toy.state.second]) {
            if let Some(state) = state {
                let state = HostTensor::f32(toy.shape.clone(), host_values(state));
                put(&mut outputs, format!("state.{memory}.{}", toy.name), state);
            }
        }
    }
    Ok(outputs)
}
