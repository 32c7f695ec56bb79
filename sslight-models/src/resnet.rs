//! ResNet-18 (He et al., 2016; torchvision's v1.5 layout), without classifier.
//!
//! Names are torchvision's: `conv1`, `bn1`, `layerS.I.{conv1,bn1,conv2,bn2,downsample.0,downsample.1}`.
//! 11,176,512 parameters, 512 features.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::backend::Backend;
use crate::nn::activation::{global_average_pool, relu, stem_max_pool};
use crate::nn::{Activation, BatchMode, BatchNorm, Conv2d, Conv2dConfig, ParamInit};

const STEM_CHANNELS: usize = 64;
/// Output channels of the four stages; all but the first halve the resolution.
const STAGE_CHANNELS: [usize; 4] = [64, 128, 256, 512];

/// What a [`ResNet`] is made from.
#[derive(Debug, Clone)]
pub struct ResNetConfig {
    /// Blocks in each of the four stages.
    pub blocks: [usize; 4],
    /// For images of 64 pixels and less: a 3x3 stem of stride 1 and no max pooling, so that the
    /// total stride is 8 instead of 32. Only `conv1.weight` changes its shape.
    pub small_input: bool,
}

impl ResNetConfig {
    /// Two basic blocks a stage.
    pub fn resnet18() -> Self {
        Self {
            blocks: [2, 2, 2, 2],
            small_input: false,
        }
    }

    /// The same network with or without the stem for small images.
    pub fn with_small_input(mut self, small_input: bool) -> Self {
        self.small_input = small_input;
        self
    }

    /// A network with the reference's initialisation: convolutions Kaiming fan-out, batch
    /// normalisation 1 and 0 (the last one of a block too).
    pub fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> ResNet<B> {
        let stem = if self.small_input {
            Conv2dConfig::new(3, STEM_CHANNELS, 3, 1)
        } else {
            Conv2dConfig::new(3, STEM_CHANNELS, 7, 2)
        };
        let conv1 = stem.init(init);
        let bn1 = BatchNorm::new(init, STEM_CHANNELS);
        let mut channels = STEM_CHANNELS;
        let [layer1, layer2, layer3, layer4] = [0, 1, 2, 3].map(|stage| {
            (0..self.blocks[stage])
                .map(|block| {
                    let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                    let out_channels = STAGE_CHANNELS[stage];
                    let basic = BasicBlock::new(init, channels, out_channels, stride);
                    channels = out_channels;
                    basic
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
        }
    }
}

/// A ResNet of basic blocks up to its globally averaged features.
///
/// Should be created with [`ResNetConfig`].
#[derive(Module, Debug)]
pub struct ResNet<B: Backend> {
    conv1: Conv2d<B>,
    bn1: BatchNorm<B>,
    layer1: Vec<BasicBlock<B>>,
    layer2: Vec<BasicBlock<B>>,
    layer3: Vec<BasicBlock<B>>,
    layer4: Vec<BasicBlock<B>>,
    max_pool: bool,
}

impl<B: Backend> ResNet<B> {
    /// Length of a feature vector.
    pub const FEATURES_DIM: usize = STAGE_CHANNELS[3];

    /// # Shapes
    /// `[b, 3, h, w]` to `[b, 512]`.
    pub fn forward(&self, images: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 2> {
        let x = self.conv1.forward(images);
        let x = self.bn1.forward_activated(x, mode, Activation::Relu);
        let x = if self.max_pool { stem_max_pool(x) } else { x };
        let maps = [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
            .into_iter()
            .flatten()
            .fold(x, |x, block| block.forward(x, mode));
        global_average_pool(maps)
    }
}

/// Two 3x3 convolutions and a shortcut, which is projected where the shape changes.
#[derive(Module, Debug)]
struct BasicBlock<B: Backend> {
    conv1: Conv2d<B>,
    bn1: BatchNorm<B>,
    conv2: Conv2d<B>,
    bn2: BatchNorm<B>,
    downsample: Option<(Conv2d<B>, BatchNorm<B>)>,
}

impl<B: Backend> BasicBlock<B> {
    fn new(
        init: &mut ParamInit<B>,
        in_channels: usize,
        out_channels: usize,
        stride: usize,
    ) -> Self {
        let projected = stride != 1 || in_channels != out_channels;
        Self {
            conv1: Conv2dConfig::new(in_channels, out_channels, 3, stride).init(init),
            bn1: BatchNorm::new(init, out_channels),
            conv2: Conv2dConfig::new(out_channels, out_channels, 3, 1).init(init),
            bn2: BatchNorm::new(init, out_channels),
            downsample: projected.then(|| {
                (
                    Conv2dConfig::new(in_channels, out_channels, 1, stride).init(init),
                    BatchNorm::new(init, out_channels),
                )
            }),
        }
    }

    fn forward(&self, x: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 4> {
        let y = self.conv1.forward(x.clone());
        let y = self.bn1.forward_activated(y, mode, Activation::Relu);
        let y = self.bn2.forward(self.conv2.forward(y), mode);
        let shortcut = match &self.downsample {
            Some((conv, norm)) => norm.forward(conv.forward(x), mode),
            None => x,
        };
        relu(y + shortcut)
    }
}
