//! Weight normalisation on the tape.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::FloatTensor;

use crate::backend::Backend;

#[derive(Debug)]
struct WeightNorm;

#[derive(Debug, Clone)]
struct WeightNormState {
    direction: NodeId,
    length: NodeId,
}

impl<B: Backend> Backward<B, 2> for WeightNorm {
    type State = WeightNormState;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let nodes = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let direction = checkpointer.retrieve_node_output(ops.state.direction);
        let length = checkpointer.retrieve_node_output(ops.state.length);
        let parent_grads = B::weight_norm_backward(direction, length, grad);
        for (node, parent_grad) in nodes.into_iter().zip(parent_grads) {
            if let Some(node) = node {
                grads.register::<B>(node.id, parent_grad);
            }
        }
    }
}

pub(super) fn forward<B: Backend, C: CheckpointStrategy>(
    direction: FloatTensor<Autodiff<B, C>>,
    length: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let prep = WeightNorm.prepare::<C>([direction.node.clone(), length.node.clone()]);
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = WeightNormState {
                direction: prep.checkpoint(&direction),
                length: prep.checkpoint(&length),
            };
            // The operands live until the end of this function, and with it until they are registered.
            prep.finish(
                state,
                B::weight_norm_forward(direction.primitive, length.primitive),
            )
        }
        OpsKind::UnTracked(prep) => prep.finish(B::weight_norm_forward(
            direction.primitive,
            length.primitive,
        )),
    }
}
