//! The CPU kernels on tensors of burn-flex; what they do not cover goes to burn's own operations.

use burn::tensor::ops::{ConvOptions, FloatTensor};
use burn::tensor::{DType, TensorData, TensorMetadata};
use burn_flex::{Flex, FlexTensor};

use crate::backend::{Activation, Backend, BatchNormGradients, BatchNormOutput};
use crate::cpu::{ConvShape, batch_norm, dense, depthwise};
use crate::stock;

/// Which kernels compute a convolution.
enum Path {
    Dense(ConvShape),
    Depthwise(ConvShape),
}

/// The path for these operands, or `None` where burn's own operation is to be used.
fn path(x: [usize; 4], weight: &FlexTensor, options: &ConvOptions<2>) -> Option<Path> {
    if weight.dtype() != DType::F32 || options.dilation != [1, 1] {
        return None;
    }
    let shape = ConvShape::new(x, dims(weight), options.stride, options.padding)?;
    if options.groups == 1 {
        Some(Path::Dense(shape))
    } else if depthwise::supports(&shape, options.groups) {
        Some(Path::Depthwise(shape))
    } else {
        None
    }
}

impl Backend for Flex {
    fn conv2d_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let Some(path) = path(dims(&x), &weight, &options) else {
            return stock::conv2d_forward::<Self>(x, weight, options);
        };
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let (x, weight) = (values(&x), values(&weight));
        match path {
            Path::Dense(shape) => output(&shape, dense::forward(&shape, x, weight)),
            Path::Depthwise(shape) => output(&shape, depthwise::forward(&shape, x, weight)),
        }
    }

    fn conv2d_backward_input(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let Some(path) = path(dims(&x), &weight, &options) else {
            return stock::conv2d_backward_input::<Self>(x, weight, output_grad, options);
        };
        let (weight, grad) = (weight.to_contiguous(), output_grad.to_contiguous());
        let (weight, grad) = (values(&weight), values(&grad));
        let x_grad = match path {
            Path::Dense(shape) => dense::backward_input(&shape, weight, grad),
            Path::Depthwise(shape) => depthwise::backward_input(&shape, weight, grad),
        };
        tensor(x_grad, dims::<4>(&x))
    }

    fn conv2d_backward_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let Some(path) = path(dims(&x), &weight, &options) else {
            return stock::conv2d_backward_weight::<Self>(x, weight, output_grad, options);
        };
        let (x, grad) = (x.to_contiguous(), output_grad.to_contiguous());
        let (x, grad) = (values(&x), values(&grad));
        let weight_grad = match path {
            Path::Dense(shape) => dense::backward_weight(&shape, x, grad),
            Path::Depthwise(shape) => depthwise::backward_weight(&shape, x, grad),
        };
        tensor(weight_grad, dims::<4>(&weight))
    }

    fn batch_norm_train_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> BatchNormOutput<FloatTensor<Self>> {
        if x.dtype() != DType::F32 {
            return stock::batch_norm_train_forward::<Self>(x, weight, bias, eps, activation);
        }
        let (x, weight, bias) = (
            x.to_contiguous(),
            weight.to_contiguous(),
            bias.to_contiguous(),
        );
        let shape = batch_norm_shape(&x);
        let layer = batch_norm::Layer {
            weight: values(&weight),
            bias: values(&bias),
            eps,
            activation,
        };
        let output = batch_norm::forward(shape, values(&x), layer);
        BatchNormOutput {
            y: tensor(output.y, dims::<3>(&x)),
            mean: tensor(output.mean, [shape.channels]),
            var: tensor(output.var, [shape.channels]),
        }
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
        if x.dtype() != DType::F32 {
            return stock::batch_norm_train_backward::<Self>(
                x,
                weight,
                bias,
                mean,
                var,
                output_grad,
                eps,
                activation,
            );
        }
        let [x, weight, bias, mean, var, grad] =
            [x, weight, bias, mean, var, output_grad].map(|tensor| tensor.to_contiguous());
        let shape = batch_norm_shape(&x);
        let layer = batch_norm::Layer {
            weight: values(&weight),
            bias: values(&bias),
            eps,
            activation,
        };
        let grads = batch_norm::backward(
            shape,
            values(&x),
            layer,
            values(&mean),
            values(&var),
            values(&grad),
        );
        BatchNormGradients {
            x: tensor(grads.x, dims::<3>(&x)),
            weight: tensor(grads.weight, [shape.channels]),
            bias: tensor(grads.bias, [shape.channels]),
        }
    }
}

fn batch_norm_shape(x: &FlexTensor) -> batch_norm::Shape {
    let [batch, channels, positions] = dims(x);
    batch_norm::Shape {
        batch,
        channels,
        positions,
    }
}

fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.shape().dims()
}

/// The values of a contiguous tensor.
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

fn tensor<const D: usize>(values: Vec<f32>, dims: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, dims))
}

fn output(shape: &ConvShape, y: Vec<f32>) -> FlexTensor {
    let [height, width] = shape.output;
    tensor(y, [shape.batch, shape.out_channels, height, width])
}
