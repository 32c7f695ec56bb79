//! Object detection and instance segmentation on pre-trained backbones: Mask R-CNN (He et al., 2017) with a feature
//! pyramid (Lin et al., 2017).
//!
//! * [`geometry`]: boxes, anchors, box coding, matching, suppression. Host code without tensors.
//! * [`model`]: the network, generic over the backend.
//! * [`losses`]: the terms of its loss.

pub mod geometry;
pub mod losses;
pub mod model;
