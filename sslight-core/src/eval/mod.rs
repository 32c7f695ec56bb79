//! Measurements on a frozen backbone.

mod features;
pub mod knn;

pub use features::{FeatureSet, FeatureSpread, backbone_features, pixel_features};
