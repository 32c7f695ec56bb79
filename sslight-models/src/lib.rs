//! Backbones, heads and the layers they share, generic over burn's [`Backend`](backend::Backend).
//!
//! * [`nn`]: convolution, normalisation, linear layers, attention, stochastic depth, initialisation.
//! * [`Backbone`]: one enum over the networks, and [`BackboneKind`], the registry.
//! * [`head`]: projection heads.
//! * [`params`]: named access to parameters and buffers (copy, EMA, norms).
//! * [`onnx`]: a backbone as a model for inference elsewhere.
//! * [`weights`]: weights in files, ours and PyTorch's, loaded with a report.
//!
//! Field names are torchvision's and timm's, so a module path is a checkpoint key; only the names of the reference's
//! own checkpoints need a table, [`weights::names`].

mod backbone;
pub mod backend;
pub mod head;
mod macs;
mod mobilenet_v2;
pub mod nn;
pub mod onnx;
pub mod params;
mod pass;
mod resnet;
mod vit;
pub mod weights;

pub use backbone::{Backbone, BackboneKind, Stage, UnavailableBackbone};
pub use head::dino::{DinoHead, DinoHeadConfig};
pub use head::moco::{MocoHead, MocoHeadConfig};
pub use head::swav::{SwavHead, SwavHeadConfig, SwavOutput};
pub use mobilenet_v2::{MobileNetV2, MobileNetV2Config};
pub use nn::drop_path::{DropPath, DropPathDraws, SeededDraws};
pub use nn::norm::BatchMode;
pub use pass::Pass;
pub use resnet::{ResNet, ResNetConfig, ResNetVariant};
pub use vit::{DEPTH as VIT_DEPTH, Vit, VitConfig, VitVariant};

#[cfg(test)]
mod reference_keys;
