//! `sslight finetune`: backbone and classifier trained on labelled images, from data to files. With weights it is
//! semi-supervised or full fine-tuning, from random weights the supervised floor.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use burn::module::AutodiffModule;
use sslight_data::loader::eval_subset;
use sslight_data::{ImageSource, Subset};
use sslight_models::Backbone;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::ParamInit;
use sslight_models::params::NamedTensor;
use sslight_models::weights::{WeightMap, named_tensors};

use super::evaluation::{
    Evaluated, EvaluationOptions, EvaluationRecord, LabelledData, Place, Progress, Subject,
    augmented,
};
use super::evaluation_files::write_tally;
use super::evaluator::EVAL_BATCH;
use super::head::head_weights;
use super::probe::{identity, lr_words, own_settings, rule};
use super::{RunError, assemble};
use crate::config::{Finetune, FinetuneHead, FinetuneSettings, RunConfig, scaled_lr};
use crate::eval::finetune::{FineTuned, Head, Images, rules};
use crate::eval::fit::{EpochDone, Fit, fit};
use crate::eval::{Course, EvalError, Tally, TrainingState};
use crate::fsio::WithPath;

/// Times during a training that the validation images are looked at.
const LOOKS: usize = 5;
const STATE_FILE: &str = "training.mpk";
/// Added to the seed for the classifier, so that it does not repeat the draws of the backbone.
const HEAD_SEED: u64 = 1 << 32;

/// Trains the network of `options.subject` with a classifier and measures it on the validation images.
///
/// # Errors
/// If data or weights cannot be used, or the training ends before its end.
pub fn finetune<B: AutodiffBackend>(
    config: &RunConfig,
    settings: &FinetuneSettings,
    mut options: EvaluationOptions<'_>,
    device: &B::Device,
) -> Result<Evaluated, RunError> {
    let started = Instant::now();
    let tune = &settings.finetune;
    let data = LabelledData::open(config, "fine-tuning")?;
    let train = labelled_part(config, tune, &data.train)?;
    let (backbone, left_out) = options.subject.backbone::<B>(config, device)?;
    if let Some(left_out) = left_out {
        (options.tell)(Progress::Note(left_out));
    }
    let (head, head_words) = head::<B>(config, tune, &backbone, data.classes, &options, device)?;
    let batch = tune.batch(train.len()).min(train.len());
    let epochs = tune.epochs(train.len(), data.train.len());
    let protocol = format!(
        "{} with {head_words}, all layers trained, {} images, {epochs} epochs, {} with base_lr {}{}, batch {batch}, cosine \
         {}, validation resize {} crop {}",
        match options.subject {
            Subject::Random | Subject::Pixels => "supervised from scratch",
            Subject::Weights { .. } => "fine-tuning",
        },
        train.len(),
        tune.optimizer,
        tune.base_lr,
        match tune.layer_decay {
            1.0 => String::new(),
            decay => format!(", layer decay {decay}"),
        },
        lr_words(tune.lr_update),
        config.eval.resize,
        config.eval.crop,
    );
    let identity = identity(config, settings, &options)?;
    let out = tune.out.as_deref();
    let place = Place::new(options.subject.run(), out, "finetune", &identity);
    place.create()?;

    let how = Fit {
        course: Course {
            steps_per_epoch: train.len().div_ceil(batch),
            epochs,
            lr: scaled_lr(tune.base_lr, batch),
            min_lr: tune.min_lr,
            update: tune.lr_update,
        },
        rule: rule(tune.optimizer, tune.momentum, tune.nesterov),
        rules: rules(&backbone, tune.classifier_lr_factor, tune.layer_decay),
        weight_decay: tune.weight_decay,
        stop: options.stop,
        state: Some(TrainingState {
            path: place.folder.join(STATE_FILE),
            identity,
        }),
    };
    let measure = |network: &FineTuned<B::InnerBackend>| -> Result<Tally, EvalError> {
        let source = &data.validation;
        let eval = assemble::eval_config(config, EVAL_BATCH);
        let batches = eval_subset(Arc::clone(source), (0..source.len()).collect(), eval)?;
        network.tally(data.classes, batches, device)
    };
    let every = epochs.div_ceil(LOOKS);
    let tell = &mut options.tell;
    let mut observe = |network: &FineTuned<B>, done: &EpochDone| {
        let number = done.epoch + 1;
        let looks = number.is_multiple_of(every) && number < done.epochs;
        let tally = looks.then(|| measure(&network.valid())).transpose()?;
        tell(Progress::Epoch {
            epoch: number,
            epochs: done.epochs,
            lr: done.lr,
            loss: done.losses.first().copied().unwrap_or(f64::NAN),
            top1: tally.map(|tally| tally.top1()),
        });
        Ok(())
    };
    let size = config.views.global.size;
    let loader = augmented(config, Arc::clone(&train), size, tune.crop_scale, batch)?;
    let images = Images::<B> {
        loader: &loader,
        device,
    };
    let network = FineTuned {
        backbone,
        classifier: head,
    };
    let network = fit(network, &how, &images, device, &mut observe)?.valid();
    let tally = measure(&network)?;

    let seconds = started.elapsed().as_secs_f64();
    let mut record = EvaluationRecord::new("finetune", config, &options, seconds);
    record.protocol = protocol;
    record.settings = own_settings(settings)?;
    record.train_images = train.len();
    record.validation_images = tally.samples();
    record.classes = data.classes;
    (record.top1, record.top5) = (tally.top1(), tally.top5());
    let weights: Vec<NamedTensor> = named_tensors(&network)
        .into_iter()
        .map(|tensor| NamedTensor {
            name: published_name(&tensor.name),
            ..tensor
        })
        .collect();
    let names = data.validation.class_names();
    write_tally(
        &place,
        &tally,
        names,
        &record,
        ("network.safetensors", &weights),
    )?;
    place.add(&record)?;
    Ok(Evaluated {
        record,
        results: place.results,
        folder: Some(place.folder),
    })
}

/// The backbone's tensors have the names of its library, beside them those of `classifier`.
fn published_name(name: &str) -> String {
    name.strip_prefix("backbone.").unwrap_or(name).to_owned()
}

/// The images that are trained on.
fn labelled_part(
    config: &RunConfig,
    tune: &Finetune,
    train: &Arc<dyn ImageSource>,
) -> Result<Arc<dyn ImageSource>, RunError> {
    if !tune.subset.is_empty() {
        let path = Path::new(&tune.subset);
        let list = std::fs::read_to_string(path).on(path, "read the list of images")?;
        return Ok(Arc::new(Subset::listed(Arc::clone(train), &list, path)?));
    }
    Ok(match tune.fraction {
        1.0 => Arc::clone(train),
        share => Arc::new(Subset::share_of_classes(
            Arc::clone(train),
            share,
            config.seed,
        )?),
    })
}

/// The classifier in front of the backbone, and what it is in words.
fn head<B: Backend>(
    config: &RunConfig,
    tune: &Finetune,
    backbone: &Backbone<B>,
    classes: usize,
    options: &EvaluationOptions<'_>,
    device: &B::Device,
) -> Result<(Head<B>, String), RunError> {
    let mut init = ParamInit::new(config.seed.wrapping_add(HEAD_SEED), device);
    let weights: Option<WeightMap> = match tune.head {
        FinetuneHead::Linear => None,
        FinetuneHead::Dino | FinetuneHead::Auto => {
            head_weights::<B>(config, &options.subject, device)?
        }
    };
    let is_scratch = matches!(options.subject, Subject::Random);
    let missing = || EvalError::NoHead {
        place: options.subject.describe(),
    };
    let dino = |weights: Option<&WeightMap>, init: &mut ParamInit<B>| {
        let words = match weights {
            Some(_) => "the first two layers of DINO's head and a linear layer",
            None => "two new layers as of DINO's head and a linear layer",
        };
        Head::dino(backbone, classes, weights, init).map(|head| (head, words.to_owned()))
    };
    let linear = |init: &mut ParamInit<B>| {
        let head = Head::linear(backbone, classes, init);
        (head, "a linear classifier".to_owned())
    };
    Ok(match (tune.head, weights) {
        (FinetuneHead::Linear, _) | (FinetuneHead::Auto, None) => linear(&mut init),
        (FinetuneHead::Auto, Some(weights)) => {
            dino(Some(&weights), &mut init).unwrap_or_else(|_| linear(&mut init))
        }
        (FinetuneHead::Dino, None) if !is_scratch => return Err(missing().into()),
        (FinetuneHead::Dino, weights) => {
            dino(weights.as_ref(), &mut init).map_err(|_| missing())?
        }
    })
}
