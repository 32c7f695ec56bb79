//! The networks that a checkpoint holds, by role and tensor name: the student and, where a method has one, the teacher.
//!
//! A run writes its student's backbone as a file of its own; the teacher, and the heads of both, are in the model
//! record of its checkpoints alone, from which they are read here.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn_train::checkpoint::Checkpointer;
use sslight_models::backend::Backend;
use sslight_models::params::{NamedTensor, named_tensors};
use sslight_models::weights::Role;

use super::folder::{checkpoint_at, state};
use super::state::{RunState, STATE_FILE};
use super::{RunError, assemble};
use crate::checkpoint::{CheckpointStore, Found, Keep, Part, PartCheckpointer};
use crate::config::{Method, RunConfig, resolve};
use crate::method::{AnyMethod, MethodSetup};
use crate::schedule::Clock;

/// What stands before the names of a network's backbone and of its head in a method's tensors; `None` if the method has
/// no such network.
fn prefixes(role: Role, method: Method) -> Option<[&'static str; 2]> {
    match (method, role) {
        (Method::Dino, Role::Student) => Some(["student.backbone.", "student.head."]),
        (Method::Dino, Role::Teacher) => Some(["teacher.backbone.", "teacher.head."]),
        (Method::Moco, Role::Student) => Some(["query.backbone.", "query.head."]),
        (Method::Moco, Role::Teacher) => Some(["key.backbone.", "key.head."]),
        (Method::Swav | Method::Simclr, Role::Student) => {
            Some(["network.backbone.", "network.head."])
        }
        (Method::Supervised, Role::Student) => Some(["backbone.", "classifier."]),
        (Method::Swav | Method::Simclr | Method::Supervised, Role::Teacher) => None,
    }
}

/// One network of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedNetwork {
    /// The backbone's parameters and buffers in torchvision's or timm's names (`layer1.0.conv1.weight`), as in
    /// `backbone.safetensors`.
    pub backbone: Vec<NamedTensor>,
    /// Those of the head that the method trains on the features, named `head.*` by their fields: DINO's and MoCo's
    /// and SimCLR's projection (`head.mlp.0.weight`), SwAV's with its prototypes, the classifier of supervised
    /// training (`head.weight`, `head.bias`). An online probe is no head.
    pub head: Vec<NamedTensor>,
}

/// All tensors of a checkpoint's method, on the host.
#[derive(Debug)]
pub struct SavedNetworks {
    /// The configuration of the checkpoint.
    pub config: RunConfig,
    /// The checkpoint.
    pub checkpoint: Found,
    /// Whole epochs that it comes after.
    pub epoch: usize,
    tensors: Vec<NamedTensor>,
}

impl SavedNetworks {
    /// Reads a checkpoint: the folder `step-N`, or a run folder, whose newest it is then. Its files are checked against
    /// its manifest; its own configuration is used.
    ///
    /// # Errors
    /// If there is no whole checkpoint, or it is one of another version of this program.
    pub fn read<B: Backend>(path: &Path, device: &B::Device) -> Result<Self, RunError> {
        let found = checkpoint_at(path)?.ok_or_else(|| RunError::NothingSaved {
            path: path.to_path_buf(),
        })?;
        let config = found.folder.join(super::folder::CONFIG_FILE);
        let config = resolve(&[config.to_string_lossy()])?.config;
        let state_path = found.folder.join(STATE_FILE);
        let store = store_of(&found);
        let state: RunState = state(&state_path, &store.read_file(found.step, STATE_FILE)?)?;
        let facts = state.data.ok_or_else(|| RunError::State {
            path: state_path,
            reason: "it is of an earlier version, which did not note its images; continue the run for one more \
                     checkpoint"
                .to_string(),
        })?;
        let clock = Clock::new(assemble::schedule(&config, facts.images));
        let setup = MethodSetup {
            config: &config,
            images: facts.images,
            classes: facts.classes,
        };
        let method = AnyMethod::<B>::init(&setup, clock, device).map_err(RunError::Backbone)?;
        let part = PartCheckpointer::new(Arc::new(store), Part::Model);
        let record = Checkpointer::<_, B>::restore(&part, found.step, device);
        let method = method.load_record(record.map_err(|error| RunError::State {
            path: found.folder.join(Part::Model.file()),
            reason: error.to_string(),
        })?);
        Ok(Self {
            epoch: found.step / config.steps_per_epoch(facts.images).max(1),
            config,
            checkpoint: found,
            tensors: named_tensors(&method),
        })
    }

    /// Every tensor under its name in the method: `student.backbone.*`, `student.head.*`, `teacher.*` and `center` of
    /// DINO; `query.*`, `key.*` and `queue` of MoCo; `network.*` of SwAV (with `queue.*`) and SimCLR; `backbone.*` and
    /// `classifier.*` of supervised training. An online probe is `classifier.*`.
    pub fn tensors(&self) -> &[NamedTensor] {
        &self.tensors
    }

    /// The network of a role.
    ///
    /// # Errors
    /// [`RunError::NoTeacher`] if the method has none.
    pub fn network(&self, role: Role) -> Result<SavedNetwork, RunError> {
        let method = self.config.method;
        let [backbone, head] = prefixes(role, method).ok_or_else(|| RunError::NoTeacher {
            path: self.checkpoint.folder.clone(),
            method,
        })?;
        Ok(SavedNetwork {
            backbone: self.under(backbone, ""),
            head: self.under(head, "head."),
        })
    }

    /// The tensors whose names begin with `prefix`, with `instead` in its place.
    fn under(&self, prefix: &str, instead: &str) -> Vec<NamedTensor> {
        let tensors = self.tensors.iter().filter_map(|tensor| {
            let name = tensor.name.strip_prefix(prefix)?;
            Some(NamedTensor {
                name: format!("{instead}{name}"),
                ..tensor.clone()
            })
        });
        tensors.collect()
    }
}

/// The store that a checkpoint is in.
fn store_of(found: &Found) -> CheckpointStore {
    CheckpointStore::new(
        found.folder.parent().unwrap_or(Path::new("")),
        Keep::last(1),
    )
}
