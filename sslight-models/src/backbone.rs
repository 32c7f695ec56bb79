//! The registry of backbones, and one type over all of them.

use std::fmt;
use std::str::FromStr;

use burn::module::Module;
use burn::tensor::Tensor;
use thiserror::Error;

use crate::backend::Backend;
use crate::mobilenet_v2::{MobileNetV2, MobileNetV2Config};
use crate::nn::{BatchMode, ParamInit};
use crate::resnet::{ResNet, ResNetConfig};

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

    /// Whether [`init`](Self::init) can build it.
    pub fn is_available(self) -> bool {
        matches!(self, Self::MobileNetV2 | Self::ResNet18)
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
        match self {
            Self::MobileNetV2 => 1280,
            Self::ResNet18 | Self::ResNet34 => 512,
            Self::ResNet50 => 2048,
            Self::VitTiny16 | Self::VitTiny32 => 192,
            Self::VitSmall16 => 384,
        }
    }

    /// A freshly initialised network; `small_input` chooses the stem for images of 64 pixels and less.
    ///
    /// # Errors
    /// [`UnavailableBackbone`] for a network that this version does not have.
    pub fn init<B: Backend>(
        self,
        small_input: bool,
        init: &mut ParamInit<B>,
    ) -> Result<Backbone<B>, UnavailableBackbone> {
        match self {
            Self::MobileNetV2 => Ok(Backbone::MobileNetV2(
                MobileNetV2Config { small_input }.init(init),
            )),
            Self::ResNet18 => Ok(Backbone::ResNet(
                ResNetConfig::resnet18()
                    .with_small_input(small_input)
                    .init(init),
            )),
            _ => Err(UnavailableBackbone(self)),
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
}

impl<B: Backend> Backbone<B> {
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, features_dim]`.
    pub fn forward(&self, images: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 2> {
        match self {
            Self::MobileNetV2(net) => net.forward(images, mode),
            Self::ResNet(net) => net.forward(images, mode),
        }
    }

    /// Length of a feature vector.
    pub fn features_dim(&self) -> usize {
        match self {
            Self::MobileNetV2(_) => MobileNetV2::<B>::FEATURES_DIM,
            Self::ResNet(_) => ResNet::<B>::FEATURES_DIM,
        }
    }
}
