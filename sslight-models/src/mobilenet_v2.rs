//! MobileNetV2, width 1.0 (Sandler et al., 2018), without classifier.
//!
//! Names are torchvision's: `features.0.{0,1}` stem, `features.I.conv.*` inverted residuals,
//! `features.18.{0,1}` last convolution. 2,223,872 parameters, 1280 features.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::backend::Backend;
use crate::nn::activation::global_average_pool;
use crate::nn::{Activation, BatchMode, BatchNorm, Conv2d, Conv2dConfig, ParamInit};

const STEM_CHANNELS: usize = 32;
/// Output channels of the last convolution, and so the length of a feature vector.
pub(crate) const LAST_CHANNELS: usize = 1280;

/// Expansion factor, output channels, number of blocks, stride of the first (Table 2 of the paper).
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// Where in `features` a stage ends: before each halving of the resolution after the first, and at the end.
const STAGE_ENDS: [usize; 5] = [2, 4, 7, 14, 19];

/// What a [`MobileNetV2`] is made from.
#[derive(Debug, Clone, Default)]
pub struct MobileNetV2Config {
    /// For images of 64 pixels and less: the stem and the first strided stage keep the resolution,
    /// so that the total stride is 8 instead of 32. Parameters and names are the same.
    pub small_input: bool,
}

/// A member of the sequence `features`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layer {
    /// A convolution, its normalisation and ReLU6.
    ConvNorm(Conv2dConfig),
    /// See [`BlockShape`].
    InvertedResidual(BlockShape),
}

/// What an inverted residual is made from: expansion (1x1), depthwise (3x3), projection (1x1, linear).
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockShape {
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) stride: usize,
    pub(crate) expansion: usize,
}

impl BlockShape {
    /// Channels of the depthwise convolution.
    pub(crate) fn hidden(&self) -> usize {
        self.in_channels * self.expansion
    }

    /// Whether there is an expansion at all.
    pub(crate) fn is_expanded(&self) -> bool {
        self.expansion != 1
    }

    /// By the strides of the full-size network a block with a shortcut never changes the resolution; with
    /// `small_input` a first block may keep it too, but never the channels.
    pub(crate) fn has_shortcut(&self) -> bool {
        self.stride == 1 && self.in_channels == self.out_channels
    }
}

impl MobileNetV2Config {
    /// The layers, in the order of `features`.
    pub(crate) fn layers(&self) -> Vec<Layer> {
        let mut stride_budget = if self.small_input { 2 } else { 0 };
        let mut stride = |wanted: usize| {
            if wanted == 2 && stride_budget > 0 {
                stride_budget -= 1;
                1
            } else {
                wanted
            }
        };

        let stem = Conv2dConfig::new(3, STEM_CHANNELS, 3, stride(2));
        let mut layers = vec![Layer::ConvNorm(stem)];
        let mut in_channels = STEM_CHANNELS;
        for (expansion, out_channels, blocks, first_stride) in STAGES {
            for block in 0..blocks {
                layers.push(Layer::InvertedResidual(BlockShape {
                    in_channels,
                    out_channels,
                    stride: if block == 0 { stride(first_stride) } else { 1 },
                    expansion,
                }));
                in_channels = out_channels;
            }
        }
        let last = Conv2dConfig::new(in_channels, LAST_CHANNELS, 1, 1);
        layers.push(Layer::ConvNorm(last));
        layers
    }

    /// A network with the reference's initialisation: convolutions Kaiming fan-out, batch
    /// normalisation 1 and 0.
    pub fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> MobileNetV2<B> {
        let layers = self.layers().into_iter();
        let features = layers.map(|layer| match layer {
            Layer::ConvNorm(conv) => Feature::ConvNorm(conv_norm(init, conv)),
            Layer::InvertedResidual(shape) => {
                Feature::InvertedResidual(InvertedResidual::new(init, shape))
            }
        });
        MobileNetV2 {
            features: features.collect(),
        }
    }
}

/// MobileNetV2 up to its globally averaged features.
///
/// Should be created with [`MobileNetV2Config`].
#[derive(Module, Debug)]
pub struct MobileNetV2<B: Backend> {
    features: Vec<Feature<B>>,
}

impl<B: Backend> MobileNetV2<B> {
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, 1280]`.
    pub fn forward(&self, images: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 2> {
        let maps = self
            .features
            .iter()
            .fold(images, |x, feature| feature.forward(x, mode));
        global_average_pool(maps)
    }

    /// The maps before each halving of the resolution and the last one: of 16, 24, 32, 96 and 1280 channels, with strides of
    /// 2, 4, 8, 16 and 32 (those of the variant for small images are a quarter, at least 1).
    ///
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, channels, h / stride, w / stride]`, sides rounded up.
    pub fn stage_maps(&self, images: Tensor<B, 4>, mode: BatchMode) -> Vec<Tensor<B, 4>> {
        let mut x = images;
        let mut first = 0;
        let stages = STAGE_ENDS.map(|end| {
            let stage = &self.features[first..end];
            first = end;
            x = stage
                .iter()
                .fold(x.clone(), |x, feature| feature.forward(x, mode));
            x.clone()
        });
        stages.into()
    }
}

/// Convolution and its normalisation; the activation, if any, is the caller's.
type ConvNorm<B> = (Conv2d<B>, BatchNorm<B>);

fn conv_norm<B: Backend>(init: &mut ParamInit<B>, conv: Conv2dConfig) -> ConvNorm<B> {
    (conv.init(init), BatchNorm::new(init, conv.out_channels))
}

fn conv_norm_relu6<B: Backend>(
    layer: &ConvNorm<B>,
    x: Tensor<B, 4>,
    mode: BatchMode,
) -> Tensor<B, 4> {
    let (conv, norm) = layer;
    norm.forward_activated(conv.forward(x), mode, Activation::Relu6)
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
enum Feature<B: Backend> {
    ConvNorm(ConvNorm<B>),
    InvertedResidual(InvertedResidual<B>),
}

impl<B: Backend> Feature<B> {
    fn forward(&self, x: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 4> {
        match self {
            Self::ConvNorm(layer) => conv_norm_relu6(layer, x, mode),
            Self::InvertedResidual(block) => block.forward(x, mode),
        }
    }
}

/// Expansion (1x1), depthwise (3x3), projection (1x1, linear), with a shortcut where shapes allow.
#[derive(Module, Debug)]
struct InvertedResidual<B: Backend> {
    conv: BlockLayers<B>,
    residual: bool,
}

/// The layers of a block; tuples, so that paths are torchvision's `conv.0.0`, `conv.1.0`, `conv.2` ...
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
enum BlockLayers<B: Backend> {
    /// Expansion, depthwise, projection, its normalisation.
    Expanded((ConvNorm<B>, ConvNorm<B>, Conv2d<B>, BatchNorm<B>)),
    /// The first block, whose expansion factor is 1, has no expansion.
    Plain((ConvNorm<B>, Conv2d<B>, BatchNorm<B>)),
}

impl<B: Backend> InvertedResidual<B> {
    fn new(init: &mut ParamInit<B>, shape: BlockShape) -> Self {
        let (hidden, out_channels) = (shape.hidden(), shape.out_channels);
        let depthwise = Conv2dConfig::depthwise(hidden, shape.stride);
        let project = Conv2dConfig::new(hidden, out_channels, 1, 1);
        let conv = if shape.is_expanded() {
            let expand = Conv2dConfig::new(shape.in_channels, hidden, 1, 1);
            BlockLayers::Expanded((
                conv_norm(init, expand),
                conv_norm(init, depthwise),
                project.init(init),
                BatchNorm::new(init, out_channels),
            ))
        } else {
            BlockLayers::Plain((
                conv_norm(init, depthwise),
                project.init(init),
                BatchNorm::new(init, out_channels),
            ))
        };
        Self {
            conv,
            residual: shape.has_shortcut(),
        }
    }

    fn forward(&self, x: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 4> {
        let (y, norm) = match &self.conv {
            BlockLayers::Expanded((
                (expand, expand_norm),
                (depthwise, depthwise_norm),
                project,
                norm,
            )) => {
                let y = expand.forward(x.clone());
                let y = expand_norm.forward_into(y, mode, Activation::Relu6, depthwise);
                let y = depthwise_norm.forward_into(y, mode, Activation::Relu6, project);
                (y, norm)
            }
            BlockLayers::Plain(((depthwise, depthwise_norm), project, norm)) => {
                let y = depthwise.forward(x.clone());
                let y = depthwise_norm.forward_into(y, mode, Activation::Relu6, project);
                (y, norm)
            }
        };
        if self.residual {
            norm.forward_added(y, mode, Activation::None, x)
        } else {
            norm.forward(y, mode)
        }
    }
}
