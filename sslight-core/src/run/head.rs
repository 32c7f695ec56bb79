//! The projection head of DINO that belongs to a backbone's weights, for fine-tuning through its first layers.

use std::ffi::OsStr;
use std::path::Path;

use sslight_models::backend::Backend;
use sslight_models::weights::{Import, WeightMap, WeightsFile};

use super::evaluation::Subject;
use super::session::BACKBONE_FILE;
use super::{Role, RunError, SavedNetworks, assemble};
use crate::config::{Method, RunConfig};

/// How the head stands beside the backbone in names of tensors.
const BACKBONE: &str = "backbone.";
const HEAD: &str = "head.";
/// What the names of a DINO head's perceptron begin with.
const PERCEPTRON: &str = "mlp.";

/// The tensors `mlp.*` of the head that was trained with the weights; `None` if there are none beside them.
pub(super) fn head_weights<B: Backend>(
    config: &RunConfig,
    subject: &Subject<'_>,
    device: &B::Device,
) -> Result<Option<WeightMap>, RunError> {
    let Subject::Weights { path, bytes, run } = subject else {
        return Ok(None);
    };
    let in_file = |source| RunError::Weights {
        path: path.to_path_buf(),
        source,
    };
    let file = WeightsFile::open(bytes).map_err(in_file)?;
    if let Some(weights) = of_run::<B>(path, &file, *run, device)? {
        return Ok(Some(weights));
    }
    let of_file = || {
        let backbone = assemble::backbone::<B>(config, device);
        let Ok(backbone) = backbone else {
            return Ok(None);
        };
        let import = Import::of(&backbone, config.backbone.into(), &file)?;
        let Some(before) = import.prefix.strip_suffix(BACKBONE) else {
            return Ok(None);
        };
        let start = format!("{before}{HEAD}");
        let mut weights = WeightMap::new();
        for entry in file.entries() {
            let name = entry.name.strip_prefix(&start);
            if let Some(name) = name.filter(|name| name.starts_with(PERCEPTRON)) {
                let values = file.values(entry)?;
                weights.insert(name.to_owned(), (entry.shape.clone(), values));
            }
        }
        Ok((!weights.is_empty()).then_some(weights))
    };
    of_file().map_err(in_file)
}

/// The head in the checkpoint that the student's backbone of a run belongs to: the one that it stands in, or the newest
/// if that is of the same step. Other files in a run folder are of other networks or steps.
fn of_run<B: Backend>(
    path: &Path,
    file: &WeightsFile<'_>,
    run: Option<&Path>,
    device: &B::Device,
) -> Result<Option<WeightMap>, RunError> {
    let Some(run) = run else { return Ok(None) };
    if path.file_name() != Some(OsStr::new(BACKBONE_FILE)) {
        return Ok(None);
    }
    let folder = path.parent().unwrap_or(run);
    let networks = match SavedNetworks::read::<B>(folder, device) {
        Ok(networks) => networks,
        // A run folder may hold weights alone.
        Err(RunError::NothingSaved { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let step = file.metadata().get("step");
    let is_of_step = step.is_some_and(|step| *step == networks.checkpoint.step.to_string());
    if networks.config.method != Method::Dino || !is_of_step {
        return Ok(None);
    }
    let head = networks.network(Role::Student)?.head.into_iter();
    let weights = head.filter_map(|tensor| {
        let name = tensor.name.strip_prefix(HEAD)?;
        let wanted = name.starts_with(PERCEPTRON);
        wanted.then(|| (name.to_owned(), (tensor.shape, tensor.values)))
    });
    Ok(Some(weights.collect()))
}
