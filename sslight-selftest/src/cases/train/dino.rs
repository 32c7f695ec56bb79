//! `train.dino`: student, teacher and centre.

use serde::Deserialize;
use sslight_core::method::AnyMethod;
use sslight_core::method::dino::{Dino, DinoConfig, DinoStep};
use sslight_core::schedule::{Clock, Schedule, WarmupCosine};
use sslight_models::backend::AutodiffBackend;
use sslight_models::params::host_values;

use super::{Moment, Params, loaded, train};
use crate::cases::{CaseContext, put};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

#[derive(Deserialize)]
struct DinoParams {
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
    drop_path: Option<f64>,
}

pub(super) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let params: Params = context.params()?;
    let own: DinoParams = context.params()?;
    if own.drop_path.is_some_and(|rate| rate > 0.0) {
        return Err(CaseError::NotCovered(
            "training with the reference's stochastic depth draws".to_string(),
        ));
    }
    let clock = Clock::new(Schedule {
        ema_momentum: WarmupCosine::cosine(
            own.model_momentum,
            own.model_momentum_end,
            params.total_steps(),
        ),
        warmup_teacher_temp: own.warmup_teacher_temp,
        teacher_temp: own.teacher_temp,
        warmup_teacher_temp_epochs: own.warmup_teacher_temp_epochs,
        freeze_last_layer_epochs: own.freeze_last_layer_epochs,
        ..params.schedule()
    });
    let dino = AnyMethod::Dino(initial::<B>(context, &params, &own, &clock, device)?);
    let mut centers = Vec::new();
    let mut outputs = train(context, &params, dino, &clock, device, |method, moment| {
        if let (AnyMethod::Dino(dino), Moment::After) = (method, moment) {
            centers.extend(host_values(dino.center.value()));
        }
    })?;
    let shape = [params.steps, own.out_dim];
    put(&mut outputs, "center", HostTensor::f32(shape, centers));
    Ok(outputs)
}

/// The networks with the weights of the case.
fn initial<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    params: &Params,
    own: &DinoParams,
    clock: &Clock,
    device: &B::Device,
) -> Result<Dino<B>, CaseError> {
    let config = DinoConfig {
        backbone: params.backbone()?,
        small_input: false,
        out_dim: own.out_dim,
        hidden_dim: own.hidden,
        bottleneck_dim: own.bottleneck,
        layers: own.layers,
        use_bn: own.use_bn,
        norm_last_layer: own.norm_last_layer,
        probe_classes: params.probe_classes(),
        step: DinoStep {
            weights: params.weights(false),
            student_temp: own.student_temp,
            center_momentum: own.center_momentum,
            options: params.options(),
        },
    };
    let mut dino: Dino<B> = config
        .init(0, clock.clone(), device)
        .map_err(|_| params.not_covered())?;
    let teacher_prefix = match own.teacher_init.as_str() {
        "copy" => "student.",
        "formula" => "teacher.",
        other => return Err(CaseError::failed(format!("unknown teacher_init {other}"))),
    };
    dino.student = loaded(dino.student, context, params, "student.")?;
    dino.teacher = loaded(dino.teacher, context, params, teacher_prefix)?;
    if let Some(classifier) = dino.classifier.take() {
        dino.classifier = Some(loaded(classifier, context, params, "classifier.")?);
    }
    Ok(dino)
}
