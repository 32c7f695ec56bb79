//! `loss.moco`: several steps of the loss with its queue, and the gradient of the queries.

use burn::tensor::Tensor;
use serde::Deserialize;
use sslight_core::loss::PairWeights;
use sslight_core::loss::moco::{moco_terms, query_losses, similarities};
use sslight_core::loss::queue::{advance, write_ring};
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
    queue_length: usize,
    locals: usize,
    lambdas: [f64; 2],
    global_only: bool,
    steps: usize,
    temperature: f64,
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
        global_only: p.global_only,
    };
    let views = 1 + p.locals;
    let rows = views * p.batch;

    let mut queue: Tensor<B, 2> = context.tensor("queue0", device)?;
    let mut pointer = 0;
    let (mut losses, mut terms_of_views, mut logits) = (Vec::new(), Vec::new(), Vec::new());
    let (mut gradients, mut queues, mut pointers) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..p.steps {
        let keys = l2_normalize(context.tensor::<B, 2>(&format!("key.step{step}"), device)?);
        let queries = (0..views)
            .map(|view| context.tensor::<B, 2>(&format!("query{view}.step{step}"), device))
            .collect::<Result<Vec<_>, _>>()?;
        let queries = Tensor::cat(queries, 0).require_grad();
        let similarities = similarities(
            l2_normalize(queries.clone()),
            keys.clone(),
            queue.clone(),
            p.temperature,
        );
        logits.extend(host_values(Tensor::cat(
            vec![similarities.positive.clone(), similarities.negative.clone()],
            1,
        )));
        let of_rows = query_losses(similarities);
        let of_views = of_rows.clone().reshape([views, p.batch]).mean_dim(1);
        terms_of_views.extend(host_values(of_views).into_iter().map(f64::from));
        let loss = weights.combine(&moco_terms(of_rows, p.batch));
        losses.push(scalar(loss.clone()));
        let gradient = queries
            .grad(&loss.backward())
            .ok_or_else(|| CaseError::failed("the queries got no gradient"))?;
        gradients.extend(host_values(gradient));
        queue = write_ring(queue, keys, pointer);
        pointer = advance(pointer, p.batch, p.queue_length);
        queues.extend(host_values(queue.clone()));
        pointers.push(pointer as i64);
    }

    let mut outputs = Outputs::new();
    let steps = p.steps;
    put(&mut outputs, "loss", HostTensor::f64([steps], losses));
    let shape = [steps, views];
    put(
        &mut outputs,
        "loss_terms",
        HostTensor::f64(shape, terms_of_views),
    );
    let shape = [steps, rows, 1 + p.queue_length];
    put(&mut outputs, "logits", HostTensor::f32(shape, logits));
    let shape = [steps, rows, p.dim];
    put(
        &mut outputs,
        "grad_query",
        HostTensor::f32(shape, gradients),
    );
    let shape = [steps, p.dim, p.queue_length];
    put(&mut outputs, "queue", HostTensor::f32(shape, queues));
    put(
        &mut outputs,
        "queue_ptr",
        HostTensor::i64([steps], pointers),
    );
    Ok(outputs)
}
