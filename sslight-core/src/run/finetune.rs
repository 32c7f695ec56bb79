//! `sslight finetune`: backbone and classifier trained on labelled images, from data to files. With weights it is
//! semi-supervised or full fine-tuning, from random weights the supervised floor.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use burn::module::AutodiffModule;
use sslight_data::loader::eval_subset;
use sslight_data::{DataError, Subset};
use sslight_models::Backbone;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::ParamInit;
use sslight_models::params::NamedTensor;
use sslight_models::weights::{WeightMap, named_tensors};

use super::evaluation::{
    Evaluated, EvaluationOptions, EvaluationRecord, LabelledData, Place, Progress, Subject,
    TrainImages, augmented, left_out,
};
use super::evaluation_files::{WeightsToWrite, write_tally};
use super::evaluator::EVAL_BATCH;
use super::head::head_weights;
use super::probe::{identity, lr_words, own_settings, rule};
use super::{RunError, assemble};
use crate::config::{Finetune, FinetuneHead, FinetuneSettings, RunConfig, scaled_lr};
use crate::eval::finetune::{FineTuned, Head, Images, rules};
use crate::eval::fit::{EpochDone, Fit, fit};
use crate::eval::{Course, EvalError, TrainingState};
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
    let shown = labelled_part(config, tune, &data)?;
    let train = Arc::clone(&shown.source);
    let (backbone, loaded) = options.subject.backbone::<B>(config, device)?;
    if let Some(loaded) = loaded {
        (options.tell)(Progress::Note(loaded));
    }
    let (head, head_words) =
        head::<B>(config, tune, &backbone, data.classes, &mut options, device)?;
    let batch = tune.batch(train.len()).min(train.len());
    let epochs = tune.epochs(train.len(), data.train.len());
    let protocol = format!(
        "{} with {head_words}, all layers trained, {} images, {epochs} epochs, {} with base_lr {}{}, batch {batch}, cosine \
         {}, validation {}",
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
        config.eval.view(),
    );
    let identity = identity(config, settings, &options)?;
    let out = tune.out.as_deref();
    let place = Place::new(options.run, out, "finetune", &identity);
    place.create()?;
    shown.write_list(&place)?;

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
        courses: Vec::new(),
        weight_decay: tune.weight_decay,
        stop: options.stop,
        state: Some(TrainingState {
            path: place.folder.join(STATE_FILE),
            identity,
        }),
    };
    let measure = |network: &FineTuned<B::InnerBackend>| -> Result<_, EvalError> {
        let source = &data.validation;
        let eval = assemble::eval_config(config, EVAL_BATCH);
        let mut batches = eval_subset(Arc::clone(source), (0..source.len()).collect(), eval)?;
        let tally = network.tally(data.classes, batches.by_ref(), device)?;
        Ok((tally, left_out(&batches.bad_images())))
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
            top1: tally.map(|(tally, _)| tally.top1()),
        });
        Ok(())
    };
    let loader = augmented(config, Arc::clone(&train), tune.crop_scale, batch)?;
    let images = Images::<B> {
        loader: &loader,
        device,
    };
    let head_kind = match head {
        Head::Linear(_) => FinetuneHead::Linear,
        Head::Dino(_) => FinetuneHead::Dino,
    };
    let network = FineTuned {
        backbone,
        classifier: head,
    };
    let network = fit(network, &how, &images, device, &mut observe)?.valid();
    let (tally, unreadable) = measure(&network)?;
    if let Some(note) = unreadable {
        (options.tell)(Progress::Note(note));
    }

    let seconds = started.elapsed().as_secs_f64();
    let mut record = EvaluationRecord::new("finetune", config, &options, seconds);
    record.protocol = protocol;
    record.settings.extend(own_settings(settings)?);
    record.head = Some(head_kind.to_string());
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
        WeightsToWrite {
            file: "network.safetensors",
            tensors: &weights,
            metadata: assemble::backbone_metadata(config),
        },
    )?;
    place.add(&record)?;
    how.finish();
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
    data: &LabelledData,
) -> Result<TrainImages, RunError> {
    if tune.subset.is_empty() {
        return Ok(data.train_share(tune.fraction, config.seed)?);
    }
    let path = Path::new(&tune.subset);
    if tune.fraction != 1.0 {
        return Err(RunError::Data(DataError::Subset {
            path: path.to_owned(),
            reason: "is a list of images beside a share of them; give finetune.subset or finetune.fraction".to_owned(),
            source_name: data.train.describe(),
        }));
    }
    let list = std::fs::read_to_string(path).on(path, "read the list of images")?;
    let train = Arc::clone(&data.train);
    Ok(TrainImages::some(Subset::listed(train, &list, path)?))
}

/// The classifier in front of the backbone, and what it is in words.
fn head<B: Backend>(
    config: &RunConfig,
    tune: &Finetune,
    backbone: &Backbone<B>,
    classes: usize,
    options: &mut EvaluationOptions<'_>,
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
    let place = options.subject.describe();
    let missing = |reason| EvalError::NoHead { place, reason };
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
        (FinetuneHead::Auto, Some(weights)) => match dino(Some(&weights), &mut init) {
            Ok(head) => head,
            Err(report) => {
                (options.tell)(Progress::Note(format!(
                    "a linear classifier stands on the backbone, since the head of the weights is another one than that \
                     which is fine-tuned through: {report}"
                )));
                linear(&mut init)
            }
        },
        (FinetuneHead::Dino, None) if !is_scratch => {
            return Err(missing("there is no head beside the backbone".to_owned()).into());
        }
        (FinetuneHead::Dino, weights) => {
            dino(weights.as_ref(), &mut init).map_err(|report| missing(report.to_string()))?
        }
    })
}
