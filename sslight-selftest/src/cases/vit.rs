//! `backbone.vit` and `backbone.vit_droppath`: features and gradients of a vision transformer with stated
//! weights, the second with stated draws of stochastic depth.

use burn::tensor::Tensor;
use serde::Deserialize;
use sslight_models::backend::AutodiffBackend;
use sslight_models::nn::drop_path::Branch;
use sslight_models::weights::load_named;
use sslight_models::{Backbone, BatchMode, DropPath, DropPathDraws, Pass};

use super::backbone::backbone;
use super::modules::{self, put_gradients};
use super::{CaseContext, put, to_host};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

/// The blocks of every vision transformer here.
const DEPTH: usize = 12;
/// Blocks whose class tokens `cls_last4` collects.
const LAST_BLOCKS: usize = 4;

#[derive(Deserialize)]
struct Params {
    arch: String,
    drop_path: f64,
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let Params { arch, .. } = context.params()?;
    let net = loaded::<B>(context, &arch, device)?;
    let mut outputs = Outputs::new();
    put_pass(context, &mut outputs, &net, BatchMode::Batch.into(), device)?;
    let images = context.tensor("input", device)?;
    if let Some(rows) = net.cls_of_last_blocks(images, LAST_BLOCKS, BatchMode::Running) {
        put(&mut outputs, "cls_last4", to_host(rows));
    }
    Ok(outputs)
}

pub(crate) fn run_drop_path<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let Params { arch, drop_path } = context.params()?;
    let draws = StatedDraws::new(context.input("draws")?)?;
    let drop_path = DropPath {
        rate: drop_path,
        draws: &draws,
    };
    let net = loaded::<B>(context, &arch, device)?;
    let pass = Pass::from(BatchMode::Batch).with_drop_path(drop_path);
    let mut outputs = Outputs::new();
    put_pass(context, &mut outputs, &net, pass, device)?;

    let masks: Vec<i64> = (0..DEPTH)
        .filter_map(|block| drop_path.of_block(block, DEPTH))
        .flat_map(|path| [Branch::Attention, Branch::Mlp].map(|b| path.keeps(b, draws.samples)))
        .flatten()
        .map(i64::from)
        .collect();
    let rows = masks.len() / draws.samples;
    put(
        &mut outputs,
        "keep_masks",
        HostTensor::i64([rows, draws.samples], masks),
    );
    Ok(outputs)
}

/// The network with the weights of the case; timm's names need no translation.
fn loaded<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    arch: &str,
    device: &B::Device,
) -> Result<Backbone<B>, CaseError> {
    let weights = context.weights("", |name| Ok(name.to_string()))?;
    load_named(backbone::<B>(arch, device)?, &weights).map_err(CaseError::failed)
}

/// Outputs `features`, `grad_norms` and `grad.<parameter>` of one pass.
fn put_pass<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    outputs: &mut Outputs,
    net: &Backbone<B>,
    pass: Pass<'_>,
    device: &B::Device,
) -> Result<(), CaseError> {
    let images: Tensor<B, 4> = context.tensor("input", device)?;
    let grad_out: Tensor<B, 2> = context.tensor("grad_out", device)?;
    let features = net.forward(images, pass);
    put(outputs, "features", to_host(features.clone()));
    let tape = (features * grad_out).sum().backward();
    let gradients = modules::gradients(net, &tape);
    put_gradients(context, outputs, "", &gradients, &|name| {
        Ok(name.to_string())
    })
}

/// The draws of the case: `[branches, samples]` in `[-1, 1)`, without the two branches of the first block.
#[derive(Debug)]
struct StatedDraws {
    values: Vec<f32>,
    samples: usize,
}

impl StatedDraws {
    fn new(draws: HostTensor) -> Result<Self, CaseError> {
        match draws.shape[..] {
            [rows, samples] if rows == 2 * (DEPTH - 1) => Ok(Self {
                values: draws.into_f32(),
                samples,
            }),
            _ => Err(CaseError::failed(format!(
                "draws of shape {:?}, expected two rows for all but one of {DEPTH} blocks",
                draws.shape
            ))),
        }
    }
}

impl DropPathDraws for StatedDraws {
    fn uniform(&self, branch: usize, samples: usize) -> Vec<f64> {
        let start = (branch - 2) * self.samples;
        self.values[start..start + samples]
            .iter()
            .map(|&draw| (f64::from(draw) + 1.0) / 2.0)
            .collect()
    }
}
