//! Measurements on a frozen backbone.

mod features;
pub mod knn;
mod topk;

pub use features::{FeatureSet, FeatureSpread, backbone_features, pixel_features};
pub use topk::{classifier_accuracy, topk_accuracy};
