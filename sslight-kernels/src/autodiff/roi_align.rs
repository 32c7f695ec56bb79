//! RoIAlign on the tape, which keeps regions, not features.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::TensorMetadata;
use burn::tensor::ops::FloatTensor;

use crate::backend::Backend;
use crate::roi_align::{Region, RoiAlignOptions};

#[derive(Debug)]
struct RoiAlign;

#[derive(Debug, Clone)]
struct RoiAlignState {
    regions: Vec<Region>,
    options: RoiAlignOptions,
    feature_dims: [usize; 4],
}

impl<B: Backend> Backward<B, 1> for RoiAlign {
    type State = RoiAlignState;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let state = ops.state;
        let [features] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = features {
            let features_grad =
                B::roi_align_backward(&state.regions, state.options, state.feature_dims, grad);
            grads.register::<B>(node.id, features_grad);
        }
    }
}

pub(super) fn forward<B: Backend, C: CheckpointStrategy>(
    features: FloatTensor<Autodiff<B, C>>,
    regions: &[Region],
    options: RoiAlignOptions,
) -> FloatTensor<Autodiff<B, C>> {
    let feature_dims = features.primitive.shape().dims();
    let prep = RoiAlign.prepare::<C>([features.node.clone()]);
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let state = RoiAlignState {
                regions: regions.to_vec(),
                options,
                feature_dims,
            };
            // The features live until the end of this function, and with it until they are registered.
            prep.finish(
                state,
                B::roi_align_forward(features.primitive, regions, options),
            )
        }
        OpsKind::UnTracked(prep) => {
            prep.finish(B::roi_align_forward(features.primitive, regions, options))
        }
    }
}
