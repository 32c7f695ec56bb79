//! What a run goes on from, and which configurations may go on with it.

use std::fs;
use std::path::Path;

use super::occupancy::config_file;
use super::{CHECKPOINTS, CONFIG_FILE};
use crate::checkpoint::{CheckpointStore, DamagedCheckpoint, Found, Keep};
use crate::config::{DataFacts, Difference, ResolvedConfig, RunConfig, resolve};
use crate::fsio::{WithPath, sync_folder_of, write_synced};
use crate::run::RunError;
use crate::run::state::{RunState, STATE_FILE};

/// A run that goes on.
#[derive(Debug)]
pub struct Resumed {
    /// Where it stands.
    pub state: RunState,
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

pub(super) fn refuse_another_configuration(
    path: &Path,
    config: &RunConfig,
) -> Result<(), RunError> {
    let file = config_file(path).unwrap_or_else(|| path.join(CONFIG_FILE));
    let folder = file.parent().unwrap_or(path);
    let differences: Vec<_> = differences(folder, config)?
        .into_iter()
        .filter(|difference| !difference.is_free())
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
fn refuse_another_shape(
    given: &Path,
    folder: &Path,
    config: &RunConfig,
    data: DataFacts,
) -> Result<(), RunError> {
    let mut differences: Vec<_> = differences(folder, config)?
        .into_iter()
        .filter(|difference| difference.is_shaping(config.method))
        .collect();
    if differences.is_empty() {
        let path = folder.join(STATE_FILE);
        let text = fs::read(&path).on(&path, "read")?;
        differences = size_differences(folder, &state(&path, &text)?, config, data)?;
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(RunError::OtherCheckpoint {
        path: given.to_path_buf(),
        differences,
    })
}

/// Where sizes that follow from the data are not those of a checkpoint, under keys that are the same.
fn size_differences(
    folder: &Path,
    state: &RunState,
    config: &RunConfig,
    data: DataFacts,
) -> Result<Vec<Difference>, RunError> {
    let Some(data_there) = state.data else {
        return Ok(Vec::new());
    };
    let file = folder.join(CONFIG_FILE);
    let ResolvedConfig { config: there, .. } = resolve(&[file.to_string_lossy()])?;
    let sizes = config.sizes_for(data).into_iter();
    Ok(sizes
        .zip(there.sizes_for(data_there))
        .filter(|((_, ours), (_, theirs))| ours != theirs)
        .map(|((key, ours), (_, theirs))| Difference { key, ours, theirs })
        .collect())
}

pub(in crate::run) fn state(path: &Path, text: &[u8]) -> Result<RunState, RunError> {
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
pub(super) fn find_given(
    given: &Path,
    store: &CheckpointStore,
    config: &RunConfig,
    data: DataFacts,
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
    refuse_another_shape(given, &found.folder, config, data)?;
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

pub(super) fn resume(
    path: &Path,
    store: &CheckpointStore,
    config: &RunConfig,
    data: DataFacts,
) -> Result<Option<Resumed>, RunError> {
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
                state: RunState::default(),
                warnings,
            }));
        }
        return Ok(None);
    };
    let state_path = found.folder.join(STATE_FILE);
    let state = state(&state_path, &store.read_file(found.step, STATE_FILE)?)?;
    if state.step != found.step {
        return Err(RunError::State {
            path: state_path,
            reason: format!(
                "it is of step {}, its folder of step {}",
                state.step, found.step
            ),
        });
    }
    let differences = size_differences(&found.folder, &state, config, data)?;
    if !differences.is_empty() {
        return Err(RunError::Differs {
            path: path.to_path_buf(),
            differences,
        });
    }
    if let Some(there) = state.data
        && there.images != data.images
    {
        warnings.push(format!(
            "the checkpoint of step {} was trained on {} images, and there are {} now: epochs have other lengths, \
             and losses will not be those of a run without a break",
            found.step, there.images, data.images
        ));
    }
    Ok(Some(Resumed { state, warnings }))
}
