//! The feature pyramid (Lin et al., 2017, section 3).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::module::{interpolate, max_pool2d};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use sslight_models::Stage;
use sslight_models::backend::Backend;
use sslight_models::nn::ParamInit;

use super::layers::{BiasedConv2d, Sequence};

/// Channels of every level.
pub const CHANNELS: usize = 256;

/// The maps of a backbone, mixed from coarse to fine; names are torchvision's.
#[derive(Module, Debug)]
pub struct FeaturePyramid<B: Backend> {
    /// From each stage to the pyramid's channels, 1x1.
    inner_blocks: Vec<Sequence<B>>,
    /// What each level becomes after the sum, 3x3.
    layer_blocks: Vec<Sequence<B>>,
}

impl<B: Backend> FeaturePyramid<B> {
    /// A pyramid over these stages.
    pub fn new(init: &mut ParamInit<B>, stages: &[Stage]) -> Self {
        let mut inner_blocks = Vec::new();
        let mut layer_blocks = Vec::new();
        for stage in stages {
            let lateral = BiasedConv2d::uniform(init, [CHANNELS, stage.channels, 1, 1]);
            inner_blocks.push(vec![lateral]);
            let output = BiasedConv2d::uniform(init, [CHANNELS, CHANNELS, 3, 3]);
            layer_blocks.push(vec![output]);
        }
        Self {
            inner_blocks,
            layer_blocks,
        }
    }

    /// A level for each map, the finest first, and one of half the resolution of the last.
    ///
    /// # Shapes
    /// `[b, channels, h, w]` each, every one with half the sides of the one before, to `[b, 256, h, w]`.
    pub fn forward(&self, maps: Vec<Tensor<B, 4>>) -> Vec<Tensor<B, 4>> {
        let mut levels = Vec::new();
        let mut above: Option<Tensor<B, 4>> = None;
        let blocks = self.inner_blocks.iter().zip(&self.layer_blocks);
        for (map, (inner, layer)) in maps.into_iter().zip(blocks).rev() {
            let lateral = run(inner, map);
            let sum = match above {
                Some(above) => lateral + doubled(above),
                None => lateral,
            };
            levels.push(run(layer, sum.clone()));
            above = Some(sum);
        }
        levels.reverse();
        // Every other cell: what the reference calls a max pooling of 1x1.
        let coarsest = levels.last().cloned();
        let extra = coarsest.map(|level| max_pool2d(level, [1; 2], [2; 2], [0; 2], [1; 2], false));
        levels.into_iter().chain(extra).collect()
    }
}

fn run<B: Backend>(layers: &Sequence<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    layers.iter().fold(x, |x, layer| layer.forward(x))
}

/// Each cell four times.
fn doubled<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [_, _, height, width] = x.dims();
    let nearest = InterpolateOptions::new(InterpolateMode::Nearest);
    interpolate(x, [2 * height, 2 * width], nearest)
}
