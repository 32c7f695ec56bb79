//! Backbones, heads and the layers they share, generic over burn's [`Backend`](backend::Backend).
//!
//! * [`nn`]: convolution, batch normalisation with a stated mode, linear layers, initialisation.
//! * [`Backbone`]: one enum over the networks, and [`BackboneKind`], the registry.
//! * [`head`]: projection heads.
//! * [`params`]: named access to parameters and buffers (copy, EMA, norms).
//! * [`weights`]: safetensors in torchvision's names, loaded with a report.
//!
//! Field names are torchvision's, so a module path is a checkpoint key and no table of renames exists.

mod backbone;
pub mod backend;
pub mod head;
mod mobilenet_v2;
pub mod nn;
pub mod params;
mod resnet;
pub mod weights;

pub use backbone::{Backbone, BackboneKind, UnavailableBackbone};
pub use head::dino::{DinoHead, DinoHeadConfig};
pub use mobilenet_v2::{MobileNetV2, MobileNetV2Config};
pub use nn::norm::BatchMode;
pub use resnet::{ResNet, ResNetConfig};
