//! Losses over views on tensors of the CPU engines.

use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, TensorMetadata};

use super::tensor::{HostBackend, HostTensor, dims};
use crate::backend::CrossViewOutput;
use crate::cpu::cross_view::{CrossView, STATISTICS};
use crate::profile::timed;
use crate::stock;

pub(super) fn cross_view_forward<B: HostBackend>(
    logits: FloatTensor<B>,
    targets: FloatTensor<B>,
    temperature: f64,
) -> CrossViewOutput<FloatTensor<B>> {
    if logits.dtype() != DType::F32 {
        return stock::cross_view_forward::<B>(logits, targets, temperature);
    }
    let [logits, targets] = [logits, targets].map(HostTensor::into_contiguous);
    let (losses, statistics) = timed(
        "cross-view entropy forward",
        || 0.0,
        || cross_view(&logits, &targets, temperature).forward(),
    );
    let rows = losses.len();
    CrossViewOutput {
        losses: HostTensor::from_values(losses, &[rows]),
        statistics: HostTensor::from_values(statistics, &[rows, STATISTICS]),
    }
}

pub(super) fn cross_view_backward<B: HostBackend>(
    logits: FloatTensor<B>,
    targets: FloatTensor<B>,
    statistics: FloatTensor<B>,
    loss_grads: FloatTensor<B>,
    temperature: f64,
) -> FloatTensor<B> {
    if logits.dtype() != DType::F32 {
        return stock::cross_view_backward::<B>(
            logits,
            targets,
            statistics,
            loss_grads,
            temperature,
        );
    }
    let [logits, targets, statistics, loss_grads] =
        [logits, targets, statistics, loss_grads].map(HostTensor::into_contiguous);
    let grads = timed(
        "cross-view entropy backward",
        || 0.0,
        || {
            cross_view(&logits, &targets, temperature)
                .backward(statistics.values(), loss_grads.values())
        },
    );
    HostTensor::from_values(grads, &dims::<2>(&logits))
}

fn cross_view<'a, T: HostTensor>(logits: &'a T, targets: &'a T, temperature: f64) -> CrossView<'a> {
    let [target_rows, outputs] = dims(targets);
    CrossView {
        logits: logits.values(),
        targets: targets.values(),
        batch: target_rows / stock::TARGET_VIEWS,
        outputs,
        scale: (1.0 / temperature) as f32,
    }
}
