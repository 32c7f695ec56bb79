//! Convolutions on tensors of the CPU engines.

use burn::tensor::DType;
use burn::tensor::ops::{ConvOptions, FloatTensor};

use super::tensor::{HostBackend, HostTensor, dims};
use crate::cpu::{ConvShape, dense, depthwise, pointwise, small_maps, winograd};
use crate::profile::timed;
use crate::stock;

/// Which kernels compute a convolution.
enum Path {
    Dense(ConvShape),
    Pointwise(ConvShape),
    SmallMaps(ConvShape),
    Winograd(ConvShape),
    Depthwise(ConvShape),
}

impl Path {
    /// The operation's name among profiles, of its three.
    fn name(&self, [dense, pointwise, depthwise]: [&'static str; 3]) -> &'static str {
        match self {
            Self::Dense(shape) | Self::SmallMaps(shape) if shape.kernel_len() > 1 => dense,
            Self::Dense(_) | Self::SmallMaps(_) | Self::Pointwise(_) => pointwise,
            Self::Winograd(_) => dense,
            Self::Depthwise(_) => depthwise,
        }
    }

    /// A multiply-add for each output and term of the plain sum, however it is computed.
    fn flops(&self) -> f64 {
        let (shape, terms) = match self {
            Self::Dense(shape)
            | Self::SmallMaps(shape)
            | Self::Pointwise(shape)
            | Self::Winograd(shape) => (shape, shape.in_channels),
            Self::Depthwise(shape) => (shape, 1),
        };
        let outputs = shape.batch * shape.out_channels * shape.output_len();
        2.0 * outputs as f64 * (terms * shape.kernel_len()) as f64
    }
}

/// The path for these operands, or `None` where burn's own operation is to be used.
fn path(x: [usize; 4], weight: &impl HostTensor, options: &ConvOptions<2>) -> Option<Path> {
    if weight.dtype() != DType::F32 || options.dilation != [1, 1] {
        return None;
    }
    let shape = ConvShape::new(x, dims(weight), options.stride, options.padding)?;
    if options.groups == 1 {
        Some(if winograd::supports(&shape) {
            Path::Winograd(shape)
        } else if small_maps::supports(&shape) {
            Path::SmallMaps(shape)
        } else if pointwise::supports(&shape) {
            Path::Pointwise(shape)
        } else {
            Path::Dense(shape)
        })
    } else if depthwise::supports(&shape, options.groups) {
        Some(Path::Depthwise(shape))
    } else {
        None
    }
}

pub(super) fn conv2d_forward<B: HostBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    options: ConvOptions<2>,
) -> FloatTensor<B> {
    let Some(path) = path(dims(&x), &weight, &options) else {
        return stock::conv2d_forward::<B>(x, weight, options);
    };
    let (x, weight) = (x.contiguous(), weight.contiguous());
    let (x, weight) = (x.values(), weight.values());
    let name = path.name([
        "convolution forward",
        "1x1 convolution forward",
        "depthwise forward",
    ]);
    timed(
        name,
        || path.flops(),
        || match &path {
            Path::Dense(shape) => output(shape, dense::forward(shape, x, weight)),
            Path::Pointwise(shape) => output(shape, pointwise::forward(shape, x, weight)),
            Path::SmallMaps(shape) => output(shape, small_maps::forward(shape, x, weight)),
            Path::Winograd(shape) => output(shape, winograd::forward(shape, x, weight)),
            Path::Depthwise(shape) => output(shape, depthwise::forward(shape, x, weight)),
        },
    )
}

pub(super) fn conv2d_backward_input<B: HostBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    output_grad: FloatTensor<B>,
    options: ConvOptions<2>,
) -> FloatTensor<B> {
    let Some(path) = path(dims(&x), &weight, &options) else {
        return stock::conv2d_backward_input::<B>(x, weight, output_grad, options);
    };
    let (weight, grad) = (weight.contiguous(), output_grad.contiguous());
    let (weight, grad) = (weight.values(), grad.values());
    let name = path.name([
        "convolution backward to the input",
        "1x1 convolution backward to the input",
        "depthwise backward to the input",
    ]);
    let x_grad = timed(
        name,
        || path.flops(),
        || match &path {
            Path::Dense(shape) => dense::backward_input(shape, weight, grad),
            Path::Pointwise(shape) => pointwise::backward_input(shape, weight, grad),
            Path::SmallMaps(shape) => small_maps::backward_input(shape, weight, grad),
            Path::Winograd(shape) => winograd::backward_input(shape, weight, grad),
            Path::Depthwise(shape) => depthwise::backward_input(shape, weight, grad),
        },
    );
    HostTensor::from_values(x_grad, &dims::<4>(&x))
}

pub(super) fn conv2d_backward_weight<B: HostBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    output_grad: FloatTensor<B>,
    options: ConvOptions<2>,
) -> FloatTensor<B> {
    let Some(path) = path(dims(&x), &weight, &options) else {
        return stock::conv2d_backward_weight::<B>(x, weight, output_grad, options);
    };
    let (x, grad) = (x.contiguous(), output_grad.contiguous());
    let (x, grad) = (x.values(), grad.values());
    let name = path.name([
        "convolution backward to the weight",
        "1x1 convolution backward to the weight",
        "depthwise backward to the weight",
    ]);
    let weight_grad = timed(
        name,
        || path.flops(),
        || match &path {
            Path::Dense(shape) => dense::backward_weight(shape, x, grad),
            Path::Pointwise(shape) => pointwise::backward_weight(shape, x, grad)
                .unwrap_or_else(|| dense::backward_weight(shape, x, grad)),
            Path::SmallMaps(shape) => small_maps::backward_weight(shape, x, grad),
            Path::Winograd(shape) => winograd::backward_weight(shape, x, grad),
            Path::Depthwise(shape) => depthwise::backward_weight(shape, x, grad),
        },
    );
    HostTensor::from_values(weight_grad, &dims::<4>(&weight))
}

fn output<T: HostTensor>(shape: &ConvShape, y: Vec<f32>) -> T {
    let [height, width] = shape.output;
    T::from_values(y, &[shape.batch, shape.out_channels, height, width])
}
