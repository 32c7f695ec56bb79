//! The annotated images of a run.

use std::path::Path;

use sslight_core::observe::{Level, Notice};

use super::{DataThere, DetectConfig, DetectError};
use crate::annotations::DetectionSet;
use crate::loading::LoadingError;

/// What is trained and measured on.
pub struct DetectionData {
    /// Images with objects.
    pub train: DetectionSet,
    /// Images to measure on.
    pub validation: Option<DetectionSet>,
    /// Whether masks are learned.
    pub masks: bool,
    /// What is to be told of them.
    pub notices: Vec<Notice>,
}

impl DetectionData {
    /// Opens the annotations of a configuration.
    ///
    /// # Errors
    /// If they cannot be used, or lack the masks that are asked for.
    pub fn open(config: &DetectConfig) -> Result<Self, DetectError> {
        let mut notices = Vec::new();
        let path = Path::new(&config.data);
        let all = open(path, config.images.as_deref(), &mut notices)?;
        let (train, dropped) = all.for_training();
        if dropped > 0 {
            notices.push(Notice {
                level: Level::Info,
                text: format!(
                    "{}: {dropped} images have no object and are left out",
                    path.display()
                ),
            });
        }
        if train.images.is_empty() {
            return Err(LoadingError::Empty.into());
        }
        let mut objects = train.images.iter().flat_map(|image| &image.objects);
        let has_masks = objects.any(|object| object.has_mask && !object.crowd);
        if config.masks == Some(true) && !has_masks {
            return Err(DetectError::NoMasks {
                path: path.to_owned(),
            });
        }
        let validation = match &config.val_data {
            Some(path) => {
                let set = open(Path::new(path), config.val_images.as_deref(), &mut notices)?;
                Some(set.with_classes_of(&train)?)
            }
            None => None,
        };
        Ok(Self {
            masks: config.masks.unwrap_or(has_masks),
            train,
            validation,
            notices,
        })
    }

    /// What of them decides over tensors, epochs and files of results.
    pub fn there(&self) -> DataThere {
        let classes = &self.train.classes;
        let numbered = classes.iter().enumerate();
        DataThere {
            images: self.train.images.len(),
            classes: classes.iter().map(|class| class.name.clone()).collect(),
            category_ids: numbered
                .map(|(index, class)| class.id.unwrap_or(index as u64 + 1))
                .collect(),
            masks: self.masks,
        }
    }

    /// The data in words.
    pub fn describe(&self) -> String {
        let train = &self.train;
        let of = |set: &DetectionSet| {
            format!("{} images with {} objects", set.images.len(), set.objects())
        };
        let measured = match &self.validation {
            Some(set) => format!("measured on {}", of(set)),
            None => "not measured: no val_data".to_owned(),
        };
        format!(
            "{} of {} {}, {measured}",
            of(train),
            train.classes.len(),
            if train.classes.len() == 1 {
                "class"
            } else {
                "classes"
            }
        )
    }
}

/// Opens annotations, with a warning of what was mended in them.
pub fn open(
    path: &Path,
    images: Option<&str>,
    notices: &mut Vec<Notice>,
) -> Result<DetectionSet, DetectError> {
    let set = DetectionSet::open(path, images.map(Path::new))?;
    let mended = set.repairs.to_string();
    if !mended.is_empty() {
        notices.push(Notice {
            level: Level::Warning,
            text: format!("{}: {mended}", path.display()),
        });
    }
    Ok(set)
}
