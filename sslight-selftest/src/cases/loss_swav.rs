//! `loss.swav`: several steps of the loss with its queue, and the gradient of the scores.

use serde::Deserialize;
use sslight_core::loss::PairWeights;
use sslight_core::loss::swav::{Assignment, swav_terms};
use sslight_core::method::swav::{SwavQueue, codes_of_views};
use sslight_models::backend::AutodiffBackend;
use sslight_models::nn::activation::l2_normalize;
use sslight_models::params::host_values;

use super::{CaseContext, put, scalar};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

#[derive(Deserialize)]
struct Params {
    batch: usize,
    dim: usize,
    prototypes: usize,
    globals: usize,
    locals: usize,
    lambdas: [f64; 2],
    queue_length: usize,
    iterations_per_epoch: Vec<usize>,
    temperature: f64,
    epsilon: f64,
    sinkhorn_iterations: usize,
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let p: Params = context.params()?;
    let [alpha, beta] = p.lambdas;
    let weights = PairWeights {
        alpha,
        beta,
        global_only: false,
    };
    let assignment = Assignment {
        epsilon: p.epsilon,
        iterations: p.sinkhorn_iterations,
    };
    // The queue begins with the first epoch, and the flag that the reference resets with each epoch is set
    // again at once when the queue is full: only the number of steps counts.
    let steps: usize = p.iterations_per_epoch.iter().sum();
    let queue =
        (p.queue_length > 0).then(|| SwavQueue::<B>::new(p.globals, p.queue_length, p.dim, device));

    let (mut losses, mut globals, mut locals) = (Vec::new(), Vec::new(), Vec::new());
    let (mut gradients, mut queues, mut used) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..steps {
        let input = |name: &str| context.tensor::<B, 2>(&format!("{name}.step{step}"), device);
        let prototypes = l2_normalize(input("prototypes")?);
        let embeddings = l2_normalize(input("embedding")?);
        let scores = embeddings.clone().matmul(prototypes.clone().transpose());
        let is_used = queue.as_ref().is_some_and(|queue| queue.is_full());
        let codes = codes_of_views(
            scores.clone(),
            prototypes,
            queue.as_ref().filter(|_| is_used),
            p.batch,
            assignment,
        );
        if let Some(queue) = &queue {
            queue.push(&[embeddings.narrow(0, 0, p.globals * p.batch)]);
        }
        let scores = scores.detach().require_grad();
        let terms = swav_terms(scores.clone(), codes, p.temperature);
        let loss = weights.combine(&terms);
        losses.push(scalar(loss.clone()));
        globals.push(scalar(terms.global));
        locals.extend(terms.local.map(scalar));
        let gradient = scores
            .grad(&loss.backward())
            .ok_or_else(|| CaseError::failed("the scores got no gradient"))?;
        gradients.extend(host_values(gradient));
        used.push(i64::from(is_used));
        if let Some(queue) = &queue {
            queues.extend(host_values::<B, 3>(queue.rows.value()));
        }
    }

    let mut outputs = Outputs::new();
    for (name, values) in [("loss", losses), ("loss_gg", globals), ("loss_gl", locals)] {
        put(&mut outputs, name, HostTensor::f64([values.len()], values));
    }
    put(&mut outputs, "queue_used", HostTensor::i64([steps], used));
    let rows = (p.globals + p.locals) * p.batch;
    let shape = [steps, rows, p.prototypes];
    put(
        &mut outputs,
        "grad_scores",
        HostTensor::f32(shape, gradients),
    );
    if queue.is_some() {
        let shape = [steps, p.globals, p.queue_length, p.dim];
        put(&mut outputs, "queue", HostTensor::f32(shape, queues));
    }
    Ok(outputs)
}
