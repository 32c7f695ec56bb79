//! `train.swav`: network, prototypes and queue.

use serde::Deserialize;
use sslight_core::loss::swav::Assignment;
use sslight_core::method::AnyMethod;
use sslight_core::method::swav::{Swav, SwavConfig, SwavStep};
use sslight_core::schedule::{Clock, Schedule};
use sslight_models::backend::AutodiffBackend;
use sslight_models::params::host_values;

use super::{Moment, Params, loaded, train};
use crate::cases::{CaseContext, put};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

#[derive(Deserialize)]
struct SwavParams {
    out_dim: usize,
    hidden: usize,
    layers: usize,
    use_bn: bool,
    prototypes: usize,
    queue_length_configured: usize,
    epoch_queue_starts: usize,
    freeze_prototypes_epochs: usize,
    temperature: f64,
    epsilon: f64,
    sinkhorn_iterations: usize,
}

pub(super) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let params: Params = context.params()?;
    let own: SwavParams = context.params()?;
    let clock = Clock::new(Schedule {
        freeze_last_layer_epochs: own.freeze_prototypes_epochs,
        ..params.schedule()
    });
    let swav = AnyMethod::Swav(initial::<B>(context, &params, &own, &clock, device)?);
    let mut used = Vec::new();
    let mut queue = None;
    let mut outputs = train(context, &params, swav, &clock, device, |method, moment| {
        if let AnyMethod::Swav(swav) = method {
            match moment {
                Moment::Before => used.push(i64::from(swav.queue_is_used())),
                Moment::After => queue = swav.queue.as_ref().map(|queue| queue.rows.value()),
            }
        }
    })?;
    put(
        &mut outputs,
        "queue_used",
        HostTensor::i64([params.steps], used),
    );
    if let Some(queue) = queue {
        let shape = queue.dims();
        put(
            &mut outputs,
            "queue",
            HostTensor::f32(shape, host_values(queue)),
        );
    }
    Ok(outputs)
}

/// The network with the weights of the case.
fn initial<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    params: &Params,
    own: &SwavParams,
    clock: &Clock,
    device: &B::Device,
) -> Result<Swav<B>, CaseError> {
    let config = SwavConfig {
        backbone: params.backbone()?,
        small_input: false,
        out_dim: own.out_dim,
        hidden_dim: own.hidden,
        layers: own.layers,
        use_bn: own.use_bn,
        prototypes: own.prototypes,
        queue_length: own.queue_length_configured - own.queue_length_configured % params.batch,
        probe_classes: params.probe_classes(),
        step: SwavStep {
            weights: params.weights(false),
            temperature: own.temperature,
            assignment: Assignment {
                epsilon: own.epsilon,
                iterations: own.sinkhorn_iterations,
            },
            queue_start_epoch: own.epoch_queue_starts,
            options: params.options(),
        },
    };
    let mut swav: Swav<B> = config
        .init(0, clock.clone(), device)
        .map_err(|_| params.not_covered())?;
    swav.network = loaded(swav.network, context, params, "network.")?;
    if let Some(classifier) = swav.classifier.take() {
        swav.classifier = Some(loaded(classifier, context, params, "classifier.")?);
    }
    Ok(swav)
}
