//! One training step of any method: parts of a batch, the trained network's forward pass with or without a tape,
//! gradients. docs/adr/0008-accumulation-and-repeated-passes.md says what accumulation means.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use sslight_kernels::cat;
use sslight_models::BatchMode;
use sslight_models::backend::{AutodiffBackend, Backend};

use super::views::{PassOfViews, StochasticDepth};
use super::{Method, StepOutput, ViewBatch};
use crate::loss::spread;
use crate::optim::grads;

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

/// What the backbones make of the views of a part of a batch.
pub struct Features<B: Backend> {
    /// Of the trained network on [`Method::student_views`], view-major, with its own tape: `[views b, features_dim]`.
    pub student: Tensor<B, 2>,
    /// Of [`Method::teacher_features`], without a tape.
    pub teacher: Option<Tensor<B, 2>>,
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

/// The parts of a step, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// [`Method::before_update`].
    BeforeUpdate,
    /// The trained backbone's forward pass.
    Forward,
    /// The forward pass of the teacher's or key encoder's backbone.
    Teacher,
    /// Heads and loss, forward and backward.
    HeadAndLoss,
    /// The trained backbone's backward pass, and its second forward pass if that is repeated.
    Backward,
    /// Buffers, clipping, freezing.
    Buffers,
}

/// Losses and gradients of a batch; see [`Method`] for the order of things. `watch` is called at the end of each phase.
///
/// # Panics
/// If [`StepOptions::accumulate`] does not divide the batch.
pub(super) fn learn_batch<B: AutodiffBackend, M: Method<B>>(
    method: &M,
    batch: &ViewBatch<B>,
    watch: &mut dyn FnMut(Phase),
) -> (StepOutput<B>, GradientsParams) {
    // Shares identities and buffers with `method`; only the values of some parameters differ.
    let method = method.clone().before_update();
    watch(Phase::BeforeUpdate);
    let parts = method.options().accumulate;
    let mut grads = GradientsAccumulator::new();
    let (mut outputs, mut traces) = (Vec::new(), Vec::new());
    for part in 0..parts {
        let (output, trace) = learn_part(
            &method,
            &batch.part(part, parts),
            part,
            &mut |gradients| grads.accumulate(&method, gradients),
            watch,
        );
        outputs.push(output);
        traces.push(trace);
    }
    method.remember(traces);
    let mut grads = grads.grads();
    let output = StepOutput::mean(outputs);
    let norms = grads::norm_of_each(&method, &mut grads, &output.loss.device());
    method.restrain(&mut grads);
    watch(Phase::Buffers);
    let output = StepOutput {
        grad_norms: Some(Tensor::from_inner(norms)),
        ..output
    };
    (output, grads)
}

/// Backbone and loss have a tape each, joined by the gradient of the features, so that the backbone's may be made
/// late.
fn learn_part<B: AutodiffBackend, M: Method<B>>(
    method: &M,
    batch: &ViewBatch<B>,
    part: usize,
    add: &mut dyn FnMut(GradientsParams),
    watch: &mut dyn FnMut(Phase),
) -> (StepOutput<B>, M::Trace) {
    let options = method.options();
    let pass = PassOfViews {
        views: &method.student_views(batch),
        depth: options.depth,
        step: method.clock().now().step,
        part,
    };
    let groups = 0..pass.views.len();
    let backbone = if options.repeat_forward {
        method.backbone().clone().no_grad()
    } else {
        method.backbone().clone()
    };
    let features = groups
        .clone()
        .map(|group| pass.of_group(&backbone, group, BatchMode::Batch));
    let features = cat(features.collect(), 0);
    watch(Phase::Forward);
    let teacher = method.teacher_features(batch);
    watch(Phase::Teacher);

    let student = features.clone().detach().require_grad();
    let Lesson {
        loss,
        output,
        trace,
    } = method.learn(
        Features {
            student: student.clone(),
            teacher,
        },
        batch,
    );
    let mut gradients = match options.accumulate {
        1 => loss.backward(),
        parts => (loss / parts as f64).backward(),
    };
    let of_features = student.grad_remove(&mut gradients);
    add(GradientsParams::from_grads(gradients, method));
    let output = StepOutput {
        features: Some(spread(student.detach().narrow(0, 0, batch.batch))),
        ..output
    };
    watch(Phase::HeadAndLoss);

    let Some(of_features) = of_features else {
        return (output, trace);
    };
    // The gradient of `sum(features * upstream)` is that of the loss, by the chain rule.
    let mut send = |features: Tensor<B, 2>, upstream: Tensor<B::InnerBackend, 2>| {
        let gradients = (features * Tensor::from_inner(upstream)).sum().backward();
        add(GradientsParams::from_grads(gradients, method));
    };
    if options.repeat_forward {
        let mut row = 0;
        for group in groups {
            let features = pass.of_group(method.backbone(), group, BatchMode::Repeat);
            let rows = features.dims()[0];
            send(features, of_features.clone().narrow(0, row, rows));
            row += rows;
        }
    } else {
        // At once for all sizes of views: several passes back over what `cat` joined make burn lose gradients of
        // the parts that follow.
        send(features, of_features);
    }
    watch(Phase::Backward);
    (output, trace)
}
