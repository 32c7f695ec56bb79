//! What a detector looks like on each backbone, as the reference has it.

use sslight_models::{BackboneKind, Stage};

use crate::geometry::{AnchorCell, LevelAssignment, Sampler};

/// Heights over widths of anchors.
const RATIOS: [f32; 3] = [0.5, 1.0, 2.0];

/// The levels of a detector and the proposals that it makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Stages of the backbone that the pyramid reads, of all that there are.
    pub first_stage: usize,
    /// Those stages.
    pub stages: Vec<Stage>,
    /// The anchors of each level: one a stage, and one of half the last one's resolution.
    pub anchors: Vec<AnchorCell>,
    /// The levels that regions are read from.
    pub levels: LevelAssignment,
    /// Proposals in training.
    pub training: ProposalLimits,
    /// Proposals in inference.
    pub inference: ProposalLimits,
    /// The anchors that the proposals' loss is taken over.
    pub anchor_sampler: Sampler,
    /// The proposals that the heads' loss is taken over.
    pub proposal_sampler: Sampler,
}

/// How many proposals are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProposalLimits {
    /// Of each level, before suppression.
    pub before: usize,
    /// Of an image, after it.
    pub after: usize,
}

/// A backbone without stages.
#[derive(Debug, thiserror::Error)]
#[error(
    "backbone {0} has no maps of several resolutions; detection is for mobilenet_v2 and the ResNets"
)]
pub struct NoStages(pub BackboneKind);

impl Layout {
    /// That of the paper's evaluation: ResNets from all stages with one size of anchors a level, MobileNetV2 from its last two
    /// stages with three.
    ///
    /// # Errors
    /// If the backbone is a vision transformer.
    pub fn of(backbone: BackboneKind) -> Result<Self, NoStages> {
        let all = backbone.stages();
        let (first_stage, sizes, after): (_, &[&[f32]], _) = match backbone {
            BackboneKind::MobileNetV2 => (
                3,
                &[
                    &[32.0, 64.0, 128.0],
                    &[64.0, 128.0, 256.0],
                    &[128.0, 256.0, 512.0],
                ],
                2000,
            ),
            BackboneKind::ResNet18 | BackboneKind::ResNet34 | BackboneKind::ResNet50 => {
                (0, &[&[32.0], &[64.0], &[128.0], &[256.0], &[512.0]], 1000)
            }
            BackboneKind::VitTiny16 | BackboneKind::VitTiny32 | BackboneKind::VitSmall16 => {
                return Err(NoStages(backbone));
            }
        };
        let stages = all[first_stage..].to_vec();
        let strides: Vec<usize> = stages.iter().map(|stage| stage.stride).collect();
        let extra = strides.last().map(|stride| 2 * stride);
        let log2 = |stride: Option<&usize>| stride.map_or(0, |stride| stride.ilog2() as usize);
        Ok(Self {
            first_stage,
            anchors: (strides.iter().copied().chain(extra))
                .zip(sizes)
                .map(|(stride, sizes)| AnchorCell::new(stride, sizes, &RATIOS))
                .collect(),
            levels: LevelAssignment {
                finest: log2(strides.first()),
                coarsest: log2(strides.last()),
            },
            stages,
            training: ProposalLimits {
                before: 2000,
                after,
            },
            inference: ProposalLimits {
                before: 1000,
                after: 1000,
            },
            anchor_sampler: Sampler::ANCHORS,
            proposal_sampler: Sampler::PROPOSALS,
        })
    }

    /// Pixels that the sides of a batch must be a multiple of.
    pub fn size_divisor(&self) -> usize {
        self.stages.last().map_or(1, |stage| stage.stride)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_s_levels() {
        let resnet = Layout::of(BackboneKind::ResNet18).unwrap();
        let channels: Vec<usize> = resnet.stages.iter().map(|stage| stage.channels).collect();
        assert_eq!(channels, [64, 128, 256, 512]);
        assert_eq!((resnet.levels.finest, resnet.levels.coarsest), (2, 5));
        assert!(resnet.anchors.iter().all(|cell| cell.len() == 3));
        assert_eq!(resnet.anchors.len(), 5);
        let mobilenet = Layout::of(BackboneKind::MobileNetV2).unwrap();
        let stage = |stride, channels| Stage { stride, channels };
        assert_eq!(mobilenet.stages, [stage(16, 96), stage(32, 1280)]);
        assert_eq!((mobilenet.levels.finest, mobilenet.levels.coarsest), (4, 5));
        assert!(mobilenet.anchors.iter().all(|cell| cell.len() == 9));
        assert_eq!(mobilenet.training.after, 2000);
        assert!(Layout::of(BackboneKind::VitTiny16).is_err());
    }
}
