//! What is made of regions: a class, a box and a mask for each (He et al., 2017, section 3 and figure 4, right).

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Int, Tensor};
use sslight_models::backend::Backend;
use sslight_models::nn::{Linear, ParamInit};

use super::layers::{BiasedConv2d, Sequence, Upsampling2d, interleaved, uniform_linear};
use super::pyramid::CHANNELS;

/// Side of the map that class and box are read from.
pub const BOX_SIDE: usize = 7;
/// Side of the map that a mask is read from.
pub const MASK_INPUT_SIDE: usize = 14;
/// Side of a mask.
pub const MASK_SIDE: usize = 2 * MASK_INPUT_SIDE;

/// Length of the vector that a region becomes.
const HIDDEN: usize = 1024;
/// Convolutions of the mask head.
const MASK_CONVOLUTIONS: usize = 4;
/// Standard deviation of the weights of class scores at the start.
const CLASS_STD: f64 = 0.01;
/// That of box codes and masks.
const FINE_STD: f64 = 0.001;

/// The heads; names and the order of classes, with the background first, are torchvision's.
#[derive(Module, Debug)]
pub struct RegionHeads<B: Backend> {
    box_head: BoxHead<B>,
    box_predictor: BoxPredictor<B>,
    mask_head: Vec<Sequence<B>>,
    mask_predictor: Option<MaskPredictor<B>>,
}

#[derive(Module, Debug)]
struct BoxHead<B: Backend> {
    fc6: Linear<B>,
    fc7: Linear<B>,
}

#[derive(Module, Debug)]
struct BoxPredictor<B: Backend> {
    cls_score: Linear<B>,
    bbox_pred: Linear<B>,
}

#[derive(Module, Debug)]
struct MaskPredictor<B: Backend> {
    conv5_mask: Upsampling2d<B>,
    mask_fcn_logits: BiasedConv2d<B>,
}

/// Class and box of each region.
#[derive(Debug, Clone)]
pub struct BoxScores<B: Backend> {
    /// Logits, `[regions, 1 + classes]`, the background's first.
    pub logits: Tensor<B, 2>,
    /// The box if it is of a class, relative to the region, `[regions, 1 + classes, 4]`.
    pub codes: Tensor<B, 3>,
}

impl<B: Backend> RegionHeads<B> {
    /// Heads for this number of classes, with or without masks.
    pub fn new(init: &mut ParamInit<B>, classes: usize, masks: bool) -> Self {
        let outputs = classes + 1;
        let inputs = CHANNELS * BOX_SIDE * BOX_SIDE;
        let convolutions = if masks { MASK_CONVOLUTIONS } else { 0 };
        Self {
            box_head: BoxHead {
                fc6: uniform_linear(init, inputs, HIDDEN),
                fc7: uniform_linear(init, HIDDEN, HIDDEN),
            },
            box_predictor: BoxPredictor {
                cls_score: Linear::normal(init, HIDDEN, outputs, CLASS_STD),
                bbox_pred: Linear::normal(init, HIDDEN, 4 * outputs, FINE_STD),
            },
            mask_head: (0..convolutions)
                .map(|_| vec![BiasedConv2d::kaiming(init, [CHANNELS, CHANNELS, 3, 3])])
                .collect(),
            mask_predictor: masks.then(|| MaskPredictor {
                conv5_mask: Upsampling2d::kaiming(init, CHANNELS, CHANNELS),
                mask_fcn_logits: BiasedConv2d::normal(init, [outputs, CHANNELS, 1, 1], FINE_STD),
            }),
        }
    }

    /// Whether there is a mask head.
    pub fn has_masks(&self) -> bool {
        self.mask_predictor.is_some()
    }

    /// # Shapes
    /// `[regions, 256, 7, 7]`.
    pub fn boxes(&self, regions: Tensor<B, 4>) -> BoxScores<B> {
        let [count, ..] = regions.dims();
        let x: Tensor<B, 2> = regions.flatten(1, 3);
        let x = relu(self.box_head.fc6.forward(x));
        let x = relu(self.box_head.fc7.forward(x));
        let logits = self.box_predictor.cls_score.forward(x.clone());
        let outputs = logits.dims()[1];
        let codes = self.box_predictor.bbox_pred.forward(x);
        BoxScores {
            logits,
            codes: codes.reshape([count, outputs, 4]),
        }
    }

    /// The logits of the mask of each region's class, counted with the background; `None` without a mask head.
    ///
    /// # Shapes
    /// `[regions, 256, 14, 14]` to `[regions, 28 * 28]`.
    ///
    /// # Panics
    /// If there is not one class a region.
    pub fn masks(&self, regions: Tensor<B, 4>, classes: &[usize]) -> Option<Tensor<B, 2>> {
        assert_eq!(regions.dims()[0], classes.len(), "one class a region");
        let predictor = self.mask_predictor.as_ref()?;
        let hidden = self.mask_head.iter().flatten();
        let x = hidden.fold(regions, |x, conv| relu(conv.forward(x)));
        // The pixels of classes that nobody asks for are never put in their places.
        let x = relu(predictor.conv5_mask.forward(x));
        let quarters = predictor.mask_fcn_logits.forward(x);
        let [count, outputs, height, width] = quarters.dims();
        let places: Vec<i32> = (0..count)
            .map(|quarter| (quarter * outputs + classes[quarter / 4]) as i32)
            .collect();
        let places = Tensor::<B, 1, Int>::from_data(places.as_slice(), &quarters.device());
        let rows: Tensor<B, 2> = quarters.reshape([count * outputs, height * width]);
        let quarters = rows.select(0, places).reshape([count, height, width]);
        Some(interleaved(quarters).flatten(1, 2))
    }
}
