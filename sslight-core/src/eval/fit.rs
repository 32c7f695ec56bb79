//! Training classifiers: the loop of the linear probe and of fine-tuning. Unlike pre-training it has no views, no
//! teacher and no clock beside its step, and needs no learner.

use burn::module::AutodiffModule;
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{Int, Tensor};
use sslight_data::progress::Work;
use sslight_data::{HostBatch, ImageSource};
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::params::host_values;

use super::{Course, EvalError, TrainingState};
use crate::learner::upload;
use crate::loss::cross_entropy;
use crate::method::ViewBatch;
use crate::observe::StopHandle;
use crate::optim::{ClassificationRules, GroupRules, GroupedOptimizer, Rule};
use crate::schedule::{Clock, LearningRate, Schedule, WarmupCosine};

/// What is trained: something that gives class scores, of one or of several classifiers side by side.
pub trait Classifier<B: AutodiffBackend>: AutodiffModule<B> {
    /// What it looks at.
    type Input;

    /// Scores `[rows, classes]` of each of its classifiers, in training. They share no parameters but those that all
    /// of them are to train.
    fn scores(&self, input: Self::Input) -> Vec<Tensor<B, 2>>;
}

/// A batch: input and labels `[rows]`.
pub type Batch<B, I> = (I, Tensor<B, 1, Int>);

/// The batches of an epoch.
pub type BatchIter<'a, B, I> = Box<dyn Iterator<Item = Result<Batch<B, I>, EvalError>> + 'a>;

/// Where batches come from.
pub trait Batches<B: AutodiffBackend, I> {
    /// The batches of an epoch, the same ones each time.
    fn epoch(&self, epoch: usize) -> BatchIter<'_, B, I>;
}

/// Images `[b, 3, s, s]` and labels `[b]` of a batch of one view.
///
/// # Errors
/// If an image of the batch has no label.
pub fn labelled<B: Backend>(
    batch: HostBatch,
    source: &dyn ImageSource,
    device: &B::Device,
) -> Result<(Tensor<B, 4>, Tensor<B, 1, Int>), EvalError> {
    let ViewBatch {
        mut groups, labels, ..
    } = upload::<B>(batch, device);
    match (groups.pop(), labels) {
        (Some(images), Some(labels)) => Ok((images, labels)),
        _ => Err(EvalError::NoLabels {
            data: source.describe(),
            what: "a classifier",
        }),
    }
}

/// How a classifier is trained.
pub struct Fit<'a> {
    /// Length and learning rate.
    pub course: Course,
    /// The optimizer.
    pub rule: Rule,
    /// Which parameters learn how fast.
    pub rules: ClassificationRules,
    /// Courses of their own, of parameters whose name begins with a text; they follow no factor of `rules`.
    pub courses: Vec<(String, Course)>,
    /// Weight decay.
    pub weight_decay: f64,
    /// Asks for a stop; what is done is in `state` then.
    pub stop: &'a StopHandle,
    /// The file that an interrupted training continues from. It stays after the last epoch, for the caller to remove
    /// when what the training is for is written.
    pub state: Option<TrainingState>,
}

impl Fit<'_> {
    /// Removes the state: what the training is for is written.
    pub fn finish(&self) {
        if let Some(state) = &self.state {
            state.remove();
        }
    }

    /// The learning rate of a step, and the rules that say whose it is.
    fn at(&self, step: usize) -> (f64, ClassificationRules) {
        let lr = self.course.lr_at(step);
        if self.courses.is_empty() {
            return (lr, self.rules.clone());
        }
        // Factors of 1 are learning rates, to the bit; the empty name is that of all others.
        let own = self.courses.iter();
        let own = own.map(|(start, course)| (start.clone(), course.lr_at(step)));
        let rules = ClassificationRules {
            lr_factors: own.chain([(String::new(), lr)]).collect(),
            ..self.rules
        };
        (1.0, rules)
    }
}

/// An epoch that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochDone {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Its learning rate (that of its last step), before factors.
    pub lr: f64,
    /// The mean loss of each classifier.
    pub losses: Vec<f64>,
}

/// Trains `model`, and tells of each epoch.
///
/// # Errors
/// If data cannot be read, the training is interrupted, or every loss stops being a number.
pub fn fit<B: AutodiffBackend, M: Classifier<B>>(
    mut model: M,
    fit: &Fit<'_>,
    data: &dyn Batches<B, M::Input>,
    device: &B::Device,
    observe: &mut dyn FnMut(&M, &EpochDone) -> Result<(), EvalError>,
) -> Result<M, EvalError> {
    let course = fit.course;
    let mut optimizer = GroupedOptimizer::<B>::new(
        fit.rule,
        GroupRules::Classification(fit.at(0).1),
        clock(course, fit.weight_decay),
    );
    let mut first_epoch = 0;
    if let Some(state) = &fit.state
        && let Some(saved) = state.load::<B, M>(device)?
    {
        model = model.load_record(saved.model);
        optimizer = Optimizer::<M, B>::load_record(optimizer, saved.optimizer);
        first_epoch = saved.epochs;
    }
    for epoch in first_epoch..course.epochs {
        let mut total: Option<Tensor<B::InnerBackend, 1>> = None;
        let mut step = epoch * course.steps_per_epoch;
        let mut lr = course.lr_at(step);
        let what = format!("epoch {}/{}", epoch + 1, course.epochs);
        let work = Work::begin(what, "steps", Some(course.steps_per_epoch));
        for batch in data.epoch(epoch) {
            work.add(1);
            let (input, labels) = batch?;
            lr = course.lr_at(step);
            let scores = model.scores(input).into_iter();
            let losses = scores.map(|scores| cross_entropy(scores, labels.clone()));
            let losses = Tensor::cat(losses.collect(), 0);
            let told = losses.clone().inner();
            let gradients = GradientsParams::from_grads(losses.sum().backward(), &model);
            let (step_lr, rules) = fit.at(step);
            optimizer.set_groups(GroupRules::Classification(rules));
            model = optimizer.step(step_lr, model, gradients);
            total = Some(match total {
                Some(total) => total + told,
                None => told,
            });
            step += 1;
            if fit.stop.is_requested() {
                return Err(EvalError::Interrupted);
            }
        }
        drop(work);
        let steps = (step - epoch * course.steps_per_epoch).max(1);
        let losses = total.map_or_else(Vec::new, host_values);
        let losses: Vec<f64> = losses
            .iter()
            .map(|l| f64::from(*l) / steps as f64)
            .collect();
        if losses.iter().all(|loss| !loss.is_finite()) {
            return Err(EvalError::NotFinite { epoch: epoch + 1 });
        }
        if let Some(state) = &fit.state {
            state.save::<B, M>(epoch + 1, &model, &optimizer)?;
        }
        let epochs = course.epochs;
        observe(
            &model,
            &EpochDone {
                epoch,
                epochs,
                lr,
                losses,
            },
        )?;
    }
    Ok(model)
}

/// A clock for the optimizer, which asks it for the weight decay only.
fn clock(course: Course, weight_decay: f64) -> Clock {
    let constant = |value| WarmupCosine::cosine(value, value, 1);
    Clock::new(Schedule {
        steps_per_epoch: course.steps_per_epoch,
        lr: LearningRate::Cosine(constant(course.lr)),
        weight_decay: constant(weight_decay),
        ema_momentum: constant(1.0),
        warmup_teacher_temp: 1.0,
        teacher_temp: 1.0,
        warmup_teacher_temp_epochs: 0,
        freeze_last_layer_epochs: 0,
    })
}
