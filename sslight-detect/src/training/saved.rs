//! A trained detector from its file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use sslight_core::config::Backbone as BackboneChoice;
use sslight_core::fsio::WithPath;
use sslight_data::Image;
use sslight_models::backend::Backend;
use sslight_models::nn::ParamInit;
use sslight_models::weights::{WeightMap, WeightsError, WeightsFile, load_named};

use super::detector::image_size;
use super::measure::InOriginal;
use super::{DETECTOR_FILE, DataThere, DetectConfig, DetectError};
use crate::geometry::BoundingBox;
use crate::loading::{LoadingConfig, prepare};
use crate::model::{DetectionLimits, MaskRcnn, MaskRcnnConfig};

/// What the metadata calls the kind of network.
const KIND: &str = "mask_rcnn";

/// A detector that can be used, with all that its file says of it.
pub struct SavedDetector<B: Backend> {
    /// The file.
    pub path: PathBuf,
    /// The network.
    pub network: MaskRcnn<B>,
    /// The backbone's name.
    pub backbone: BackboneChoice,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The ids that their categories have in the annotations it was trained on.
    pub category_ids: Vec<u64>,
    /// Whether it finds masks.
    pub masks: bool,
    /// Steps of training behind it.
    pub step: Option<usize>,
    /// How images are prepared for it.
    pub loading: LoadingConfig,
    device: B::Device,
}

/// An object that was found on an image, in its pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundObject {
    /// Index of its class.
    pub class: usize,
    /// How sure it is, 0 to 1.
    pub score: f32,
    /// Where it is.
    pub bounds: BoundingBox,
    /// Its pixels.
    pub mask: Option<hotcoco::Rle>,
}

/// What the file of a detector says of it; enough to use it without its run folder.
pub(super) fn metadata(config: &DetectConfig, data: &DataThere) -> BTreeMap<String, String> {
    let list = |values: [f64; 3]| values.map(|value| value.to_string()).join(",");
    let facts = [
        ("format", "pt".to_owned()),
        ("detector", KIND.to_owned()),
        ("backbone", config.backbone.to_string()),
        ("classes", serde_json::json!(data.classes).to_string()),
        (
            "category_ids",
            serde_json::json!(data.category_ids).to_string(),
        ),
        ("masks", data.masks.to_string()),
        ("test_side", config.input.test_side.to_string()),
        ("longest_side", config.input.longest_side.to_string()),
        ("mean", list(config.input.mean)),
        ("std", list(config.input.std)),
    ];
    facts
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect()
}

/// The file of a run folder, of one of its checkpoints, or the file itself.
pub(super) fn detector_file(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(DETECTOR_FILE)
    } else {
        path.to_owned()
    }
}

/// Whether there is a file where a detector should be.
///
/// # Errors
/// If there is none.
pub fn detector_there(path: &Path) -> Result<(), DetectError> {
    let file = detector_file(path);
    match file.is_file() {
        true => Ok(()),
        false => Err(DetectError::NoDetector {
            path: file,
            reason: "is not there".to_owned(),
        }),
    }
}

impl<B: Backend> SavedDetector<B> {
    /// Opens the detector of a run folder or checkpoint folder, or its file.
    ///
    /// # Errors
    /// If it cannot be read, is no detector, or not all of its weights are there.
    pub fn open(path: &Path, device: &B::Device) -> Result<Self, DetectError> {
        detector_there(path)?;
        let path = detector_file(path);
        let bytes = std::fs::read(&path).on(&path, "read the detector")?;
        let weights = |source| DetectError::Weights {
            path: path.clone(),
            source,
        };
        let file = WeightsFile::open(&bytes).map_err(weights)?;
        let facts = Facts {
            path: &path,
            of: file.metadata(),
        };
        if facts.text("detector")? != KIND {
            return Err(facts.unfit("is no mask_rcnn"));
        }
        let backbone: BackboneChoice = facts.parsed("backbone")?;
        let classes: Vec<String> = serde_json::from_str(facts.text("classes")?)
            .map_err(|error| facts.unfit(&format!("its classes are no list: {error}")))?;
        let category_ids: Vec<u64> = serde_json::from_str(facts.text("category_ids")?)
            .map_err(|error| facts.unfit(&format!("its category_ids are no list: {error}")))?;
        if category_ids.len() != classes.len() {
            return Err(facts.unfit("has not one category id a class"));
        }
        let masks = facts.parsed("masks")?;
        let config = MaskRcnnConfig {
            backbone: backbone.into(),
            classes: classes.len(),
            masks,
        };
        let network = config.init(&mut ParamInit::new(0, device))?;
        let network = load_named(network, &values(&file).map_err(weights)?).map_err(weights)?;
        let loading = LoadingConfig {
            batch_size: 1,
            test_side: facts.parsed("test_side")?,
            longest_side: facts.parsed("longest_side")?,
            mean: facts.channels("mean")?,
            std: facts.channels("std")?,
            multiple: network.layout().size_divisor(),
            masks,
            ..LoadingConfig::default()
        };
        Ok(Self {
            step: facts.of.get("step").and_then(|step| step.parse().ok()),
            network,
            backbone,
            classes,
            category_ids,
            masks,
            loading,
            device: device.clone(),
            path,
        })
    }

    /// What it finds on an image that is prepared by these settings, as [`loading`](Self::loading) has them, the surest first.
    ///
    /// # Errors
    /// If the image has more pixels than a mask can have (2^32).
    pub fn look(
        &self,
        image: &Image,
        loading: &LoadingConfig,
        limits: DetectionLimits,
    ) -> Result<Vec<FoundObject>, DetectError> {
        let prepared = prepare(image, loading);
        let shape = [1, 3, prepared.height, prepared.width];
        let samples = Tensor::from_data(TensorData::new(prepared.samples, shape), &self.device);
        let found = self
            .network
            .detect(samples, &[image_size(prepared.size)], limits);
        let size = (image.width, image.height);
        let objects = found.into_iter().flatten();
        objects
            .map(|object| {
                let InOriginal {
                    class,
                    score,
                    bounds,
                    mask,
                } = InOriginal::new(object, prepared.to_original, size)?;
                Ok(FoundObject {
                    class,
                    score,
                    bounds,
                    mask,
                })
            })
            .collect()
    }
}

/// All values of a file by name.
fn values(file: &WeightsFile<'_>) -> Result<WeightMap, WeightsError> {
    let mut weights = WeightMap::new();
    for entry in file.entries() {
        let values = file.values(entry)?;
        weights.insert(entry.name.clone(), (entry.shape.clone(), values));
    }
    Ok(weights)
}

/// The metadata of a file.
struct Facts<'a> {
    path: &'a Path,
    of: &'a BTreeMap<String, String>,
}

impl Facts<'_> {
    fn unfit(&self, reason: &str) -> DetectError {
        DetectError::NoDetector {
            path: self.path.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn text(&self, key: &str) -> Result<&str, DetectError> {
        let found = self.of.get(key).map(String::as_str);
        found.ok_or_else(|| self.unfit(&format!("its metadata have no {key}")))
    }

    fn parsed<T: std::str::FromStr>(&self, key: &str) -> Result<T, DetectError> {
        let text = self.text(key)?;
        text.parse()
            .map_err(|_| self.unfit(&format!("its metadata have {key} {text}")))
    }

    /// Three numbers for pixels in 0..1, as numbers for bytes.
    fn channels(&self, key: &str) -> Result<[f32; 3], DetectError> {
        let text = self.text(key)?;
        let numbers: Option<Vec<f64>> = text.split(',').map(|word| word.parse().ok()).collect();
        let numbers = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
        numbers
            .map(|numbers| numbers.map(|number| (number * 255.0) as f32))
            .ok_or_else(|| self.unfit(&format!("its metadata have {key} {text}")))
    }
}
