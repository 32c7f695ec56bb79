//! Layers that only detection has: convolutions with a bias.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;
use sslight_kernels::conv2d;
use sslight_models::backend::Backend;
use sslight_models::nn::{Linear, ParamInit};

/// A convolution of stride 1 with a bias and "same" padding.
#[derive(Module, Debug)]
pub struct BiasedConv2d<B: Backend> {
    /// `[out, in, kernel, kernel]`.
    pub weight: Param<Tensor<B, 4>>,
    /// `[out]`.
    pub bias: Param<Tensor<B, 1>>,
}

/// Layers one after the other, as torchvision's names count them.
pub type Sequence<B> = Vec<BiasedConv2d<B>>;

impl<B: Backend> BiasedConv2d<B> {
    /// Normal weights of standard deviation `std`; the shape is `[out, in, kernel, kernel]`.
    pub fn normal(init: &mut ParamInit<B>, shape: [usize; 4], std: f64) -> Self {
        let weight = init.normal(shape, std);
        Self::of(init, weight, shape[0])
    }

    /// Kaiming's uniform weights by fan-in with a gain of 1, as the pyramid has them.
    pub fn uniform(init: &mut ParamInit<B>, shape: [usize; 4]) -> Self {
        let weight = init.uniform(shape, uniform_bound(&shape));
        Self::of(init, weight, shape[0])
    }

    /// Kaiming's normal weights by fan-out with the gain of ReLU, as the mask head has them.
    pub fn kaiming(init: &mut ParamInit<B>, shape: [usize; 4]) -> Self {
        let weight = init.kaiming_fan_out(shape);
        Self::of(init, weight, shape[0])
    }

    fn of(init: &mut ParamInit<B>, weight: Param<Tensor<B, 4>>, outputs: usize) -> Self {
        Self {
            weight,
            bias: init.constant([outputs], 0.0),
        }
    }

    /// # Shapes
    /// `[b, in, h, w]` to `[b, out, h, w]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [outputs, _, kernel, _] = self.weight.dims();
        let padding = [kernel / 2; 2];
        let y = conv2d(
            x,
            self.weight.val(),
            ConvOptions::new([1; 2], padding, [1; 2], 1),
        );
        y + self.bias.val().reshape([1, outputs, 1, 1])
    }
}

/// A transposed convolution with a kernel of 2 and a stride of 2, which doubles both sides.
#[derive(Module, Debug)]
pub struct Upsampling2d<B: Backend> {
    /// `[in, out, 2, 2]`.
    pub weight: Param<Tensor<B, 4>>,
    /// `[out]`.
    pub bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> Upsampling2d<B> {
    /// Kaiming's normal weights by fan-out with the gain of ReLU.
    pub fn kaiming(init: &mut ParamInit<B>, inputs: usize, outputs: usize) -> Self {
        Self {
            weight: init.kaiming_fan_out([inputs, outputs, 2, 2]),
            bias: init.constant([outputs], 0.0),
        }
    }

    /// # Shapes
    /// `[b, in, h, w]` to `[b, out, 2 h, 2 w]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, _, height, width] = x.dims();
        let [inputs, outputs, ..] = self.weight.dims();
        // No two cells share a pixel of the result, thus each cell's four pixels are a 1x1 convolution.
        let weight = self.weight.val().reshape([inputs, outputs * 4]).transpose();
        let weight = weight.reshape([outputs * 4, inputs, 1, 1]);
        let y = conv2d(x, weight, ConvOptions::new([1; 2], [0; 2], [1; 2], 1));
        let y = y.reshape([batch, outputs, 2, 2, height, width]);
        let y: Tensor<B, 6> = y.permute([0, 1, 4, 2, 5, 3]);
        y.reshape([batch, outputs, 2 * height, 2 * width])
            + self.bias.val().reshape([1, outputs, 1, 1])
    }
}

/// A linear layer with Kaiming's uniform weights by fan-in with a gain of 1, and a bias of 0.
pub fn uniform_linear<B: Backend>(
    init: &mut ParamInit<B>,
    inputs: usize,
    outputs: usize,
) -> Linear<B> {
    Linear {
        weight: init.uniform([outputs, inputs], uniform_bound(&[outputs, inputs])),
        bias: init.constant([outputs], 0.0),
    }
}

fn uniform_bound(shape: &[usize]) -> f64 {
    let fan_in: usize = shape[1..].iter().product();
    (3.0 / fan_in as f64).sqrt()
}
