//! Single operations of the networks, beside what the machine could do.

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Distribution, Tensor};
use sslight_kernels::roofline::Roofline;
use sslight_kernels::{
    Activation, Before, Normalization, batch_norm_add_train, batch_norm_train, conv2d,
    cross_view_entropy, linear, norm_conv2d_train, norm_max_pool_train, profile, self_attention,
    weight_norm,
};
use sslight_models::backend::AutodiffBackend;

const BATCH: usize = 8;
const EPS: f64 = 1e-5;
/// Passes of one measurement.
const PASSES: usize = 3;

/// An operation of a network, in one place of it.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationCase {
    /// What it is and where: `1x1 convolution 16 -> 96, 112 px`.
    pub case: String,
    /// The kernel: `1x1 convolution forward`.
    pub kernel: &'static str,
    /// Seconds of a call, the best of some.
    pub seconds: f64,
    /// Floating-point operations of a call, of matrix products and convolutions.
    pub flops: f64,
    /// Bytes of what it has to read and to write, each once.
    pub bytes: f64,
    /// The least seconds that this machine would take, by its matrix speed or by its memory.
    pub floor: f64,
}

/// How an operation is made.
#[derive(Clone, Copy)]
enum Make {
    Convolution(Conv),
    NormConvolution(Conv),
    BatchNorm {
        channels: usize,
        side: usize,
    },
    BatchNormAdd {
        channels: usize,
        side: usize,
    },
    NormMaxPool {
        channels: usize,
        side: usize,
    },
    Linear {
        inputs: usize,
        outputs: usize,
        before: LinearInput,
    },
    Attention {
        width: usize,
        heads: usize,
    },
    CrossViewEntropy {
        views: usize,
        outputs: usize,
    },
    WeightNorm {
        inputs: usize,
        outputs: usize,
    },
}

#[derive(Clone, Copy)]
struct Conv {
    channels: [usize; 2],
    side: usize,
    kernel: usize,
    stride: usize,
    depthwise: bool,
}

#[derive(Clone, Copy)]
enum LinearInput {
    Plain,
    LayerNorm,
    Gelu,
}

/// Tokens of an image of 224 px in patches of 16 px, with the class token.
const TOKENS: usize = 197;

fn dense(channels: [usize; 2], side: usize, kernel: usize, stride: usize) -> Conv {
    Conv {
        channels,
        side,
        kernel,
        stride,
        depthwise: false,
    }
}

fn depthwise(channels: usize, side: usize, stride: usize) -> Conv {
    Conv {
        channels: [channels; 2],
        side,
        kernel: 3,
        stride,
        depthwise: true,
    }
}

/// The operations that take most of a step of ResNet-18, MobileNetV2 and ViT-Ti/16 at 224 px.
fn cases() -> Vec<Make> {
    vec![
        Make::Convolution(dense([3, 64], 224, 7, 2)),
        Make::Convolution(dense([64, 64], 56, 3, 1)),
        Make::Convolution(dense([64, 128], 56, 3, 2)),
        Make::Convolution(dense([512, 512], 7, 3, 1)),
        Make::Convolution(dense([16, 96], 112, 1, 1)),
        Make::Convolution(dense([24, 144], 56, 1, 1)),
        Make::Convolution(dense([96, 576], 14, 1, 1)),
        Make::Convolution(dense([160, 960], 7, 1, 1)),
        Make::NormConvolution(dense([96, 24], 56, 1, 1)),
        Make::NormConvolution(dense([576, 96], 14, 1, 1)),
        Make::NormConvolution(depthwise(96, 112, 2)),
        Make::NormConvolution(depthwise(144, 56, 1)),
        Make::NormConvolution(depthwise(576, 14, 1)),
        Make::NormConvolution(depthwise(960, 7, 1)),
        Make::BatchNorm {
            channels: 64,
            side: 56,
        },
        Make::BatchNorm {
            channels: 24,
            side: 56,
        },
        Make::BatchNormAdd {
            channels: 64,
            side: 56,
        },
        Make::NormMaxPool {
            channels: 64,
            side: 112,
        },
        Make::Linear {
            inputs: 192,
            outputs: 576,
            before: LinearInput::LayerNorm,
        },
        Make::Linear {
            inputs: 192,
            outputs: 192,
            before: LinearInput::Plain,
        },
        Make::Linear {
            inputs: 768,
            outputs: 192,
            before: LinearInput::Gelu,
        },
        Make::Attention {
            width: 192,
            heads: 3,
        },
        Make::CrossViewEntropy {
            views: 8,
            outputs: 65_536,
        },
        Make::WeightNorm {
            inputs: 256,
            outputs: 65_536,
        },
    ]
}

impl Make {
    fn name(self) -> String {
        let conv = |conv: Conv| {
            let [from, to] = conv.channels;
            let kind = if conv.depthwise {
                "depthwise"
            } else {
                "convolution"
            };
            let stride = match conv.stride {
                1 => String::new(),
                stride => format!(" by {stride}"),
            };
            let k = conv.kernel;
            format!("{k}x{k} {kind}{stride}, {from} -> {to}, {} px", conv.side)
        };
        match self {
            Self::Convolution(of) => conv(of),
            Self::NormConvolution(of) => format!("batch norm, {}", conv(of)),
            Self::BatchNorm { channels, side } => format!("batch norm, {channels}, {side} px"),
            Self::BatchNormAdd { channels, side } => {
                format!("batch norm and shortcut, {channels}, {side} px")
            }
            Self::NormMaxPool { channels, side } => {
                format!("batch norm and max pooling, {channels}, {side} px")
            }
            Self::Linear {
                inputs,
                outputs,
                before,
            } => {
                let before = match before {
                    LinearInput::Plain => "",
                    LinearInput::LayerNorm => "layer norm, ",
                    LinearInput::Gelu => "GELU, ",
                };
                format!("{before}linear, {inputs} -> {outputs}")
            }
            Self::Attention { width, heads } => format!("attention, {width} in {heads} heads"),
            Self::CrossViewEntropy { views, outputs } => {
                format!("cross-view entropy, {views} views, {outputs} outputs")
            }
            Self::WeightNorm { inputs, outputs } => format!("weight norm, {inputs} -> {outputs}"),
        }
    }

    /// One pass there and back.
    fn run<B: AutodiffBackend>(self, device: &B::Device) -> Sizes {
        let images = |channels, side| {
            Tensor::<B, 4>::random([BATCH, channels, side, side], Distribution::Default, device)
                .require_grad()
        };
        let maps = |channels, side: usize| {
            Tensor::<B, 3>::random(
                [BATCH, channels, side * side],
                Distribution::Default,
                device,
            )
            .require_grad()
        };
        let rows = |rows, width| {
            Tensor::<B, 2>::random([rows, width], Distribution::Default, device).require_grad()
        };
        let ones = |len| Tensor::<B, 1>::ones([len], device).require_grad();
        let norm = |channels, activation| Normalization {
            weight: ones(channels),
            bias: ones(channels),
            eps: EPS,
            activation,
        };
        match self {
            Self::Convolution(conv) => {
                let (weight, options) = conv.operands::<B>(device);
                let x = images(conv.channels[0], conv.side);
                let sizes = Sizes::of(&x, &weight);
                sizes.back(conv2d(x, weight, options))
            }
            Self::NormConvolution(conv) => {
                let (weight, options) = conv.operands::<B>(device);
                let x = images(conv.channels[0], conv.side);
                let sizes = Sizes::of(&x, &weight).with_input_back();
                let norm = norm(conv.channels[0], Activation::Relu6);
                sizes.back(norm_conv2d_train(x, norm, weight, options).0)
            }
            Self::BatchNorm { channels, side } => {
                let (x, scale) = (maps(channels, side), ones(channels));
                let sizes = Sizes::of(&x, &scale).with_input_back();
                sizes.back(batch_norm_train(x, scale, ones(channels), EPS, Activation::Relu).0)
            }
            Self::BatchNormAdd { channels, side } => {
                let x = maps(channels, side);
                let shortcut = maps(channels, side);
                let sizes = Sizes::of(&x, &shortcut).with_input_back();
                let norm = norm(channels, Activation::Relu);
                sizes.back(batch_norm_add_train(x, norm, shortcut).0)
            }
            Self::NormMaxPool { channels, side } => {
                let x = images(channels, side);
                let sizes = Sizes::of(&x, &ones(channels)).with_input_back();
                sizes.back(norm_max_pool_train(x, norm(channels, Activation::Relu)).0)
            }
            Self::Linear {
                inputs,
                outputs,
                before,
            } => {
                let (x, weight) = (rows(BATCH * TOKENS, inputs), rows(outputs, inputs));
                let sizes = Sizes::of(&x, &weight).with_input_back();
                let before = match before {
                    LinearInput::Plain => Before::Nothing,
                    LinearInput::LayerNorm => Before::LayerNorm {
                        weight: ones(inputs),
                        bias: ones(inputs),
                        eps: EPS,
                    },
                    LinearInput::Gelu => Before::Gelu,
                };
                sizes.back(linear(x, before, weight, Some(ones(outputs))))
            }
            Self::Attention { width, heads } => {
                let shape = [BATCH, TOKENS, 3 * width];
                let qkv =
                    Tensor::<B, 3>::random(shape, Distribution::Default, device).require_grad();
                let sizes = Sizes::of(&qkv, &ones(1)).with_input_back();
                sizes.back(self_attention(qkv, heads))
            }
            Self::CrossViewEntropy { views, outputs } => {
                let logits = rows(views * BATCH, outputs);
                let shape = [2 * BATCH, outputs];
                let targets = Tensor::random(shape, Distribution::Default, device);
                let sizes = Sizes::of(&logits, &targets);
                sizes.back(cross_view_entropy(logits, targets, 0.1))
            }
            Self::WeightNorm { inputs, outputs } => {
                let direction = rows(outputs, inputs);
                let sizes = Sizes::of(&direction, &ones(outputs)).with_input_back();
                sizes.back(weight_norm(direction, rows(outputs, 1)))
            }
        }
    }
}

impl Conv {
    fn operands<B: AutodiffBackend>(self, device: &B::Device) -> (Tensor<B, 4>, ConvOptions<2>) {
        let [from, to] = self.channels;
        let groups = if self.depthwise { from } else { 1 };
        let shape = [to, from / groups, self.kernel, self.kernel];
        let weight = Tensor::random(shape, Distribution::Default, device).require_grad();
        let padding = self.kernel / 2;
        let options = ConvOptions::new([self.stride; 2], [padding; 2], [1, 1], groups);
        (weight, options)
    }
}

/// Values of the operands and of the result.
#[derive(Clone, Copy)]
struct Sizes {
    input: usize,
    parameters: usize,
    output: usize,
    /// Whether the kernel of the way back makes all gradients, for which it reads the input and the parameters again.
    input_back: bool,
}

impl Sizes {
    fn of<B: AutodiffBackend, const D: usize, const E: usize>(
        input: &Tensor<B, D>,
        parameters: &Tensor<B, E>,
    ) -> Self {
        Self {
            input: input.shape().num_elements(),
            parameters: parameters.shape().num_elements(),
            output: 0,
            input_back: false,
        }
    }

    fn with_input_back(self) -> Self {
        Self {
            input_back: true,
            ..self
        }
    }

    /// Goes back from the result.
    fn back<B: AutodiffBackend, const D: usize>(self, output: Tensor<B, D>) -> Self {
        let len = output.shape().num_elements();
        drop(output.sum().backward());
        Self {
            output: len,
            ..self
        }
    }

    /// What a kernel has to read and to write, each once.
    fn bytes(self, kernel: &str) -> f64 {
        let inputs = match self.input_back && kernel.contains("backward") {
            // the operands and their gradients
            true => 2 * (self.input + self.parameters),
            false => self.input + self.parameters,
        };
        ((inputs + self.output) * size_of::<f32>()) as f64
    }
}

/// Measures the operations whose name contains `filter`, `tries` times, beside the limits of the machine.
///
/// Engines without kernels of their own give nothing.
pub fn bench_operations<B: AutodiffBackend>(
    device: &B::Device,
    machine: Roofline,
    filter: &str,
    tries: usize,
) -> Vec<OperationCase> {
    let mut measured = Vec::new();
    for make in cases() {
        let case = make.name();
        if !case.contains(filter) {
            continue;
        }
        let sizes = make.run::<B>(device);
        let mut of_case: Vec<OperationCase> = Vec::new();
        for _ in 0..tries {
            profile::start();
            for _ in 0..PASSES {
                make.run::<B>(device);
            }
            for (kernel, spent) in profile::stop() {
                let calls = spent.calls as f64;
                let (flops, bytes) = (spent.flops / calls, sizes.bytes(kernel));
                let seconds = spent.time.as_secs_f64() / calls;
                match of_case.iter_mut().find(|other| other.kernel == kernel) {
                    Some(other) => other.seconds = other.seconds.min(seconds),
                    None => of_case.push(OperationCase {
                        case: case.clone(),
                        kernel,
                        seconds,
                        flops,
                        bytes,
                        floor: machine.floor(flops, bytes),
                    }),
                }
            }
        }
        measured.extend(of_case);
    }
    measured
}
