//! Linear probes, fine-tuning and kNN of trained weights: what may not change their numbers, and where they go.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use burn::backend::Autodiff;
use burn_flex::Flex;
use sslight_core::config::{Family, FinetuneSettings, ProbeSettings, VerbKeys, resolve};
use sslight_core::observe::StopHandle;
use sslight_core::run::{self, Evaluated, EvaluationOptions, Progress, RunError, Subject, results};

use crate::runs::{NEVER, image_folder, train, words};

type Cpu = Autodiff<Flex>;

const GOLDEN: &str = "fixtures/DINO_mobilenet_v2_last_ckpt.pth.tar";

/// Images in two splits, and a folder for results.
struct Folders {
    root: tempfile::TempDir,
    data: String,
}

fn folders() -> Folders {
    let root = tempfile::tempdir().unwrap();
    let images = root.path().join("images");
    for split in ["train", "val"] {
        image_folder(&images.join(split));
    }
    Folders {
        data: images.to_string_lossy().into_owned(),
        root,
    }
}

impl Folders {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn words(&self, more: &[&str]) -> Vec<String> {
        words(&self.data, &self.path("run"), more)
    }
}

/// What an evaluation of `subject` comes to, stopped in the epoch after `stop_after`.
struct Asked<'a> {
    subject: Subject<'a>,
    words: Vec<String>,
    own: Vec<String>,
    stop_after: usize,
}

impl Asked<'_> {
    fn options<'o>(
        &'o self,
        stop: &'o StopHandle,
        tell: &'o mut dyn FnMut(Progress),
    ) -> EvaluationOptions<'o> {
        EvaluationOptions {
            subject: self.subject,
            run: self.subject.run(),
            backend_name: "test",
            stop,
            tell,
        }
    }

    fn run(
        &self,
        evaluate: impl FnOnce(
            &sslight_core::config::RunConfig,
            EvaluationOptions<'_>,
        ) -> Result<Evaluated, RunError>,
    ) -> Result<Evaluated, RunError> {
        let config = resolve(&self.words).unwrap().config;
        let (stop, epochs) = (StopHandle::new(), Cell::new(0));
        let mut tell = |progress: Progress| {
            if matches!(progress, Progress::Epoch { .. }) {
                epochs.set(epochs.get() + 1);
                if epochs.get() == self.stop_after {
                    stop.request();
                }
            }
        };
        evaluate(&config, self.options(&stop, &mut tell))
    }

    fn probe(&self) -> Result<Evaluated, RunError> {
        let settings = ProbeSettings::of(Family::Cnn)
            .with_words(&self.own)
            .unwrap();
        self.run(|config, options| {
            run::probe::<Cpu>(config, &settings, options, &Default::default())
        })
    }

    fn finetune(&self) -> Result<Evaluated, RunError> {
        let settings = FinetuneSettings::semi_supervised()
            .with_words(&self.own)
            .unwrap();
        self.run(|config, options| {
            run::finetune::<Cpu>(config, &settings, options, &Default::default())
        })
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

fn out(group: &str, path: &Path) -> String {
    format!("{group}.out={}", path.display())
}

#[test]
fn a_grid_of_learning_rates_is_as_many_probes() {
    let folders = folders();
    let probe = |name: &str, rates: &str| {
        let asked = Asked {
            subject: Subject::Random,
            words: folders.words(&["backbone=resnet18"]),
            own: owned(&[
                "probe.epochs=4",
                "probe.batch_size=8",
                "probe.min_lr=0.01",
                rates,
                &out("probe", &folders.path(name)),
            ]),
            stop_after: NEVER,
        };
        asked.probe().unwrap()
    };
    let alone = [
        probe("a", "probe.base_lr=0.4"),
        probe("b", "probe.base_lr=40"),
    ];
    let together = probe("c", "probe.base_lr=[0.4,40]");
    let rates = together.record.more["learning_rates"].as_array().unwrap();
    for (rate, alone) in rates.iter().zip(&alone) {
        assert_eq!(rate["top1"], alone.record.top1);
        assert_eq!(rate["top5"], alone.record.top5);
    }
    // The winner's classifier is the same, to the bit (of all of them in a test of the library).
    let best = alone.iter().map(|e| e.record.top1).fold(0.0, f64::max);
    let winner = alone.iter().position(|e| e.record.top1 == best).unwrap();
    assert_eq!(together.record.top1, best);
    assert!(classifier(&together) == classifier(&alone[winner]));
}

/// The bytes of the classifier that a probe wrote.
fn classifier(evaluated: &Evaluated) -> Vec<u8> {
    let folder = evaluated.folder.as_ref().unwrap();
    let bytes = fs::read(folder.join("classifier.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    file.tensor("classifier.weight").unwrap().data().to_vec()
}

#[test]
fn cached_features_of_separable_images_are_learned() {
    let folders = folders();
    let asked = Asked {
        subject: Subject::Pixels,
        words: folders.words(&[]),
        own: owned(&[
            "probe.cache=true",
            "probe.epochs=200",
            "probe.batch_size=8",
            "probe.optimizer=sgd",
            "probe.base_lr=1",
            &out("probe", &folders.path("pixels")),
        ]),
        stop_after: NEVER,
    };
    let evaluated = asked.probe().unwrap();
    // Training and validation images are equal here: a classifier of 768 pixels tells 24 images apart.
    assert_eq!(evaluated.record.top1, 100.0);
    assert!(
        evaluated.record.protocol.contains("estimate"),
        "{}",
        evaluated.record.protocol
    );
    let folder = evaluated.folder.unwrap();
    let confusion = fs::read_to_string(folder.join("confusion.csv")).unwrap();
    assert_eq!(confusion, "class,class0,class1\nclass0,12,0\nclass1,0,12\n");
    assert!(
        fs::read_to_string(folder.join("confusion.svg"))
            .unwrap()
            .contains("<svg")
    );
    let rows = results(&[folder]).unwrap().evaluations;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].network(), rows[0].paper), ("pixels", None));
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_weights() {
    let folders = folders();
    let asked = |name: &str, stop_after| Asked {
        subject: Subject::Random,
        words: folders.words(&["backbone=resnet18"]),
        own: owned(&[
            "finetune.epochs=3",
            "finetune.batch_size=8",
            &out("finetune", &folders.path(name)),
        ]),
        stop_after,
    };
    let whole = asked("whole", NEVER).finetune().unwrap();
    let error = asked("parts", 1).finetune().unwrap_err();
    assert!(error.is_interruption(), "{error}");
    let state = folders.path("parts").join("training.mpk");
    assert!(state.is_file());
    let parts = asked("parts", NEVER).finetune().unwrap();
    assert!(!state.exists());
    let weights = |evaluated: &Evaluated| {
        fs::read(
            evaluated
                .folder
                .as_ref()
                .unwrap()
                .join("network.safetensors"),
        )
        .unwrap()
    };
    assert_eq!(weights(&whole), weights(&parts));
    assert_eq!(whole.record.top1, parts.record.top1);
}

#[test]
fn the_state_of_other_settings_is_not_continued() {
    let folders = folders();
    let asked = |rate: &str, stop_after| Asked {
        subject: Subject::Random,
        words: folders.words(&["backbone=resnet18"]),
        own: owned(&[
            "probe.epochs=3",
            "probe.batch_size=8",
            rate,
            &out("probe", &folders.path("p")),
        ]),
        stop_after,
    };
    let alone = classifier(&asked("probe.base_lr=0.1", NEVER).probe().unwrap());
    let stopped = asked("probe.base_lr=30", 1).probe().unwrap_err();
    assert!(stopped.is_interruption());
    let after = asked("probe.base_lr=0.1", NEVER).probe().unwrap();
    assert!(alone == classifier(&after), "the other state was continued");
}

#[test]
fn fine_tuning_takes_the_first_layers_of_the_head_from_a_run_and_from_the_references_checkpoint() {
    let folders = folders();
    let run = folders.path("run");
    train::<Cpu>(&folders.words(&["max_steps=2", "backbone=resnet18"]), NEVER).unwrap();
    let file = run.join("backbone.safetensors");
    let bytes = fs::read(&file).unwrap();
    let of_run = Asked {
        subject: Subject::Weights {
            path: &file,
            bytes: &bytes,
            run: Some(&run),
        },
        words: folders.words(&["backbone=resnet18"]),
        own: owned(&["finetune.epochs=1", "finetune.fraction=0.5"]),
        stop_after: NEVER,
    };
    let evaluated = of_run.finetune().unwrap();
    let record = &evaluated.record;
    assert!(
        record.protocol.contains("first two layers of DINO's head"),
        "{}",
        record.protocol
    );
    assert_eq!((record.train_images, record.validation_images), (12, 24));
    assert_eq!(evaluated.results, run.join("results.jsonl"));
    let list = evaluated.folder.unwrap().join("images.txt");
    assert_eq!(fs::read_to_string(list).unwrap().lines().count(), 12);
    assert_eq!(results(&[run]).unwrap().evaluations.len(), 1);

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let bytes = fs::read(&golden).unwrap();
    let of_reference = |head: &str, name: &str| Asked {
        subject: Subject::Weights {
            path: &golden,
            bytes: &bytes,
            run: None,
        },
        words: folders.words(&["backbone=mobilenet_v2"]),
        own: owned(&[
            "finetune.epochs=1",
            head,
            &out("finetune", &folders.path(name)),
        ]),
        stop_after: NEVER,
    };
    let with_head = of_reference("finetune.head=auto", "e").finetune().unwrap();
    assert!(with_head.record.protocol.contains("DINO's head"));
    let names = fs::read(folders.path("e").join("network.safetensors")).unwrap();
    let names = safetensors::SafeTensors::deserialize(&names).unwrap();
    // The reference's head has 64 hidden units.
    assert_eq!(
        names.tensor("classifier.mlp.3.weight").unwrap().shape(),
        [64, 64]
    );
    assert_eq!(
        names.tensor("classifier.mlp.6.weight").unwrap().shape(),
        [2, 64]
    );
    let linear = of_reference("finetune.head=linear", "f")
        .finetune()
        .unwrap();
    assert!(linear.record.protocol.contains("a linear classifier"));
}

#[test]
fn a_head_that_is_not_there_and_images_without_labels_are_said() {
    let folders = folders();
    let run = folders.path("run");
    let method = "method=simclr";
    train::<Cpu>(
        &folders.words(&["max_steps=2", "backbone=resnet18", method]),
        NEVER,
    )
    .unwrap();
    let file = run.join("backbone.safetensors");
    let bytes = fs::read(&file).unwrap();
    let subject = Subject::Weights {
        path: &file,
        bytes: &bytes,
        run: Some(&run),
    };
    let asked = |head: &str, words: Vec<String>| {
        let asked = Asked {
            subject,
            words,
            own: owned(&["finetune.epochs=1", head]),
            stop_after: NEVER,
        };
        asked.finetune().unwrap_err().to_string()
    };
    let simclr = folders.words(&["backbone=resnet18", method]);
    let text = asked("finetune.head=dino", simclr);
    assert!(
        text.contains("no head of DINO") && text.contains("finetune.head=linear"),
        "{text}"
    );

    let flat = folders.path("flat");
    fs::create_dir(&flat).unwrap();
    fs::copy(
        Path::new(&folders.data).join("train/class0/00.png"),
        flat.join("a.png"),
    )
    .unwrap();
    let flat = format!("data={}", flat.display());
    let validation = format!("val_data={}", folders.data);
    let text = asked(
        "finetune.head=linear",
        folders.words(&["backbone=resnet18", &flat]),
    );
    assert!(text.contains("no validation images"), "{text}");
    let text = asked(
        "finetune.head=linear",
        folders.words(&["backbone=resnet18", &flat, &validation]),
    );
    assert!(
        text.contains("has no labels, which fine-tuning needs"),
        "{text}"
    );
}

#[test]
fn validation_images_of_other_classes_are_refused_by_every_evaluation_and_by_a_run() {
    let folders = folders();
    let other = folders.path("other");
    image_folder(&other);
    fs::rename(other.join("class1"), other.join("class2")).unwrap();
    let val = format!("val_data={}", other.display());
    let asked = Asked {
        subject: Subject::Random,
        words: folders.words(&["backbone=resnet18", &val]),
        own: Vec::new(),
        stop_after: NEVER,
    };
    let knn = asked.run(|config, options| {
        run::knn::<Flex>(config, &[], options, &Default::default()).map(|_| unreachable!())
    });
    let run = train::<Cpu>(&asked.words, NEVER).map(|_| unreachable!());
    for error in [asked.probe(), asked.finetune(), knn, run] {
        let text = error.map(|_| ()).unwrap_err().to_string();
        assert!(
            text.contains("not the same ones (number 1: class1 and class2)"),
            "{text}"
        );
    }
    assert!(!folders.path("run").exists(), "a run was begun");
    // Leave-one-out compares validation images with each other alone, unless a classifier is trained along.
    let alone = ["eval.knn_protocol=leave_one_out", "eval.knn_k=3"];
    let words = |more: &str| folders.words(&["max_steps=1", &val, alone[0], alone[1], more]);
    let error = train::<Cpu>(&words("probe=true"), NEVER)
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("not the same ones"), "{error}");
    train::<Cpu>(&words("probe=false"), NEVER).unwrap();
}
