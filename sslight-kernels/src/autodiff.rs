//! The operations on the tape, once for all backends.

mod backward;
mod roi_align;
mod transformer;
mod weight_norm;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend as _;
use burn::tensor::ops::{ConvOptions, FloatTensor};

use backward::{
    BatchNorm, BatchNormAdd, BatchNormAddState, BatchNormState, Conv2d, Conv2dState, CrossView,
    CrossViewState, KeptNorm, NormConv, NormConvState, NormMaxPool,
};

use crate::backend::{
    Activation, Backend, BatchNormGradients, BatchNormOutput, Before, CrossViewOutput,
    LinearGradients, NormConvGradients, Normalization, Statistics,
};
use crate::roi_align::{Region, RoiAlignOptions};
use crate::stock;
use crate::update::{AdamWStep, MomentumStep};

impl<B: Backend, C: CheckpointStrategy> Backend for Autodiff<B, C> {
    fn conv2d_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        match Conv2d
            .prepare::<C>([x.node.clone(), weight.node.clone()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                // The tape keeps both tensors whichever gradient is wanted: the shape of one is
                // that of its gradient.
                let state = Conv2dState {
                    x: prep.checkpoint(&x),
                    weight: prep.checkpoint(&weight),
                    options: options.clone(),
                };
                let y = B::conv2d_forward(x.primitive, weight.primitive, options);
                prep.finish(state, y)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::conv2d_forward(x.primitive, weight.primitive, options))
            }
        }
    }

    fn conv2d_backward_input(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        Self::from_inner(B::conv2d_backward_input(
            x.primitive,
            weight.primitive,
            output_grad.primitive,
            options,
        ))
    }

    fn conv2d_backward_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        Self::from_inner(B::conv2d_backward_weight(
            x.primitive,
            weight.primitive,
            output_grad.primitive,
            options,
        ))
    }

    fn batch_norm_train_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> BatchNormOutput<FloatTensor<Self>> {
        let nodes = [x.node.clone(), weight.node.clone(), bias.node.clone()];
        match BatchNorm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let [x_id, weight_id, bias_id] = [&x, &weight, &bias].map(|t| prep.checkpoint(t));
                let output = B::batch_norm_train_forward(
                    x.primitive,
                    weight.primitive,
                    bias.primitive,
                    eps,
                    activation,
                );
                let state = BatchNormState {
                    x: x_id,
                    norm: KeptNorm::new([weight_id, bias_id], eps, activation, &output),
                };
                BatchNormOutput {
                    y: prep.finish(state, output.y),
                    mean: Self::from_inner(output.mean),
                    var: Self::from_inner(output.var),
                }
            }
            OpsKind::UnTracked(prep) => {
                let output = B::batch_norm_train_forward(
                    x.primitive,
                    weight.primitive,
                    bias.primitive,
                    eps,
                    activation,
                );
                BatchNormOutput {
                    y: prep.finish(output.y),
                    mean: Self::from_inner(output.mean),
                    var: Self::from_inner(output.var),
                }
            }
        }
    }

    fn norm_conv2d_forward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> BatchNormOutput<FloatTensor<Self>> {
        let nodes = [&x, &norm.weight, &norm.bias, &weight].map(|tensor| tensor.node.clone());
        let prep = NormConv.prepare::<C>(nodes).compute_bound().stateful();
        // The operands must outlive the registration: a backward pass on another thread clears nodes that no tensor
        // and no operation holds.
        let output = |options| {
            let norm = inner_norm::<B, C>(norm.clone());
            B::norm_conv2d_forward(x.primitive.clone(), norm, weight.primitive.clone(), options)
        };
        let (y, mean, var) = match prep {
            OpsKind::Tracked(mut prep) => {
                let kept = [&x, &norm.weight, &norm.bias, &weight].map(|t| prep.checkpoint(t));
                let (eps, activation) = (norm.eps, norm.activation);
                let output = output(options.clone());
                let [x_id, norm_weight, norm_bias, weight_id] = kept;
                let state = NormConvState {
                    x: x_id,
                    norm: KeptNorm::new([norm_weight, norm_bias], eps, activation, &output),
                    weight: weight_id,
                    options,
                };
                (prep.finish(state, output.y), output.mean, output.var)
            }
            OpsKind::UnTracked(prep) => {
                let output = output(options);
                (prep.finish(output.y), output.mean, output.var)
            }
        };
        BatchNormOutput {
            y,
            mean: Self::from_inner(mean),
            var: Self::from_inner(var),
        }
    }

    fn norm_conv2d_backward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        statistics: Statistics<FloatTensor<Self>>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> NormConvGradients<FloatTensor<Self>> {
        let grads = B::norm_conv2d_backward(
            x.primitive,
            inner_norm::<B, C>(norm),
            inner_statistics::<B, C>(statistics),
            weight.primitive,
            output_grad.primitive,
            options,
        );
        NormConvGradients {
            norm: outer_gradients::<B, C>(grads.norm),
            weight: Self::from_inner(grads.weight),
        }
    }

    fn batch_norm_add_forward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        shortcut: FloatTensor<Self>,
    ) -> BatchNormOutput<FloatTensor<Self>> {
        let nodes = [&x, &norm.weight, &norm.bias, &shortcut].map(|tensor| tensor.node.clone());
        let prep = BatchNormAdd.prepare::<C>(nodes).compute_bound().stateful();
        // As above, the operands must outlive the registration.
        let output = || {
            let norm = inner_norm::<B, C>(norm.clone());
            B::batch_norm_add_forward(x.primitive.clone(), norm, shortcut.primitive.clone())
        };
        let (y, mean, var) = match prep {
            OpsKind::Tracked(mut prep) => {
                let [x_id, weight, bias] =
                    [&x, &norm.weight, &norm.bias].map(|t| prep.checkpoint(t));
                let (eps, activation) = (norm.eps, norm.activation);
                let output = output();
                let state = BatchNormAddState {
                    x: x_id,
                    norm: KeptNorm::new([weight, bias], eps, activation, &output),
                    // What follows keeps it too, most often.
                    y: output.y.clone(),
                };
                (prep.finish(state, output.y), output.mean, output.var)
            }
            OpsKind::UnTracked(prep) => {
                let output = output();
                (prep.finish(output.y), output.mean, output.var)
            }
        };
        BatchNormOutput {
            y,
            mean: Self::from_inner(mean),
            var: Self::from_inner(var),
        }
    }

    fn batch_norm_add_backward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        statistics: Statistics<FloatTensor<Self>>,
        output: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
    ) -> (BatchNormGradients<FloatTensor<Self>>, FloatTensor<Self>) {
        let (grads, shortcut) = B::batch_norm_add_backward(
            x.primitive,
            inner_norm::<B, C>(norm),
            inner_statistics::<B, C>(statistics),
            output.primitive,
            output_grad.primitive,
        );
        (outer_gradients::<B, C>(grads), Self::from_inner(shortcut))
    }

    fn norm_max_pool_forward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
    ) -> BatchNormOutput<FloatTensor<Self>> {
        let nodes = [&x, &norm.weight, &norm.bias].map(|tensor| tensor.node.clone());
        let prep = NormMaxPool.prepare::<C>(nodes).compute_bound().stateful();
        // As above, the operands must outlive the registration.
        let output =
            || B::norm_max_pool_forward(x.primitive.clone(), inner_norm::<B, C>(norm.clone()));
        let (y, mean, var) = match prep {
            OpsKind::Tracked(mut prep) => {
                let [x_id, weight, bias] =
                    [&x, &norm.weight, &norm.bias].map(|t| prep.checkpoint(t));
                let (eps, activation) = (norm.eps, norm.activation);
                let output = output();
                let state = BatchNormState {
                    x: x_id,
                    norm: KeptNorm::new([weight, bias], eps, activation, &output),
                };
                (prep.finish(state, output.y), output.mean, output.var)
            }
            OpsKind::UnTracked(prep) => {
                let output = output();
                (prep.finish(output.y), output.mean, output.var)
            }
        };
        BatchNormOutput {
            y,
            mean: Self::from_inner(mean),
            var: Self::from_inner(var),
        }
    }

    fn norm_max_pool_backward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        statistics: Statistics<FloatTensor<Self>>,
        output_grad: FloatTensor<Self>,
    ) -> BatchNormGradients<FloatTensor<Self>> {
        outer_gradients::<B, C>(B::norm_max_pool_backward(
            x.primitive,
            inner_norm::<B, C>(norm),
            inner_statistics::<B, C>(statistics),
            output_grad.primitive,
        ))
    }

    fn norm_max_pool_running(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        statistics: Statistics<FloatTensor<Self>>,
    ) -> FloatTensor<Self> {
        if is_tracked::<B, C, _>([&x, &norm.weight, &norm.bias]) {
            let values = B::norm_max_pool_running(
                x.primitive.clone(),
                inner_norm::<B, C>(norm.clone()),
                inner_statistics::<B, C>(statistics.clone()),
            );
            // Burn's max pooling loses not-a-number on one engine; ours tells where it belongs.
            let lost = Tensor::from_inner(stock::tensor::<B, 4>(values).is_nan());
            let pooled = stock::norm_max_pool_running::<Self>(x, norm, statistics);
            let pooled = stock::tensor::<Self, 4>(pooled);
            return stock::primitive(pooled.mask_fill(lost, f32::NAN));
        }
        let statistics = inner_statistics::<B, C>(statistics);
        let norm = inner_norm::<B, C>(norm);
        Self::from_inner(B::norm_max_pool_running(x.primitive, norm, statistics))
    }

    fn batch_norm_add_running(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        statistics: Statistics<FloatTensor<Self>>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if is_tracked::<B, C, _>([&x, &norm.weight, &norm.bias, &shortcut]) {
            return stock::batch_norm_add_running::<Self>(x, norm, statistics, shortcut);
        }
        let statistics = inner_statistics::<B, C>(statistics);
        let norm = inner_norm::<B, C>(norm);
        let shortcut = shortcut.primitive;
        Self::from_inner(B::batch_norm_add_running(
            x.primitive,
            norm,
            statistics,
            shortcut,
        ))
    }

    fn patches(images: FloatTensor<Self>, side: usize) -> FloatTensor<Self> {
        // Images are inputs, which ask for no gradient but in a test.
        if is_tracked::<B, C, _>([&images]) {
            return stock::patches::<Self>(images, side);
        }
        Self::from_inner(B::patches(images.primitive, side))
    }

    fn linear_forward(
        x: FloatTensor<Self>,
        before: Before<FloatTensor<Self>>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
    ) -> FloatTensor<Self> {
        transformer::linear_forward::<B, C>(x, before, weight, bias)
    }

    fn linear_backward(
        x: FloatTensor<Self>,
        before: Before<FloatTensor<Self>>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
    ) -> LinearGradients<FloatTensor<Self>> {
        let before = before.map(|tensor| tensor.primitive);
        let grads =
            B::linear_backward(x.primitive, before, weight.primitive, output_grad.primitive);
        LinearGradients {
            x: Self::from_inner(grads.x),
            weight: Self::from_inner(grads.weight),
            bias: Self::from_inner(grads.bias),
            norm: grads.norm.map(|sums| sums.map(Self::from_inner)),
        }
    }

    fn weight_norm_forward(
        direction: FloatTensor<Self>,
        length: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        weight_norm::forward::<B, C>(direction, length)
    }

    fn weight_norm_backward(
        direction: FloatTensor<Self>,
        length: FloatTensor<Self>,
        weight_grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        B::weight_norm_backward(direction.primitive, length.primitive, weight_grad.primitive)
            .map(Self::from_inner)
    }

    fn attention_forward(qkv: FloatTensor<Self>, heads: usize, scale: f64) -> FloatTensor<Self> {
        transformer::attention_forward::<B, C>(qkv, heads, scale)
    }

    fn attention_backward(
        qkv: FloatTensor<Self>,
        heads: usize,
        scale: f64,
        output_grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let grad = output_grad.primitive;
        Self::from_inner(B::attention_backward(qkv.primitive, heads, scale, grad))
    }

    fn roi_align_forward(
        features: FloatTensor<Self>,
        regions: &[Region],
        options: RoiAlignOptions,
    ) -> FloatTensor<Self> {
        roi_align::forward::<B, C>(features, regions, options)
    }

    fn roi_align_backward(
        regions: &[Region],
        options: RoiAlignOptions,
        feature_dims: [usize; 4],
        output_grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let grad = output_grad.primitive;
        Self::from_inner(B::roi_align_backward(regions, options, feature_dims, grad))
    }

    fn cross_view_forward(
        logits: FloatTensor<Self>,
        targets: FloatTensor<Self>,
        temperature: f64,
    ) -> CrossViewOutput<FloatTensor<Self>> {
        assert!(
            targets.node.requirement.is_none(),
            "cross_view_forward: targets have a tape, but no gradient flows to them"
        );
        let prep = CrossView.prepare::<C>([logits.node.clone()]);
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let logits_id = prep.checkpoint(&logits);
                let output =
                    B::cross_view_forward(logits.primitive, targets.primitive.clone(), temperature);
                let state = CrossViewState {
                    logits: logits_id,
                    targets: targets.primitive,
                    statistics: output.statistics.clone(),
                    temperature,
                };
                CrossViewOutput {
                    losses: prep.finish(state, output.losses),
                    statistics: Self::from_inner(output.statistics),
                }
            }
            OpsKind::UnTracked(prep) => {
                let output =
                    B::cross_view_forward(logits.primitive, targets.primitive, temperature);
                CrossViewOutput {
                    losses: prep.finish(output.losses),
                    statistics: Self::from_inner(output.statistics),
                }
            }
        }
    }

    fn cross_view_backward(
        logits: FloatTensor<Self>,
        targets: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        loss_grads: FloatTensor<Self>,
        temperature: f64,
    ) -> FloatTensor<Self> {
        Self::from_inner(B::cross_view_backward(
            logits.primitive,
            targets.primitive,
            statistics.primitive,
            loss_grads.primitive,
            temperature,
        ))
    }

    fn adamw_step(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        step: AdamWStep,
    ) -> (FloatTensor<Self>, [FloatTensor<Self>; 2]) {
        let moments = moments.map(|moment| moment.primitive);
        let (param, moments) = B::adamw_step(param.primitive, grad.primitive, moments, step);
        (Self::from_inner(param), moments.map(Self::from_inner))
    }

    fn momentum_step(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        step: MomentumStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (param, velocity) =
            B::momentum_step(param.primitive, grad.primitive, velocity.primitive, step);
        (Self::from_inner(param), Self::from_inner(velocity))
    }

    fn moving_average(
        target: FloatTensor<Self>,
        source: FloatTensor<Self>,
        momentum: f64,
    ) -> FloatTensor<Self> {
        Self::from_inner(B::moving_average(
            target.primitive,
            source.primitive,
            momentum,
        ))
    }

    fn norm(values: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::from_inner(B::norm(values.primitive))
    }

    fn batch_norm_running(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        var: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> FloatTensor<Self> {
        // On the tape it is burn's operations: only frozen layers come here, and none is hot.
        if is_tracked::<B, C, _>([&x, &weight, &bias]) {
            return stock::batch_norm_running::<Self>(x, weight, bias, mean, var, eps, activation);
        }
        Self::from_inner(B::batch_norm_running(
            x.primitive,
            weight.primitive,
            bias.primitive,
            mean.primitive,
            var.primitive,
            eps,
            activation,
        ))
    }

    fn batch_norm_train_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        var: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> BatchNormGradients<FloatTensor<Self>> {
        let grads = B::batch_norm_train_backward(
            x.primitive,
            weight.primitive,
            bias.primitive,
            mean.primitive,
            var.primitive,
            output_grad.primitive,
            eps,
            activation,
        );
        outer_gradients::<B, C>(grads)
    }
}

/// Whether a gradient flows to any of these.
fn is_tracked<B: Backend, C: CheckpointStrategy, const N: usize>(
    tensors: [&FloatTensor<Autodiff<B, C>>; N],
) -> bool {
    let mut nodes = tensors.into_iter().map(|tensor| &tensor.node);
    nodes.any(|node| !node.requirement.is_none())
}

fn inner_norm<B: Backend, C: CheckpointStrategy>(
    norm: Normalization<FloatTensor<Autodiff<B, C>>>,
) -> Normalization<FloatTensor<B>> {
    Normalization {
        weight: norm.weight.primitive,
        bias: norm.bias.primitive,
        eps: norm.eps,
        activation: norm.activation,
    }
}

fn inner_statistics<B: Backend, C: CheckpointStrategy>(
    statistics: Statistics<FloatTensor<Autodiff<B, C>>>,
) -> Statistics<FloatTensor<B>> {
    Statistics {
        mean: statistics.mean.primitive,
        var: statistics.var.primitive,
    }
}

fn outer_gradients<B: Backend, C: CheckpointStrategy>(
    grads: BatchNormGradients<FloatTensor<B>>,
) -> BatchNormGradients<FloatTensor<Autodiff<B, C>>> {
    BatchNormGradients {
        x: Autodiff::<B, C>::from_inner(grads.x),
        weight: Autodiff::<B, C>::from_inner(grads.weight),
        bias: Autodiff::<B, C>::from_inner(grads.bias),
    }
}
