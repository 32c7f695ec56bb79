//! Runs that are killed (SIGKILL) at random instants and start again end with the bits of one that was left alone.
//!
//! Each method is killed `SSLIGHT_SOAK_KILLS` times with one and with four workers, 2 times if that is not set; `just soak`
//! kills 50 times. A third of the kills wait until a checkpoint is being written. `SSLIGHT_SOAK_SEED` draws other instants.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::command;

/// What every run has: 3 steps an epoch, a checkpoint every second step and at the end of each epoch, scores of every
/// second epoch.
const COMMON: [&str; 21] = [
    "pretrain",
    "--quiet",
    "data=photos",
    "holdout_fraction=0.2",
    "batch_size=8",
    "epochs=30",
    "log_every=1",
    "probe=true",
    "backbone=mobilenet_v2",
    "model.small_input=false",
    "views.global.size=32",
    "views.local.size=16",
    "views.locals=2",
    "optim.kind=lars",
    "optim.base_lr=0.3",
    "optim.warmup_epochs=1",
    "eval.resize=32",
    "eval.crop=32",
    "eval.knn_every=2",
    "eval.knn_k=3",
    "checkpoint.every_steps=2",
];

/// The methods, with queues that are full after some steps and whose ends do not meet the batches'.
const METHODS: [&[&str]; 3] = [
    &[
        "method=dino",
        "dino.out_dim=32",
        "dino.hidden_dim=16",
        "dino.bottleneck_dim=8",
    ],
    &[
        "method=swav",
        "swav.hidden_dim=16",
        "swav.out_dim=8",
        "swav.prototypes=12",
        "swav.queue_length=16",
        "swav.queue_start_epoch=2",
    ],
    &[
        "method=moco",
        "moco.hidden_dim=16",
        "moco.out_dim=8",
        "moco.queue_length=20",
    ],
];

/// Draws instants; SplitMix64.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: Duration) -> Duration {
        most.mul_f64((self.next() >> 11) as f64 / (1u64 << 53) as f64)
    }
}

fn photos(root: &Path) {
    for class in 0..2u32 {
        let folder = root.join(format!("photos/class{class}"));
        fs::create_dir_all(&folder).unwrap();
        for index in 0..16u32 {
            let image = image::RgbImage::from_fn(40, 36, |x, y| {
                let wave = (x * (3 + class) + y * (7 + index) + index * 31) % 256;
                image::Rgb([wave as u8, (255 - wave) as u8, (x * y % 256) as u8])
            });
            image.save(folder.join(format!("{index:02}.png"))).unwrap();
        }
    }
}

/// The run of a method in `out`, with a fixed number of threads.
fn pretrain(folder: &Path, method: &[&str], workers: &str, out: &str) -> Command {
    // One checkpoint at a time leaves nothing to fall back to.
    let keep = if workers == "1" { "1" } else { "3" };
    let keep = format!("checkpoint.keep_last={keep}");
    let (workers, out) = (format!("workers={workers}"), format!("out={out}"));
    let mut command = command(folder, &COMMON);
    command.args(method).args([workers, out, keep]);
    command.env("RAYON_NUM_THREADS", "2");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn is_writing(checkpoints: &Path) -> bool {
    let entries = fs::read_dir(checkpoints).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .any(|name| name.starts_with(".step-") && name.ends_with(".tmp"))
}

/// Ends a run at an instant of its life; `false` if it ended by itself before.
fn kill(run: &mut Child, after: Duration, at_checkpoint: bool, checkpoints: &Path) -> bool {
    let started = Instant::now();
    while started.elapsed() < after {
        if run.try_wait().unwrap().is_some() {
            return false;
        }
        sleep(Duration::from_millis(1));
    }
    while at_checkpoint && !is_writing(checkpoints) {
        if run.try_wait().unwrap().is_some() {
            return false;
        }
        std::hint::spin_loop();
    }
    // On Unix this is SIGKILL, which no process can answer.
    run.kill().unwrap();
    run.wait().unwrap().code().is_none()
}

/// Asks a run to end, by SIGTERM; what it leaves is what a kill meets next.
fn ask(run: &mut Child) {
    let id = run.id().to_string();
    let sent = Command::new("kill")
        .args(["-TERM", &id])
        .stderr(Stdio::null())
        .status();
    assert!(sent.is_ok());
    run.wait().unwrap();
}

/// What happened to a run that was killed again and again.
#[derive(Default, Debug)]
struct Fate {
    kills: usize,
    /// Ends that were asked for, beside the kills.
    asked: usize,
    /// Kills that left a half-written checkpoint.
    while_writing: usize,
    /// Kills before the first checkpoint.
    before_any: usize,
}

/// Kills a run until it is done or has been killed often enough, and lets it end then.
fn torture(
    mut run: impl FnMut() -> Command,
    out: &Path,
    kills: usize,
    life: Duration,
    draw: &mut Draw,
) -> Fate {
    let checkpoints = out.join("checkpoints");
    let mut fate = Fate::default();
    while fate.kills < kills {
        let mut child = run().spawn().unwrap();
        let after = draw.below(life);
        if draw.next().is_multiple_of(4) {
            sleep(after);
            ask(&mut child);
            fate.asked += 1;
            continue;
        }
        let at_checkpoint = draw.next().is_multiple_of(3);
        if !kill(&mut child, after, at_checkpoint, &checkpoints) {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", said(&output.stderr));
            return fate;
        }
        fate.kills += 1;
        fate.while_writing += usize::from(is_writing(&checkpoints));
        fate.before_any += usize::from(!checkpoints.join("latest").exists());
    }
    let output = run().output().unwrap();
    assert!(output.status.success(), "{}", said(&output.stderr));
    fate
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All lines of the metrics without what a clock says.
fn metrics(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for of_clock in ["images_per_s", "data_wait", "seconds", "out"] {
            line.as_object_mut().unwrap().remove(of_clock);
        }
        line
    });
    // How fast this machine was at the time is no matter of the run's numbers.
    let of_clock = ["data_starvation", "throughput_drop"].map(Value::from);
    lines
        .filter(|line| !of_clock.contains(&line["name"]))
        .collect()
}

/// The scores of each line of the results, if there are any.
fn results(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("results.jsonl")).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.map(|mut line: Value| line["scores"].take()).collect()
}

/// Takes out the identities of parameters, which are drawn when a run begins, and orders what was ordered by them.
fn without_identities(value: rmpv::Value) -> rmpv::Value {
    match value {
        rmpv::Value::Map(pairs) => rmpv::Value::Map(
            pairs
                .into_iter()
                .filter(|(key, _)| !matches!(key.as_str(), Some("id" | "param")))
                .map(|(key, value)| (key, without_identities(value)))
                .collect(),
        ),
        rmpv::Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(without_identities).collect();
            // Only the optimizer's memory is a list of maps.
            if items.iter().all(rmpv::Value::is_map) {
                items.sort_by_cached_key(|item| item.to_string());
            }
            rmpv::Value::Array(items)
        }
        other => other,
    }
}

/// The files of the last checkpoint, by name, without what has no reason to be equal.
fn checkpoint(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let root = out.join("checkpoints");
    let latest = fs::read_to_string(root.join("latest")).unwrap();
    let folder: PathBuf = root.join(latest.trim());
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let content = fs::read(entry.path()).unwrap();
            match name.as_str() {
                // It has the name of the run folder, and checksums of files with identities.
                "config.toml" | "manifest.json" => None,
                _ if name.ends_with(".mpk") => {
                    let value = rmpv::decode::read_value(&mut content.as_slice()).unwrap();
                    let mut bytes = Vec::new();
                    rmpv::encode::write_value(&mut bytes, &without_identities(value)).unwrap();
                    Some((name, bytes))
                }
                _ => Some((name, content)),
            }
        })
        .collect()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// A kind of run.
struct Subject<'a> {
    name: &'a str,
    /// The command with so many workers into a folder.
    run: &'a dyn Fn(&str, &str) -> Command,
    /// How long one lives at most before it is killed.
    life: Duration,
    steps: usize,
    /// Files of a checkpoint that are compared.
    files: usize,
}

/// Compares runs that are killed again and again with one that is left alone.
fn soak(folder: &Path, subject: &Subject<'_>, kills: usize, draw: &mut Draw) {
    let Subject { name, run, .. } = subject;
    let whole = folder.join("whole");
    let output = run("2", "whole").output().unwrap();
    assert!(output.status.success(), "{}", said(&output.stderr));
    let (expected, files) = (metrics(&whole), checkpoint(&whole));
    let steps = expected.iter().filter(|line| line["kind"] == "step");
    assert_eq!(steps.count(), subject.steps);
    assert_eq!(files.len(), subject.files, "{:?}", files.keys());
    for workers in ["1", "4"] {
        let (mut fate, mut runs) = (Fate::default(), 0);
        while fate.kills < kills {
            let out = folder.join("killed");
            let again = || run(workers, "killed");
            let part = torture(again, &out, kills - fate.kills, subject.life, draw);
            let found = metrics(&out);
            let differs = found.iter().zip(&expected).find(|(a, b)| a != b);
            assert_eq!(differs, None, "{name} {workers} {part:?}");
            assert_eq!(found.len(), expected.len());
            for (file, content) in checkpoint(&out) {
                assert!(content == files[&file], "{name} {workers}: {file} differs");
            }
            assert_eq!(results(&out), results(&whole), "{name} {workers}");
            fs::remove_dir_all(&out).unwrap();
            fate.kills += part.kills;
            fate.asked += part.asked;
            fate.while_writing += part.while_writing;
            fate.before_any += part.before_any;
            runs += 1;
        }
        println!("{name} workers={workers}: {fate:?}, {runs} runs ended alike");
        // In the long form it would say little if none had met a checkpoint that is being written.
        assert!(kills < 20 || fate.while_writing > 0);
    }
    fs::remove_dir_all(&whole).unwrap();
}

#[test]
fn runs_that_are_killed_at_random_instants_end_with_the_bits_of_one_that_is_not() {
    let kills = number("SSLIGHT_SOAK_KILLS", 2) as usize;
    let mut draw = Draw(number("SSLIGHT_SOAK_SEED", 7));
    let folder = tempfile::tempdir().unwrap();
    photos(folder.path());
    for method in METHODS {
        let subject = Subject {
            name: method[0],
            run: &|workers, out| pretrain(folder.path(), method, workers, out),
            life: Duration::from_millis(700),
            steps: 90,
            files: 5,
        };
        soak(folder.path(), &subject, kills, &mut draw);
    }
}

/// A detector on small scenes: 3 steps an epoch, a checkpoint every fourth step, average precision of every second epoch.
const DETECTOR: [&str; 19] = [
    "detect",
    "train",
    "--quiet",
    "data=scenes/train",
    "val_data=scenes/val",
    "backbone=mobilenet_v2",
    "batch_size=2",
    "steps=14",
    "log_every=1",
    "eval_every=2",
    "optim.base_lr=0.02",
    "input.short_sides=[48,64]",
    "input.test_side=64",
    "input.longest_side=128",
    "sampling.anchors=32",
    "sampling.proposals=8",
    "test.proposals=8",
    "checkpoint.every_steps=4",
    "checkpoint.keep_last=2",
];

#[test]
fn detectors_that_are_killed_end_with_the_bits_of_one_that_is_not() {
    let kills = number("SSLIGHT_SOAK_KILLS", 2) as usize;
    let mut draw = Draw(number("SSLIGHT_SOAK_SEED", 7));
    let folder = tempfile::tempdir().unwrap();
    let compose = [
        "detect",
        "compose",
        "out=scenes",
        "side=64",
        "train=5",
        "val=3",
    ];
    let composed = command(folder.path(), &compose).output().unwrap();
    assert!(composed.status.success(), "{}", said(&composed.stderr));
    let run = |workers: &str, out: &str| {
        let mut command = command(folder.path(), &DETECTOR);
        command.args([format!("workers={workers}"), format!("out={out}")]);
        command.env("RAYON_NUM_THREADS", "2");
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let subject = Subject {
        name: "detect",
        run: &run,
        life: Duration::from_secs(4),
        steps: 14,
        files: 5,
    };
    soak(folder.path(), &subject, kills, &mut draw);
}
