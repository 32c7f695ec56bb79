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
        let batch = x.dims()[0];
        let kernel = self.weight.dims()[2];
        let padding = [kernel / 2; 2];
        let y = conv2d(
            x,
            self.weight.val(),
            ConvOptions::new([1; 2], padding, [1; 2], 1),
        );
        y + of_each_image(self.bias.val(), batch)
    }
}

/// A bias for maps `[b, c, h, w]`.
///
/// Repeated over the batch: burn-flex adds a number a row in place and with vectors, and walks over other broadcasts value by value.
fn of_each_image<B: Backend>(bias: Tensor<B, 1>, batch: usize) -> Tensor<B, 4> {
    let [channels] = bias.dims();
    bias.reshape([1, channels, 1, 1]).repeat_dim(0, batch)
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

    /// The four pixels that each cell becomes, as four maps: row and column of the pixel, then the channel.
    ///
    /// No two cells share a pixel of the result, so that it is a 1x1 convolution; [`interleaved`] puts the pixels in their places.
    /// What acts on single pixels may come between.
    ///
    /// # Shapes
    /// `[b, in, h, w]` to `[b * 2 * 2, out, h, w]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, _, height, width] = x.dims();
        let [inputs, outputs, ..] = self.weight.dims();
        let weight = self.weight.val().permute([2, 3, 1, 0]);
        let weight = weight.reshape([4 * outputs, inputs, 1, 1]);
        let y = conv2d(x, weight, ConvOptions::new([1; 2], [0; 2], [1; 2], 1));
        let y = y.reshape([4 * batch, outputs, height, width]);
        y + of_each_image(self.bias.val(), 4 * batch)
    }
}

/// Maps out of the four that [`Upsampling2d`] makes of each.
///
/// # Shapes
/// `[b * 2 * 2, h, w]` to `[b, 2 h, 2 w]`.
pub fn interleaved<B: Backend>(quarters: Tensor<B, 3>) -> Tensor<B, 3> {
    let [four, height, width] = quarters.dims();
    let batch = four / 4;
    let maps: Tensor<B, 5> = quarters.reshape([batch, 2, 2, height, width]);
    maps.permute([0, 3, 1, 4, 2])
        .reshape([batch, 2 * height, 2 * width])
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
