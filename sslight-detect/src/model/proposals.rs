//! The region proposal network (Ren et al., 2015).

use std::cmp::Ordering;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use sslight_models::backend::Backend;
use sslight_models::nn::ParamInit;
use sslight_models::params::host_values;

use super::layers::{BiasedConv2d, Sequence};
use super::layout::ProposalLimits;
use super::pyramid::CHANNELS;
use crate::geometry::{BoundingBox, BoxCoder, suppress_by_class};

/// Standard deviation of the weights at the start.
const STD: f64 = 0.01;
/// Proposals of a level that overlap a better one by more are dropped.
const MOST_OVERLAP: f32 = 0.7;

/// The network; names are torchvision's.
#[derive(Module, Debug)]
pub struct ProposalNetwork<B: Backend> {
    head: ProposalHead<B>,
}

/// What runs over every level.
#[derive(Module, Debug)]
struct ProposalHead<B: Backend> {
    conv: Vec<Sequence<B>>,
    cls_logits: BiasedConv2d<B>,
    bbox_pred: BiasedConv2d<B>,
}

/// What the network says of all anchors, level after level in the order of their grids.
#[derive(Debug, Clone)]
pub struct AnchorScores<B: Backend> {
    /// Whether an anchor holds an object, as logits `[b, anchors]`.
    pub logits: Tensor<B, 2>,
    /// Where it is, relative to the anchor, `[b, anchors, 4]`.
    pub codes: Tensor<B, 3>,
}

impl<B: Backend> ProposalNetwork<B> {
    /// A network for this number of anchors a cell.
    pub fn new(init: &mut ParamInit<B>, anchors: usize) -> Self {
        Self {
            head: ProposalHead {
                conv: vec![vec![BiasedConv2d::normal(
                    init,
                    [CHANNELS, CHANNELS, 3, 3],
                    STD,
                )]],
                cls_logits: BiasedConv2d::normal(init, [anchors, CHANNELS, 1, 1], STD),
                bbox_pred: BiasedConv2d::normal(init, [4 * anchors, CHANNELS, 1, 1], STD),
            },
        }
    }

    /// # Shapes
    /// Levels `[b, 256, h, w]`.
    pub fn forward(&self, levels: &[Tensor<B, 4>]) -> AnchorScores<B> {
        let (logits, codes) = levels
            .iter()
            .map(|level| self.head.forward(level.clone()))
            .unzip();
        AnchorScores {
            logits: Tensor::cat(logits, 1),
            codes: Tensor::cat(codes, 1),
        }
    }
}

impl<B: Backend> ProposalHead<B> {
    fn forward(&self, level: Tensor<B, 4>) -> (Tensor<B, 2>, Tensor<B, 3>) {
        let [batch, _, height, width] = level.dims();
        let hidden = self.conv.iter().flatten();
        let hidden = hidden.fold(level, |x, conv| relu(conv.forward(x)));
        let logits = self.cls_logits.forward(hidden.clone());
        let anchors = logits.dims()[1];
        let total = anchors * height * width;
        let logits = logits.permute([0, 2, 3, 1]).reshape([batch, total]);
        let codes = self.bbox_pred.forward(hidden);
        let codes: Tensor<B, 5> = codes.reshape([batch, anchors, 4, height, width]);
        let codes = codes.permute([0, 3, 4, 1, 2]).reshape([batch, total, 4]);
        (logits, codes)
    }
}

/// A box that may hold an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// Where.
    pub region: BoundingBox,
    /// The logit of its anchor.
    pub score: f32,
}

/// Size of an image before padding, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageSize {
    pub(crate) fn clip(self, region: BoundingBox) -> BoundingBox {
        region.clipped(self.width as f32, self.height as f32)
    }
}

/// The proposals of each image, the best first: of each level those of the highest logits, moved as the network says, cut at
/// the border of the image, without those that better ones of their level overlap. Nothing here is differentiated.
pub fn propose<B: Backend>(
    scores: &AnchorScores<B>,
    anchors: &[Vec<BoundingBox>],
    sizes: &[ImageSize],
    limits: ProposalLimits,
) -> Vec<Vec<Proposal>> {
    let total: usize = anchors.iter().map(Vec::len).sum();
    let logits = host_values(scores.logits.clone().detach());
    let codes = host_values(scores.codes.clone().detach());
    let images = logits.chunks(total).zip(codes.chunks(4 * total)).zip(sizes);
    images
        .map(|((logits, codes), size)| of_image(logits, codes, anchors, *size, limits))
        .collect()
}

fn of_image(
    logits: &[f32],
    codes: &[f32],
    anchors: &[Vec<BoundingBox>],
    size: ImageSize,
    limits: ProposalLimits,
) -> Vec<Proposal> {
    let (mut regions, mut scores, mut levels) = (Vec::new(), Vec::new(), Vec::new());
    let mut first = 0;
    for (level, anchors) in anchors.iter().enumerate() {
        let logits = &logits[first..first + anchors.len()];
        for at in highest(logits, limits.before) {
            let code = std::array::from_fn(|of| codes[4 * (first + at) + of]);
            let region = size.clip(BoxCoder::PROPOSALS.decode(anchors[at], code));
            if region.is_proper() && logits[at].is_finite() {
                regions.push(region);
                scores.push(logits[at]);
                levels.push(level);
            }
        }
        first += anchors.len();
    }
    let kept = suppress_by_class(&regions, &scores, &levels, MOST_OVERLAP);
    let kept = kept.into_iter().take(limits.after);
    kept.map(|at| Proposal {
        region: regions[at],
        score: scores[at],
    })
    .collect()
}

/// The places of the `count` highest values, the highest first; the earlier of equal ones, and no number last.
fn highest(values: &[f32], count: usize) -> Vec<usize> {
    let key = |at: usize| match values[at] {
        value if value.is_nan() => f32::NEG_INFINITY,
        value => value,
    };
    let order = |left: &usize, right: &usize| -> Ordering {
        let by_value = key(*right).total_cmp(&key(*left));
        by_value.then(left.cmp(right))
    };
    let mut places: Vec<usize> = (0..values.len()).collect();
    if count < places.len() {
        places.select_nth_unstable_by(count, order);
        places.truncate(count);
    }
    places.sort_unstable_by(order);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_come_first_and_no_number_last() {
        let values = [1.0, f32::NAN, 3.0, 3.0, -2.0];
        assert_eq!(highest(&values, 3), [2, 3, 0]);
        assert_eq!(highest(&values, 9), [2, 3, 0, 4, 1]);
        assert!(highest(&[], 3).is_empty());
    }
}
