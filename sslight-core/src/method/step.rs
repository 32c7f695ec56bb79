//! One training step of any method: parts of a batch, the trained network's forward pass with or without a tape,
//! gradients. docs/adr/0008-accumulation-and-repeated-passes.md says what accumulation means.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use sslight_models::BatchMode;
use sslight_models::backend::{AutodiffBackend, Backend};

use super::views::{PassOfViews, StochasticDepth};
use super::{Method, StepOutput, ViewBatch};

/// What all methods do alike in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOptions {
    /// Parts that a batch is taken in, one after the other; gradients are those of the mean over parts. It must
    /// divide the batch.
    pub accumulate: usize,
    /// Whether the backbone keeps no tape in its forward pass and repeats it, one size of views at a time, when
    /// gradients are due.
    pub repeat_forward: bool,
    /// Largest gradient norm of a parameter; 0 does not clip.
    pub clip_grad: f64,
    /// Stochastic depth of the trained network.
    pub depth: StochasticDepth,
}

impl StepOptions {
    /// A whole batch at once, with a tape, unclipped, without stochastic depth.
    pub const PLAIN: Self = Self {
        accumulate: 1,
        repeat_forward: false,
        clip_grad: 0.0,
        depth: StochasticDepth::OFF,
    };
}

/// What a method makes of the features of a part of a batch.
pub struct Lesson<B: Backend, T> {
    /// The loss to be minimised, `[1]`, with its tape.
    pub loss: Tensor<B, 1>,
    /// What is told of it.
    pub output: StepOutput<B>,
    /// What the buffers of the method will take in.
    pub trace: T,
}

/// Losses and gradients of a batch; see [`Method`] for the order of things.
///
/// # Panics
/// If [`StepOptions::accumulate`] does not divide the batch.
pub(super) fn learn_batch<B: AutodiffBackend, M: Method<B>>(
    method: &M,
    batch: &ViewBatch<B>,
) -> (StepOutput<B>, GradientsParams) {
    // Shares identities and buffers with `method`; only the values of some parameters differ.
    let method = method.clone().before_update();
    let parts = method.options().accumulate;
    let mut grads = GradientsAccumulator::new();
    let (mut outputs, mut traces) = (Vec::new(), Vec::new());
    for part in 0..parts {
        let lesson = learn_part(&method, &batch.part(part, parts), part, &mut grads);
        outputs.push(lesson.output);
        traces.push(lesson.trace);
    }
    method.remember(traces);
    let mut grads = grads.grads();
    method.restrain(&mut grads);
    (StepOutput::mean(outputs), grads)
}

fn learn_part<B: AutodiffBackend, M: Method<B>>(
    method: &M,
    batch: &ViewBatch<B>,
    part: usize,
    grads: &mut GradientsAccumulator<M>,
) -> Lesson<B, M::Trace> {
    let options = method.options();
    let pass = PassOfViews {
        views: &method.student_views(batch),
        depth: options.depth,
        step: method.clock().now().step,
        part,
    };
    let share = |loss: Tensor<B, 1>| match options.accumulate {
        1 => loss,
        parts => loss / parts as f64,
    };
    if !options.repeat_forward {
        let lesson = method.learn(pass.features(method.backbone()), batch);
        let gradients = share(lesson.loss.clone()).backward();
        grads.accumulate(method, GradientsParams::from_grads(gradients, method));
        return lesson;
    }
    let untaped = method.backbone().clone().no_grad();
    let features = pass.features(&untaped).require_grad();
    let lesson = method.learn(features.clone(), batch);
    let mut gradients = share(lesson.loss.clone()).backward();
    let of_features = features.grad_remove(&mut gradients);
    grads.accumulate(method, GradientsParams::from_grads(gradients, method));
    let Some(of_features) = of_features else {
        return lesson;
    };
    let mut row = 0;
    for group in 0..pass.views.len() {
        let features = pass.of_group(method.backbone(), group, BatchMode::Repeat);
        let rows = features.dims()[0];
        let upstream = Tensor::from_inner(of_features.clone().narrow(0, row, rows));
        row += rows;
        // Its gradient is that of the loss, by the chain rule.
        let gradients = (features * upstream).sum().backward();
        grads.accumulate(method, GradientsParams::from_grads(gradients, method));
    }
    lesson
}
