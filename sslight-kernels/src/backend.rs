//! The extension traits, and which backends have them.

use burn::tensor::ops::{ConvOptions, FloatTensor};

use crate::roi_align::{Region, RoiAlignOptions};
use crate::stock;
use crate::update::{AdamWStep, MomentumStep};

/// What follows a normalisation, computed in the same pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// The identity.
    #[default]
    None,
    /// `max(x, 0)`; its derivative at 0 is 0.
    Relu,
    /// `min(max(x, 0), 6)`; its derivative at 0 and at 6 is 0, as in PyTorch.
    Relu6,
}

/// What [`Backend::batch_norm_train_forward`] computes.
#[derive(Debug, Clone)]
pub struct BatchNormOutput<F> {
    /// Normalised and activated values, `[b, c, positions]`.
    pub y: F,
    /// Mean of each channel, `[c]`, outside the graph.
    pub mean: F,
    /// Biased variance of each channel, `[c]`, outside the graph.
    pub var: F,
}

/// What [`Backend::batch_norm_train_backward`] computes.
#[derive(Debug, Clone)]
pub struct BatchNormGradients<F> {
    /// Gradient for the input, `[b, c, positions]`.
    pub x: F,
    /// Gradient for the scale, `[c]`.
    pub weight: F,
    /// Gradient for the shift, `[c]`.
    pub bias: F,
}

/// What [`Backend::norm_conv2d_backward`] computes.
#[derive(Debug, Clone)]
pub struct NormConvGradients<F> {
    /// Gradients of the normalisation: for its input `[b, c_in, h, w]`, scale and shift `[c_in]`.
    pub norm: BatchNormGradients<F>,
    /// Gradient for the convolution's weight.
    pub weight: F,
}

/// A batch normalisation by the statistics of the batch, with what follows it.
#[derive(Debug, Clone)]
pub struct Normalization<F> {
    /// Scale, `[c]`.
    pub weight: F,
    /// Shift, `[c]`.
    pub bias: F,
    /// Added to the variance.
    pub eps: f64,
    /// What follows.
    pub activation: Activation,
}

/// What a row goes through before a linear layer multiplies it.
#[derive(Debug, Clone)]
pub enum Before<F> {
    /// Nothing.
    Nothing,
    /// Layer normalisation (Ba et al., 2016), with the biased variance of the row.
    LayerNorm {
        /// Scale, `[in]`.
        weight: F,
        /// Shift, `[in]`.
        bias: F,
        /// Added to the variance.
        eps: f64,
    },
    /// The exact (erf) GELU (Hendrycks and Gimpel, 2016).
    Gelu,
}

impl<F> Before<F> {
    /// The same of other tensors.
    pub(crate) fn map<G>(self, mut change: impl FnMut(F) -> G) -> Before<G> {
        match self {
            Self::Nothing => Before::Nothing,
            Self::LayerNorm { weight, bias, eps } => Before::LayerNorm {
                weight: change(weight),
                bias: change(bias),
                eps,
            },
            Self::Gelu => Before::Gelu,
        }
    }
}

/// What [`Backend::linear_backward`] computes.
#[derive(Debug, Clone)]
pub struct LinearGradients<F> {
    /// Gradient for the rows, `[rows, in]`.
    pub x: F,
    /// Gradient for the weight, `[out, in]`.
    pub weight: F,
    /// Gradient for the bias, `[out]`.
    pub bias: F,
    /// Gradients for scale and shift of a [`Before::LayerNorm`].
    pub norm: Option<[F; 2]>,
}

/// Mean and variance of each channel, `[c]`: of a batch, where the variance is the biased one, or running ones.
#[derive(Debug, Clone)]
pub struct Statistics<F> {
    /// The mean.
    pub mean: F,
    /// The variance.
    pub var: F,
}

/// What [`Backend::cross_view_forward`] computes.
#[derive(Debug, Clone)]
pub struct CrossViewOutput<F> {
    /// The loss of each row, `[rows]`.
    pub losses: F,
    /// What the backward pass needs of each row, `[rows, 3]`, outside the graph: the largest scaled logit, the
    /// logarithm of the sum of exponentials relative to it, the sum of targets.
    pub statistics: F,
}

/// A burn backend with the training operations of this crate.
///
/// Every operation has a default body made of burn's operations, thus `impl Backend for X {}` is all
/// that a further backend needs. The functions take primitives; [`conv2d`](crate::conv2d) and
/// [`batch_norm_train`](crate::batch_norm_train) take tensors.
///
/// # Panics
/// Operations panic on shapes that do not fit, as burn's own do.
pub trait Backend: burn::tensor::backend::Backend {
    /// Convolution without bias.
    ///
    /// # Shapes
    /// x `[b, c_in, h, w]`, weight `[c_out, c_in / groups, kh, kw]` to `[b, c_out, h', w']`.
    fn conv2d_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        stock::conv2d_forward::<Self>(x, weight, options)
    }

    /// Gradient of [`conv2d_forward`](Self::conv2d_forward) for `x`, given that for its output.
    fn conv2d_backward_input(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        stock::conv2d_backward_input::<Self>(x, weight, output_grad, options)
    }

    /// Gradient of [`conv2d_forward`](Self::conv2d_forward) for `weight`, given that for its output.
    fn conv2d_backward_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        stock::conv2d_backward_weight::<Self>(x, weight, output_grad, options)
    }

    /// Batch normalisation by the statistics of the batch (Ioffe and Szegedy 2015, algorithm 1),
    /// followed by an activation.
    ///
    /// `y = act(weight * (x - mean) / sqrt(var + eps) + bias)`, the variance being the biased one.
    /// Gradients flow through `y`, not through the statistics that are returned beside it.
    ///
    /// # Shapes
    /// x `[b, c, positions]`, weight and bias `[c]`.
    fn batch_norm_train_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> BatchNormOutput<FloatTensor<Self>> {
        stock::batch_norm_train_forward::<Self>(x, weight, bias, eps, activation)
    }

    /// Gradients of [`batch_norm_train_forward`](Self::batch_norm_train_forward), given that for `y`.
    ///
    /// `mean` and `var` are those that the forward pass returned. Its `y` is not needed: where the
    /// activation is flat is computed again from `x`.
    #[allow(clippy::too_many_arguments)]
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
        stock::batch_norm_train_backward::<Self>(
            x,
            weight,
            bias,
            mean,
            var,
            output_grad,
            eps,
            activation,
        )
    }

    /// Batch normalisation by statistics that are given, followed by an activation: evaluation, and
    /// frozen layers inside a training graph. Gradients flow to `x`, `weight` and `bias`.
    ///
    /// # Shapes
    /// x `[b, c, positions]`, weight, bias, mean and var `[c]` to `[b, c, positions]`.
    #[allow(clippy::too_many_arguments)]
    fn batch_norm_running(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        var: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> FloatTensor<Self> {
        stock::batch_norm_running::<Self>(x, weight, bias, mean, var, eps, activation)
    }

    /// Convolution of what a batch normalisation makes of `x`: [`batch_norm_train_forward`] and
    /// [`conv2d_forward`], except that the values between them need not exist.
    ///
    /// [`batch_norm_train_forward`]: Self::batch_norm_train_forward
    /// [`conv2d_forward`]: Self::conv2d_forward
    ///
    /// # Shapes
    /// x `[b, c_in, h, w]`, weight `[c_out, c_in / groups, kh, kw]` to `y [b, c_out, h', w']`; the statistics are those
    /// of `x`.
    fn norm_conv2d_forward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> BatchNormOutput<FloatTensor<Self>> {
        stock::norm_conv2d_forward::<Self>(x, norm, weight, options)
    }

    /// Gradients of [`norm_conv2d_forward`](Self::norm_conv2d_forward), given that for its output and the statistics
    /// that it returned.
    fn norm_conv2d_backward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        statistics: Statistics<FloatTensor<Self>>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> NormConvGradients<FloatTensor<Self>> {
        stock::norm_conv2d_backward::<Self>(x, norm, statistics, weight, output_grad, options)
    }

    /// `act(norm(x) + shortcut)`: batch normalisation by the statistics of the batch at the end of a residual block.
    ///
    /// # Shapes
    /// x and shortcut `[b, c, positions]`.
    fn batch_norm_add_forward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        shortcut: FloatTensor<Self>,
    ) -> BatchNormOutput<FloatTensor<Self>> {
        stock::batch_norm_add_forward::<Self>(x, norm, shortcut)
    }

    /// Gradients of [`batch_norm_add_forward`](Self::batch_norm_add_forward), given its output, that for it, and the
    /// statistics that it returned; the second is that for the shortcut.
    fn batch_norm_add_backward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        statistics: Statistics<FloatTensor<Self>>,
        output: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
    ) -> (BatchNormGradients<FloatTensor<Self>>, FloatTensor<Self>) {
        stock::batch_norm_add_backward::<Self>(x, norm, statistics, output, output_grad)
    }

    /// `act(norm(x) + shortcut)` by statistics that are given: the end of a residual block in evaluation, and frozen ones
    /// inside a training graph.
    ///
    /// # Shapes
    /// x and shortcut `[b, c, positions]`.
    fn batch_norm_add_running(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        statistics: Statistics<FloatTensor<Self>>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        stock::batch_norm_add_running::<Self>(x, norm, statistics, shortcut)
    }

    /// `pool(act(norm(x)))`: batch normalisation by the statistics of the batch and the max pooling of a ResNet's stem,
    /// by 3x3 windows, two apart, with a border of one. The map between them need not exist.
    ///
    /// # Shapes
    /// x `[b, c, h, w]` to `[b, c, ceil(h / 2), ceil(w / 2)]`; the statistics are those of `x`.
    fn norm_max_pool_forward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
    ) -> BatchNormOutput<FloatTensor<Self>> {
        stock::norm_max_pool_forward::<Self>(x, norm)
    }

    /// Gradients of [`norm_max_pool_forward`](Self::norm_max_pool_forward), given that for its output and the statistics
    /// that it returned; of equal values in a window the first gets its gradient.
    fn norm_max_pool_backward(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        statistics: Statistics<FloatTensor<Self>>,
        output_grad: FloatTensor<Self>,
    ) -> BatchNormGradients<FloatTensor<Self>> {
        stock::norm_max_pool_backward::<Self>(x, norm, statistics, output_grad)
    }

    /// [`norm_max_pool_forward`](Self::norm_max_pool_forward) by statistics that are given.
    fn norm_max_pool_running(
        x: FloatTensor<Self>,
        norm: Normalization<FloatTensor<Self>>,
        statistics: Statistics<FloatTensor<Self>>,
    ) -> FloatTensor<Self> {
        stock::norm_max_pool_running::<Self>(x, norm, statistics)
    }

    /// The square patches of images, a row each; pixels that fill no patch are left out.
    ///
    /// # Shapes
    /// images `[b, c, h, w]` to `[b (h / side) (w / side), c side side]`.
    fn patches(images: FloatTensor<Self>, side: usize) -> FloatTensor<Self> {
        stock::patches::<Self>(images, side)
    }

    /// `before(x) weight^T + bias`. What `before` makes of the rows need not exist, and is computed again on the way back.
    ///
    /// # Shapes
    /// x `[rows, in]`, weight `[out, in]`, bias `[out]` to `[rows, out]`.
    fn linear_forward(
        x: FloatTensor<Self>,
        before: Before<FloatTensor<Self>>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
    ) -> FloatTensor<Self> {
        stock::linear::forward::<Self>(x, before, weight, bias)
    }

    /// Gradients of [`linear_forward`](Self::linear_forward), given that for its output.
    fn linear_backward(
        x: FloatTensor<Self>,
        before: Before<FloatTensor<Self>>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
    ) -> LinearGradients<FloatTensor<Self>> {
        stock::linear::backward::<Self>(x, before, weight, output_grad)
    }

    /// Self-attention, `softmax(scale q k^T) v` of each head (Vaswani et al., 2017, eq. 1). Scores are not kept.
    ///
    /// # Shapes
    /// qkv `[b, tokens, 3 dim]`, its rows packed `[3, heads, head_dim]`, to `[b, tokens, dim]`.
    fn attention_forward(qkv: FloatTensor<Self>, heads: usize, scale: f64) -> FloatTensor<Self> {
        stock::attention::forward::<Self>(qkv, heads, scale)
    }

    /// Gradient of [`attention_forward`](Self::attention_forward) for `qkv`, given that for its output.
    fn attention_backward(
        qkv: FloatTensor<Self>,
        heads: usize,
        scale: f64,
        output_grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        stock::attention::backward::<Self>(qkv, heads, scale, output_grad)
    }

    /// Rows of the lengths `length`, `length_o direction_o / |direction_o|` (Salimans and Kingma, 2016, eq. 2).
    ///
    /// # Shapes
    /// direction `[outputs, inputs]`, length `[outputs, 1]`, to `[outputs, inputs]`.
    fn weight_norm_forward(
        direction: FloatTensor<Self>,
        length: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        stock::weight_norm::forward::<Self>(direction, length)
    }

    /// Gradients of [`weight_norm_forward`](Self::weight_norm_forward) for direction and length, given that for the
    /// weight (Salimans and Kingma, 2016, eq. 3).
    fn weight_norm_backward(
        direction: FloatTensor<Self>,
        length: FloatTensor<Self>,
        weight_grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        stock::weight_norm::backward::<Self>(direction, length, weight_grad)
    }

    /// The bins of regions: see [`roi_align`](crate::roi_align()). Gradients flow to the features alone.
    ///
    /// # Shapes
    /// features `[b, c, h, w]` to `[regions, c, output, output]`.
    fn roi_align_forward(
        features: FloatTensor<Self>,
        regions: &[Region],
        options: RoiAlignOptions,
    ) -> FloatTensor<Self> {
        stock::roi_align::forward::<Self>(features, regions, options)
    }

    /// Gradient of [`roi_align_forward`](Self::roi_align_forward) for features of `feature_dims`, given that for its output;
    /// it does not depend on their values.
    fn roi_align_backward(
        regions: &[Region],
        options: RoiAlignOptions,
        feature_dims: [usize; 4],
        output_grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        stock::roi_align::backward::<Self>(regions, options, feature_dims, output_grad)
    }

    /// Cross entropies of views with the targets of other views: see
    /// [`cross_view_entropy`](crate::cross_view_entropy). Gradients flow to the logits alone.
    ///
    /// # Shapes
    /// logits `[views b, k]`, targets `[2 b, k]`.
    fn cross_view_forward(
        logits: FloatTensor<Self>,
        targets: FloatTensor<Self>,
        temperature: f64,
    ) -> CrossViewOutput<FloatTensor<Self>> {
        stock::cross_view_forward::<Self>(logits, targets, temperature)
    }

    /// Gradient of [`cross_view_forward`](Self::cross_view_forward) for the logits, given that for the losses.
    fn cross_view_backward(
        logits: FloatTensor<Self>,
        targets: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        loss_grads: FloatTensor<Self>,
        temperature: f64,
    ) -> FloatTensor<Self> {
        stock::cross_view_backward::<Self>(logits, targets, statistics, loss_grads, temperature)
    }

    /// An AdamW update, outside any graph: see [`adamw_step`](crate::adamw_step).
    ///
    /// # Shapes
    /// All `[n]`.
    fn adamw_step(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        step: AdamWStep,
    ) -> (FloatTensor<Self>, [FloatTensor<Self>; 2]) {
        stock::adamw_step::<Self>(param, grad, moments, step)
    }

    /// An update of SGD or LARS, outside any graph: see [`momentum_step`](crate::momentum_step).
    ///
    /// # Shapes
    /// All `[n]`.
    fn momentum_step(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        step: MomentumStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        stock::momentum_step::<Self>(param, grad, velocity, step)
    }

    /// `momentum * target + (1 - momentum) * source`, outside any graph.
    ///
    /// # Shapes
    /// All `[n]`.
    fn moving_average(
        target: FloatTensor<Self>,
        source: FloatTensor<Self>,
        momentum: f64,
    ) -> FloatTensor<Self> {
        stock::moving_average::<Self>(target, source, momentum)
    }

    /// The Euclidean length, outside any graph.
    ///
    /// # Shapes
    /// `[n]` to `[1]`.
    fn norm(values: FloatTensor<Self>) -> FloatTensor<Self> {
        stock::norm::<Self>(values)
    }
}

/// A [`Backend`] with automatic differentiation over another [`Backend`].
pub trait AutodiffBackend:
    Backend + burn::tensor::backend::AutodiffBackend<InnerBackend: Backend>
{
}

impl<B> AutodiffBackend for B where
    B: Backend + burn::tensor::backend::AutodiffBackend<InnerBackend: Backend>
{
}

#[cfg(feature = "cuda")]
impl Backend for burn_cuda::Cuda<f32, i32> {}

#[cfg(feature = "wgpu")]
impl Backend for burn_wgpu::Wgpu<f32, i32, u32> {}
