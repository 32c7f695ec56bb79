//! The registry of backbones, and one type over all of them.

use std::fmt;
use std::str::FromStr;

use burn::module::Module;
use burn::tensor::Tensor;
use thiserror::Error;

use crate::backend::Backend;
use crate::mobilenet_v2::{LAST_CHANNELS, MobileNetV2, MobileNetV2Config};
use crate::nn::{BatchMode, ParamInit};
use crate::pass::Pass;
use crate::resnet::{ResNet, ResNetConfig, ResNetVariant};
use crate::vit::{Vit, VitConfig, VitVariant};

/// The networks of the paper, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackboneKind {
    /// MobileNetV2, width 1.0.
    MobileNetV2,
    /// ResNet-18.
    ResNet18,
    /// ResNet-34.
    ResNet34,
    /// ResNet-50.
    ResNet50,
    /// ViT-Tiny, patches of 16 pixels.
    VitTiny16,
    /// ViT-Tiny, patches of 32 pixels.
    VitTiny32,
    /// ViT-Small, patches of 16 pixels.
    VitSmall16,
}

/// A map that a convolutional network makes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Pixels of the image a cell.
    pub stride: usize,
    /// Channels.
    pub channels: usize,
}

/// A backbone that this version names but does not have yet.
#[derive(Debug, Error)]
#[error("backbone {0} is not in this version yet; available: {available}", available = available())]
pub struct UnavailableBackbone(pub BackboneKind);

fn available() -> String {
    BackboneKind::all()
        .filter(|kind| kind.is_available())
        .map(|kind| kind.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

impl BackboneKind {
    /// Every backbone, in the order of the paper's tables.
    pub fn all() -> impl Iterator<Item = Self> {
        [
            Self::MobileNetV2,
            Self::ResNet18,
            Self::ResNet34,
            Self::ResNet50,
            Self::VitTiny16,
            Self::VitTiny32,
            Self::VitSmall16,
        ]
        .into_iter()
    }

    /// Whether [`init`](Self::init) can build it: all can.
    pub fn is_available(self) -> bool {
        true
    }

    /// Parameters without head and classifier, for the full-size stem.
    pub fn parameters(self) -> usize {
        match self {
            Self::MobileNetV2 => 2_223_872,
            Self::ResNet18 => 11_176_512,
            Self::ResNet34 => 21_284_672,
            Self::ResNet50 => 23_508_032,
            Self::VitTiny16 => 5_524_416,
            Self::VitTiny32 => 5_938_560,
            Self::VitSmall16 => 21_665_664,
        }
    }

    /// Length of a feature vector.
    pub fn features_dim(self) -> usize {
        match self.family() {
            Family::MobileNetV2 => LAST_CHANNELS,
            Family::ResNet(variant) => variant.features_dim(),
            Family::Vit(variant) => variant.dim,
        }
    }

    /// Stride and channels of each of the [stage maps](Backbone::stage_maps) of the full-size network; none for vision
    /// transformers.
    pub fn stages(self) -> Vec<Stage> {
        let strides = [2, 4, 8, 16, 32];
        let channels = match self.family() {
            Family::MobileNetV2 => vec![16, 24, 32, 96, LAST_CHANNELS],
            Family::ResNet(variant) => variant.stage_channels().to_vec(),
            Family::Vit(_) => Vec::new(),
        };
        let strides = &strides[strides.len() - channels.len()..];
        let stages = strides.iter().zip(channels);
        stages
            .map(|(stride, channels)| Stage {
                stride: *stride,
                channels,
            })
            .collect()
    }

    /// Side of a patch in pixels, for vision transformers.
    ///
    /// Pixels beyond the last whole patch are not looked at, thus a view's size should be a multiple.
    pub fn patch_size(self, small_input: bool) -> Option<usize> {
        match self.family() {
            Family::Vit(variant) => Some(vit(variant, small_input).patch_px()),
            Family::MobileNetV2 | Family::ResNet(_) => None,
        }
    }

    /// A freshly initialised network; `small_input` chooses the variant for images of 64 pixels and less.
    ///
    /// # Errors
    /// None at present; [`UnavailableBackbone`] is for networks that are named before they are built.
    pub fn init<B: Backend>(
        self,
        small_input: bool,
        init: &mut ParamInit<B>,
    ) -> Result<Backbone<B>, UnavailableBackbone> {
        Ok(match self.family() {
            Family::MobileNetV2 => {
                Backbone::MobileNetV2(MobileNetV2Config { small_input }.init(init))
            }
            Family::ResNet(variant) => Backbone::ResNet(
                ResNetConfig::new(variant)
                    .with_small_input(small_input)
                    .init(init),
            ),
            Family::Vit(variant) => Backbone::Vit(vit(variant, small_input).init(init)),
        })
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::MobileNetV2 => Family::MobileNetV2,
            Self::ResNet18 => Family::ResNet(ResNetVariant::RESNET18),
            Self::ResNet34 => Family::ResNet(ResNetVariant::RESNET34),
            Self::ResNet50 => Family::ResNet(ResNetVariant::RESNET50),
            Self::VitTiny16 => Family::Vit(VitVariant::TINY16),
            Self::VitTiny32 => Family::Vit(VitVariant::TINY32),
            Self::VitSmall16 => Family::Vit(VitVariant::SMALL16),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::MobileNetV2 => "mobilenet_v2",
            Self::ResNet18 => "resnet18",
            Self::ResNet34 => "resnet34",
            Self::ResNet50 => "resnet50",
            Self::VitTiny16 => "vit_tiny_16",
            Self::VitTiny32 => "vit_tiny_32",
            Self::VitSmall16 => "vit_small_16",
        }
    }
}

/// A kind as its row in the table of its family.
pub(crate) enum Family {
    MobileNetV2,
    ResNet(ResNetVariant),
    Vit(VitVariant),
}

fn vit(variant: VitVariant, small_input: bool) -> VitConfig {
    VitConfig {
        variant,
        small_input,
    }
}

impl fmt::Display for BackboneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for BackboneKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::all()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("no backbone is named `{name}`"))
    }
}

/// Any backbone: images in, one feature vector an image out.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Backbone<B: Backend> {
    /// See [`MobileNetV2`].
    MobileNetV2(MobileNetV2<B>),
    /// See [`ResNet`].
    ResNet(ResNet<B>),
    /// See [`Vit`].
    Vit(Vit<B>),
}

impl<B: Backend> Backbone<B> {
    /// `pass` is a [`BatchMode`](crate::BatchMode), or a [`Pass`] that has stochastic depth too.
    ///
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, features_dim]`.
    pub fn forward<'a>(&self, images: Tensor<B, 4>, pass: impl Into<Pass<'a>>) -> Tensor<B, 2> {
        let pass = pass.into();
        match self {
            Self::MobileNetV2(net) => net.forward(images, pass.mode),
            Self::ResNet(net) => net.forward(images, pass.mode),
            Self::Vit(net) => net.forward(images, pass),
        }
    }

    /// The maps of the stages of a convolutional network, the finest first, for detection: see [`ResNet::stage_maps`] and
    /// [`MobileNetV2::stage_maps`]; `None` for vision transformers.
    ///
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, channels, h / stride, w / stride]` each.
    pub fn stage_maps(&self, images: Tensor<B, 4>, mode: BatchMode) -> Option<Vec<Tensor<B, 4>>> {
        match self {
            Self::MobileNetV2(net) => Some(net.stage_maps(images, mode)),
            Self::ResNet(net) => Some(net.stage_maps(images, mode)),
            Self::Vit(_) => None,
        }
    }

    /// The features of the last `blocks` blocks of a vision transformer in one vector, the earliest block first,
    /// for linear evaluation; `None` for convolutional networks.
    ///
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, blocks * features_dim]`.
    ///
    /// # Panics
    /// If a transformer has fewer blocks, or for none.
    pub fn cls_of_last_blocks<'a>(
        &self,
        images: Tensor<B, 4>,
        blocks: usize,
        pass: impl Into<Pass<'a>>,
    ) -> Option<Tensor<B, 2>> {
        match self {
            Self::Vit(net) => Some(net.cls_of_last_blocks(images, blocks, pass.into())),
            Self::MobileNetV2(_) | Self::ResNet(_) => None,
        }
    }

    /// What each token of a vision transformer's last block looks at, see
    /// [`Vit::attention_of_last_block`]; `None` for convolutional networks.
    ///
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, heads, n + 1, n + 1]`.
    pub fn attention_of_last_block(&self, images: Tensor<B, 4>) -> Option<Tensor<B, 4>> {
        match self {
            Self::Vit(net) => Some(net.attention_of_last_block(images)),
            Self::MobileNetV2(_) | Self::ResNet(_) => None,
        }
    }

    /// Length of a feature vector.
    pub fn features_dim(&self) -> usize {
        match self {
            Self::MobileNetV2(_) => LAST_CHANNELS,
            Self::ResNet(net) => net.features_dim(),
            Self::Vit(net) => net.features_dim(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
