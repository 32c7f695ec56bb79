//! Mask R-CNN as a whole (He et al., 2017).

use burn::module::Module;
use burn::tensor::Tensor;
use sslight_models::backend::Backend;
use sslight_models::nn::ParamInit;
use sslight_models::{Backbone, BackboneKind, BatchMode, UnavailableBackbone};

use super::heads::RegionHeads;
use super::layout::{Layout, NoStages};
use super::proposals::ProposalNetwork;
use super::pyramid::FeaturePyramid;
use crate::geometry::{AnchorCell, BoundingBox};

/// What a [`MaskRcnn`] is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskRcnnConfig {
    /// The backbone.
    pub backbone: BackboneKind,
    /// Kinds of objects, without the background.
    pub classes: usize,
    /// With a mask head; without it is a Faster R-CNN.
    pub masks: bool,
}

/// Why a detector cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    /// The backbone is of no use.
    #[error(transparent)]
    NoStages(#[from] NoStages),
    /// The backbone is not there.
    #[error(transparent)]
    Unavailable(#[from] UnavailableBackbone),
}

impl MaskRcnnConfig {
    /// A detector with fresh weights.
    ///
    /// # Errors
    /// If the backbone is a vision transformer.
    pub fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> Result<MaskRcnn<B>, DetectorError> {
        let layout = Layout::of(self.backbone)?;
        let anchors = layout.anchors.first().map_or(0, AnchorCell::len);
        Ok(MaskRcnn {
            backbone: PyramidBackbone {
                body: self.backbone.init(false, init)?,
                fpn: FeaturePyramid::new(init, &layout.stages),
            },
            rpn: ProposalNetwork::new(init, anchors),
            roi_heads: RegionHeads::new(init, self.classes, self.masks),
            classes: self.classes,
            layout,
        })
    }
}

/// A detector with or without masks.
///
/// Should be created with [`MaskRcnnConfig`].
#[derive(Module, Debug)]
pub struct MaskRcnn<B: Backend> {
    backbone: PyramidBackbone<B>,
    pub(super) rpn: ProposalNetwork<B>,
    pub(super) roi_heads: RegionHeads<B>,
    pub(super) classes: usize,
    #[module(skip)]
    pub(super) layout: Layout,
}

#[derive(Module, Debug)]
struct PyramidBackbone<B: Backend> {
    body: Backbone<B>,
    fpn: FeaturePyramid<B>,
}

impl<B: Backend> MaskRcnn<B> {
    /// Levels, anchors and limits.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The same detector with other limits.
    pub fn with_layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// The pre-trained part.
    pub fn backbone(&self) -> &Backbone<B> {
        &self.backbone.body
    }

    /// The same detector on another backbone of the same kind.
    pub fn with_backbone(mut self, backbone: Backbone<B>) -> Self {
        self.backbone.body = backbone;
        self
    }

    /// The pyramid's levels, the finest first.
    ///
    /// # Shapes
    /// `[b, 3, h, w]`, where sides are multiples of the coarsest stage's stride, to `[b, 256, h / stride, w / stride]`.
    pub fn levels(&self, images: Tensor<B, 4>, mode: BatchMode) -> Vec<Tensor<B, 4>> {
        let maps = self.backbone.body.stage_maps(images, mode);
        let maps = maps.unwrap_or_default().split_off(self.layout.first_stage);
        self.backbone.fpn.forward(maps)
    }

    /// The anchors of each level.
    pub(super) fn anchors(&self, levels: &[Tensor<B, 4>]) -> Vec<Vec<BoundingBox>> {
        let grids = self.layout.anchors.iter().zip(levels).map(|(cell, level)| {
            let [_, _, height, width] = level.dims();
            cell.grid(height, width)
        });
        grids.collect()
    }
}
