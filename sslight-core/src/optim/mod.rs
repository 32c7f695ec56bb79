//! The optimizer: one update rule, groups by shape and name, schedules from the clock.

pub mod grads;
mod groups;
mod rule;

use std::collections::HashMap;

use burn::module::{AutodiffModule, ModuleMapper, Param, ParamId};
use burn::optim::{GradientsParams, LearningRate, MultiGradientsParams, Optimizer};
use burn::record::Record;
use burn::tensor::Tensor;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::params::ModulePath;

pub use groups::{
    ClassificationRules, DetectionRules, GroupRules, ParamGroup, ParamSettings, PretrainingRules,
};
pub use rule::{ParamState, Rule};

use crate::schedule::Clock;

/// Updates the parameters that have a gradient, each by the settings of its group, with the weight decay
/// of the clock's step. Parameters without a gradient are passed over completely: no momentum, no decay.
#[derive(Debug, Clone)]
pub struct GroupedOptimizer<B: AutodiffBackend> {
    rule: Rule,
    groups: GroupRules,
    clock: Clock,
    states: HashMap<ParamId, ParamState<B::InnerBackend>>,
}

/// [`ParamState`] as it is stored in a checkpoint.
#[derive(Record, Clone, Debug)]
pub struct ParamStateRecord<B: Backend> {
    param: String,
    first: Option<Tensor<B, 1>>,
    second: Option<Tensor<B, 1>>,
    updates: usize,
}

impl<B: AutodiffBackend> GroupedOptimizer<B> {
    /// An optimizer without memory.
    pub fn new(rule: Rule, groups: GroupRules, clock: Clock) -> Self {
        Self {
            rule,
            groups,
            clock,
            states: HashMap::new(),
        }
    }

    /// Treats parameters by other rules from the next step on.
    pub fn set_groups(&mut self, groups: GroupRules) {
        self.groups = groups;
    }
}

impl<B: AutodiffBackend, M: AutodiffModule<B>> Optimizer<M, B> for GroupedOptimizer<B> {
    type Record = Vec<ParamStateRecord<B>>;

    fn step(&mut self, lr: LearningRate, module: M, grads: GradientsParams) -> M {
        let weight_decay = self.clock.now().weight_decay;
        module.map(&mut Walk {
            optimizer: self,
            grads,
            lr,
            weight_decay,
            path: ModulePath::default(),
        })
    }

    fn step_multi(&mut self, lr: LearningRate, module: M, mut grads: MultiGradientsParams) -> M {
        // One device holds one set of gradients; several would have to be summed first.
        assert_eq!(grads.grads.len(), 1, "GroupedOptimizer: one device only");
        match grads.grads.pop() {
            Some((grads, _)) => self.step(lr, module, grads),
            None => module,
        }
    }

    fn to_record(&self) -> Self::Record {
        let outer = |tensor: &Option<Tensor<B::InnerBackend, 1>>| {
            tensor.clone().map(Tensor::<B, 1>::from_inner)
        };
        let mut records: Vec<_> = self
            .states
            .iter()
            .map(|(id, state)| ParamStateRecord {
                param: id.serialize(),
                first: outer(&state.first),
                second: outer(&state.second),
                updates: state.updates,
            })
            .collect();
        // A map has no order, and equal states should make equal files.
        records.sort_by(|a, b| a.param.cmp(&b.param));
        records
    }

    fn load_record(mut self, record: Self::Record) -> Self {
        self.states = record
            .into_iter()
            .map(|record| {
                let id = ParamId::deserialize(&record.param);
                let state = ParamState {
                    first: record.first.map(Tensor::inner),
                    second: record.second.map(Tensor::inner),
                    updates: record.updates,
                };
                (id, state)
            })
            .collect();
        self
    }
}

struct Walk<'a, B: AutodiffBackend> {
    optimizer: &'a mut GroupedOptimizer<B>,
    grads: GradientsParams,
    lr: f64,
    weight_decay: f64,
    path: ModulePath,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Walk<'_, B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, tensor, mapper) = param.consume();
        let Some(grad) = self.grads.remove::<B::InnerBackend, D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let shape = tensor.dims();
        let count = shape.iter().product::<usize>();
        let tracked = tensor.is_require_grad();
        let optimizer = &mut *self.optimizer;
        let settings =
            optimizer
                .groups
                .settings(&self.path.name(), &shape, self.lr, self.weight_decay);
        let updated = optimizer.rule.update(
            tensor.inner().reshape([count]),
            grad.reshape([count]),
            optimizer.states.entry(id).or_default(),
            settings,
        );
        let tensor = Tensor::from_inner(updated.reshape(shape)).set_require_grad(tracked);
        Param::from_mapped_value(id, tensor, mapper)
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }
}
