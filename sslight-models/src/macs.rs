//! Multiply-adds of a backbone's forward pass, counted from its layers.

use crate::backbone::{BackboneKind, Family};
use crate::mobilenet_v2::{Layer, MobileNetV2Config};
use crate::nn::Conv2dConfig;
use crate::resnet::{ResNetConfig, ResNetVariant};
use crate::vit::{DEPTH, MLP_RATIO, VitConfig};

impl BackboneKind {
    /// Multiply-adds of the forward pass of one image of `side` x `side` pixels: of convolutions, linear layers and the
    /// products of attention, without classifier or head. Normalisation, activation and pooling are not counted, as in the
    /// publications.
    pub fn macs(self, small_input: bool, side: usize) -> u64 {
        match self.family() {
            Family::MobileNetV2 => mobilenet_v2(&MobileNetV2Config { small_input }, side),
            Family::ResNet(variant) => resnet(variant, small_input, side),
            Family::Vit(variant) => vit(
                &VitConfig {
                    variant,
                    small_input,
                },
                side,
            ),
        }
    }
}

/// A square map that convolutions pass on, and what they have cost so far.
struct Map {
    side: usize,
    macs: u64,
}

impl Map {
    fn new(side: usize) -> Self {
        Self { side, macs: 0 }
    }

    /// A stride rounds up: the padding is half the kernel.
    fn strided(&mut self, stride: usize) {
        self.side = self.side.div_ceil(stride);
    }

    fn convolve(&mut self, conv: &Conv2dConfig) {
        self.strided(conv.stride);
        self.macs += self.cost(conv);
    }

    /// Of a convolution whose output has the side of this map.
    fn cost(&self, conv: &Conv2dConfig) -> u64 {
        let weights = conv.out_channels * conv.in_channels / conv.groups * conv.kernel.pow(2);
        weights as u64 * (self.side as u64).pow(2)
    }
}

fn mobilenet_v2(config: &MobileNetV2Config, side: usize) -> u64 {
    let mut map = Map::new(side);
    for layer in config.layers() {
        match layer {
            Layer::ConvNorm(conv) => map.convolve(&conv),
            Layer::InvertedResidual(shape) => {
                if shape.is_expanded() {
                    map.convolve(&Conv2dConfig::new(shape.in_channels, shape.hidden(), 1, 1));
                }
                map.convolve(&Conv2dConfig::depthwise(shape.hidden(), shape.stride));
                map.convolve(&Conv2dConfig::new(shape.hidden(), shape.out_channels, 1, 1));
            }
        }
    }
    map.macs
}

fn resnet(variant: ResNetVariant, small_input: bool, side: usize) -> u64 {
    let config = ResNetConfig::new(variant).with_small_input(small_input);
    let mut map = Map::new(side);
    map.convolve(&config.stem());
    if !small_input {
        // The max pooling.
        map.strided(2);
    }
    for block in config.stages().iter().flatten() {
        for conv in block.convolutions() {
            map.convolve(&conv);
        }
        if let Some(projection) = block.projection() {
            map.macs += map.cost(&projection);
        }
    }
    map.macs
}

fn vit(config: &VitConfig, side: usize) -> u64 {
    let dim = config.variant.dim as u64;
    let patch = config.patch_px() as u64;
    let patches = (side as u64 / patch).pow(2);
    // The class token is one more.
    let tokens = patches + 1;
    // Queries, keys, values and projection, then the MLP; the products of attention grow with the square of tokens.
    let linear = (4 + 2 * MLP_RATIO as u64) * tokens * dim * dim;
    let attention = 2 * tokens * tokens * dim;
    patches * 3 * patch * patch * dim + DEPTH as u64 * (linear + attention)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_224(kind: BackboneKind) -> f64 {
        kind.macs(false, 224) as f64
    }

    #[test]
    fn counts_are_the_published_ones() {
        // With the classifier of 1000 classes, which publications count.
        for (kind, published) in [
            // Sandler et al., 2018, Table 4.
            (BackboneKind::MobileNetV2, 300e6),
            // torchvision's tables, in multiply-adds.
            (BackboneKind::ResNet18, 1.82e9),
            (BackboneKind::ResNet34, 3.67e9),
            (BackboneKind::ResNet50, 4.11e9),
            // Touvron et al., 2021, by timm's count.
            (BackboneKind::VitTiny16, 1.26e9),
            (BackboneKind::VitSmall16, 4.61e9),
        ] {
            let counted = at_224(kind) + 1000.0 * kind.features_dim() as f64;
            let apart = counted / published - 1.0;
            assert!(apart.abs() < 0.01, "{kind}: {counted}");
        }
    }

    #[test]
    fn the_first_layers_are_known_by_hand() {
        let mut map = Map::new(7);
        map.convolve(&Conv2dConfig::new(3, 8, 3, 2));
        assert_eq!((map.side, map.macs), (4, 16 * 8 * 3 * 9));
        map.convolve(&Conv2dConfig::depthwise(8, 1));
        assert_eq!(map.macs, 16 * 8 * 3 * 9 + 16 * 8 * 9);
    }

    #[test]
    fn convolutional_networks_cost_by_the_pixel_and_the_small_stem_costs_more() {
        for kind in [BackboneKind::MobileNetV2, BackboneKind::ResNet50] {
            let quarter = kind.macs(false, 128) as f64 / kind.macs(false, 256) as f64;
            assert!((quarter - 0.25).abs() < 1e-9, "{kind}: {quarter}");
        }
        for kind in BackboneKind::all() {
            assert!(kind.macs(true, 32) > 4 * kind.macs(false, 32), "{kind}");
        }
        // Half a patch is not looked at.
        let vit = BackboneKind::VitTiny32;
        assert_eq!(vit.macs(false, 111), vit.macs(false, 96));
    }
}
