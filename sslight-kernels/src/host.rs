//! The CPU kernels on tensors of the CPU back ends, burn-flex and burn-ndarray; what the kernels do not
//! cover (other element types, dilation, groups between one and depthwise) goes to burn's own operations.

use burn::tensor::ops::{ConvOptions, FloatTensor};
use burn::tensor::{DType, TensorData, TensorMetadata};
use burn_flex::{Flex, FlexTensor};
use burn_ndarray::{NdArray, NdArrayTensor, SharedArray};

use crate::backend::{Activation, Backend, BatchNormGradients, BatchNormOutput, CrossViewOutput};
use crate::cpu::cross_view::{CrossView, STATISTICS};
use crate::cpu::{ConvShape, batch_norm, dense, depthwise, small_maps, update};
use crate::stock;
use crate::update::{AdamWStep, MomentumStep};

/// A tensor whose `f32` values lie in memory that the kernels can read.
pub(crate) trait HostTensor: TensorMetadata {
    /// The same values in row-major order without gaps.
    fn contiguous(&self) -> Self;

    /// The values of a contiguous tensor of `f32`.
    fn values(&self) -> &[f32];

    /// A contiguous tensor of these values.
    fn from_values(values: Vec<f32>, dims: &[usize]) -> Self;

    /// The values of a contiguous tensor of `f32`, copied first if anything else shares them.
    fn values_mut(&mut self) -> &mut [f32];

    /// [`contiguous`](Self::contiguous) by value, which leaves no second owner behind.
    fn into_contiguous(self) -> Self {
        self.contiguous()
    }
}

impl HostTensor for FlexTensor {
    fn contiguous(&self) -> Self {
        self.to_contiguous()
    }

    fn values(&self) -> &[f32] {
        self.storage()
    }

    fn from_values(values: Vec<f32>, dims: &[usize]) -> Self {
        Self::from_data(TensorData::new(values, dims.to_vec()))
    }

    fn values_mut(&mut self) -> &mut [f32] {
        self.storage_mut()
    }
}

impl HostTensor for NdArrayTensor {
    fn contiguous(&self) -> Self {
        match self {
            Self::F32(storage) if !storage.view().is_standard_layout() => {
                let values = storage.view().iter().copied().collect();
                Self::from_values(values, storage.shape())
            }
            _ => self.clone(),
        }
    }

    fn values(&self) -> &[f32] {
        let slice = match self {
            Self::F32(storage) => storage.view().to_slice(),
            _ => None,
        };
        match slice {
            Some(slice) => slice,
            None => panic!(
                "HostTensor::values: {:?} is no contiguous f32",
                self.dtype()
            ),
        }
    }

    fn from_values(values: Vec<f32>, dims: &[usize]) -> Self {
        Self::from_data(TensorData::new(values, dims.to_vec()))
    }

    fn values_mut(&mut self) -> &mut [f32] {
        let dtype = self.dtype();
        let slice = match self {
            Self::F32(storage) => storage.ensure_owned().as_slice_mut(),
            _ => None,
        };
        match slice {
            Some(slice) => slice,
            None => panic!("HostTensor::values_mut: {dtype:?} is no contiguous f32"),
        }
    }
}

/// A backend on such tensors.
pub(crate) trait HostBackend: Backend<FloatTensorPrimitive: HostTensor> {}

impl<B: Backend<FloatTensorPrimitive: HostTensor>> HostBackend for B {}

/// Implements [`Backend`] by the functions of this module.
macro_rules! use_kernels {
    ($backend:ty $(, [$($generic:ident),*] $(where $($bound:tt)*)?)?) => {
        impl$(<$($generic),*>)? Backend for $backend $($(where $($bound)*)?)? {
            fn conv2d_forward(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                options: ConvOptions<2>,
            ) -> FloatTensor<Self> {
                conv2d_forward::<Self>(x, weight, options)
            }

            fn conv2d_backward_input(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
                options: ConvOptions<2>,
            ) -> FloatTensor<Self> {
                conv2d_backward_input::<Self>(x, weight, output_grad, options)
            }

            fn conv2d_backward_weight(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
                options: ConvOptions<2>,
            ) -> FloatTensor<Self> {
                conv2d_backward_weight::<Self>(x, weight, output_grad, options)
            }

            fn batch_norm_train_forward(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                eps: f64,
                activation: Activation,
            ) -> BatchNormOutput<FloatTensor<Self>> {
                batch_norm_train_forward::<Self>(x, weight, bias, eps, activation)
            }

            fn cross_view_forward(
                logits: FloatTensor<Self>,
                targets: FloatTensor<Self>,
                temperature: f64,
            ) -> CrossViewOutput<FloatTensor<Self>> {
                cross_view_forward::<Self>(logits, targets, temperature)
            }

            fn cross_view_backward(
                logits: FloatTensor<Self>,
                targets: FloatTensor<Self>,
                statistics: FloatTensor<Self>,
                loss_grads: FloatTensor<Self>,
                temperature: f64,
            ) -> FloatTensor<Self> {
                cross_view_backward::<Self>(logits, targets, statistics, loss_grads, temperature)
            }

            fn adamw_step(
                param: FloatTensor<Self>,
                grad: FloatTensor<Self>,
                moments: [FloatTensor<Self>; 2],
                step: AdamWStep,
            ) -> (FloatTensor<Self>, [FloatTensor<Self>; 2]) {
                adamw_step::<Self>(param, grad, moments, step)
            }

            fn momentum_step(
                param: FloatTensor<Self>,
                grad: FloatTensor<Self>,
                velocity: FloatTensor<Self>,
                step: MomentumStep,
            ) -> (FloatTensor<Self>, FloatTensor<Self>) {
                momentum_step::<Self>(param, grad, velocity, step)
            }

            fn moving_average(
                target: FloatTensor<Self>,
                source: FloatTensor<Self>,
                momentum: f64,
            ) -> FloatTensor<Self> {
                moving_average::<Self>(target, source, momentum)
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
                batch_norm_running::<Self>(x, weight, bias, mean, var, eps, activation)
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
                batch_norm_train_backward::<Self>(
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

/// Which kernels compute a convolution.
enum Path {
    Dense(ConvShape),
    SmallMaps(ConvShape),
    Depthwise(ConvShape),
}

/// The path for these operands, or `None` where burn's own operation is to be used.
fn path(x: [usize; 4], weight: &impl HostTensor, options: &ConvOptions<2>) -> Option<Path> {
    if weight.dtype() != DType::F32 || options.dilation != [1, 1] {
        return None;
    }
    let shape = ConvShape::new(x, dims(weight), options.stride, options.padding)?;
    if options.groups == 1 {
        Some(if small_maps::supports(&shape) {
            Path::SmallMaps(shape)
        } else {
            Path::Dense(shape)
        })
    } else if depthwise::supports(&shape, options.groups) {
        Some(Path::Depthwise(shape))
    } else {
        None
    }
}

fn conv2d_forward<B: HostBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    options: ConvOptions<2>,
) -> FloatTensor<B> {
    let Some(path) = path(dims(&x), &weight, &options) else {
        return stock::conv2d_forward::<B>(x, weight, options);
    };
    let (x, weight) = (x.contiguous(), weight.contiguous());
    let (x, weight) = (x.values(), weight.values());
    match path {
        Path::Dense(shape) => output(&shape, dense::forward(&shape, x, weight)),
        Path::SmallMaps(shape) => output(&shape, small_maps::forward(&shape, x, weight)),
        Path::Depthwise(shape) => output(&shape, depthwise::forward(&shape, x, weight)),
    }
}

fn conv2d_backward_input<B: HostBackend>(
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
    let x_grad = match path {
        Path::Dense(shape) => dense::backward_input(&shape, weight, grad),
        Path::SmallMaps(shape) => small_maps::backward_input(&shape, weight, grad),
        Path::Depthwise(shape) => depthwise::backward_input(&shape, weight, grad),
    };
    HostTensor::from_values(x_grad, &dims::<4>(&x))
}

fn conv2d_backward_weight<B: HostBackend>(
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
    let weight_grad = match path {
        Path::Dense(shape) => dense::backward_weight(&shape, x, grad),
        Path::SmallMaps(shape) => small_maps::backward_weight(&shape, x, grad),
        Path::Depthwise(shape) => depthwise::backward_weight(&shape, x, grad),
    };
    HostTensor::from_values(weight_grad, &dims::<4>(&weight))
}

fn batch_norm_train_forward<B: HostBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    eps: f64,
    activation: Activation,
) -> BatchNormOutput<FloatTensor<B>> {
    if x.dtype() != DType::F32 {
        return stock::batch_norm_train_forward::<B>(x, weight, bias, eps, activation);
    }
    let (x, weight, bias) = (x.contiguous(), weight.contiguous(), bias.contiguous());
    let shape = batch_norm_shape(&x);
    let layer = batch_norm::Layer {
        weight: weight.values(),
        bias: bias.values(),
        eps,
        activation,
    };
    let output = batch_norm::forward(shape, x.values(), layer);
    BatchNormOutput {
        y: HostTensor::from_values(output.y, &dims::<3>(&x)),
        mean: HostTensor::from_values(output.mean, &[shape.channels]),
        var: HostTensor::from_values(output.var, &[shape.channels]),
    }
}

#[allow(clippy::too_many_arguments)]
fn batch_norm_train_backward<B: HostBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    mean: FloatTensor<B>,
    var: FloatTensor<B>,
    output_grad: FloatTensor<B>,
    eps: f64,
    activation: Activation,
) -> BatchNormGradients<FloatTensor<B>> {
    if x.dtype() != DType::F32 {
        return stock::batch_norm_train_backward::<B>(
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
        [x, weight, bias, mean, var, output_grad].map(|tensor| tensor.contiguous());
    let shape = batch_norm_shape(&x);
    let layer = batch_norm::Layer {
        weight: weight.values(),
        bias: bias.values(),
        eps,
        activation,
    };
    let grads = batch_norm::backward(
        shape,
        x.values(),
        layer,
        mean.values(),
        var.values(),
        grad.values(),
    );
    BatchNormGradients {
        x: HostTensor::from_values(grads.x, &dims::<3>(&x)),
        weight: HostTensor::from_values(grads.weight, &[shape.channels]),
        bias: HostTensor::from_values(grads.bias, &[shape.channels]),
    }
}

#[allow(clippy::too_many_arguments)]
fn batch_norm_running<B: HostBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    mean: FloatTensor<B>,
    var: FloatTensor<B>,
    eps: f64,
    activation: Activation,
) -> FloatTensor<B> {
    if x.dtype() != DType::F32 {
        return stock::batch_norm_running::<B>(x, weight, bias, mean, var, eps, activation);
    }
    let [x, weight, bias, mean, var] =
        [x, weight, bias, mean, var].map(|tensor| tensor.contiguous());
    let layer = batch_norm::Layer {
        weight: weight.values(),
        bias: bias.values(),
        eps,
        activation,
    };
    let shape = batch_norm_shape(&x);
    let y = batch_norm::by_running(shape, x.values(), layer, mean.values(), var.values());
    HostTensor::from_values(y, &dims::<3>(&x))
}

fn cross_view_forward<B: HostBackend>(
    logits: FloatTensor<B>,
    targets: FloatTensor<B>,
    temperature: f64,
) -> CrossViewOutput<FloatTensor<B>> {
    if logits.dtype() != DType::F32 {
        return stock::cross_view_forward::<B>(logits, targets, temperature);
    }
    let [logits, targets] = [logits, targets].map(HostTensor::into_contiguous);
    let (losses, statistics) = cross_view(&logits, &targets, temperature).forward();
    let rows = losses.len();
    CrossViewOutput {
        losses: HostTensor::from_values(losses, &[rows]),
        statistics: HostTensor::from_values(statistics, &[rows, STATISTICS]),
    }
}

fn cross_view_backward<B: HostBackend>(
    logits: FloatTensor<B>,
    targets: FloatTensor<B>,
    statistics: FloatTensor<B>,
    loss_grads: FloatTensor<B>,
    temperature: f64,
) -> FloatTensor<B> {
    if logits.dtype() != DType::F32 {
        return stock::cross_view_backward::<B>(
            logits,
            targets,
            statistics,
            loss_grads,
            temperature,
        );
    }
    let [logits, targets, statistics, loss_grads] =
        [logits, targets, statistics, loss_grads].map(HostTensor::into_contiguous);
    let grads = cross_view(&logits, &targets, temperature)
        .backward(statistics.values(), loss_grads.values());
    HostTensor::from_values(grads, &dims::<2>(&logits))
}

fn cross_view<'a, T: HostTensor>(logits: &'a T, targets: &'a T, temperature: f64) -> CrossView<'a> {
    let [target_rows, outputs] = dims(targets);
    CrossView {
        logits: logits.values(),
        targets: targets.values(),
        batch: target_rows / stock::TARGET_VIEWS,
        outputs,
        scale: (1.0 / temperature) as f32,
    }
}

fn adamw_step<B: HostBackend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    moments: [FloatTensor<B>; 2],
    step: AdamWStep,
) -> (FloatTensor<B>, [FloatTensor<B>; 2]) {
    if param.dtype() != DType::F32 {
        return stock::adamw_step::<B>(param, grad, moments, step);
    }
    let grad = grad.contiguous();
    let mut param = param.into_contiguous();
    let [mut first, mut second] = moments.map(HostTensor::into_contiguous);
    update::adamw(
        param.values_mut(),
        grad.values(),
        first.values_mut(),
        second.values_mut(),
        step,
    );
    (param, [first, second])
}

fn momentum_step<B: HostBackend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    velocity: FloatTensor<B>,
    step: MomentumStep,
) -> (FloatTensor<B>, FloatTensor<B>) {
    if param.dtype() != DType::F32 {
        return stock::momentum_step::<B>(param, grad, velocity, step);
    }
    let grad = grad.contiguous();
    let (mut param, mut velocity) = (param.into_contiguous(), velocity.into_contiguous());
    update::momentum(
        param.values_mut(),
        grad.values(),
        velocity.values_mut(),
        step,
    );
    (param, velocity)
}

fn moving_average<B: HostBackend>(
    target: FloatTensor<B>,
    source: FloatTensor<B>,
    momentum: f64,
) -> FloatTensor<B> {
    if target.dtype() != DType::F32 {
        return stock::moving_average::<B>(target, source, momentum);
    }
    let source = source.contiguous();
    let mut target = target.into_contiguous();
    update::average(target.values_mut(), source.values(), momentum);
    target
}

fn batch_norm_shape(x: &impl HostTensor) -> batch_norm::Shape {
    let [batch, channels, positions] = dims(x);
    batch_norm::Shape {
        batch,
        channels,
        positions,
    }
}

fn dims<const D: usize>(tensor: &impl TensorMetadata) -> [usize; D] {
    tensor.shape().dims()
}

fn output<T: HostTensor>(shape: &ConvShape, y: Vec<f32>) -> T {
    let [height, width] = shape.output;
    T::from_values(y, &[shape.batch, shape.out_channels, height, width])
}
