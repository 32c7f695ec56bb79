//! Where a run begins: its folder, the checkpoint or weights that it goes on from, and what is told of that.

use std::path::Path;
use std::sync::Arc;

use sslight_core::checkpoint::{CheckpointStore, Keep};
use sslight_core::config::OnCollapse;
use sslight_core::learner::Pacer;
use sslight_core::observe::{Level, Notice, Observer, RunEvent, SaveHandle, StartInfo, StopHandle};
use sslight_core::run::health::PaceWatch;
use sslight_core::run::keeper::{CheckpointsDue, Keeper};
use sslight_core::run::{InitialWeights, RunError, RunFolder, Stopwatch};
use sslight_models::backend::Backend;

use super::assemble::init_of;
use super::{DETECTOR_FILE, DetectConfig, DetectPlan, DetectState, DetectionData, Waited};
use crate::model::MaskRcnn;

/// Who is told, and who asks.
pub(super) struct Shown {
    pub observer: Box<dyn Observer + Send>,
    pub stop: StopHandle,
    pub save: SaveHandle,
}

/// A run folder with the point that a run goes on from.
pub(super) struct Begun {
    pub folder: RunFolder,
    pub store: Arc<CheckpointStore>,
    state: DetectState,
    warnings: Vec<String>,
    initial: Option<InitialWeights>,
}

impl Begun {
    /// Opens the folder of a plan; the network has the weights of `init` if the run begins with them.
    pub(super) fn at<B: Backend>(
        plan: &DetectPlan<'_>,
        network: MaskRcnn<B>,
    ) -> Result<(Self, MaskRcnn<B>), RunError> {
        let config = &plan.resolved.settings;
        // Before the folder is made: a file that does not fit must not leave a run behind.
        let mut initial = match RunFolder::has_checkpoints(&config.out_dir())? {
            true => None,
            false => InitialWeights::read_for(init_of(config), network.backbone())?,
        };
        let store_of = |folder: &Path| {
            let keep = Keep::last(config.checkpoint.keep_last);
            CheckpointStore::new(RunFolder::checkpoints_of(folder), keep)
                .with_copy(DETECTOR_FILE, folder.join(DETECTOR_FILE))
        };
        let (folder, resumed) = RunFolder::open(plan, &store_of)?;
        let (state, warnings) = match resumed {
            Some(resumed) => (resumed.state, resumed.warnings),
            None => (DetectState::default(), Vec::new()),
        };
        if state.step == 0 && initial.is_none() {
            // The checkpoints that were there are all damaged.
            initial = InitialWeights::read_for(init_of(config), network.backbone())?;
        }
        let network = match &initial {
            Some(initial) => {
                let backbone = initial.of_backbone(network.backbone().clone());
                network.with_backbone(backbone)
            }
            None => network,
        };
        let begun = Self {
            store: Arc::new(store_of(folder.path())),
            folder,
            state,
            warnings,
            initial,
        };
        Ok((begun, network))
    }

    /// From where to where the loop goes.
    pub(super) fn pacer(&self, config: &DetectConfig, steps_per_epoch: usize) -> Pacer {
        let first_step = self.state.step;
        Pacer {
            first_step,
            steps_per_epoch,
            last_step: config.last_step().max(first_step),
            epochs: config.steps.div_ceil(steps_per_epoch),
            restore: first_step > 0,
        }
    }

    /// Tells what the run is and what it goes on from; its keeper and state.
    pub(super) fn tell(
        self,
        plan: &DetectPlan<'_>,
        data: &DetectionData,
        start: StartInfo,
        waited: &Waited,
        shown: Shown,
    ) -> Result<(Keeper, DetectState), RunError> {
        let config = &plan.resolved.settings;
        let waited = waited.clone();
        let mut keeper = Keeper {
            folder: self.folder,
            store: self.store,
            observer: shown.observer,
            stop: shown.stop,
            save: shown.save,
            stopwatch: Stopwatch::new(start.total_steps, move || waited.so_far()),
            pace: PaceWatch::default(),
            due: CheckpointsDue::new(
                [config.checkpoint.every_steps],
                config.checkpoint.every_minutes,
            ),
            on_collapse: OnCollapse::Warn,
            error: None,
        };
        keeper.folder.log_machine(&start.backend)?;
        for text in self.warnings.into_iter().chain(config.warnings()) {
            keeper.notice(Level::Warning, text)?;
        }
        for Notice { level, text } in &data.notices {
            keeper.notice(*level, text.clone())?;
        }
        keeper.tell(RunEvent::Start(start))?;
        tell_weights(&mut keeper, self.initial.as_ref(), config, self.state.step)?;
        let state = DetectState {
            data: Some(plan.data.clone()),
            ..self.state
        };
        Ok((keeper, state))
    }
}

fn tell_weights(
    keeper: &mut Keeper,
    initial: Option<&InitialWeights>,
    config: &DetectConfig,
    first_step: usize,
) -> Result<(), RunError> {
    match initial {
        Some(initial) => initial
            .events()
            .into_iter()
            .try_for_each(|event| keeper.tell(event)),
        None if !config.init.is_empty() => keeper.notice(
            Level::Info,
            format!(
                "init={} is not read again: the checkpoint of step {first_step} has the weights",
                config.init
            ),
        ),
        None => Ok(()),
    }
}
