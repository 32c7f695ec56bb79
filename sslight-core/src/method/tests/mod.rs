//! All methods through the type that the learner trains.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder};
use burn::tensor::TensorData;
use burn_flex::Flex;
use burn_train::{ItemLazy, TrainStep};
use sslight_models::params::{named_tensors, parameters};

mod parts;

use super::*;
use crate::config::{Method as MethodChoice, RunConfig, resolve};
use crate::optim::{GroupRules, GroupedOptimizer, PretrainingRules, Rule};
use crate::schedule::{Clock, LearningRate, Schedule, WarmupCosine};

type B = Autodiff<Flex>;

const BATCH: usize = 4;
const IMAGES: usize = 40;
const LR: f64 = 0.01;

fn config(method: MethodChoice, more: &[&str]) -> RunConfig {
    let words = [
        "data=d",
        "backbone=mobilenet_v2",
        "views.global.size=16",
        // The full-size stem is many times as fast.
        "model.small_input=false",
        "views.locals=2",
        "batch_size=4",
        "dino.out_dim=12",
        "dino.hidden_dim=8",
        "dino.bottleneck_dim=6",
        "swav.hidden_dim=8",
        "swav.out_dim=6",
        "swav.prototypes=5",
        "swav.queue_length=8",
        "swav.queue_start_epoch=0",
        "moco.hidden_dim=8",
        "moco.out_dim=6",
        "moco.queue_length=10",
        "simclr.hidden_dim=8",
        "simclr.out_dim=6",
    ];
    let method = format!("method={method}");
    match resolve(&[&words[..], &[method.as_str()], more].concat()) {
        Ok(resolved) => resolved.config,
        Err(error) => panic!("{error}"),
    }
}

fn clock() -> Clock {
    let constant = |value| WarmupCosine::cosine(value, value, 20);
    Clock::new(Schedule {
        steps_per_epoch: 2,
        lr: LearningRate::Cosine(constant(LR)),
        weight_decay: constant(1e-4),
        ema_momentum: constant(0.9),
        warmup_teacher_temp: 0.04,
        teacher_temp: 0.07,
        warmup_teacher_temp_epochs: 2,
        freeze_last_layer_epochs: 1,
    })
}

fn init(config: &RunConfig, clock: &Clock) -> AnyMethod<B> {
    let setup = MethodSetup {
        config,
        images: IMAGES,
        classes: 3,
    };
    match AnyMethod::init(&setup, clock.clone(), &Default::default()) {
        Ok(method) => method,
        Err(error) => panic!("{error}"),
    }
}

fn optimizer(clock: &Clock) -> GroupedOptimizer<B> {
    GroupedOptimizer::new(
        Rule::Sgd {
            momentum: 0.9,
            nesterov: false,
        },
        GroupRules::Pretraining(PretrainingRules {
            wd_factor_bias: 0.0,
            wd_factor_depthwise: 0.0,
            lars_exclude_bias: true,
            lars_exclude_depthwise: false,
        }),
        clock.clone(),
    )
}

fn batch(step: usize) -> ViewBatch<B> {
    let images = |views: usize, size: usize| {
        let shape = [views * BATCH, 3, size, size];
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count)
            .map(|i| ((i * 37 + step * 11) as f32 * 0.1).sin())
            .collect();
        Tensor::from_data(TensorData::new(values, shape), &Default::default())
    };
    let labels: Vec<i64> = (0..BATCH as i64).map(|i| i % 3).collect();
    ViewBatch {
        groups: vec![images(2, 16), images(2, 8)],
        batch: BATCH,
        labels: Some(Tensor::from_data(
            TensorData::new(labels, [BATCH]),
            &Default::default(),
        )),
    }
}

/// Takes the steps of a range and returns the losses.
fn steps(
    mut method: AnyMethod<B>,
    optimizer: &mut GroupedOptimizer<B>,
    clock: &Clock,
    range: std::ops::Range<usize>,
) -> (AnyMethod<B>, Vec<StepStats>) {
    let mut stats = Vec::new();
    for step in range {
        clock.set(step);
        let output = TrainStep::step(&method, batch(step));
        stats.push(output.item.sync());
        method = method.optimize(optimizer, LR, output.grads);
    }
    (method, stats)
}

#[test]
fn names_of_parameters_show_no_variant_and_no_method_shares_an_identity_between_tensors() {
    for (choice, first) in [
        (MethodChoice::Dino, "student.backbone.features.0.0.weight"),
        (MethodChoice::Swav, "network.backbone.features.0.0.weight"),
        (MethodChoice::Moco, "query.backbone.features.0.0.weight"),
        (MethodChoice::Simclr, "network.backbone.features.0.0.weight"),
        (MethodChoice::Supervised, "backbone.features.0.0.weight"),
    ] {
        let method = init(&config(choice, &["probe=true"]), &clock());
        let infos = parameters::<B, _>(&method);
        assert_eq!(infos[0].name, first);
        assert!(infos.iter().any(|info| info.name == "classifier.weight"));
        let ids: std::collections::HashSet<_> = infos.iter().map(|info| info.id).collect();
        assert_eq!(ids.len(), infos.len(), "{choice}");
    }
}

#[test]
fn every_method_reports_what_it_has_and_leaves_out_what_it_lacks() {
    for choice in MethodChoice::all() {
        let clock = clock();
        let method = init(&config(*choice, &[]), &clock);
        let (_, stats) = steps(method, &mut optimizer(&clock), &clock, 0..1);
        let StepStats {
            loss,
            loss_global,
            loss_local,
            loss_probe,
            ema_momentum,
            teacher_temp,
            ..
        } = stats[0];
        assert!(loss.is_finite() && loss > 0.0, "{choice}: {loss}");
        let pairs = *choice != MethodChoice::Supervised;
        assert_eq!(
            (loss_global.is_some(), loss_local.is_some()),
            (pairs, pairs && *choice != MethodChoice::Simclr)
        );
        assert_eq!(loss_probe, None);
        let has_ema = matches!(choice, MethodChoice::Dino | MethodChoice::Moco);
        assert_eq!(ema_momentum, has_ema.then_some(0.9), "{choice}");
        let has_temp = *choice == MethodChoice::Dino;
        assert_eq!(teacher_temp, has_temp.then_some(0.04), "{choice}");
    }
}

#[test]
fn the_probe_learns_and_changes_no_other_loss() {
    for choice in [
        MethodChoice::Dino,
        MethodChoice::Swav,
        MethodChoice::Moco,
        MethodChoice::Simclr,
    ] {
        let run = |more: &[&str]| {
            let clock = clock();
            let method = init(&config(choice, more), &clock);
            let weights = |method: &AnyMethod<B>| {
                let classifier = method.classifier()?;
                Some(sslight_models::params::host_values(classifier.weight.val()))
            };
            let before = weights(&method);
            let (method, stats) = steps(method, &mut optimizer(&clock), &clock, 0..3);
            (before, weights(&method), stats)
        };
        let (_, none, plain) = run(&[]);
        let (before, after, probed) = run(&["probe=true"]);
        assert!(none.is_none() && before.is_some() && before != after);
        for (plain, probed) in plain.iter().zip(&probed) {
            assert_eq!(plain.loss_global, probed.loss_global, "{choice}");
            let probe = probed.loss_probe.unwrap_or(f64::NAN);
            // One f32 addition apart.
            assert!((probed.loss - probe - plain.loss).abs() < 1e-6, "{choice}");
        }
    }
}

#[test]
fn a_method_that_is_saved_and_loaded_at_any_step_goes_on_with_the_same_losses() {
    for choice in MethodChoice::all() {
        let config = config(*choice, &["probe=true"]);
        let whole = {
            let clock = clock();
            let method = init(&config, &clock);
            steps(method, &mut optimizer(&clock), &clock, 0..6).1
        };
        // In the middle of an epoch, before and after the queue of SwAV is full and that of MoCo wraps.
        for stop in [1, 3, 5] {
            let clock = clock();
            let mut optimizer = optimizer(&clock);
            let (method, mut stats) = steps(init(&config, &clock), &mut optimizer, &clock, 0..stop);
            let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
            let bytes = match recorder.record(method.into_record(), ()) {
                Ok(bytes) => bytes,
                Err(error) => panic!("{error}"),
            };
            let record = match recorder.load(bytes, &Default::default()) {
                Ok(record) => record,
                Err(error) => panic!("{error}"),
            };
            let fresh = init(&config, &clock).load_record(record);
            stats.extend(steps(fresh, &mut optimizer, &clock, stop..6).1);
            assert_eq!(stats, whole, "{choice}, stopped after {stop}");
        }
    }
}

#[test]
fn swav_normalises_its_prototypes_before_a_step_and_freezes_them_in_the_first_epoch() {
    let clock = clock();
    let prototypes = |method: &AnyMethod<B>| -> Vec<f32> {
        named_tensors(&method.valid())
            .into_iter()
            .find(|tensor| tensor.name == "network.head.prototypes.weight")
            .map(|tensor| tensor.values)
            .unwrap_or_default()
    };
    let method = init(&config(MethodChoice::Swav, &[]), &clock);
    let mut optimizer = optimizer(&clock);
    let (method, _) = steps(method, &mut optimizer, &clock, 0..1);
    let frozen = prototypes(&method);
    for row in frozen.chunks(6) {
        let length = row.iter().map(|v| v * v).sum::<f32>();
        assert!((length - 1.0).abs() < 1e-6, "{length}");
    }
    let (method, _) = steps(method, &mut optimizer, &clock, 1..2);
    let still = prototypes(&method);
    // Normalised once more, which moves a unit vector by rounding only.
    assert!(frozen.iter().zip(&still).all(|(a, b)| (a - b).abs() < 1e-6));
    let (method, _) = steps(method, &mut optimizer, &clock, 2..3);
    let moved = prototypes(&method);
    assert!(still.iter().zip(&moved).any(|(a, b)| (a - b).abs() > 1e-5));
}

#[test]
fn swavs_queue_is_used_once_it_is_full_and_only_from_its_epoch_on() {
    let used = |start: &str| -> Vec<bool> {
        let clock = clock();
        let mut method = init(&config(MethodChoice::Swav, &[start]), &clock);
        let mut optimizer = optimizer(&clock);
        (0..6)
            .map(|step| {
                let before = match &method {
                    AnyMethod::Swav(swav) => {
                        clock.set(step);
                        swav.queue_is_used()
                    }
                    _ => false,
                };
                method = steps(method.clone(), &mut optimizer, &clock, step..step + 1).0;
                before
            })
            .collect()
    };
    // Two batches fill the queue.
    assert_eq!(
        used("swav.queue_start_epoch=0"),
        [false, false, true, true, true, true]
    );
    assert_eq!(
        used("swav.queue_start_epoch=1"),
        [false, false, false, false, true, true]
    );
}

#[test]
fn swavs_queue_of_another_run_is_not_full_before_its_rows_are() {
    let clock = clock();
    let method = init(
        &config(MethodChoice::Swav, &["swav.queue_start_epoch=0"]),
        &clock,
    );
    let mut optimizer = optimizer(&clock);
    let (method, _) = steps(method, &mut optimizer, &clock, 0..1);
    // As many steps as would have filled it, had all of them pushed.
    clock.set(5);
    let used = |method: &_| match method {
        AnyMethod::Swav(swav) => swav.queue_is_used(),
        _ => false,
    };
    assert!(!used(&method));
    let (method, _) = steps(method, &mut optimizer, &clock, 5..6);
    assert!(used(&method));
}

#[test]
fn mocos_queue_wraps_around_a_length_that_is_no_multiple_of_the_batch() {
    let clock = clock();
    let method = init(&config(MethodChoice::Moco, &[]), &clock);
    let queue = |method: &AnyMethod<B>| -> Vec<f32> {
        match method {
            AnyMethod::Moco(moco) => sslight_models::params::host_values(moco.queue.value()),
            _ => Vec::new(),
        }
    };
    let before = queue(&method);
    let mut optimizer = optimizer(&clock);
    let (method, _) = steps(method, &mut optimizer, &clock, 0..2);
    let after_two = queue(&method);
    let changed = |a: &[f32], b: &[f32]| -> Vec<usize> {
        (0..10)
            .filter(|column| (0..6).any(|row| a[row * 10 + column] != b[row * 10 + column]))
            .collect()
    };
    assert_eq!(changed(&before, &after_two), (0..8).collect::<Vec<_>>());
    let (method, _) = steps(method, &mut optimizer, &clock, 2..3);
    assert_eq!(changed(&after_two, &queue(&method)), [0, 1, 8, 9]);
    for column in 0..10 {
        let length: f32 = (0..6)
            .map(|row| queue(&method)[row * 10 + column].powi(2))
            .sum();
        assert!((length - 1.0).abs() < 1e-5, "{column}: {length}");
    }
}

#[test]
fn mocos_key_encoder_follows_the_query_encoder_of_before_the_update() {
    let clock = clock();
    let method = init(&config(MethodChoice::Moco, &[]), &clock);
    let conv = |method: &AnyMethod<B>, network: &str| -> Vec<f32> {
        named_tensors(&method.valid())
            .into_iter()
            .find(|tensor| tensor.name == format!("{network}.backbone.features.0.0.weight"))
            .map(|tensor| tensor.values)
            .unwrap_or_default()
    };
    let start = conv(&method, "key");
    assert_eq!(start, conv(&method, "query"));
    let mut optimizer = optimizer(&clock);
    let (method, _) = steps(method, &mut optimizer, &clock, 0..1);
    // It was equal to the query encoder when it followed, up to the rounding of 0.9 x + 0.1 x.
    let key = conv(&method, "key");
    assert!(start.iter().zip(&key).all(|(a, b)| (a - b).abs() < 1e-6));
    let query = conv(&method, "query");
    let (method, _) = steps(method, &mut optimizer, &clock, 1..2);
    for ((old, query), new) in key.iter().zip(&query).zip(&conv(&method, "key")) {
        let want = 0.9 * old + 0.1 * query;
        assert!((want - new).abs() < 1e-6, "{want} {new}");
    }
}

#[test]
#[should_panic(expected = "Supervised::learn: the batch of 4 has no labels")]
fn supervised_training_without_labels_is_a_defect_of_the_caller() {
    let method = init(&config(MethodChoice::Supervised, &[]), &clock());
    let unlabelled = ViewBatch {
        labels: None,
        ..batch(0)
    };
    let _ = AnyMethod::learn(&method, &unlabelled);
}
