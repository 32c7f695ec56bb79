//! What the tape keeps of each operation, and its way back.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::tensor::ops::{ConvOptions, FloatTensor};

use crate::backend::{
    Activation, Backend, BatchNormGradients, BatchNormOutput, Normalization, Statistics,
};

#[derive(Debug)]
pub(super) struct Conv2d;

#[derive(Debug, Clone)]
pub(super) struct Conv2dState {
    pub(super) x: NodeId,
    pub(super) weight: NodeId,
    pub(super) options: ConvOptions<2>,
}

impl<B: Backend> Backward<B, 2> for Conv2d {
    type State = Conv2dState;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let state = ops.state;
        let [x_node, weight_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(state.x);
        let weight: FloatTensor<B> = checkpointer.retrieve_node_output(state.weight);
        if let Some(node) = x_node {
            let x_grad = B::conv2d_backward_input(
                x.clone(),
                weight.clone(),
                grad.clone(),
                state.options.clone(),
            );
            grads.register::<B>(node.id, x_grad);
        }
        if let Some(node) = weight_node {
            let weight_grad = B::conv2d_backward_weight(x, weight, grad, state.options);
            grads.register::<B>(node.id, weight_grad);
        }
    }
}

/// A normalisation as the tape keeps it.
#[derive(Debug, Clone)]
pub(super) struct KeptNorm<F> {
    weight: NodeId,
    bias: NodeId,
    eps: f64,
    activation: Activation,
    mean: F,
    var: F,
}

impl<F: Clone + Send + 'static> KeptNorm<F> {
    pub(super) fn new(
        [weight, bias]: [NodeId; 2],
        eps: f64,
        activation: Activation,
        output: &BatchNormOutput<F>,
    ) -> Self {
        Self {
            weight,
            bias,
            eps,
            activation,
            mean: output.mean.clone(),
            var: output.var.clone(),
        }
    }

    fn retrieve(self, checkpointer: &mut Checkpointer) -> (Normalization<F>, Statistics<F>) {
        let norm = Normalization {
            weight: checkpointer.retrieve_node_output(self.weight),
            bias: checkpointer.retrieve_node_output(self.bias),
            eps: self.eps,
            activation: self.activation,
        };
        let statistics = Statistics {
            mean: self.mean,
            var: self.var,
        };
        (norm, statistics)
    }
}

#[derive(Debug)]
pub(super) struct BatchNorm;

#[derive(Debug, Clone)]
pub(super) struct BatchNormState<F> {
    pub(super) x: NodeId,
    pub(super) norm: KeptNorm<F>,
}

impl<B: Backend> Backward<B, 3> for BatchNorm {
    type State = BatchNormState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let state = ops.state;
        let nodes = ops.parents.map(|node| node.map(|node| node.id));
        let grad = grads.consume::<B>(&ops.node);
        let x = checkpointer.retrieve_node_output(state.x);
        let (norm, statistics) = state.norm.retrieve(checkpointer);
        let parent_grads = B::batch_norm_train_backward(
            x,
            norm.weight,
            norm.bias,
            statistics.mean,
            statistics.var,
            grad,
            norm.eps,
            norm.activation,
        );
        register_norm::<B>(grads, nodes, parent_grads);
    }
}

#[derive(Debug)]
pub(super) struct NormConv;

#[derive(Debug, Clone)]
pub(super) struct NormConvState<F> {
    pub(super) x: NodeId,
    pub(super) norm: KeptNorm<F>,
    pub(super) weight: NodeId,
    pub(super) options: ConvOptions<2>,
}

impl<B: Backend> Backward<B, 4> for NormConv {
    type State = NormConvState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let state = ops.state;
        let [x_node, norm_weight_node, norm_bias_node, weight_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let x = checkpointer.retrieve_node_output(state.x);
        let weight = checkpointer.retrieve_node_output(state.weight);
        let (norm, statistics) = state.norm.retrieve(checkpointer);
        let parent_grads =
            B::norm_conv2d_backward(x, norm, statistics, weight, grad, state.options);
        register_norm::<B>(
            grads,
            [x_node, norm_weight_node, norm_bias_node].map(|node| node.map(|node| node.id)),
            parent_grads.norm,
        );
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, parent_grads.weight);
        }
    }
}

#[derive(Debug)]
pub(super) struct BatchNormAdd;

#[derive(Debug, Clone)]
pub(super) struct BatchNormAddState<F> {
    pub(super) x: NodeId,
    pub(super) norm: KeptNorm<F>,
    pub(super) y: F,
}

impl<B: Backend> Backward<B, 4> for BatchNormAdd {
    type State = BatchNormAddState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let state = ops.state;
        let [x_node, weight_node, bias_node, shortcut_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(state.x);
        let (norm, statistics) = state.norm.retrieve(checkpointer);
        let (parent_grads, shortcut_grad) =
            B::batch_norm_add_backward(x, norm, statistics, state.y, grad);
        let nodes = [x_node, weight_node, bias_node].map(|node| node.map(|node| node.id));
        register_norm::<B>(grads, nodes, parent_grads);
        if let Some(node) = shortcut_node {
            grads.register::<B>(node.id, shortcut_grad);
        }
    }
}

#[derive(Debug)]
pub(super) struct NormMaxPool;

impl<B: Backend> Backward<B, 3> for NormMaxPool {
    type State = BatchNormState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(ops.state.x);
        let (norm, statistics) = ops.state.norm.retrieve(checkpointer);
        let parent_grads = B::norm_max_pool_backward(x, norm, statistics, grad);
        let nodes = ops.parents.map(|node| node.map(|node| node.id));
        register_norm::<B>(grads, nodes, parent_grads);
    }
}

fn register_norm<B: Backend>(
    grads: &mut Gradients,
    [x, weight, bias]: [Option<NodeId>; 3],
    parent_grads: BatchNormGradients<FloatTensor<B>>,
) {
    for (node, grad) in [
        (x, parent_grads.x),
        (weight, parent_grads.weight),
        (bias, parent_grads.bias),
    ] {
        if let Some(node) = node {
            grads.register::<B>(node, grad);
        }
    }
}

#[derive(Debug)]
pub(super) struct CrossView;

#[derive(Debug, Clone)]
pub(super) struct CrossViewState<F> {
    pub(super) logits: NodeId,
    pub(super) targets: F,
    pub(super) statistics: F,
    pub(super) temperature: f64,
}

impl<B: Backend> Backward<B, 1> for CrossView {
    type State = CrossViewState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let state = ops.state;
        let [logits_node] = ops.parents;
        let loss_grads = grads.consume::<B>(&ops.node);
        let logits = checkpointer.retrieve_node_output(state.logits);
        if let Some(node) = logits_node {
            let grad = B::cross_view_backward(
                logits,
                state.targets,
                state.statistics,
                loss_grads,
                state.temperature,
            );
            grads.register::<B>(node.id, grad);
        }
    }
}
