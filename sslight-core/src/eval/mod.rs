//! Measurements on a backbone: features, nearest neighbours, linear classifiers, fine-tuning.

pub mod confusion_plot;
mod course;
mod error;
mod extractor;
mod features;
pub mod finetune;
pub mod fit;
pub mod knn;
pub mod probe;
mod rank;
mod spectrum;
mod tally;
mod topk;
mod training_state;

pub use course::Course;
pub use error::EvalError;
pub use extractor::Extractor;
pub use features::{FeatureSet, FeatureSpread, features};
pub use rank::rank;
pub use spectrum::FeatureSpectrum;
pub use tally::Tally;
pub use topk::{classifier_accuracy, topk_accuracy};
pub use training_state::TrainingState;
