//! What a run goes on from, and which configurations may go on with it.

use std::fs;
use std::path::Path;

use super::occupancy::config_file;
use super::plan::{Course, FolderPlan};
use super::{CHECKPOINTS, CONFIG_FILE};
use crate::checkpoint::{CheckpointStore, DamagedCheckpoint, Found, Keep};
use crate::config::{Difference, ResolvedConfig, RunConfig, resolve};
use crate::fsio::{WithPath, sync_folder_of, write_synced};
use crate::run::RunError;
use crate::run::state::STATE_FILE;

/// A run that goes on.
#[derive(Debug)]
pub struct Resumed<S> {
    /// Where it stands.
    pub state: S,
    /// What is probably not meant.
    pub warnings: Vec<String>,
}

/// The keys on which a configuration differs from that of a run or checkpoint folder.
pub(in crate::run) fn differences(
    path: &Path,
    config: &RunConfig,
) -> Result<Vec<Difference>, RunError> {
    let file = path.join(CONFIG_FILE);
    let ResolvedConfig { config: there, .. } = resolve(&[file.to_string_lossy()])?;
    Ok(config.diff(&there)?)
}

pub(super) fn refuse_another_configuration<P: FolderPlan>(
    path: &Path,
    plan: &P,
) -> Result<(), RunError> {
    let file = config_file(path).unwrap_or_else(|| path.join(CONFIG_FILE));
    let differences: Vec<_> = plan
        .differences(&file)?
        .into_iter()
        .filter(|difference| !plan.is_free(difference))
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(RunError::Differs {
        path: path.to_path_buf(),
        differences,
    })
}

/// A checkpoint whose tensors are those of another method or network cannot be read.
fn refuse_another_shape<P: FolderPlan>(
    given: &Path,
    folder: &Path,
    plan: &P,
) -> Result<(), RunError> {
    let mut differences: Vec<_> = plan
        .differences(&folder.join(CONFIG_FILE))?
        .into_iter()
        .filter(|difference| plan.is_shaping(difference))
        .collect();
    if differences.is_empty() {
        let path = folder.join(STATE_FILE);
        let text = fs::read(&path).on(&path, "read")?;
        differences = plan.size_differences(folder, &state(&path, &text)?)?;
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(RunError::OtherCheckpoint {
        path: given.to_path_buf(),
        differences,
    })
}

pub(in crate::run) fn state<S: Course>(path: &Path, text: &[u8]) -> Result<S, RunError> {
    serde_json::from_slice(text).map_err(|error| RunError::State {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}

/// The checkpoint at a path: that of a folder `step-N`, or the newest whole one of a run folder.
pub(in crate::run) fn checkpoint_at(path: &Path) -> Result<Option<Found>, RunError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let step = name
        .and_then(|name| name.strip_prefix("step-"))
        .and_then(|digits| digits.parse::<usize>().ok());
    Ok(match (step, path.parent()) {
        (Some(step), Some(root)) => Some(CheckpointStore::new(root, Keep::last(1)).verify(step)?),
        _ => {
            CheckpointStore::new(path.join(CHECKPOINTS), Keep::last(1))
                .newest()?
                .0
        }
    })
}

/// Where a run goes on that was given a path.
#[derive(Debug)]
pub(super) enum Given {
    /// At a checkpoint of elsewhere, which is copied first.
    Elsewhere(Found),
    /// At a checkpoint of its own; later ones are given up.
    Own(usize),
    /// Where it stands, as without a path.
    Nothing,
}

/// What `resume=PATH` names; changes nothing.
pub(super) fn find_given<P: FolderPlan>(
    given: &Path,
    store: &CheckpointStore,
    plan: &P,
) -> Result<Given, RunError> {
    let found = checkpoint_at(given)?.ok_or_else(|| RunError::NoCheckpoint {
        path: given.to_path_buf(),
    })?;
    let target = store.folder(found.step);
    if target.exists() && target.canonicalize().ok() == found.folder.canonicalize().ok() {
        return Ok(Given::Own(found.step));
    }
    if !store.steps()?.is_empty() {
        // Continuing a run that stands further on its own; the given path was for its beginning.
        return Ok(Given::Nothing);
    }
    refuse_another_shape(given, &found.folder, plan)?;
    Ok(Given::Elsewhere(found))
}

/// Copies a checkpoint of elsewhere into the store.
pub(super) fn adopt(found: &Found, store: &CheckpointStore) -> Result<(), RunError> {
    let target = store.folder(found.step);
    // Under the name of one that is being written, so that an interruption leaves nothing that looks whole.
    let copy = store.temporary(found.step);
    fs::create_dir_all(&copy).on(&copy, "create")?;
    for entry in fs::read_dir(&found.folder).on(&found.folder, "list")? {
        let from = entry.on(&found.folder, "list")?.path();
        let content = fs::read(&from).on(&from, "read")?;
        write_synced(&copy.join(from.file_name().unwrap_or_default()), &content)?;
    }
    fs::rename(&copy, &target).on(&target, "put in place")?;
    Ok(sync_folder_of(&target)?)
}

pub(super) fn resume<P: FolderPlan>(
    path: &Path,
    store: &CheckpointStore,
    plan: &P,
) -> Result<Option<Resumed<P::State>>, RunError> {
    let (found, damaged) = store.newest()?;
    let mut warnings: Vec<String> = damaged
        .iter()
        .map(|damaged| {
            let DamagedCheckpoint { step, error } = damaged;
            format!(
                "{error}; it is set aside as damaged-step-{step:08}, and an earlier one is used"
            )
        })
        .collect();
    for damaged in &damaged {
        store.set_aside(damaged.step)?;
    }
    let Some(found) = found else {
        if !warnings.is_empty() {
            warnings.push("no complete checkpoint is left; the run starts at step 0".to_string());
            return Ok(Some(Resumed {
                state: P::State::default(),
                warnings,
            }));
        }
        return Ok(None);
    };
    let state_path = found.folder.join(STATE_FILE);
    let state: P::State = state(&state_path, &store.read_file(found.step, STATE_FILE)?)?;
    if state.step() != found.step {
        return Err(RunError::State {
            path: state_path,
            reason: format!(
                "it is of step {}, its folder of step {}",
                state.step(),
                found.step
            ),
        });
    }
    let differences = plan.size_differences(&found.folder, &state)?;
    if !differences.is_empty() {
        return Err(RunError::Differs {
            path: path.to_path_buf(),
            differences,
        });
    }
    warnings.extend(plan.caution(&state));
    Ok(Some(Resumed { state, warnings }))
}
