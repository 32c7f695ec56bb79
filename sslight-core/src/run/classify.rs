//! What a supervised checkpoint says of images.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use serde::Serialize;
use sslight_data::loader::eval_subset;
use sslight_data::progress::Work;
use sslight_data::{BadImage, ImageSource};
use sslight_models::backend::Backend;
use sslight_models::nn::Linear;
use sslight_models::params::host_values;
use sslight_models::weights::{Import, LinearClassifier, WeightsFile, load_named};
use sslight_models::{Backbone, BatchMode};

use super::{RunError, assemble, open_train, open_validation};
use crate::config::RunConfig;
use crate::eval::rank;

/// Names that a message lists.
const NAMES_SHOWN: usize = 3;

/// Images of a batch.
const BATCH: usize = 64;
/// Ranks that count for the second accuracy.
const TOP: usize = 5;

/// A class and how sure the network is of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassScore {
    /// The class, from 0.
    pub class: usize,
    /// Its name, if names were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its share of the softmax over all classes.
    pub probability: f64,
    /// What the classifier gives, before the softmax.
    pub logit: f32,
}

/// The classes of an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageClasses {
    /// Path or identifier.
    pub image: String,
    /// Its own class, if the data say which of the classifier's it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<usize>,
    /// The most likely classes, the likeliest first; equal scores rank by class.
    pub top: Vec<ClassScore>,
}

/// The classes of all images of the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// Which images, in words.
    pub data: String,
    /// What was loaded, in words.
    pub loaded: String,
    /// Number of classes that the classifier knows.
    pub classes: usize,
    /// In the order of the data.
    pub images: Vec<ImageClasses>,
    /// Images that could not be read.
    pub unreadable: Vec<BadImage>,
    /// Top-1 and top-5 accuracy in percent, if the classes of the data are the classifier's.
    pub accuracy: Option<[f64; 2]>,
    /// Why there is no accuracy although the data have classes.
    pub unscored: Option<String>,
}

/// What to do with a file of weights.
#[derive(Debug, Clone, Copy)]
pub struct ClassifyOptions<'a> {
    /// The file, for messages.
    pub path: &'a Path,
    /// Its content.
    pub weights: &'a [u8],
    /// Names of the classes, or none.
    pub names: &'a [String],
    /// How many classes are told of an image.
    pub top: usize,
}

/// Classifies the validation images of a configuration, or all of its data if they are not divided, with the
/// backbone and the linear classifier of a supervised checkpoint.
///
/// # Errors
/// If data or weights cannot be used, the file holds no classifier, or names are of another number than classes.
pub fn classify_weights<B: Backend>(
    config: &RunConfig,
    options: &ClassifyOptions<'_>,
    device: &B::Device,
) -> Result<Classified, RunError> {
    let source = match open_validation(config)? {
        Some(validation) => validation,
        None => open_train(config)?,
    };
    let network = Network::<B>::read(config, options, device)?;
    let mut classes_of = ClassesOf::new(&*source, options.names, network.classes);

    let settings = assemble::eval_config(config, BATCH);
    let all = (0..source.len()).collect();
    let mut batches = eval_subset(Arc::clone(&source), all, settings)?;
    let work = Work::begin("classifying", "images", Some(source.len()));
    let mut images = Vec::new();
    let mut hits = [0_usize; 2];
    for batch in &mut batches {
        let batch = batch?;
        work.add(batch.len());
        let mut rows = Vec::new();
        for group in batch.groups {
            rows.extend(network.logits(group.pixels.into_f32(), group.size, device));
        }
        for (logits, index) in rows.chunks(network.classes).zip(batch.indices) {
            let label = classes_of.label(source.label(index));
            let before = label.and_then(|label| rank(logits, label));
            for (hits, most) in hits.iter_mut().zip([1, TOP]) {
                *hits += usize::from(before.is_some_and(|before| before < most));
            }
            images.push(ImageClasses {
                image: source.name(index),
                label,
                top: top(logits, options),
            });
        }
    }
    let count = images.len().max(1) as f64;
    let scored = classes_of.unscored.is_none() && !source.class_names().is_empty();
    Ok(Classified {
        data: source.describe(),
        loaded: network.loaded,
        classes: network.classes,
        images,
        unreadable: batches.bad_images(),
        accuracy: scored.then(|| hits.map(|hits| 100.0 * hits as f64 / count)),
        unscored: classes_of.unscored.take(),
    })
}

/// A backbone and what is on it.
struct Network<B: Backend> {
    backbone: Backbone<B>,
    classifier: Linear<B>,
    classes: usize,
    loaded: String,
}

impl<B: Backend> Network<B> {
    fn read(
        config: &RunConfig,
        options: &ClassifyOptions<'_>,
        device: &B::Device,
    ) -> Result<Self, RunError> {
        let backbone = assemble::backbone(config, device)?;
        let load = || {
            let file = WeightsFile::open(options.weights)?;
            let import = Import::of(&backbone, config.backbone.into(), &file)?;
            let weights = import.weights(false)?;
            let classifier = LinearClassifier::of(&file, &import, backbone.features_dim())?;
            let loaded = format!(
                "{} of {} and {} of {} classes, from {} ({})",
                import.report,
                config.backbone,
                classifier.name,
                classifier.classes,
                options.path.display(),
                assemble::origin(&file),
            );
            Ok((load_named(backbone.clone(), &weights)?, classifier, loaded))
        };
        let (backbone, classifier, loaded) = load().map_err(|source| RunError::Weights {
            path: options.path.to_owned(),
            source,
        })?;
        let classes = classifier.classes;
        if !options.names.is_empty() && options.names.len() != classes {
            return Err(RunError::ClassNames {
                names: options.names.len(),
                classes,
            });
        }
        let weight = TensorData::new(classifier.weight, [classes, backbone.features_dim()]);
        let bias = TensorData::new(classifier.bias, [classes]);
        Ok(Self {
            backbone,
            classifier: Linear {
                weight: Param::from_tensor(Tensor::from_data(weight, device)),
                bias: Param::from_tensor(Tensor::from_data(bias, device)),
            },
            classes,
            loaded,
        })
    }

    /// One row of `classes` numbers an image, for pixels `[b, 3, size, size]`.
    fn logits(&self, pixels: Vec<f32>, size: usize, device: &B::Device) -> Vec<f32> {
        let rows = pixels.len() / (3 * size * size);
        let images = TensorData::new(pixels, [rows, 3, size, size]);
        let images: Tensor<B, 4> = Tensor::from_data(images, device);
        let features = self.backbone.forward(images, BatchMode::Running);
        host_values(self.classifier.forward(features))
    }
}

/// Which of the classifier's classes the classes of the data are: those of the same names, or, if no name is known, of
/// the same numbers if there are as many.
struct ClassesOf {
    of_label: Vec<Option<usize>>,
    unscored: Option<String>,
}

impl ClassesOf {
    fn new(source: &dyn ImageSource, names: &[String], classes: usize) -> Self {
        let labels = source.class_names();
        let places: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
        let by_name: Vec<Option<usize>> = labels
            .iter()
            .map(|label| places.get(label.as_str()).copied())
            .collect();
        if by_name.iter().all(Option::is_some) {
            return Self {
                of_label: by_name,
                unscored: None,
            };
        }
        let unknown: Vec<&str> = labels
            .iter()
            .zip(&by_name)
            .filter(|(_, class)| class.is_none())
            .map(|(label, _)| label.as_str())
            .collect();
        if unknown.len() < labels.len() {
            return Self {
                of_label: Vec::new(),
                unscored: Some(format!(
                    "no accuracy: of the data's {} classes {} are not among the names of labels=FILE ({}); rename them",
                    labels.len(),
                    unknown.len(),
                    unknown[..unknown.len().min(NAMES_SHOWN)].join(", ")
                )),
            };
        }
        if labels.len() == classes {
            return Self {
                of_label: (0..classes).map(Some).collect(),
                unscored: None,
            };
        }
        Self {
            of_label: Vec::new(),
            unscored: Some(format!(
                "no accuracy: the data have {} classes and the classifier {classes}; give labels=FILE with the names \
                 of the data's folders",
                labels.len()
            )),
        }
    }

    fn label(&self, label: Option<usize>) -> Option<usize> {
        self.of_label.get(label?).copied().flatten()
    }
}

/// The likeliest classes.
fn top(logits: &[f32], options: &ClassifyOptions<'_>) -> Vec<ClassScore> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| f64::from(logit - most).exp();
    let sum: f64 = logits.iter().map(|logit| weight(*logit)).sum();
    let mut classes: Vec<usize> = (0..logits.len()).collect();
    classes.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
    classes.truncate(options.top);
    let score = |class: usize| ClassScore {
        class,
        name: options.names.get(class).cloned(),
        probability: weight(logits[class]) / sum,
        logit: logits[class],
    };
    classes.into_iter().map(score).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_come_first_with_their_share_of_the_softmax() {
        let options = ClassifyOptions {
            path: Path::new(""),
            weights: &[],
            names: &["a", "b", "c"].map(str::to_owned),
            top: 2,
        };
        // e^1000 is no number: the largest is taken off first. Shares are 3/5, 1/5, 1/5.
        let logits = [1000.0, 1000.0 + 3.0_f32.ln(), 1000.0];
        let top = top(&logits, &options);
        let told: Vec<_> = top.iter().map(|s| (s.class, s.name.as_deref())).collect();
        assert_eq!(told, [(1, Some("b")), (0, Some("a"))]);
        assert!((top[0].probability - 0.6).abs() < 1e-4, "{top:?}");
        assert!((top[1].probability - 0.2).abs() < 1e-4, "{top:?}");
    }

    #[test]
    fn a_misspelt_class_name_gives_no_accuracy_instead_of_a_wrong_one() {
        let source = sslight_data::open("embedded", sslight_data::Split::Train).unwrap();
        let mut names = source.class_names().to_vec();
        names.reverse();
        let by_name = ClassesOf::new(&*source, &names, 10);
        assert_eq!(by_name.label(Some(0)), Some(9));
        names[0] = "Ankle boots".to_owned();
        let misspelt = ClassesOf::new(&*source, &names, 10);
        assert_eq!(misspelt.label(Some(0)), None);
        let why = misspelt.unscored.unwrap();
        assert!(
            why.contains("of the data's 10 classes 1 are not among"),
            "{why}"
        );
        assert!(why.contains("(Ankle boot)"), "{why}");
        let numbered = ClassesOf::new(&*source, &[], 10);
        assert_eq!(numbered.label(Some(7)), Some(7));
    }
}
