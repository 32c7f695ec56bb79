//! ResNet-18, -34 and -50 (He et al., 2016; torchvision's v1.5 layout), without classifier.
//!
//! Names are torchvision's: `conv1`, `bn1`, `layerS.I.{conv1,bn1,conv2,bn2,conv3,bn3}` (the third pair
//! in bottlenecks only), `layerS.I.downsample.{0,1}`.
//!
//! | variant | block | blocks a stage | parameters | features |
//! |---|---|---|---|---|
//! | ResNet-18 | basic | 2, 2, 2, 2 | 11,176,512 | 512 |
//! | ResNet-34 | basic | 3, 4, 6, 3 | 21,284,672 | 512 |
//! | ResNet-50 | bottleneck | 3, 4, 6, 3 | 23,508,032 | 2048 |

use burn::module::Module;
use burn::tensor::Tensor;

use crate::backend::Backend;
use crate::nn::activation::global_average_pool;
use crate::nn::{Activation, BatchMode, BatchNorm, Conv2d, Conv2dConfig, ParamInit};

const STEM_CHANNELS: usize = 64;
/// Width of the 3x3 convolutions of the four stages; all but the first halve the resolution.
const STAGE_WIDTHS: [usize; 4] = [64, 128, 256, 512];
/// Output channels of a bottleneck for each channel of its 3x3 convolution.
const BOTTLENECK_EXPANSION: usize = 4;

/// A row of Table 1 of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResNetVariant {
    /// Blocks in each of the four stages.
    pub blocks: [usize; 4],
    /// Bottlenecks of three convolutions instead of basic blocks of two.
    pub bottleneck: bool,
}

impl ResNetVariant {
    /// ResNet-18.
    pub const RESNET18: Self = Self::row([2, 2, 2, 2], false);
    /// ResNet-34.
    pub const RESNET34: Self = Self::row([3, 4, 6, 3], false);
    /// ResNet-50.
    pub const RESNET50: Self = Self::row([3, 4, 6, 3], true);

    const fn row(blocks: [usize; 4], bottleneck: bool) -> Self {
        Self { blocks, bottleneck }
    }

    /// Length of a feature vector: the output channels of the last stage.
    pub const fn features_dim(self) -> usize {
        self.out_channels(3)
    }

    /// Output channels of the four stages.
    pub const fn stage_channels(self) -> [usize; 4] {
        [
            self.out_channels(0),
            self.out_channels(1),
            self.out_channels(2),
            self.out_channels(3),
        ]
    }

    const fn out_channels(self, stage: usize) -> usize {
        if self.bottleneck {
            STAGE_WIDTHS[stage] * BOTTLENECK_EXPANSION
        } else {
            STAGE_WIDTHS[stage]
        }
    }
}

/// What a [`ResNet`] is made from.
#[derive(Debug, Clone)]
pub struct ResNetConfig {
    /// Number and kind of blocks.
    pub variant: ResNetVariant,
    /// For images of 64 pixels and less: a 3x3 stem of stride 1 and no max pooling, so that the
    /// total stride is 8 instead of 32. Only `conv1.weight` changes its shape.
    pub small_input: bool,
}

impl ResNetConfig {
    /// The full-size network.
    pub fn new(variant: ResNetVariant) -> Self {
        Self {
            variant,
            small_input: false,
        }
    }

    /// The same network with or without the stem for small images.
    pub fn with_small_input(mut self, small_input: bool) -> Self {
        self.small_input = small_input;
        self
    }

    /// The first convolution.
    pub(crate) fn stem(&self) -> Conv2dConfig {
        if self.small_input {
            Conv2dConfig::new(3, STEM_CHANNELS, 3, 1)
        } else {
            Conv2dConfig::new(3, STEM_CHANNELS, 7, 2)
        }
    }

    /// The blocks of the four stages.
    pub(crate) fn stages(&self) -> [Vec<BlockShape>; 4] {
        let mut channels = STEM_CHANNELS;
        [0, 1, 2, 3].map(|stage| {
            let blocks = (0..self.variant.blocks[stage]).map(|block| {
                let shape = BlockShape {
                    bottleneck: self.variant.bottleneck,
                    in_channels: channels,
                    width: STAGE_WIDTHS[stage],
                    out_channels: self.variant.out_channels(stage),
                    stride: if stage > 0 && block == 0 { 2 } else { 1 },
                };
                channels = shape.out_channels;
                shape
            });
            blocks.collect()
        })
    }

    /// A network with the reference's initialisation: convolutions Kaiming fan-out, batch
    /// normalisation 1 and 0 (the last one of a block too).
    pub fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> ResNet<B> {
        let conv1 = self.stem().init(init);
        let bn1 = BatchNorm::new(init, STEM_CHANNELS);
        let [layer1, layer2, layer3, layer4] = self.stages().map(|blocks| {
            let blocks = blocks.into_iter();
            blocks
                .map(|shape| {
                    if shape.bottleneck {
                        Block::Bottleneck(Bottleneck::new(init, shape))
                    } else {
                        Block::Basic(BasicBlock::new(init, shape))
                    }
                })
                .collect()
        });
        ResNet {
            conv1,
            bn1,
            layer1,
            layer2,
            layer3,
            layer4,
            max_pool: !self.small_input,
            features_dim: self.variant.features_dim(),
        }
    }
}

/// A ResNet up to its globally averaged features.
///
/// Should be created with [`ResNetConfig`].
#[derive(Module, Debug)]
pub struct ResNet<B: Backend> {
    conv1: Conv2d<B>,
    bn1: BatchNorm<B>,
    layer1: Vec<Block<B>>,
    layer2: Vec<Block<B>>,
    layer3: Vec<Block<B>>,
    layer4: Vec<Block<B>>,
    max_pool: bool,
    features_dim: usize,
}

impl<B: Backend> ResNet<B> {
    /// Length of a feature vector.
    pub fn features_dim(&self) -> usize {
        self.features_dim
    }

    /// # Shapes
    /// `[b, 3, h, w]` to `[b, features_dim]`.
    pub fn forward(&self, images: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 2> {
        let x = self.stem(images, mode);
        // [b, features_dim, h / 32, w / 32]
        let maps = self.stages().fold(x, |x, stage| run(stage, x, mode));
        global_average_pool(maps)
    }

    /// The maps of the four stages, with strides of 4, 8, 16 and 32 (1, 2, 4 and 8 with the stem for small images).
    ///
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, channels, h / stride, w / stride]`, sides rounded up.
    pub fn stage_maps(&self, images: Tensor<B, 4>, mode: BatchMode) -> Vec<Tensor<B, 4>> {
        let mut x = self.stem(images, mode);
        let stages = self.stages().map(|stage| {
            x = run(stage, x.clone(), mode);
            x.clone()
        });
        stages.collect()
    }

    fn stages(&self) -> impl Iterator<Item = &Vec<Block<B>>> {
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4].into_iter()
    }

    fn stem(&self, images: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 4> {
        // [b, 64, h / 2, w / 2]
        let x = self.conv1.forward(images);
        // [b, 64, h / 4, w / 4]
        if self.max_pool {
            self.bn1.forward_pooled(x, mode, Activation::Relu)
        } else {
            self.bn1.forward_activated(x, mode, Activation::Relu)
        }
    }
}

fn run<B: Backend>(stage: &[Block<B>], x: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 4> {
    stage.iter().fold(x, |x, block| block.forward(x, mode))
}

/// Either kind of block; the variant does not appear in names.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
enum Block<B: Backend> {
    Basic(BasicBlock<B>),
    Bottleneck(Bottleneck<B>),
}

impl<B: Backend> Block<B> {
    fn forward(&self, x: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 4> {
        match self {
            Self::Basic(block) => block.forward(x, mode),
            Self::Bottleneck(block) => block.forward(x, mode),
        }
    }
}

/// What a block is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockShape {
    bottleneck: bool,
    in_channels: usize,
    /// Channels of the 3x3 convolutions.
    width: usize,
    out_channels: usize,
    stride: usize,
}

impl BlockShape {
    /// Its convolutions, in order.
    pub(crate) fn convolutions(&self) -> Vec<Conv2dConfig> {
        if self.bottleneck {
            self.three().to_vec()
        } else {
            self.two().to_vec()
        }
    }

    /// Those of a basic block.
    fn two(&self) -> [Conv2dConfig; 2] {
        [
            Conv2dConfig::new(self.in_channels, self.width, 3, self.stride),
            Conv2dConfig::new(self.width, self.width, 3, 1),
        ]
    }

    /// Those of a bottleneck. The stride is in the 3x3 convolution (torchvision's v1.5), where the paper has it in the
    /// first 1x1.
    fn three(&self) -> [Conv2dConfig; 3] {
        [
            Conv2dConfig::new(self.in_channels, self.width, 1, 1),
            Conv2dConfig::new(self.width, self.width, 3, self.stride),
            Conv2dConfig::new(self.width, self.out_channels, 1, 1),
        ]
    }

    /// The convolution of its shortcut, if the shape changes.
    pub(crate) fn projection(&self) -> Option<Conv2dConfig> {
        let projected = self.stride != 1 || self.in_channels != self.out_channels;
        projected.then(|| Conv2dConfig::new(self.in_channels, self.out_channels, 1, self.stride))
    }
}

/// The projection of a shortcut whose shape changes; a tuple, so that names are `downsample.{0,1}`.
type Downsample<B> = Option<(Conv2d<B>, BatchNorm<B>)>;

fn downsample<B: Backend>(init: &mut ParamInit<B>, shape: BlockShape) -> Downsample<B> {
    let projection = shape.projection();
    projection.map(|conv| (conv.init(init), BatchNorm::new(init, conv.out_channels)))
}

fn shortcut<B: Backend>(
    downsample: &Downsample<B>,
    x: Tensor<B, 4>,
    mode: BatchMode,
) -> Tensor<B, 4> {
    match downsample {
        Some((conv, norm)) => norm.forward(conv.forward(x), mode),
        None => x,
    }
}

/// Two 3x3 convolutions and a shortcut.
#[derive(Module, Debug)]
struct BasicBlock<B: Backend> {
    conv1: Conv2d<B>,
    bn1: BatchNorm<B>,
    conv2: Conv2d<B>,
    bn2: BatchNorm<B>,
    downsample: Downsample<B>,
}

impl<B: Backend> BasicBlock<B> {
    fn new(init: &mut ParamInit<B>, shape: BlockShape) -> Self {
        let [conv1, conv2] = shape.two();
        Self {
            conv1: conv1.init(init),
            bn1: BatchNorm::new(init, conv1.out_channels),
            conv2: conv2.init(init),
            bn2: BatchNorm::new(init, conv2.out_channels),
            downsample: downsample(init, shape),
        }
    }

    fn forward(&self, x: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 4> {
        let y = self.conv1.forward(x.clone());
        let y = (self.bn1).forward_into(y, mode, Activation::Relu, &self.conv2);
        let shortcut = shortcut(&self.downsample, x, mode);
        (self.bn2).forward_added(y, mode, Activation::Relu, shortcut)
    }
}

/// 1x1, 3x3 and 1x1 convolutions and a shortcut.
#[derive(Module, Debug)]
struct Bottleneck<B: Backend> {
    conv1: Conv2d<B>,
    bn1: BatchNorm<B>,
    conv2: Conv2d<B>,
    bn2: BatchNorm<B>,
    conv3: Conv2d<B>,
    bn3: BatchNorm<B>,
    downsample: Downsample<B>,
}

impl<B: Backend> Bottleneck<B> {
    fn new(init: &mut ParamInit<B>, shape: BlockShape) -> Self {
        let [conv1, conv2, conv3] = shape.three();
        Self {
            conv1: conv1.init(init),
            bn1: BatchNorm::new(init, conv1.out_channels),
            conv2: conv2.init(init),
            bn2: BatchNorm::new(init, conv2.out_channels),
            conv3: conv3.init(init),
            bn3: BatchNorm::new(init, conv3.out_channels),
            downsample: downsample(init, shape),
        }
    }

    fn forward(&self, x: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 4> {
        let y = self.conv1.forward(x.clone());
        let y = (self.bn1).forward_into(y, mode, Activation::Relu, &self.conv2);
        let y = (self.bn2).forward_into(y, mode, Activation::Relu, &self.conv3);
        let shortcut = shortcut(&self.downsample, x, mode);
        (self.bn3).forward_added(y, mode, Activation::Relu, shortcut)
    }
}
