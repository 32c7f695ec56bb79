//! The operations in terms of burn's own: the default bodies, and the oracle of the tests.

pub(crate) mod attention;
pub(crate) mod linear;
mod pool;
pub(crate) mod roi_align;
pub(crate) mod weight_norm;

use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, FloatTensor};
use burn::tensor::{Tensor, TensorPrimitive};

pub(crate) use pool::{norm_max_pool_backward, norm_max_pool_forward, norm_max_pool_running};

use crate::backend::{
    Activation, Backend as KernelBackend, BatchNormGradients, BatchNormOutput, CrossViewOutput,
    NormConvGradients, Normalization, Statistics,
};
use crate::update::{AdamWStep, MomentumStep};

pub(crate) fn conv2d_forward<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    options: ConvOptions<2>,
) -> FloatTensor<B> {
    B::conv2d(x, weight, None, options)
}

pub(crate) fn conv2d_backward_input<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    output_grad: FloatTensor<B>,
    options: ConvOptions<2>,
) -> FloatTensor<B> {
    B::conv2d_x_backward(x, weight, output_grad, options)
}

pub(crate) fn conv2d_backward_weight<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    output_grad: FloatTensor<B>,
    options: ConvOptions<2>,
) -> FloatTensor<B> {
    B::conv2d_weight_backward(x, weight, output_grad, options)
}

pub(crate) fn batch_norm_train_forward<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    eps: f64,
    activation: Activation,
) -> BatchNormOutput<FloatTensor<B>> {
    let x = tensor::<B, 3>(x);
    let channels = x.dims()[1];
    let mean = channel_mean(x.clone());
    let centered = x - mean.clone();
    let var = channel_mean(centered.clone() * centered.clone());
    let scale = column(tensor(weight)) / (var.clone() + eps).sqrt();
    let pre = centered * scale + column(tensor(bias));
    BatchNormOutput {
        y: primitive(activated(pre, activation)),
        mean: primitive(mean.reshape([channels])),
        var: primitive(var.reshape([channels])),
    }
}

#[allow(clippy::too_many_arguments)]
pub(crate) fn batch_norm_running<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    mean: FloatTensor<B>,
    var: FloatTensor<B>,
    eps: f64,
    activation: Activation,
) -> FloatTensor<B> {
    let scale = column(tensor::<B, 1>(weight)) / (column(tensor(var)) + eps).sqrt();
    let pre = (tensor::<B, 3>(x) - column(tensor(mean))) * scale + column(tensor(bias));
    primitive(activated(pre, activation))
}

pub(crate) fn batch_norm_add_running<B: KernelBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
    shortcut: FloatTensor<B>,
) -> FloatTensor<B> {
    let y = B::batch_norm_running(
        x,
        norm.weight,
        norm.bias,
        statistics.mean,
        statistics.var,
        norm.eps,
        Activation::None,
    );
    let sum = tensor::<B, 3>(y) + tensor(shortcut);
    primitive(activated(sum, norm.activation))
}

#[allow(clippy::too_many_arguments)]
pub(crate) fn batch_norm_train_backward<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    mean: FloatTensor<B>,
    var: FloatTensor<B>,
    output_grad: FloatTensor<B>,
    eps: f64,
    activation: Activation,
) -> BatchNormGradients<FloatTensor<B>> {
    let x = tensor::<B, 3>(x);
    let [_, channels, _] = x.dims();
    let inverse_std = (column(tensor::<B, 1>(var)) + eps).sqrt().recip();
    let normalized = (x - column(tensor(mean))) * inverse_std.clone();
    let weight = column(tensor::<B, 1>(weight));
    let pre = normalized.clone() * weight.clone() + column(tensor(bias));
    let grad = passed(tensor::<B, 3>(output_grad), pre, activation);
    let mean_grad = channel_mean(grad.clone());
    let mean_product = channel_mean(grad.clone() * normalized.clone());
    let bias_grad = channel_sum(grad.clone());
    let weight_grad = channel_sum(grad.clone() * normalized.clone());
    let x_grad = (grad - mean_grad - normalized * mean_product) * (weight * inverse_std);
    BatchNormGradients {
        x: primitive(x_grad),
        weight: primitive(weight_grad.reshape([channels])),
        bias: primitive(bias_grad.reshape([channels])),
    }
}

pub(crate) fn norm_conv2d_forward<B: KernelBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    weight: FloatTensor<B>,
    options: ConvOptions<2>,
) -> BatchNormOutput<FloatTensor<B>> {
    let x = tensor::<B, 4>(x);
    let dims = x.dims();
    let output = B::batch_norm_train_forward(
        primitive(maps_flattened(x)),
        norm.weight,
        norm.bias,
        norm.eps,
        norm.activation,
    );
    let values = tensor::<B, 3>(output.y).reshape(dims);
    BatchNormOutput {
        y: B::conv2d_forward(primitive(values), weight, options),
        ..output
    }
}

pub(crate) fn norm_conv2d_backward<B: KernelBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
    weight: FloatTensor<B>,
    output_grad: FloatTensor<B>,
    options: ConvOptions<2>,
) -> NormConvGradients<FloatTensor<B>> {
    let x = tensor::<B, 4>(x);
    let dims = x.dims();
    let flat = maps_flattened(x);
    let values = B::batch_norm_running(
        primitive(flat.clone()),
        norm.weight.clone(),
        norm.bias.clone(),
        statistics.mean.clone(),
        statistics.var.clone(),
        norm.eps,
        norm.activation,
    );
    let values = primitive(tensor::<B, 3>(values).reshape(dims));
    let values_grad = B::conv2d_backward_input(
        values.clone(),
        weight.clone(),
        output_grad.clone(),
        options.clone(),
    );
    let weight = B::conv2d_backward_weight(values, weight, output_grad, options);
    let grads = B::batch_norm_train_backward(
        primitive(flat),
        norm.weight,
        norm.bias,
        statistics.mean,
        statistics.var,
        primitive(maps_flattened(tensor::<B, 4>(values_grad))),
        norm.eps,
        norm.activation,
    );
    NormConvGradients {
        norm: BatchNormGradients {
            x: primitive(tensor::<B, 3>(grads.x).reshape(dims)),
            ..grads
        },
        weight,
    }
}

pub(crate) fn batch_norm_add_forward<B: KernelBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    shortcut: FloatTensor<B>,
) -> BatchNormOutput<FloatTensor<B>> {
    let output = B::batch_norm_train_forward(x, norm.weight, norm.bias, norm.eps, Activation::None);
    let sum = tensor::<B, 3>(output.y) + tensor(shortcut);
    BatchNormOutput {
        y: primitive(activated(sum, norm.activation)),
        ..output
    }
}

pub(crate) fn batch_norm_add_backward<B: KernelBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
    output: FloatTensor<B>,
    output_grad: FloatTensor<B>,
) -> (BatchNormGradients<FloatTensor<B>>, FloatTensor<B>) {
    // An activation is flat exactly where its own value is that of its flat parts.
    let (y, grad) = (tensor::<B, 3>(output), tensor(output_grad));
    let grad = primitive(passed(grad, y, norm.activation));
    let grads = B::batch_norm_train_backward(
        x,
        norm.weight,
        norm.bias,
        statistics.mean,
        statistics.var,
        grad.clone(),
        norm.eps,
        Activation::None,
    );
    (grads, grad)
}

pub(crate) fn patches<B: Backend>(images: FloatTensor<B>, side: usize) -> FloatTensor<B> {
    let images = tensor::<B, 4>(images);
    let [batch, channels, height, width] = images.dims();
    let [rows, columns] = [height / side, width / side];
    let patches: Tensor<B, 2> = images
        .narrow(2, 0, rows * side)
        .narrow(3, 0, columns * side)
        .reshape([batch, channels, rows, side, columns, side])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([batch * rows * columns, channels * side * side]);
    primitive(patches)
}

/// `[b, c, h, w]` to `[b, c, h w]`.
fn maps_flattened<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 3> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width])
}

/// The activation of `pre`.
///
/// Not-a-number stays what it is, which burn's `relu` and `clamp_min` do not see to on every engine; and the gradients at
/// the kinks are PyTorch's, for bodies that run on a tape.
fn activated<B: Backend>(pre: Tensor<B, 3>, activation: Activation) -> Tensor<B, 3> {
    match activation {
        Activation::None => pre,
        Activation::Relu => above_zero(pre),
        Activation::Relu6 => {
            let low = above_zero(pre);
            let high = low.clone().greater_equal_elem(6.0);
            low.mask_fill(high, 6.0)
        }
    }
}

fn above_zero<B: Backend>(pre: Tensor<B, 3>) -> Tensor<B, 3> {
    let low = pre.clone().lower_equal_elem(0.0);
    pre.mask_fill(low, 0.0)
}

/// `grad` where the activation of `pre` has slope 1, else 0.
fn passed<B: Backend>(
    grad: Tensor<B, 3>,
    pre: Tensor<B, 3>,
    activation: Activation,
) -> Tensor<B, 3> {
    match activation {
        Activation::None => grad,
        Activation::Relu => grad.mask_fill(pre.lower_equal_elem(0.0), 0.0),
        Activation::Relu6 => grad
            .mask_fill(pre.clone().lower_equal_elem(0.0), 0.0)
            .mask_fill(pre.greater_equal_elem(6.0), 0.0),
    }
}

pub(crate) fn adamw_step<B: Backend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    moments: [FloatTensor<B>; 2],
    step: AdamWStep,
) -> (FloatTensor<B>, [FloatTensor<B>; 2]) {
    let (param, grad) = (tensor::<B, 1>(param), tensor::<B, 1>(grad));
    let [first, second] = moments.map(tensor::<B, 1>);
    let [beta1, beta2] = step.betas;
    let first = first * beta1 + grad.clone() * (1.0 - beta1);
    let second = second * beta2 + grad.clone() * grad * (1.0 - beta2);
    let corrections = step.betas.map(|beta| 1.0 - beta.powi(step.updates as i32));
    let denominator = second.clone().sqrt() / corrections[1].sqrt() + step.eps;
    let param = param * (1.0 - step.lr * step.weight_decay)
        - first.clone() / denominator * (step.lr / corrections[0]);
    (primitive(param), [first, second].map(primitive))
}

pub(crate) fn momentum_step<B: Backend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    velocity: FloatTensor<B>,
    step: MomentumStep,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let (param, grad) = (tensor::<B, 1>(param), tensor::<B, 1>(grad));
    let mut direction = if step.weight_decay == 0.0 {
        grad
    } else {
        grad + param.clone() * step.weight_decay
    };
    if let Some(eta) = step.trust {
        let ratio = trust_ratio(&param, &direction, eta);
        direction = direction * ratio;
    }
    let velocity = tensor::<B, 1>(velocity) * step.momentum + direction.clone();
    let update = if step.nesterov {
        direction + velocity.clone() * step.momentum
    } else {
        velocity.clone()
    };
    (primitive(param - update * step.lr), primitive(velocity))
}

/// `eta ||param|| / ||direction||`, and 1 where either norm is zero; it stays on the device.
fn trust_ratio<B: Backend>(
    param: &Tensor<B, 1>,
    direction: &Tensor<B, 1>,
    eta: f64,
) -> Tensor<B, 1> {
    let norm = |x: &Tensor<B, 1>| (x.clone() * x.clone()).sum().sqrt();
    let (param_norm, direction_norm) = (norm(param), norm(direction));
    let degenerate = (param_norm.clone() * direction_norm.clone()).lower_equal_elem(0.0);
    (param_norm * eta / direction_norm).mask_fill(degenerate, 1.0)
}

pub(crate) fn norm<B: Backend>(values: FloatTensor<B>) -> FloatTensor<B> {
    let values = tensor::<B, 1>(values);
    primitive((values.clone() * values).sum().sqrt())
}

pub(crate) fn moving_average<B: Backend>(
    target: FloatTensor<B>,
    source: FloatTensor<B>,
    momentum: f64,
) -> FloatTensor<B> {
    primitive(tensor::<B, 1>(target) * momentum + tensor::<B, 1>(source) * (1.0 - momentum))
}

/// Views that targets are of.
pub(crate) const TARGET_VIEWS: usize = 2;

pub(crate) fn cross_view_forward<B: Backend>(
    logits: FloatTensor<B>,
    targets: FloatTensor<B>,
    temperature: f64,
) -> CrossViewOutput<FloatTensor<B>> {
    let scaled = tensor::<B, 2>(logits) / temperature;
    let [rows, _] = scaled.dims();
    let targets = targets_of_rows(tensor(targets), rows);
    let max = scaled.clone().max_dim(1);
    let relative = scaled - max.clone();
    let log_sum = relative.clone().exp().sum_dim(1).log();
    let mass = targets.clone().sum_dim(1);
    let losses = log_sum.clone() * mass.clone() - (targets * relative).sum_dim(1);
    CrossViewOutput {
        losses: primitive(losses.reshape([rows])),
        statistics: primitive(Tensor::cat(vec![max, log_sum, mass], 1)),
    }
}

pub(crate) fn cross_view_backward<B: Backend>(
    logits: FloatTensor<B>,
    targets: FloatTensor<B>,
    statistics: FloatTensor<B>,
    loss_grads: FloatTensor<B>,
    temperature: f64,
) -> FloatTensor<B> {
    let scaled = tensor::<B, 2>(logits) / temperature;
    let [rows, _] = scaled.dims();
    let statistics = tensor::<B, 2>(statistics);
    let [max, log_sum, mass] = [0, 1, 2].map(|at| statistics.clone().narrow(1, at, 1));
    let probabilities = (scaled - max - log_sum).exp();
    let targets = targets_of_rows(tensor(targets), rows);
    let factors = tensor::<B, 1>(loss_grads).reshape([rows, 1]) / temperature;
    primitive((probabilities * mass - targets) * factors)
}

/// `[2 b, k]` to `[rows, k]`: what each row is to meet.
fn targets_of_rows<B: Backend>(targets: Tensor<B, 2>, rows: usize) -> Tensor<B, 2> {
    let [target_rows, _] = targets.dims();
    let batch = target_rows / TARGET_VIEWS;
    let first = targets.clone().narrow(0, 0, batch);
    let second = targets.narrow(0, batch, batch);
    let mut views = vec![second.clone(), first.clone()];
    if rows > target_rows {
        views.push((first + second).repeat_dim(0, rows / batch - TARGET_VIEWS));
    }
    Tensor::cat(views, 0)
}

pub(crate) fn tensor<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

pub(crate) fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

/// `[c]` to `[1, c, 1]`.
fn column<B: Backend>(x: Tensor<B, 1>) -> Tensor<B, 3> {
    let [channels] = x.dims();
    x.reshape([1, channels, 1])
}

/// `[b, c, positions]` to `[1, c, 1]`; positions first, since they are contiguous.
fn channel_mean<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 3> {
    x.mean_dim(2).mean_dim(0)
}

/// `[b, c, positions]` to `[1, c, 1]`.
fn channel_sum<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 3> {
    x.sum_dim(2).sum_dim(0)
}
