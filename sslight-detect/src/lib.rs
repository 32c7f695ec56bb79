//! Object detection and instance segmentation on pre-trained backbones: Mask R-CNN (He et al., 2017) with a feature
//! pyramid (Lin et al., 2017).
//!
//! * [`annotations`]: annotated images in COCO's and Pascal VOC's formats, and COCO's average precision.
//! * [`drawing`]: pictures of what was found.
//! * [`geometry`]: boxes, anchors, box coding, matching, suppression. Host code without tensors.
//! * [`loading`]: batches of annotated images, resized, normalised and padded, with their targets.
//! * [`masks`]: what a mask head learns of an object, and what its answer covers on an image.
//! * [`model`]: the network, generic over the backend.
//! * [`losses`]: the terms of its loss.
//! * [`training`]: training, measuring and using it, through the loop and run folder of `sslight-core`.
//! * [`scenes`]: a data set of which every pixel is known.

pub mod annotations;
pub mod drawing;
pub mod geometry;
pub mod loading;
pub mod losses;
pub mod masks;
pub mod model;
pub mod scenes;
pub mod training;
