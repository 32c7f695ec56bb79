//! `train.moco`: query encoder, key encoder and queue.

use serde::Deserialize;
use sslight_core::loss::queue::advance;
use sslight_core::method::AnyMethod;
use sslight_core::method::moco::{Moco, MocoConfig, MocoStep};
use sslight_core::schedule::{Clock, Schedule, WarmupCosine};
use sslight_models::backend::AutodiffBackend;
use sslight_models::nn::Buffer;

use super::{Moment, Params, loaded, train};
use crate::cases::{CaseContext, put, to_host};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

#[derive(Deserialize)]
struct MocoParams {
    teacher_init: String,
    out_dim: usize,
    hidden: usize,
    layers: usize,
    use_bn: bool,
    queue_length: usize,
    temperature: f64,
    key_momentum: f64,
    global_only: bool,
}

pub(super) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let params: Params = context.params()?;
    let own: MocoParams = context.params()?;
    let clock = Clock::new(Schedule {
        ema_momentum: WarmupCosine::cosine(
            own.key_momentum,
            own.key_momentum,
            params.total_steps(),
        ),
        ..params.schedule()
    });
    let moco = AnyMethod::Moco(initial::<B>(context, &params, &own, &clock, device)?);
    let mut pointers = Vec::new();
    let mut queue = None;
    let mut outputs = train(context, &params, moco, &clock, device, |method, moment| {
        if let (AnyMethod::Moco(moco), Moment::After) = (method, moment) {
            let before = moco.queue_pointer(params.batch);
            pointers.push(advance(before, params.batch, own.queue_length) as i64);
            queue = Some(moco.queue.value());
        }
    })?;
    put(
        &mut outputs,
        "queue_ptr",
        HostTensor::i64([params.steps], pointers),
    );
    if let Some(queue) = queue {
        put(&mut outputs, "queue", to_host(queue));
    }
    Ok(outputs)
}

/// The networks with the weights of the case.
fn initial<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    params: &Params,
    own: &MocoParams,
    clock: &Clock,
    device: &B::Device,
) -> Result<Moco<B>, CaseError> {
    let config = MocoConfig {
        backbone: params.backbone()?,
        small_input: false,
        out_dim: own.out_dim,
        hidden_dim: own.hidden,
        layers: own.layers,
        use_bn: own.use_bn,
        queue_length: own.queue_length,
        probe_classes: params.probe_classes(),
        step: MocoStep {
            weights: params.weights(own.global_only),
            temperature: own.temperature,
            options: params.options(),
        },
    };
    let mut moco: Moco<B> = config
        .init(0, clock.clone(), device)
        .map_err(|_| params.not_covered())?;
    let key_prefix = match own.teacher_init.as_str() {
        "copy" => "encoder_q.",
        "formula" => "encoder_k.",
        other => return Err(CaseError::failed(format!("unknown teacher_init {other}"))),
    };
    moco.query = loaded(moco.query, context, params, "encoder_q.")?;
    moco.key = loaded(moco.key, context, params, key_prefix)?;
    if let Some(classifier) = moco.classifier.take() {
        moco.classifier = Some(loaded(classifier, context, params, "classifier.")?);
    }
    moco.queue = Buffer::new(context.tensor("queue0", device)?);
    Ok(moco)
}
