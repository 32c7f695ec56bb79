//! The CPU kernels on tensors of the CPU back ends, burn-flex and burn-ndarray; what the kernels do not
//! cover (other element types, dilation, groups between one and depthwise) goes to burn's own operations.

mod conv;
mod loss;
mod norm;
mod norm_conv;
mod norm_pool;
mod roi_align;
mod tensor;
mod transformer;
mod update;
mod weight_norm;

use burn::tensor::ops::{ConvOptions, FloatTensor};
use burn_flex::Flex;
use burn_ndarray::{NdArray, NdArrayTensor, SharedArray};

use crate::backend::{
    Activation, Backend, BatchNormGradients, BatchNormOutput, Before, CrossViewOutput,
    LinearGradients, NormConvGradients, Normalization, Statistics,
};
use crate::roi_align::{Region, RoiAlignOptions};
use crate::update::{AdamWStep, MomentumStep};

/// Implements [`Backend`] by the functions of this folder.
macro_rules! use_kernels {
    ($backend:ty $(, [$($generic:ident),*] $(where $($bound:tt)*)?)?) => {
        impl$(<$($generic),*>)? Backend for $backend $($(where $($bound)*)?)? {
            fn conv2d_forward(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                options: ConvOptions<2>,
            ) -> FloatTensor<Self> {
                conv::conv2d_forward::<Self>(x, weight, options)
            }

            fn conv2d_backward_input(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
                options: ConvOptions<2>,
            ) -> FloatTensor<Self> {
                conv::conv2d_backward_input::<Self>(x, weight, output_grad, options)
            }

            fn conv2d_backward_weight(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
                options: ConvOptions<2>,
            ) -> FloatTensor<Self> {
                conv::conv2d_backward_weight::<Self>(x, weight, output_grad, options)
            }

            fn batch_norm_train_forward(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                eps: f64,
                activation: Activation,
            ) -> BatchNormOutput<FloatTensor<Self>> {
                norm::batch_norm_train_forward::<Self>(x, weight, bias, eps, activation)
            }

            fn norm_conv2d_forward(
                x: FloatTensor<Self>,
                norm: Normalization<FloatTensor<Self>>,
                weight: FloatTensor<Self>,
                options: ConvOptions<2>,
            ) -> BatchNormOutput<FloatTensor<Self>> {
                norm_conv::norm_conv2d_forward::<Self>(x, norm, weight, options)
            }

            fn norm_conv2d_backward(
                x: FloatTensor<Self>,
                norm: Normalization<FloatTensor<Self>>,
                statistics: Statistics<FloatTensor<Self>>,
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
                options: ConvOptions<2>,
            ) -> NormConvGradients<FloatTensor<Self>> {
                norm_conv::norm_conv2d_backward::<Self>(
                    x, norm, statistics, weight, output_grad, options,
                )
            }

            fn batch_norm_add_forward(
                x: FloatTensor<Self>,
                norm: Normalization<FloatTensor<Self>>,
                shortcut: FloatTensor<Self>,
            ) -> BatchNormOutput<FloatTensor<Self>> {
                norm_conv::batch_norm_add_forward::<Self>(x, norm, shortcut)
            }

            fn batch_norm_add_backward(
                x: FloatTensor<Self>,
                norm: Normalization<FloatTensor<Self>>,
                statistics: Statistics<FloatTensor<Self>>,
                shortcut: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
            ) -> (BatchNormGradients<FloatTensor<Self>>, FloatTensor<Self>) {
                norm_conv::batch_norm_add_backward::<Self>(
                    x, norm, statistics, shortcut, output_grad,
                )
            }

            fn batch_norm_add_running(
                x: FloatTensor<Self>,
                norm: Normalization<FloatTensor<Self>>,
                statistics: Statistics<FloatTensor<Self>>,
                shortcut: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                norm_conv::batch_norm_add_running::<Self>(x, norm, statistics, shortcut)
            }

            fn norm_max_pool_forward(
                x: FloatTensor<Self>,
                norm: Normalization<FloatTensor<Self>>,
            ) -> BatchNormOutput<FloatTensor<Self>> {
                norm_pool::norm_max_pool_forward::<Self>(x, norm)
            }

            fn norm_max_pool_backward(
                x: FloatTensor<Self>,
                norm: Normalization<FloatTensor<Self>>,
                statistics: Statistics<FloatTensor<Self>>,
                output_grad: FloatTensor<Self>,
            ) -> BatchNormGradients<FloatTensor<Self>> {
                norm_pool::norm_max_pool_backward::<Self>(x, norm, statistics, output_grad)
            }

            fn norm_max_pool_running(
                x: FloatTensor<Self>,
                norm: Normalization<FloatTensor<Self>>,
                statistics: Statistics<FloatTensor<Self>>,
            ) -> FloatTensor<Self> {
                norm_pool::norm_max_pool_running::<Self>(x, norm, statistics)
            }

            fn patches(images: FloatTensor<Self>, side: usize) -> FloatTensor<Self> {
                transformer::patches::<Self>(images, side)
            }

            fn linear_forward(
                x: FloatTensor<Self>,
                before: Before<FloatTensor<Self>>,
                weight: FloatTensor<Self>,
                bias: Option<FloatTensor<Self>>,
            ) -> FloatTensor<Self> {
                transformer::linear_forward::<Self>(x, before, weight, bias)
            }

            fn linear_backward(
                x: FloatTensor<Self>,
                before: Before<FloatTensor<Self>>,
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
            ) -> LinearGradients<FloatTensor<Self>> {
                transformer::linear_backward::<Self>(x, before, weight, output_grad)
            }

            fn weight_norm_forward(
                direction: FloatTensor<Self>,
                length: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                weight_norm::forward::<Self>(direction, length)
            }

            fn weight_norm_backward(
                direction: FloatTensor<Self>,
                length: FloatTensor<Self>,
                weight_grad: FloatTensor<Self>,
            ) -> [FloatTensor<Self>; 2] {
                weight_norm::backward::<Self>(direction, length, weight_grad)
            }

            fn attention_forward(
                qkv: FloatTensor<Self>,
                heads: usize,
                scale: f64,
            ) -> FloatTensor<Self> {
                transformer::attention_forward::<Self>(qkv, heads, scale)
            }

            fn attention_backward(
                qkv: FloatTensor<Self>,
                heads: usize,
                scale: f64,
                output_grad: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                transformer::attention_backward::<Self>(qkv, heads, scale, output_grad)
            }

            fn roi_align_forward(
                features: FloatTensor<Self>,
                regions: &[Region],
                options: RoiAlignOptions,
            ) -> FloatTensor<Self> {
                roi_align::forward::<Self>(features, regions, options)
            }

            fn roi_align_backward(
                regions: &[Region],
                options: RoiAlignOptions,
                feature_dims: [usize; 4],
                output_grad: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                roi_align::backward::<Self>(regions, options, feature_dims, output_grad)
            }

            fn cross_view_forward(
                logits: FloatTensor<Self>,
                targets: FloatTensor<Self>,
                temperature: f64,
            ) -> CrossViewOutput<FloatTensor<Self>> {
                loss::cross_view_forward::<Self>(logits, targets, temperature)
            }

            fn cross_view_backward(
                logits: FloatTensor<Self>,
                targets: FloatTensor<Self>,
                statistics: FloatTensor<Self>,
                loss_grads: FloatTensor<Self>,
                temperature: f64,
            ) -> FloatTensor<Self> {
                loss::cross_view_backward::<Self>(logits, targets, statistics, loss_grads, temperature)
            }

            fn adamw_step(
                param: FloatTensor<Self>,
                grad: FloatTensor<Self>,
                moments: [FloatTensor<Self>; 2],
                step: AdamWStep,
            ) -> (FloatTensor<Self>, [FloatTensor<Self>; 2]) {
                update::adamw_step::<Self>(param, grad, moments, step)
            }

            fn momentum_step(
                param: FloatTensor<Self>,
                grad: FloatTensor<Self>,
                velocity: FloatTensor<Self>,
                step: MomentumStep,
            ) -> (FloatTensor<Self>, FloatTensor<Self>) {
                update::momentum_step::<Self>(param, grad, velocity, step)
            }

            fn moving_average(
                target: FloatTensor<Self>,
                source: FloatTensor<Self>,
                momentum: f64,
            ) -> FloatTensor<Self> {
                update::moving_average::<Self>(target, source, momentum)
            }

            fn norm(values: FloatTensor<Self>) -> FloatTensor<Self> {
                update::norm::<Self>(values)
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
                norm::batch_norm_running::<Self>(x, weight, bias, mean, var, eps, activation)
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
                norm::batch_norm_train_backward::<Self>(
                    x, weight, bias, mean, var, output_grad, eps, activation,
                )
            }
        }
    };
}

use_kernels!(Flex);
use_kernels!(
    NdArray<E, I, Q>,
    [E, I, Q]
    where
        NdArrayTensor: From<SharedArray<E>> + From<SharedArray<I>>,
        Self: burn::tensor::backend::Backend<FloatTensorPrimitive = NdArrayTensor>,
);
