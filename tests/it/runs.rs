//! Whole runs on a small folder of images: what may not change their numbers, and what ends them.

use std::fs;
use std::path::Path;

use burn::backend::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use serde_json::Value;
use sslight_core::config::resolve;
use sslight_core::observe::{End, Observer, RunEvent, SaveHandle, StopHandle, Summary};
use sslight_core::run::{RunError, RunOptions, pretrain};
use sslight_models::backend::AutodiffBackend;

/// Two classes of 12 images; a batch of 8 makes 3 steps an epoch.
pub fn image_folder(root: &Path) -> String {
    for class in 0..2u32 {
        let folder = root.join(format!("class{class}"));
        fs::create_dir_all(&folder).unwrap();
        for index in 0..12u32 {
            let image = image::RgbImage::from_fn(40, 36, |x, y| {
                let wave = (x * (3 + class) + y * (7 + index) + index * 31) % 256;
                image::Rgb([wave as u8, (255 - wave) as u8, (x * y % 256) as u8])
            });
            image.save(folder.join(format!("{index:02}.png"))).unwrap();
        }
    }
    root.to_string_lossy().into_owned()
}

pub fn words(data: &str, out: &Path, more: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = [
        "batch_size=8",
        "epochs=2",
        "log_every=1",
        "views.global.size=16",
        "views.local.size=8",
        "views.locals=2",
        "dino.out_dim=32",
        "dino.hidden_dim=16",
        "dino.bottleneck_dim=8",
        "dino.warmup_teacher_temp_epochs=1",
        "optim.warmup_epochs=1",
        "eval.resize=16",
        "eval.crop=16",
        "eval.knn_every=0",
    ]
    .map(str::to_string)
    .to_vec();
    words.push(format!("data={data}"));
    words.push(format!("out={}", out.display()));
    words.extend(more.iter().map(|word| word.to_string()));
    words
}

/// Asks for a stop after some steps.
pub struct StopAfter {
    pub steps: usize,
    pub stop: StopHandle,
}

impl Observer for StopAfter {
    fn on_event(&mut self, event: &RunEvent) {
        if let RunEvent::Step(report) = event
            && report.step + 1 == self.steps
        {
            self.stop.request();
        }
    }
}

/// A run that nobody sees, and that is asked to stop after some steps.
pub fn options(stop_after: usize) -> RunOptions {
    let stop = StopHandle::new();
    RunOptions {
        observer: Box::new(StopAfter {
            steps: stop_after,
            stop: stop.clone(),
        }),
        stop,
        save: SaveHandle::new(),
        renderer: None,
        backend_name: "test".to_string(),
    }
}

pub fn train<B: AutodiffBackend>(words: &[String], stop_after: usize) -> Result<Summary, RunError> {
    let resolved = resolve(words).unwrap();
    pretrain::<B>(&resolved, &Default::default(), options(stop_after))
}

/// The lines of `metrics.jsonl`.
pub fn lines(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Step and loss of each step line, in order.
pub fn losses(out: &Path) -> Vec<(u64, f64)> {
    lines(out)
        .into_iter()
        .filter(|line| line["kind"] == "step")
        .map(|line| {
            (
                line["step"].as_u64().unwrap(),
                line["loss"].as_f64().unwrap(),
            )
        })
        .collect()
}

pub type Cpu = Autodiff<Flex>;
pub const NEVER: usize = usize::MAX;

#[test]
fn the_number_of_workers_changes_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let mut all = Vec::new();
    for workers in ["workers=1", "workers=2", "workers=4"] {
        let out = folder.path().join(workers);
        let summary = train::<Cpu>(&words(&data, &out, &[workers]), NEVER).unwrap();
        assert_eq!((summary.end, summary.steps), (End::Completed, 6));
        all.push(losses(&out));
    }
    assert_eq!(all[0].len(), 6);
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    // The loss of another seed differs, so equality above says something.
    let out = folder.path().join("seed");
    train::<Cpu>(&words(&data, &out, &["seed=1"]), NEVER).unwrap();
    assert_ne!(all[0], losses(&out));
}

#[test]
fn a_run_that_stops_anywhere_and_goes_on_has_the_losses_of_one_that_does_not_stop() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    for optimizer in ["optim.kind=lars", "optim.kind=adamw"] {
        let whole = folder.path().join(format!("{optimizer}-whole"));
        train::<Cpu>(&words(&data, &whole, &[optimizer]), NEVER).unwrap();
        // After an epoch, and in the middle of one.
        for stop_after in [3, 4] {
            let out = folder.path().join(format!("{optimizer}-{stop_after}"));
            let command = words(&data, &out, &[optimizer]);
            let first = train::<Cpu>(&command, stop_after).unwrap();
            assert_eq!((first.end, first.steps), (End::Interrupted, stop_after));
            let second = train::<Cpu>(&command, NEVER).unwrap();
            assert_eq!((second.end, second.steps), (End::Completed, 6));
            assert_eq!(losses(&out), losses(&whole), "{optimizer} {stop_after}");
        }
    }
}

#[test]
fn a_finished_run_is_not_trained_again_and_keeps_its_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let out = folder.path().join("run");
    let command = words(&data, &out, &[]);
    train::<Cpu>(&command, NEVER).unwrap();
    let before = losses(&out);
    let again = train::<Cpu>(&command, NEVER).unwrap();
    assert_eq!((again.end, again.steps), (End::Completed, 6));
    assert_eq!(losses(&out), before);
}

#[test]
fn flex_and_ndarray_train_alike() {
    // Three steps of f32 training through batch normalisation of 8 samples; the first step differs by rounding
    // only, later ones by what training makes of it.
    const FIRST: f64 = 1e-5;
    const LAST: f64 = 2e-2;
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let short = "max_steps=3";
    let [flex, ndarray] = ["flex", "ndarray"].map(|name| folder.path().join(name));
    train::<Cpu>(&words(&data, &flex, &[short]), NEVER).unwrap();
    train::<Autodiff<NdArray>>(&words(&data, &ndarray, &[short]), NEVER).unwrap();
    let pairs: Vec<_> = losses(&flex).into_iter().zip(losses(&ndarray)).collect();
    assert_eq!(pairs.len(), 3);
    for ((step, a), (_, b)) in pairs {
        let limit = if step == 0 { FIRST } else { LAST };
        assert!(
            (a - b).abs() <= limit * a.abs(),
            "step {step}: flex {a}, ndarray {b}"
        );
    }
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let out = folder.path().join("photos");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("holiday.txt"), "x").unwrap();
    let error = train::<Cpu>(&words(&data, &out, &[]), NEVER).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("holds files, but no run of this program"),
        "{error}"
    );
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn a_run_of_another_configuration_is_refused_with_the_keys_that_differ() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let out = folder.path().join("run");
    train::<Cpu>(&words(&data, &out, &["max_steps=1"]), NEVER).unwrap();
    let error = train::<Cpu>(&words(&data, &out, &["seed=7"]), NEVER).unwrap_err();
    assert!(
        error.to_string().contains("seed is 7 here and 0 there"),
        "{error}"
    );
    let error = train::<Cpu>(&words(&data, &out, &["resume=never"]), NEVER).unwrap_err();
    assert!(error.to_string().contains("resume=never"), "{error}");
    // How long a run is cut off does not make it another run.
    let summary = train::<Cpu>(&words(&data, &out, &["max_steps=2"]), NEVER).unwrap();
    assert_eq!((summary.end, summary.steps), (End::MaxSteps, 2));
}

#[test]
fn a_damaged_newest_checkpoint_falls_back_to_the_one_before_and_the_losses_stay_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let out = folder.path().join("run");
    let command = words(&data, &out, &[]);
    train::<Cpu>(&command, NEVER).unwrap();
    let before = losses(&out);
    let newest = out.join("checkpoints/step-00000006/model.mpk");
    let content = fs::read(&newest).unwrap();
    fs::write(&newest, &content[..content.len() / 2]).unwrap();
    let again = train::<Cpu>(&command, NEVER).unwrap();
    assert_eq!(again.steps, 6);
    assert_eq!(losses(&out), before);
    let log = fs::read_to_string(out.join("train.log")).unwrap();
    assert!(log.contains("is not the file that was written"), "{log}");
}

#[test]
fn a_learning_rate_that_explodes_ends_the_run_with_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let out = folder.path().join("run");
    let more = [
        "optim.kind=sgd",
        "optim.base_lr=1e30",
        "optim.warmup_epochs=0",
    ];
    let error = train::<Cpu>(&words(&data, &out, &more), NEVER).unwrap_err();
    assert!(matches!(error, RunError::NotFinite { .. }), "{error}");
    assert!(error.is_self_stop());
}

/// The layer that [`break_weights`] breaks.
const BROKEN: &str = "layer3.0";

/// Sets two convolutions to zero, and the scale of the normalization between them so high that a gradient on the way to the first
/// one is more than 32 bits hold. The second one lets none through until a step has moved it. Everything forward, and everything
/// nearer to the loss, is finite.
fn break_weights(backbone: &Path, broken: &Path) {
    let bytes = fs::read(backbone).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<_> = file
        .iter()
        .filter(|(_, view)| view.dtype() == safetensors::Dtype::F32)
        .map(|(name, view)| {
            let value = match name.strip_prefix(BROKEN) {
                Some(".conv1.weight" | ".conv2.weight") => Some(0.0f32),
                Some(".bn1.weight") => Some(1e36),
                Some(".bn1.bias") => Some(1.0),
                _ => None,
            };
            let data = match value {
                Some(value) => value.to_le_bytes().repeat(view.data().len() / 4),
                None => view.data().to_vec(),
            };
            (name.to_string(), view.shape().to_vec(), data)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, data)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), data);
        (name, view.unwrap())
    });
    fs::write(broken, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_gradient_that_is_no_number_ends_the_run_with_its_layer_and_leaves_the_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let out = folder.path().join("run");
    let common = [
        "backbone=resnet18",
        "optim.kind=sgd",
        "optim.warmup_epochs=0",
        "dino.student_temp=1e-4",
        "optim.base_lr=1e-6",
        "optim.min_lr=1e-6",
        "optim.weight_decay=0",
        "optim.weight_decay_end=0",
        "checkpoint.every_steps=1",
    ];
    let sound = [&common[..], &["max_steps=2"]].concat();
    train::<Cpu>(&words(&data, &out, &sound), NEVER).unwrap();

    let weights = folder.path().join("broken.safetensors");
    break_weights(&out.join("backbone.safetensors"), &weights);
    let out = folder.path().join("broken");
    let init = format!("init={}", weights.display());
    let broken = [&common[..], &[&init]].concat();
    let error = train::<Cpu>(&words(&data, &out, &broken), NEVER).unwrap_err();
    assert!(error.is_self_stop(), "{error}");
    let message = error.to_string();
    let named =
        format!("step 1: the gradient of student.backbone.{BROKEN}.conv1.weight is not finite");
    assert!(message.starts_with(&named), "{message}");
    assert!(
        message.contains("this one first on the way back"),
        "{message}"
    );
    let event = lines(&out)
        .into_iter()
        .find(|line| line["name"] == "not_finite");
    let reason = event.unwrap()["reason"].as_str().unwrap().to_string();
    assert!(reason.contains(BROKEN), "{reason}");
    let entries = fs::read_dir(out.join("checkpoints")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["latest", "step-00000001"]);
}

#[test]
fn the_checkpoint_that_is_being_written_when_a_run_breaks_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let out = folder.path().join("run");
    let more = [
        "optim.kind=sgd",
        "optim.base_lr=1e30",
        "optim.warmup_epochs=0",
        "checkpoint.every_steps=1",
        "optim.start_warmup_lr=0",
    ];
    let error = train::<Cpu>(&words(&data, &out, &more), NEVER).unwrap_err();
    assert!(matches!(error, RunError::NotFinite { .. }), "{error}");
    let entries = fs::read_dir(out.join("checkpoints")).unwrap();
    let names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
}
