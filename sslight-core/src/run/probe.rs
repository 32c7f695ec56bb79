//! `sslight probe`: a linear classifier on frozen features, from data to files.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use sslight_data::loader::eval_subset;
use sslight_data::progress::Work;
use sslight_data::{HostBatch, ImageSource};
use sslight_models::backend::AutodiffBackend;
use sslight_models::params::NamedTensor;
use sslight_models::weights::named_tensors;

use super::evaluation::{
    Evaluated, EvaluationOptions, EvaluationRecord, LabelledData, Place, Progress, Subject,
    augmented, left_out,
};
use super::evaluation_files::{WeightsToWrite, write_tally};
use super::evaluator::EVAL_BATCH;
use super::{RunError, assemble};
use crate::config::{
    LrUpdate, OptimizerKind, Probe, ProbeSettings, RunConfig, VerbKeys, scaled_lr,
};
use crate::eval::fit::{EpochDone, Fit, fit};
use crate::eval::probe::{CachedFeatures, FreshFeatures, Probes, courses};
use crate::eval::{Course, Extractor, FeatureSet, Tally, TrainingState, features};
use crate::optim::{ClassificationRules, Rule};

/// Times during a training that the validation images are looked at.
const LOOKS: usize = 10;
const STATE_FILE: &str = "training.mpk";

/// Trains linear classifiers on the features of `options.subject` and measures them on the validation images.
///
/// # Errors
/// If data or weights cannot be used, or the training ends before its end.
pub fn probe<B: AutodiffBackend>(
    config: &RunConfig,
    settings: &ProbeSettings,
    mut options: EvaluationOptions<'_>,
    device: &B::Device,
) -> Result<Evaluated, RunError> {
    let started = Instant::now();
    let probe = &settings.probe;
    let data = LabelledData::open(config, "a linear probe")?;
    let shown = data.train_share(probe.fraction, config.seed)?;
    let train = Arc::clone(&shown.source);
    let (extractor, blocks) = extractor::<B>(config, probe, &mut options, device)?;
    let batch = probe.batch(train.len()).min(train.len());
    let protocol = protocol(config, probe, train.len(), batch, blocks);
    let identity = identity(config, settings, &options)?;
    let place = Place::new(options.run, probe.out.as_deref(), "probe", &identity);
    place.create()?;
    shown.write_list(&place)?;

    let tell = &mut options.tell;
    let mut look = |source: &Arc<dyn ImageSource>| -> Result<_, RunError> {
        let eval = assemble::eval_config(config, EVAL_BATCH);
        let mut batches = eval_subset(Arc::clone(source), (0..source.len()).collect(), eval)?;
        let work = Work::begin("features", "images", Some(source.len()));
        let counted = batches
            .by_ref()
            .inspect(|batch| work.add(batch.as_ref().map_or(0, HostBatch::len)));
        let features = features(&extractor, counted, device)?;
        drop(work);
        if let Some(note) = left_out(&batches.bad_images()) {
            tell(Progress::Note(note));
        }
        labelled(features, source)
    };
    let (validation, validation_labels) = look(&data.validation)?;
    let cached = probe.cache.then(|| look(&train)).transpose()?;
    let seen = cached
        .as_ref()
        .map_or(train.len(), |(_, labels)| labels.len());
    let lrs: Vec<f64> = probe
        .base_lr
        .iter()
        .map(|lr| scaled_lr(*lr, batch))
        .collect();
    let course = Course {
        steps_per_epoch: train.len().div_ceil(batch),
        epochs: probe.epochs,
        lr: lrs[0],
        min_lr: probe.min_lr,
        update: probe.lr_update,
    };
    let how = Fit {
        course,
        rule: rule(probe.optimizer, probe.momentum, false),
        rules: ClassificationRules {
            lr_factor_classifier: 1.0,
            lr_factors: Vec::new(),
        },
        courses: courses(course, &lrs),
        weight_decay: probe.weight_decay,
        stop: options.stop,
        state: Some(TrainingState {
            path: place.folder.join(STATE_FILE),
            identity,
        }),
    };
    let (count, dim) = (probe.base_lr.len(), validation.dim);
    let probes = Probes::<B>::new(count, dim, data.classes, config.seed, device);
    let every = probe.epochs.div_ceil(LOOKS);
    let mut observe = |probes: &Probes<B>, done: &EpochDone| {
        let looks = (done.epoch + 1).is_multiple_of(every);
        let tallies = looks.then(|| probes.tallies(&validation, &validation_labels, device));
        tell(Progress::Epoch {
            epoch: done.epoch + 1,
            epochs: done.epochs,
            lr: done.lr,
            loss: done.losses.iter().copied().fold(f64::INFINITY, f64::min),
            top1: tallies.map(|tallies| best(&tallies).1.top1()),
        });
        Ok(())
    };
    let trained = if let Some((features, labels)) = &cached {
        let data = CachedFeatures::<B> {
            features,
            labels,
            batch_size: batch,
            seed: config.seed,
            device,
        };
        fit(probes, &how, &data, device, &mut observe)?
    } else {
        let loader = augmented(config, Arc::clone(&train), probe.crop_scale, batch)?;
        let data = FreshFeatures::<B> {
            loader: &loader,
            extractor: &extractor,
            device,
        };
        fit(probes, &how, &data, device, &mut observe)?
    };

    let tallies = trained.tallies(&validation, &validation_labels, device);
    let (chosen, tally) = best(&tallies);
    let mut record = EvaluationRecord::new("probe", config, &options, 0.0);
    record.protocol = protocol;
    record.settings.extend(own_settings(settings)?);
    record.train_images = seen;
    record.validation_images = validation_labels.len();
    record.classes = data.classes;
    (record.top1, record.top5) = (tally.top1(), tally.top5());
    let of_rates = probe.base_lr.iter().zip(&tallies);
    if tallies.len() > 1 {
        let rates = of_rates
            .map(|(lr, tally)| json!({"base_lr": lr, "top1": tally.top1(), "top5": tally.top5()}));
        record.more.insert("learning_rates".into(), rates.collect());
    }
    record.seconds = started.elapsed().as_secs_f64();
    let classifier: Vec<NamedTensor> = named_tensors(&trained.classifiers[chosen])
        .into_iter()
        .map(|tensor| NamedTensor {
            name: format!("classifier.{}", tensor.name),
            ..tensor
        })
        .collect();
    let names = data.validation.class_names();
    write_tally(
        &place,
        tally,
        names,
        &record,
        WeightsToWrite {
            file: "classifier.safetensors",
            tensors: &classifier,
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

/// What gives the features, and the number of a transformer's blocks that they are of.
fn extractor<B: AutodiffBackend>(
    config: &RunConfig,
    probe: &Probe,
    options: &mut EvaluationOptions<'_>,
    device: &B::Device,
) -> Result<(Extractor<B::InnerBackend>, Option<usize>), RunError> {
    if matches!(options.subject, Subject::Pixels) {
        return Ok((Extractor::Pixels, None));
    }
    let (backbone, left_out) = options
        .subject
        .backbone::<B::InnerBackend>(config, device)?;
    if let Some(left_out) = left_out {
        (options.tell)(Progress::Note(left_out));
    }
    let is_vit = config.backbone.patch_size().is_some();
    let blocks = is_vit.then(|| probe.blocks.min(sslight_models::VIT_DEPTH));
    Ok((Extractor::Network { backbone, blocks }, blocks))
}

/// Features with their labels, which all of them must have.
fn labelled(
    mut features: FeatureSet,
    source: &Arc<dyn ImageSource>,
) -> Result<(FeatureSet, Vec<usize>), RunError> {
    match features.labels.take() {
        Some(labels) if labels.len() == features.len() => Ok((features, labels)),
        _ => Err(crate::eval::EvalError::NoLabels {
            data: source.describe(),
            what: "a linear probe",
        }
        .into()),
    }
}

/// The classifier with the highest accuracy, the first of equal ones.
fn best(tallies: &[Tally]) -> (usize, &Tally) {
    let mut best = 0;
    for (index, tally) in tallies.iter().enumerate() {
        if tally.top1() > tallies[best].top1() {
            best = index;
        }
    }
    (best, &tallies[best])
}

pub(super) fn rule(kind: OptimizerKind, momentum: f64, nesterov: bool) -> Rule {
    match kind {
        // The coefficient of the reference's classification code.
        OptimizerKind::Lars => Rule::Lars {
            momentum,
            eta: 0.001,
        },
        OptimizerKind::Sgd => Rule::Sgd { momentum, nesterov },
        OptimizerKind::Adamw => Rule::AdamW {
            betas: [momentum, 0.999],
            eps: 1e-8,
        },
    }
}

/// The settings as a flat object.
pub(super) fn own_settings<T: VerbKeys>(
    settings: &T,
) -> Result<serde_json::Map<String, serde_json::Value>, RunError> {
    let values = settings.values()?;
    let entry = |(key, value): (&crate::config::Key, toml::Value)| {
        let value = serde_json::to_value(value).unwrap_or_default();
        (key.name.to_owned(), value)
    };
    Ok(values.into_iter().map(entry).collect())
}

/// All that decides the outcome of an evaluation, in one text.
pub(super) fn identity<T: VerbKeys>(
    config: &RunConfig,
    settings: &T,
    options: &EvaluationOptions<'_>,
) -> Result<String, RunError> {
    let free = RunConfig {
        workers: None,
        out: None,
        ..config.clone()
    };
    let settings = serde_json::Value::Object(own_settings(settings)?);
    let weights = options.subject.checksum();
    let weights = weights.unwrap_or_else(|| options.subject.describe());
    Ok(format!("{weights}\n{settings}\n{}", free.to_toml()?))
}

pub(super) fn lr_words(update: LrUpdate) -> &'static str {
    match update {
        LrUpdate::Epoch => "set every epoch",
        LrUpdate::Step => "set every step",
    }
}

fn protocol(
    config: &RunConfig,
    probe: &Probe,
    images: usize,
    batch: usize,
    blocks: Option<usize>,
) -> String {
    let features = match (probe.cache, blocks) {
        (true, None) => "cached features of unaugmented images (an estimate)".to_owned(),
        (true, Some(blocks)) => {
            format!(
                "cached class tokens of the last {blocks} blocks, unaugmented images (an estimate)"
            )
        }
        (false, None) => "pooled features".to_owned(),
        (false, Some(blocks)) => format!("class tokens of the last {blocks} blocks"),
    };
    let rates: Vec<String> = probe.base_lr.iter().map(f64::to_string).collect();
    let chosen = match rates.len() {
        1 => String::new(),
        count => format!(", the best of {count} on the validation images"),
    };
    format!(
        "linear probe on {features}, frozen network, {images} images, {} epochs, {} with base_lr {}{chosen}, batch {batch}, \
         cosine {}, validation {}",
        probe.epochs,
        probe.optimizer,
        rates.join(", "),
        lr_words(probe.lr_update),
        config.eval.view(),
    )
}
