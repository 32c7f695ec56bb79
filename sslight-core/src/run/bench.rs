//! How long the parts of a training step take, on real views of a configuration's data.

use std::time::{Duration, Instant};

use burn::optim::Optimizer;
use burn::tensor::{Distribution, Tensor};
use sslight_data::{BatchStream, HostBatch, Loader};
use sslight_kernels::profile;
use sslight_models::BatchMode;
use sslight_models::backend::{AutodiffBackend, Backend};

use super::{RunError, assemble, open_data};
use crate::config::{DataFacts, Method, ResolvedConfig, RunConfig};
use crate::learner::upload;
use crate::method::{AnyMethod, MethodSetup, Phase};
use crate::optim::GroupedOptimizer;
use crate::schedule::Clock;

/// A part of a step as it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepPart {
    /// Waiting for views, and their upload.
    Data,
    /// See [`Phase`].
    Learn(Phase),
    /// The optimizer.
    Optimizer,
    /// What moves after the optimizer: the teacher.
    AfterUpdate,
}

impl StepPart {
    /// All parts, in their order.
    pub const ALL: [Self; 9] = [
        Self::Data,
        Self::Learn(Phase::BeforeUpdate),
        Self::Learn(Phase::Forward),
        Self::Learn(Phase::Teacher),
        Self::Learn(Phase::HeadAndLoss),
        Self::Learn(Phase::Backward),
        Self::Learn(Phase::Buffers),
        Self::Optimizer,
        Self::AfterUpdate,
    ];

    /// A few words for a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "waiting for views",
            Self::Learn(Phase::BeforeUpdate) => "before the update",
            Self::Learn(Phase::Forward) => "backbone forward",
            Self::Learn(Phase::Teacher) => "teacher's backbone",
            Self::Learn(Phase::HeadAndLoss) => "heads and loss",
            Self::Learn(Phase::Backward) => "backbone backward",
            Self::Learn(Phase::Buffers) => "buffers and clipping",
            Self::Optimizer => "optimizer",
            Self::AfterUpdate => "moving average",
        }
    }

    /// Whether it is a pass of a backbone.
    pub fn is_backbone(self) -> bool {
        matches!(
            self,
            Self::Learn(Phase::Forward | Phase::Teacher | Phase::Backward)
        )
    }
}

/// How a step is measured.
#[derive(Debug, Clone, Copy)]
pub struct BenchOptions {
    /// Steps taken before.
    pub warmup: usize,
    /// Steps that are measured.
    pub steps: usize,
    /// Whether all steps take the views of one batch, made before, so that nothing runs beside the step; else views
    /// are made beside it, as in a run.
    pub fixed_views: bool,
}

/// What an operation of the CPU kernels takes in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperationTime {
    /// Its name.
    pub name: &'static str,
    /// Calls in a step.
    pub calls: f64,
    /// Seconds of a step.
    pub seconds: f64,
    /// Floating-point operations of a step, of matrix products and convolutions.
    pub flops: f64,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct StepTimes {
    /// Images of a step.
    pub batch_size: usize,
    /// What the operations of the CPU kernels take, the longest first; none on other engines.
    pub operations: Vec<OperationTime>,
    /// The time of each part in each step.
    steps: Vec<PartTimes>,
}

impl StepTimes {
    /// Seconds of a part, the median over steps.
    pub fn seconds(&self, part: StepPart) -> f64 {
        let at = StepPart::ALL.iter().position(|other| *other == part);
        let of_step = |step: &PartTimes| at.map(|at| step[at]);
        median(self.steps.iter().filter_map(of_step))
    }

    /// Seconds of a whole step without waiting for views, the median over steps.
    pub fn step_seconds(&self) -> f64 {
        median(self.steps.iter().map(|parts| parts[1..].iter().sum()))
    }

    /// The share of a step, without waiting for views, that is no pass of a backbone: the median over steps.
    pub fn share_outside_backbone(&self) -> f64 {
        let shares = self.steps.iter().map(|parts| {
            let all: Duration = parts[1..].iter().sum();
            let inside: Duration = StepPart::ALL
                .iter()
                .zip(parts)
                .filter(|(part, _)| part.is_backbone())
                .map(|(_, time)| *time)
                .sum();
            1.0 - inside.as_secs_f64() / all.as_secs_f64()
        });
        middle(shares.collect())
    }

    /// Steps that were measured.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

fn median(times: impl Iterator<Item = Duration>) -> f64 {
    middle(times.map(|time| time.as_secs_f64()).collect())
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(upper) = values.get(values.len() / 2) else {
        return f64::NAN;
    };
    match values.len() % 2 {
        0 => (values[values.len() / 2 - 1] + upper) / 2.0,
        _ => *upper,
    }
}

/// Where the views of a measured step come from.
enum Views {
    /// One batch, again and again.
    Fixed(HostBatch),
    /// The loader, whose workers run beside the step.
    Made(BatchStream),
}

/// Training steps one after the other, with the time that each part of them takes. Nothing is written.
pub(super) struct Stepper<B: AutodiffBackend> {
    method: AnyMethod<B>,
    optimizer: GroupedOptimizer<B>,
    clock: Clock,
    loader: Loader,
    views: Views,
    device: B::Device,
    /// The first step of the schedules that is taken.
    first: usize,
    taken: usize,
}

/// The time of each part of a step, in the order of [`StepPart::ALL`].
pub(super) type PartTimes = [Duration; StepPart::ALL.len()];

impl<B: AutodiffBackend> Stepper<B> {
    /// Prepares the steps of a configuration on images of which `facts` are known.
    pub(super) fn new(
        config: &RunConfig,
        loader: Loader,
        facts: DataFacts,
        fixed_views: bool,
        device: &B::Device,
    ) -> Result<Self, RunError> {
        let clock = Clock::new(assemble::schedule(config, facts.images));
        let setup = MethodSetup {
            config,
            images: facts.images,
            classes: facts.classes,
        };
        let method =
            AnyMethod::<B>::init(&setup, clock.clone(), device).map_err(RunError::Backbone)?;
        let optimizer = GroupedOptimizer::<B>::new(
            assemble::rule(config),
            assemble::groups(config),
            clock.clone(),
        );
        let mut stream = loader.epoch(0, 0);
        Ok(Self {
            method,
            optimizer,
            clock,
            views: match fixed_views {
                true => Views::Fixed(stream.next().ok_or(RunError::Vanished)??),
                false => Views::Made(stream),
            },
            loader,
            device: device.clone(),
            first: first_step_with_all_work(config, facts.images),
            taken: 0,
        })
    }

    /// Takes a step. By value, so that no second owner keeps tensors that are updated in place.
    pub(super) fn step(mut self) -> Result<(Self, PartTimes), RunError> {
        let per_epoch = self.loader.steps_per_epoch();
        if let Views::Made(stream) = &mut self.views
            && self.taken > 0
            && self.taken.is_multiple_of(per_epoch)
        {
            *stream = self.loader.epoch(self.taken / per_epoch, 0);
        }
        self.clock.set(self.first + self.taken);
        let mut parts = PartTimes::default();
        let mut last = Instant::now();
        let mut ended = |part: StepPart| {
            // A failure to wait shows in the step's own result.
            let _ = B::sync(&self.device);
            let now = Instant::now();
            if let Some(at) = StepPart::ALL.iter().position(|other| *other == part) {
                parts[at] += now - last;
            }
            last = now;
        };
        let batch = match &mut self.views {
            Views::Fixed(batch) => batch.clone(),
            Views::Made(stream) => stream.next().ok_or(RunError::Vanished)??,
        };
        let batch = upload::<B>(batch, &self.device);
        ended(StepPart::Data);
        let (output, grads) = self
            .method
            .learn_watched(&batch, &mut |phase| ended(StepPart::Learn(phase)));
        let method = self.method.before_update();
        self.method = self.optimizer.step(output.values.lr, method, grads);
        ended(StepPart::Optimizer);
        self.method = self.method.after_update();
        ended(StepPart::AfterUpdate);
        self.taken += 1;
        Ok((self, parts))
    }

    /// Networks and optimizer.
    pub(super) fn trained(self) -> (AnyMethod<B>, GroupedOptimizer<B>) {
        (self.method, self.optimizer)
    }
}

/// Takes some steps, then measures some. Nothing is written.
///
/// # Errors
/// If data or configuration do not allow a run.
pub fn bench_step<B: AutodiffBackend>(
    resolved: &ResolvedConfig,
    device: &B::Device,
    options: BenchOptions,
) -> Result<StepTimes, RunError> {
    let config = &resolved.config;
    let data = open_data(config)?;
    resolved.fit(data.facts)?;
    let BenchOptions {
        warmup,
        steps,
        fixed_views,
    } = options;
    let mut stepper = Stepper::<B>::new(config, data.loader, data.facts, fixed_views, device)?;
    let mut times = Vec::with_capacity(steps);
    for step in 0..warmup + steps {
        if step == warmup {
            profile::start();
        }
        let parts;
        (stepper, parts) = stepper.step()?;
        if step >= warmup {
            times.push(parts);
        }
    }
    Ok(StepTimes {
        batch_size: config.batch_size,
        operations: operations(steps),
        steps: times,
    })
}

/// What was profiled over `steps`, of one step.
fn operations(steps: usize) -> Vec<OperationTime> {
    let of_step = 1.0 / steps as f64;
    let mut operations: Vec<_> = profile::stop()
        .into_iter()
        .map(|(name, spent)| OperationTime {
            name,
            calls: spent.calls as f64 * of_step,
            seconds: spent.time.as_secs_f64() * of_step,
            flops: spent.flops * of_step,
        })
        .collect();
    operations.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    operations
}

/// How long the features of a batch take.
pub struct InferenceTimes {
    /// Seconds of a batch, the median.
    pub seconds: f64,
    /// What the operations of a batch took, the longest first; empty on engines without kernels of their own.
    pub operations: Vec<OperationTime>,
}

/// The features of a batch of random images in evaluation, `steps` times after `warmup` others.
///
/// # Errors
/// If there is no such backbone.
pub fn bench_inference<B: Backend>(
    config: &RunConfig,
    device: &B::Device,
    warmup: usize,
    steps: usize,
) -> Result<InferenceTimes, RunError> {
    let backbone = assemble::backbone::<B>(config, device)?;
    let side = config.views.global.size;
    let shape = [config.batch_size, 3, side, side];
    let images = Tensor::<B, 4>::random(shape, Distribution::Default, device);
    let mut times = Vec::with_capacity(steps);
    for step in 0..warmup + steps {
        if step == warmup {
            profile::start();
        }
        let start = Instant::now();
        let features = backbone.forward(images.clone(), BatchMode::Running);
        // Reading waits for the result on every engine.
        drop(features.into_data());
        if step >= warmup {
            times.push(start.elapsed());
        }
    }
    Ok(InferenceTimes {
        operations: operations(steps),
        seconds: median(times.into_iter()),
    })
}

/// A step at which nothing is frozen any more and SwAV's queue takes part.
fn first_step_with_all_work(config: &RunConfig, images: usize) -> usize {
    let (queue_epoch, queue_steps) = match config.method {
        Method::Swav => {
            let length = config.swav_queue_length(images);
            (
                config.swav_queue_start_epoch(),
                length.div_ceil(config.batch_size),
            )
        }
        _ => (0, 0),
    };
    let epoch = queue_epoch.max(config.freeze_last_layer_epochs());
    epoch * config.steps_per_epoch(images) + queue_steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> StepTimes {
        let step = |milliseconds: [u64; 9]| milliseconds.map(Duration::from_millis);
        StepTimes {
            batch_size: 4,
            operations: Vec::new(),
            steps: vec![
                step([50, 1, 30, 10, 5, 40, 2, 8, 4]),
                step([10, 1, 30, 10, 5, 40, 2, 8, 4]),
                step([20, 1, 60, 20, 5, 80, 2, 8, 4]),
            ],
        }
    }

    #[test]
    fn a_part_has_the_median_of_its_times() {
        let times = times();
        assert_eq!(times.len(), 3);
        assert_eq!(times.seconds(StepPart::Data), 0.02);
        assert_eq!(times.seconds(StepPart::Learn(Phase::Backward)), 0.04);
        assert_eq!(times.seconds(StepPart::AfterUpdate), 0.004);
    }

    #[test]
    fn a_step_is_all_but_waiting_and_its_share_all_but_backbones() {
        let times = times();
        assert_eq!(times.step_seconds(), 0.1);
        assert!((times.share_outside_backbone() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn an_even_number_of_values_has_the_mean_of_the_middle_ones() {
        assert_eq!(middle(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(middle(Vec::new()).is_nan());
    }

    #[test]
    fn the_work_of_a_frozen_layer_and_of_swavs_queue_is_not_left_out() {
        let first = |words: &[&str]| match crate::config::resolve(words) {
            Ok(resolved) => first_step_with_all_work(&resolved.config, 640),
            Err(error) => panic!("{error}"),
        };
        let shared = ["data=d", "batch_size=64", "epochs=100"];
        let with = |more: &[&str]| first(&[&shared[..], more].concat());
        assert_eq!(
            with(&["method=dino", "dino.freeze_last_layer_epochs=2"]),
            20
        );
        let queue = ["swav.queue_length=192", "swav.queue_start_epoch=5"];
        assert_eq!(with(&[&["method=swav"][..], &queue].concat()), 53);
    }
}
