//! Two-dimensional convolution without bias, as all convolutions of the CNN backbones are.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;
use sslight_kernels::conv2d;

use super::init::ParamInit;
use crate::backend::Backend;

/// What a [`Conv2d`] is made from.
#[derive(Debug, Clone, Copy)]
pub struct Conv2dConfig {
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub out_channels: usize,
    /// Side of the square kernel; the padding is `kernel / 2`.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Channel groups; equal to the channels for a depthwise convolution.
    pub groups: usize,
}

impl Conv2dConfig {
    /// A dense convolution.
    pub fn new(in_channels: usize, out_channels: usize, kernel: usize, stride: usize) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel,
            stride,
            groups: 1,
        }
    }

    /// A 3x3 depthwise convolution.
    pub fn depthwise(channels: usize, stride: usize) -> Self {
        Self {
            in_channels: channels,
            out_channels: channels,
            kernel: 3,
            stride,
            groups: channels,
        }
    }

    /// A convolution with [Kaiming fan-out](ParamInit::kaiming_fan_out) weights.
    pub fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> Conv2d<B> {
        Conv2d {
            weight: init.kaiming_fan_out([
                self.out_channels,
                self.in_channels / self.groups,
                self.kernel,
                self.kernel,
            ]),
            stride: self.stride,
            groups: self.groups,
        }
    }
}

/// A convolution with a square kernel, "same" padding for stride 1, and no bias.
///
/// Should be created with [`Conv2dConfig`].
#[derive(Module, Debug)]
pub struct Conv2d<B: Backend> {
    /// `[out, in / groups, kernel, kernel]`.
    pub weight: Param<Tensor<B, 4>>,
    stride: usize,
    groups: usize,
}

impl<B: Backend> Conv2d<B> {
    /// # Shapes
    /// `[b, in, h, w]` to `[b, out, ceil(h / stride), ceil(w / stride)]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        conv2d(x, self.weight.val(), self.options())
    }

    pub(super) fn options(&self) -> ConvOptions<2> {
        let padding = self.weight.dims()[2] / 2;
        ConvOptions::new(
            [self.stride, self.stride],
            [padding, padding],
            [1, 1],
            self.groups,
        )
    }
}
