//! What a file of weights, a run or a checkpoint holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use sslight_models::backend::Backend;
use sslight_models::params::is_buffer;
use sslight_models::weights::{Candidate, WeightsFile, detect, empty_backbone, load_named};

use super::source::Wanted;
use super::{ExchangeError, sha256};
use crate::checkpoint::{CheckpointStore, Keep};
use crate::config::Method;
use crate::fsio::WithPath;
use crate::run::{Role, RunError, SavedNetworks};

/// Element type of the tensors of a checkpoint.
const RECORD_TYPE: &str = "F32";

/// What a path holds.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Inspected {
    /// A file of weights.
    File(FileReport),
    /// A run or a checkpoint.
    Folder(FolderReport),
}

/// A tensor.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct TensorLine {
    /// Its name.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Element type; absent if it is one that is not handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Length of its values.
    pub bytes: usize,
}

/// A file of weights.
#[derive(Debug, Clone, Serialize)]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub format: String,
    /// The key of a checkpoint under which the tensors are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Its length.
    pub bytes: usize,
    /// Its checksum.
    pub sha256: String,
    /// Texts beside the tensors.
    pub metadata: BTreeMap<String, String>,
    /// The backbone in it, if one fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkReport>,
    /// Why none fits, or the one that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_network: Option<String>,
    /// Seconds to read the file, find the backbone and load its tensors; absent if it does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_seconds: Option<f64>,
    /// Its tensors.
    pub tensors: Vec<TensorLine>,
    /// All their numbers.
    pub numbers: usize,
}

/// The backbone in a file.
#[derive(Debug, Clone, Serialize)]
pub struct NetworkReport {
    /// Which.
    pub backbone: String,
    /// Whether it is the variant for small images.
    pub small_input: bool,
    /// Whose network it is.
    pub role: String,
    /// What stands before its names.
    pub prefix: String,
    /// Its tensors.
    pub tensors: usize,
    /// Numbers that training moves, without running statistics.
    pub parameters: usize,
    /// Tensors of heads.
    pub heads: usize,
    /// Tensors of other parts.
    pub others: usize,
}

/// A run or a checkpoint.
#[derive(Debug, Clone, Serialize)]
pub struct FolderReport {
    /// The folder.
    pub path: PathBuf,
    /// The method.
    pub method: Method,
    /// The backbone.
    pub backbone: String,
    /// Whether it is the variant for small images.
    pub small_input: bool,
    /// The checkpoints beside each other, rising.
    pub checkpoints: Vec<CheckpointLine>,
    /// The step of the one whose content follows.
    pub step: usize,
    /// Epochs that were completed.
    pub epoch: usize,
    /// The roles of its networks.
    pub roles: Vec<String>,
    /// Files of the checkpoint and their lengths.
    pub files: Vec<(String, u64)>,
    /// Tensors of its model.
    pub tensors: Vec<TensorLine>,
    /// All their numbers.
    pub numbers: usize,
}

/// A checkpoint of a run.
#[derive(Debug, Clone, Serialize)]
pub struct CheckpointLine {
    /// Optimizer steps taken.
    pub step: usize,
    /// What is wrong with it; absent if it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Looks into a file of weights, a run folder (its newest checkpoint) or a checkpoint folder.
///
/// # Errors
/// If it cannot be read.
pub fn inspect<B: Backend>(
    path: &Path,
    wanted: &Wanted,
    device: &B::Device,
) -> Result<Inspected, ExchangeError> {
    if path.is_dir() {
        folder::<B>(path, device).map(Inspected::Folder)
    } else {
        file::<B>(path, wanted, device).map(Inspected::File)
    }
}

fn file<B: Backend>(
    path: &Path,
    wanted: &Wanted,
    device: &B::Device,
) -> Result<FileReport, ExchangeError> {
    let started = Instant::now();
    let bytes = std::fs::read(path).on(path, "read")?;
    let in_file = |source| ExchangeError::Weights {
        path: path.to_path_buf(),
        source,
    };
    let file = WeightsFile::open_for(&bytes, wanted.role).map_err(in_file)?;
    let found = detect::<B>(&file, wanted.backbone, wanted.small_input, device);
    let (network, no_network, load_seconds) = match found {
        Ok(found) if found.import.report.is_complete() => {
            let network = empty_backbone::<B>(found.kind, found.small_input, device);
            let network = network.map_err(RunError::Backbone)?;
            let weights = found.import.weights(false).map_err(in_file)?;
            load_named(network, &weights).map_err(in_file)?;
            let seconds = started.elapsed().as_secs_f64();
            let parameters = weights.iter().filter(|(name, _)| !is_buffer(name));
            let parameters = parameters.map(|(_, (_, values))| values.len()).sum();
            (Some(network_of(&found, parameters)), None, Some(seconds))
        }
        Ok(found) => (None, Some(format!("{}", found.import)), None),
        Err(error) => (None, Some(error.to_string()), None),
    };
    let tensors = file.entries().iter().map(|entry| {
        let numbers = count(&entry.shape);
        TensorLine {
            name: entry.name.clone(),
            shape: entry.shape.clone(),
            dtype: entry.element.map(|element| element.to_string()),
            bytes: numbers.saturating_mul(entry.element.map_or(0, |element| element.size())),
        }
    });
    let tensors: Vec<TensorLine> = tensors.collect();
    Ok(FileReport {
        path: path.to_path_buf(),
        format: file.format().to_string(),
        part: file.part().map(str::to_string),
        bytes: bytes.len(),
        sha256: sha256(&bytes),
        metadata: file.metadata().clone(),
        network,
        no_network,
        load_seconds,
        numbers: numbers(&tensors),
        tensors,
    })
}

fn network_of(found: &Candidate<'_>, parameters: usize) -> NetworkReport {
    let import = &found.import;
    NetworkReport {
        backbone: found.kind.to_string(),
        small_input: found.small_input,
        role: import.role.to_string(),
        prefix: import.prefix.clone(),
        tensors: import.report.matched,
        parameters,
        heads: import.head.len(),
        others: import.elsewhere.len(),
    }
}

fn folder<B: Backend>(path: &Path, device: &B::Device) -> Result<FolderReport, ExchangeError> {
    let saved = SavedNetworks::read::<B>(path, device)?;
    let checkpoint = &saved.checkpoint;
    let root = checkpoint.folder.parent().unwrap_or(Path::new(""));
    let store = CheckpointStore::new(root, Keep::last(1));
    let steps = store.steps().map_err(RunError::Checkpoint)?;
    let checkpoints = steps.into_iter().map(|step| CheckpointLine {
        step,
        problem: store.verify(step).err().map(|error| error.to_string()),
    });
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&checkpoint.folder).on(&checkpoint.folder, "list")? {
        let entry = entry.on(&checkpoint.folder, "list")?;
        let length = entry.metadata().on(&entry.path(), "look at")?.len();
        files.push((entry.file_name().to_string_lossy().into_owned(), length));
    }
    files.sort();
    let roles = [Role::Student, Role::Teacher];
    let roles = roles
        .into_iter()
        .filter(|role| saved.network(*role).is_ok());
    let tensors = saved.tensors().iter().map(|tensor| TensorLine {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        dtype: Some(RECORD_TYPE.to_string()),
        bytes: 4 * tensor.values.len(),
    });
    let tensors: Vec<TensorLine> = tensors.collect();
    Ok(FolderReport {
        path: path.to_path_buf(),
        method: saved.config.method,
        backbone: saved.config.backbone.to_string(),
        small_input: saved.config.small_input(),
        checkpoints: checkpoints.collect(),
        step: checkpoint.step,
        epoch: saved.epoch,
        roles: roles.map(|role| role.to_string()).collect(),
        files,
        numbers: numbers(&tensors),
        tensors,
    })
}

fn numbers(tensors: &[TensorLine]) -> usize {
    let counts = tensors.iter().map(|tensor| count(&tensor.shape));
    counts.fold(0, usize::saturating_add)
}

/// Numbers of a tensor; a damaged file may state any shape.
fn count(shape: &[usize]) -> usize {
    shape.iter().copied().fold(1, usize::saturating_mul)
}
