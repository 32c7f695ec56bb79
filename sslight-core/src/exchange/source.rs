//! A run, a checkpoint or a file as the tensors of one network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sslight_models::BackboneKind;
use sslight_models::backend::Backend;
use sslight_models::params::NamedTensor;
use sslight_models::weights::{Role, WeightsError, WeightsFile, detect};

use super::{ExchangeError, sha256};
use crate::checkpoint::Part;
use crate::config::RunConfig;
use crate::fsio::WithPath;
use crate::run::SavedNetworks;

/// What a user asks for beside the path.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Which network; of runs the student if none is named, of files the student if it is there.
    pub role: Option<Role>,
    /// The backbone; `None` detects it.
    pub backbone: Option<BackboneKind>,
    /// Whether it is the variant for small images; `None` detects it.
    pub small_input: Option<bool>,
    /// Whether tensors may be missing, left over or of another shape.
    pub partial: bool,
    /// Whether the tensors of the head are wanted too.
    pub head: bool,
}

/// What is known of weights beside their values; what is not known is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// How they were learned.
    pub method: Option<String>,
    /// How views were drawn.
    pub recipe: Option<String>,
    /// Optimizer steps that were taken.
    pub step: Option<usize>,
    /// Epochs that were completed.
    pub epoch: Option<usize>,
    /// Side of the images in evaluation, in pixels.
    pub input_px: Option<usize>,
    /// Mean of the channels that images are normalised with, as a list with commas.
    pub mean: Option<String>,
    /// Their standard deviation, likewise.
    pub std: Option<String>,
}

/// The tensors of one network.
#[derive(Debug)]
pub struct Source {
    /// Where they are from: a folder `step-N` or a file.
    pub path: PathBuf,
    /// The run that they are of, if they are from a checkpoint.
    pub run: Option<PathBuf>,
    /// Checksum of the file that was read.
    pub sha256: String,
    /// The backbone.
    pub kind: BackboneKind,
    /// Whether it is the variant for small images.
    pub small_input: bool,
    /// Which network.
    pub role: Role,
    /// The backbone's tensors in torchvision's or timm's names.
    pub backbone: Vec<NamedTensor>,
    /// The head's, named `head.*`; empty unless wanted.
    pub head: Vec<NamedTensor>,
    /// What else is known.
    pub facts: Facts,
}

impl Source {
    /// Reads a run folder (its newest checkpoint), a checkpoint folder or a file of weights.
    ///
    /// # Errors
    /// If it cannot be read, or what is wanted is not there.
    pub fn read<B: Backend>(
        path: &Path,
        wanted: &Wanted,
        device: &B::Device,
    ) -> Result<Self, ExchangeError> {
        if path.is_dir() {
            Self::of_run::<B>(path, wanted, device)
        } else {
            Self::of_file::<B>(path, wanted, device)
        }
    }

    fn of_run<B: Backend>(
        path: &Path,
        wanted: &Wanted,
        device: &B::Device,
    ) -> Result<Self, ExchangeError> {
        let saved = SavedNetworks::read::<B>(path, device)?;
        let config = &saved.config;
        let (kind, small_input) = (BackboneKind::from(config.backbone), config.small_input());
        let given = (
            wanted.backbone.unwrap_or(kind),
            wanted.small_input.unwrap_or(small_input),
        );
        if given != (kind, small_input) {
            let name = |(kind, small): (BackboneKind, bool)| format!("{kind}, small_input={small}");
            return Err(ExchangeError::OtherBackbone {
                path: path.to_path_buf(),
                there: name((kind, small_input)),
                given: name(given),
            });
        }
        let role = wanted.role.unwrap_or(Role::Student);
        let network = saved.network(role)?;
        let folder = saved.checkpoint.folder.clone();
        let record = folder.join(Part::Model.file());
        let bytes = std::fs::read(&record).on(&record, "read")?;
        // RUN/checkpoints/step-N
        let run = folder.parent().and_then(Path::parent);
        Ok(Self {
            run: run.map(Path::to_path_buf),
            sha256: sha256(&bytes),
            kind,
            small_input,
            role,
            backbone: network.backbone,
            head: if wanted.head {
                network.head
            } else {
                Vec::new()
            },
            facts: Facts {
                step: Some(saved.checkpoint.step),
                epoch: Some(saved.epoch),
                ..Facts::of_config(config)
            },
            path: folder,
        })
    }

    fn of_file<B: Backend>(
        path: &Path,
        wanted: &Wanted,
        device: &B::Device,
    ) -> Result<Self, ExchangeError> {
        let bytes = std::fs::read(path).on(path, "read")?;
        let read = || {
            let file = WeightsFile::open_for(&bytes, wanted.role)?;
            let found = detect::<B>(&file, wanted.backbone, wanted.small_input, device)?;
            let backbone = super::import::tensors(&found.import, wanted.partial)?;
            let head = if wanted.head {
                head_of(&file, &found.import.prefix)?
            } else {
                Vec::new()
            };
            Ok(Self {
                path: path.to_path_buf(),
                run: None,
                sha256: sha256(&bytes),
                kind: found.kind,
                small_input: found.small_input,
                role: found.import.role,
                backbone,
                head,
                facts: Facts::of_metadata(file.metadata()),
            })
        };
        read().map_err(|source: WeightsError| ExchangeError::Weights {
            path: path.to_path_buf(),
            source,
        })
    }
}

/// The tensors `head.*` of a file, in which ours have them: beside the backbone's own names, or beside `backbone.`.
fn head_of(file: &WeightsFile<'_>, prefix: &str) -> Result<Vec<NamedTensor>, WeightsError> {
    let around = prefix.strip_suffix("backbone.").unwrap_or(prefix);
    let entries = file.entries().iter().filter_map(|entry| {
        let name = entry.name.strip_prefix(around)?;
        name.starts_with("head.").then_some((name, entry))
    });
    let tensors = entries.map(|(name, entry)| {
        Ok(NamedTensor {
            name: name.to_string(),
            shape: entry.shape.clone(),
            values: file.values(entry)?,
        })
    });
    tensors.collect()
}

impl Facts {
    fn of_config(config: &RunConfig) -> Self {
        let list = |values: [f64; 3]| Some(values.map(|v| v.to_string()).join(","));
        Self {
            method: Some(config.method.to_string()),
            recipe: Some(config.recipe.to_string()),
            step: None,
            epoch: None,
            input_px: Some(config.eval.crop),
            mean: list(config.views.mean),
            std: list(config.views.std),
        }
    }

    /// What a file of ours says of itself.
    pub(super) fn of_metadata(metadata: &BTreeMap<String, String>) -> Self {
        let text = |key: &str| metadata.get(key).cloned();
        let number = |key: &str| metadata.get(key).and_then(|text| text.parse().ok());
        Self {
            method: text("method"),
            recipe: text("recipe"),
            step: number("step"),
            epoch: number("epoch"),
            input_px: number("input_size"),
            mean: text("mean"),
            std: text("std"),
        }
    }

    /// As texts of a file.
    pub(super) fn to_metadata(&self) -> BTreeMap<String, String> {
        let number = |number: Option<usize>| number.map(|number| number.to_string());
        let entries = [
            ("method", self.method.clone()),
            ("recipe", self.recipe.clone()),
            ("step", number(self.step)),
            ("epoch", number(self.epoch)),
            ("input_size", number(self.input_px)),
            ("mean", self.mean.clone()),
            ("std", self.std.clone()),
        ];
        entries
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_string(), value?)))
            .collect()
    }
}
