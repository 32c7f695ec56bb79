//! Linear layers and attention on the tape.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::FloatTensor;

use crate::backend::{Backend, Before};

#[derive(Debug)]
struct Linear;

#[derive(Debug, Clone)]
struct LinearState {
    x: NodeId,
    before: Before<NodeId>,
    weight: NodeId,
    has_bias: bool,
}

impl<B: Backend> Backward<B, 5> for Linear {
    type State = LinearState;

    fn backward(
        self,
        ops: Ops<Self::State, 5>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let state = ops.state;
        let [x_node, weight_node, bias_node, scale_node, shift_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let x = checkpointer.retrieve_node_output(state.x);
        let weight = checkpointer.retrieve_node_output(state.weight);
        let before = state.before.map(|id| checkpointer.retrieve_node_output(id));
        let parent_grads = B::linear_backward(x, before, weight, grad);
        if let Some(node) = x_node {
            grads.register::<B>(node.id, parent_grads.x);
        }
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, parent_grads.weight);
        }
        if let (Some(node), true) = (bias_node, state.has_bias) {
            grads.register::<B>(node.id, parent_grads.bias);
        }
        let Some([scale, shift]) = parent_grads.norm else {
            return;
        };
        for (node, grad) in [(scale_node, scale), (shift_node, shift)] {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

pub(super) fn linear_forward<B: Backend, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    before: Before<FloatTensor<Autodiff<B, C>>>,
    weight: FloatTensor<Autodiff<B, C>>,
    bias: Option<FloatTensor<Autodiff<B, C>>>,
) -> FloatTensor<Autodiff<B, C>> {
    // The number of parents is fixed: the weight stands in for those that are not there.
    let bias_node = bias.as_ref().map_or(&weight.node, |bias| &bias.node);
    let [scale_node, shift_node] = match &before {
        Before::LayerNorm { weight, bias, .. } => [&weight.node, &bias.node],
        Before::Nothing | Before::Gelu => [&weight.node; 2],
    };
    let nodes = [&x.node, &weight.node, bias_node, scale_node, shift_node].map(Clone::clone);
    match Linear.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = LinearState {
                x: prep.checkpoint(&x),
                before: before.clone().map(|tensor| prep.checkpoint(&tensor)),
                weight: prep.checkpoint(&weight),
                has_bias: bias.is_some(),
            };
            prep.finish(
                state,
                inner_linear::<B, C>(&x, &before, &weight, bias.as_ref()),
            )
        }
        OpsKind::UnTracked(prep) => {
            prep.finish(inner_linear::<B, C>(&x, &before, &weight, bias.as_ref()))
        }
    }
}

/// By reference: the operands must outlive the registration, since a backward pass on another thread clears nodes that
/// no tensor and no operation holds.
fn inner_linear<B: Backend, C: CheckpointStrategy>(
    x: &FloatTensor<Autodiff<B, C>>,
    before: &Before<FloatTensor<Autodiff<B, C>>>,
    weight: &FloatTensor<Autodiff<B, C>>,
    bias: Option<&FloatTensor<Autodiff<B, C>>>,
) -> FloatTensor<B> {
    let before = before.clone().map(|tensor| tensor.primitive);
    let bias = bias.map(|bias| bias.primitive.clone());
    B::linear_forward(x.primitive.clone(), before, weight.primitive.clone(), bias)
}

#[derive(Debug)]
struct Attention;

#[derive(Debug, Clone)]
struct AttentionState {
    qkv: NodeId,
    heads: usize,
    scale: f64,
}

impl<B: Backend> Backward<B, 1> for Attention {
    type State = AttentionState;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let state = ops.state;
        let [qkv_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let qkv = checkpointer.retrieve_node_output(state.qkv);
        if let Some(node) = qkv_node {
            let qkv_grad = B::attention_backward(qkv, state.heads, state.scale, grad);
            grads.register::<B>(node.id, qkv_grad);
        }
    }
}

pub(super) fn attention_forward<B: Backend, C: CheckpointStrategy>(
    qkv: FloatTensor<Autodiff<B, C>>,
    heads: usize,
    scale: f64,
) -> FloatTensor<Autodiff<B, C>> {
    let prep = Attention.prepare::<C>([qkv.node.clone()]);
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = AttentionState {
                qkv: prep.checkpoint(&qkv),
                heads,
                scale,
            };
            prep.finish(state, B::attention_forward(qkv.primitive, heads, scale))
        }
        OpsKind::UnTracked(prep) => prep.finish(B::attention_forward(qkv.primitive, heads, scale)),
    }
}
