//! `init=PATH`: a new run whose backbones start from the weights of a file instead of random ones.

use std::path::{Path, PathBuf};

use burn::module::Module;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sslight_models::backend::Backend;
use sslight_models::weights::{Import, WeightMap, WeightsFile, assign};
use sslight_models::{Backbone, BackboneKind};

use super::RunError;
use super::assemble;
use super::session::BACKBONE_FILE;
use crate::config::RunConfig;
use crate::fsio::WithPath;
use crate::observe::{HealthEvent, Level, Notice, RunEvent};

/// The field in which every network of every method holds its backbone, as part of parameter names.
const BACKBONE: &str = "backbone.";
/// Hexadecimal digits of a checksum that are told.
const CHECKSUM_DIGITS: usize = 12;

/// Weights that were read for a run's backbones, and what is to be told of them.
#[derive(Debug)]
pub struct InitialWeights {
    weights: WeightMap,
    /// What was loaded and what was not, in one sentence.
    text: String,
    /// The same as measurements.
    details: Map<String, Value>,
    complete: bool,
}

/// Which weights a network starts from.
#[derive(Debug, Clone, Copy)]
pub struct Init<'a> {
    /// A run folder, a checkpoint folder or a file; empty for none.
    pub path: &'a str,
    /// Whether they may be incomplete.
    pub partial: bool,
    /// The network.
    pub backbone: BackboneKind,
}

impl<'a> Init<'a> {
    fn of(config: &'a RunConfig) -> Self {
        Self {
            path: &config.init,
            partial: config.init_partial,
            backbone: config.backbone.into(),
        }
    }
}

impl InitialWeights {
    /// Reads the weights that `init` names for `backbone`; `None` if the key is not set.
    ///
    /// # Errors
    /// If the file cannot be read, or does not fit and `init_partial` is off.
    pub(super) fn read<B: Backend>(
        config: &RunConfig,
        backbone: &Backbone<B>,
    ) -> Result<Option<Self>, RunError> {
        Self::read_for(Init::of(config), backbone)
    }

    /// Reads these weights for `backbone`; `None` without a path.
    ///
    /// # Errors
    /// If the file cannot be read, or does not fit and must not be incomplete.
    pub fn read_for<B: Backend>(
        init: Init<'_>,
        backbone: &Backbone<B>,
    ) -> Result<Option<Self>, RunError> {
        if init.path.is_empty() {
            return Ok(None);
        }
        let path = weights_file(Path::new(init.path));
        let bytes = std::fs::read(&path).on(&path, "read the weights of init")?;
        let read = || {
            let file = WeightsFile::open(&bytes)?;
            let import = Import::of(backbone, init.backbone, &file)?;
            let weights = import.weights(init.partial)?;
            let mut checksum = format!("{:x}", Sha256::digest(&bytes));
            checksum.truncate(CHECKSUM_DIGITS);
            Ok(Self {
                weights,
                text: sentence(&path, &file, &import, &checksum),
                details: details(&path, &file, &import, checksum),
                complete: import.report.is_complete(),
            })
        };
        let read = read().map_err(|source| RunError::Init {
            path: path.clone(),
            source,
        });
        read.map(Some)
    }

    /// `method` with these weights in every backbone: the one that learns, and its moving average, which starts
    /// equal to it.
    pub fn apply<B: Backend, M: Module<B>>(&self, method: M) -> M {
        assign(method, &self.weights, backbone_part)
    }

    /// The backbone that they were read for, with these weights.
    pub fn of_backbone<B: Backend>(&self, backbone: Backbone<B>) -> Backbone<B> {
        assign(backbone, &self.weights, |name| Some(name))
    }

    /// What was loaded and what was not, in one sentence.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The events that tell of it: one for the metrics, one for the reader.
    pub fn events(&self) -> [RunEvent; 2] {
        let event = HealthEvent {
            step: 0,
            name: "weights_loaded".into(),
            details: self.details.clone(),
        };
        let notice = Notice {
            level: if self.complete {
                Level::Info
            } else {
                Level::Warning
            },
            text: self.text.clone(),
        };
        [RunEvent::Event(event), RunEvent::Notice(notice)]
    }
}

fn sentence(path: &Path, file: &WeightsFile<'_>, import: &Import<'_>, checksum: &str) -> String {
    format!(
        "init: {import}; from {} ({}, sha256 {checksum})",
        path.display(),
        assemble::origin(file),
    )
}

fn details(
    path: &Path,
    file: &WeightsFile<'_>,
    import: &Import<'_>,
    checksum: String,
) -> Map<String, Value> {
    let report = &import.report;
    [
        ("path", Value::from(path.display().to_string())),
        ("format", file.format().to_string().into()),
        ("sha256", checksum.into()),
        ("prefix", import.prefix.as_str().into()),
        ("matched", report.matched.into()),
        ("missing", report.missing.len().into()),
        ("unexpected", report.unexpected.len().into()),
        ("mismatched", report.mismatched.len().into()),
        (
            "left_out",
            (import.head.len() + import.elsewhere.len()).into(),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value))
    .collect()
}

/// Checks that the weights that `init` names can be read and fit, without a run; what they are, `None` if the key
/// is not set.
///
/// # Errors
/// As a run would end with.
pub fn check_init<B: Backend>(
    config: &RunConfig,
    device: &B::Device,
) -> Result<Option<String>, RunError> {
    if config.init.is_empty() {
        return Ok(None);
    }
    let backbone = assemble::backbone::<B>(config, device)?;
    let weights = InitialWeights::read(config, &backbone)?;
    Ok(weights.map(|weights| weights.text))
}

/// The file of a detector, in the folder of a run that trained one; its backbone is found in it.
const DETECTOR_FILE: &str = "detector.safetensors";

/// The file of weights at a path: a run folder or one of its checkpoints has one, any other path is the file.
fn weights_file(path: &Path) -> PathBuf {
    if !path.is_dir() {
        return path.to_owned();
    }
    let detector = path.join(DETECTOR_FILE);
    let backbone = path.join(BACKBONE_FILE);
    match detector.is_file() && !backbone.is_file() {
        true => detector,
        false => backbone,
    }
}

/// The name within a backbone of a method's tensor, if it is in one.
fn backbone_part(name: &str) -> Option<&str> {
    match name.split_once(BACKBONE)? {
        ("", part) => Some(part),
        (before, part) => before.ends_with('.').then_some(part),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::backend::Autodiff;
    use burn_flex::Flex;
    use sslight_models::params;

    use super::*;
    use crate::config::{Method as MethodChoice, resolve};
    use crate::method::{AnyMethod, MethodSetup};
    use crate::schedule::Clock;

    type B = Autodiff<Flex>;

    #[test]
    fn every_method_gets_the_weights_and_a_moving_average_starts_equal() {
        let device = Default::default();
        for method in MethodChoice::all() {
            let words = [
                "data=d".to_string(),
                "backbone=mobilenet_v2".to_string(),
                "views.global.size=16".to_string(),
                "dino.out_dim=8".to_string(),
                "moco.queue_length=8".to_string(),
                "batch_size=4".to_string(),
                "swav.prototypes=8".to_string(),
                format!("method={method}"),
            ];
            let config = resolve(&words).unwrap().config;
            let mut weights = WeightMap::new();
            for tensor in params::named_tensors(&assemble::backbone::<B>(&config, &device).unwrap())
            {
                weights.insert(tensor.name, (tensor.shape, vec![0.75; tensor.values.len()]));
            }
            let initial = InitialWeights {
                weights,
                text: String::new(),
                details: Map::new(),
                complete: true,
            };
            let setup = MethodSetup {
                config: &config,
                images: 40,
                classes: 3,
            };
            let schedule = assemble::schedule(&config, setup.images);
            let fresh = AnyMethod::<B>::init(&setup, Clock::new(schedule), &device).unwrap();
            let before = params::named_tensors(&fresh);
            let after = params::named_tensors(&initial.apply(fresh));
            let mut networks = 0;
            for (before, after) in before.iter().zip(&after) {
                if backbone_part(&after.name).is_some() {
                    networks += usize::from(after.name.ends_with("backbone.features.0.1.bias"));
                    let set = after.values.iter().all(|value| *value == 0.75);
                    assert!(set, "{method}: {}", after.name);
                } else {
                    assert_eq!(before, after, "{method}");
                }
            }
            let averaged = matches!(method, MethodChoice::Dino | MethodChoice::Moco);
            assert_eq!(networks, 1 + usize::from(averaged), "{method}");
        }
    }

    #[test]
    fn backbones_are_found_by_the_field_that_holds_them() {
        for (name, part) in [
            ("student.backbone.bn1.weight", Some("bn1.weight")),
            ("backbone.bn1.weight", Some("bn1.weight")),
            ("student.head.mlp.0.weight", None),
            ("mybackbone.bn1.weight", None),
            ("center", None),
        ] {
            assert_eq!(backbone_part(name), part, "{name}");
        }
    }
}
