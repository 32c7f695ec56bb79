//! What may go wrong around a run: full and read-only disks, damaged and deleted files, a second process, signals.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{command, run, stderr};

/// A run of a few steps on the embedded images; more words may follow.
const SHORT: [&str; 6] = [
    "pretrain",
    "debug/tiny",
    "out=run",
    "max_steps=6",
    "checkpoint.every_steps=2",
    "checkpoint.keep_last=3",
];

fn short(folder: &Path, more: &[&str]) -> Output {
    run(folder, &[&SHORT[..], more].concat())
}

fn checkpoint(folder: &Path, step: usize) -> PathBuf {
    folder.join(format!("run/checkpoints/step-{step:08}"))
}

/// Step and loss of each step line.
fn losses(folder: &Path) -> Vec<(u64, f64)> {
    let text = fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["kind"] == "step")
        .map(|line| {
            (
                line["step"].as_u64().unwrap(),
                line["loss"].as_f64().unwrap(),
            )
        })
        .collect()
}

/// A folder with a finished run, and its losses.
fn finished() -> (tempfile::TempDir, Vec<(u64, f64)>) {
    let folder = tempfile::tempdir().unwrap();
    let output = short(folder.path(), &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let losses = losses(folder.path());
    assert_eq!(losses.len(), 6);
    (folder, losses)
}

#[test]
fn flipped_bits_in_any_file_of_the_newest_checkpoint_are_told_and_the_one_before_is_used() {
    let (folder, expected) = finished();
    let entries = fs::read_dir(checkpoint(folder.path(), 6)).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    for name in names {
        if checkpoint(folder.path(), 6)
            .with_file_name("damaged-step-00000006")
            .exists()
        {
            fs::remove_dir_all(folder.path().join("run/checkpoints/damaged-step-00000006"))
                .unwrap();
        }
        let path = checkpoint(folder.path(), 6).join(&name);
        let mut content = fs::read(&path).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 0x10;
        fs::write(&path, content).unwrap();
        let output = short(folder.path(), &[]);
        assert!(output.status.success(), "{name:?} {}", stderr(&output));
        let said = stderr(&output);
        assert!(said.contains("an earlier one is used"), "{name:?} {said}");
        // A manifest that is still one accuses the file that it does not tell the truth about.
        let named = said.contains(&*name.to_string_lossy()) || name == "manifest.json";
        assert!(named, "{name:?} {said}");
        let aside = folder.path().join("run/checkpoints/damaged-step-00000006");
        assert!(aside.join(&name).is_file(), "{name:?} is gone");
        assert_eq!(losses(folder.path()), expected, "{name:?}");
    }
}

#[test]
fn files_that_were_deleted_are_made_again_or_made_up_for() {
    let (folder, expected) = finished();
    for name in [
        "run/config.toml",
        "run/metrics.jsonl",
        "run/train.log",
        "run/backbone.safetensors",
        "run/checkpoints/latest",
        "run/checkpoints/step-00000006/model.mpk",
        "run/checkpoints/step-00000006/manifest.json",
        "run/checkpoints/step-00000006",
    ] {
        let path = folder.path().join(name);
        match path.is_dir() {
            true => fs::remove_dir_all(&path).unwrap(),
            false => fs::remove_file(&path).unwrap(),
        }
        let output = short(folder.path(), &[]);
        assert!(output.status.success(), "{name} {}", stderr(&output));
        if name == "run/metrics.jsonl" {
            // What it said is gone; what comes is written.
            let all = fs::remove_dir_all(folder.path().join("run"));
            all.unwrap();
            assert!(short(folder.path(), &[]).status.success());
        }
        assert_eq!(losses(folder.path()), expected, "{name}");
        assert!(path.exists(), "{name}");
    }
    // All of them.
    fs::remove_dir_all(folder.path().join("run/checkpoints")).unwrap();
    let output = short(folder.path(), &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(losses(folder.path()), expected);
    // A folder that has lost its configuration is still judged by that of its checkpoints.
    fs::remove_file(folder.path().join("run/config.toml")).unwrap();
    let output = short(folder.path(), &["seed=3"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("seed is 3 here and 0 there"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_second_process_that_would_go_back_is_refused_before_it_removes_anything() {
    let (folder, _) = finished();
    let lock = fs::File::open(folder.path().join("run/.lock")).unwrap();
    lock.lock().unwrap();
    let output = short(folder.path(), &["resume=run/checkpoints/step-00000002"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(checkpoint(folder.path(), 6).is_dir());
    drop(lock);
    let output = short(folder.path(), &["resume=run/checkpoints/step-00000004"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(checkpoint(folder.path(), 6).is_dir());
}

#[test]
fn a_checkpoint_of_a_newer_version_is_refused_and_nothing_is_removed() {
    let (folder, _) = finished();
    let manifest = checkpoint(folder.path(), 6).join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"format\": 1", "\"format\": 7")).unwrap();
    let output = short(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("format 7"), "{}", stderr(&output));
    assert!(checkpoint(folder.path(), 6).is_dir() && checkpoint(folder.path(), 4).is_dir());
}

#[test]
fn what_a_process_left_that_was_killed_while_it_made_the_folder_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    fs::create_dir_all(out.join("checkpoints/.step-00000002.tmp")).unwrap();
    fs::write(out.join(".config.toml.tmp-99"), "half").unwrap();
    fs::write(out.join(".lock"), "").unwrap();
    let output = short(folder.path(), &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!out.join(".config.toml.tmp-99").exists());
    assert!(!out.join("checkpoints/.step-00000002.tmp").exists());
}

/// A run that would take hours.
fn long(folder: &Path) -> Child {
    let words = ["epochs=1000", "max_steps=none", "eval.knn_every=0"];
    let mut command = command(folder, &SHORT);
    command.args(words).arg("checkpoint.every_steps=none");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until it has taken some steps.
fn wait_for_steps(folder: &Path, steps: usize) {
    wait_for(|| {
        let text = fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap_or_default();
        text.lines().count() >= steps
    });
}

fn wait_for(mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "waited in vain"
        );
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_second_process_in_the_same_folder_is_refused_and_disturbs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = long(folder.path());
    wait_for_steps(folder.path(), 2);
    let second = run(
        folder.path(),
        &[
            &SHORT[..],
            &["epochs=1000", "max_steps=none", "eval.knn_every=0"],
        ]
        .concat(),
    );
    assert_eq!(second.status.code(), Some(3));
    let said = stderr(&second);
    assert!(
        said.contains("another process is training in this folder"),
        "{said}"
    );
    let before = losses(folder.path()).len();
    wait_for(|| losses(folder.path()).len() > before + 2);
    first.kill().unwrap();
    first.wait().unwrap();
    let steps: Vec<u64> = losses(folder.path())
        .iter()
        .map(|(step, _)| *step)
        .collect();
    assert_eq!(steps, (0..steps.len() as u64).collect::<Vec<_>>());
}

#[cfg(unix)]
fn send(signal: &str, process: &Child) {
    let id = process.id().to_string();
    assert!(
        Command::new("kill")
            .args([signal, &id])
            .status()
            .unwrap()
            .success()
    );
}

#[cfg(unix)]
#[test]
fn usr1_asks_for_a_checkpoint_and_the_run_goes_on_until_term_ends_it_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = long(folder.path());
    wait_for_steps(folder.path(), 2);
    let latest = folder.path().join("run/checkpoints/latest");
    assert!(!latest.exists());
    send("-USR1", &process);
    wait_for(|| latest.exists());
    let at_request = losses(folder.path()).len();
    wait_for_steps(folder.path(), at_request + 3);
    assert_eq!(process.try_wait().unwrap(), None);
    send("-TERM", &process);
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let steps = losses(folder.path()).len();
    assert!(
        checkpoint(folder.path(), steps)
            .join("manifest.json")
            .is_file()
    );
}

#[cfg(unix)]
#[test]
fn a_terminal_that_hangs_up_twice_ends_a_run_once_with_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let process = long(folder.path());
    wait_for_steps(folder.path(), 3);
    send("-HUP", &process);
    send("-HUP", &process);
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let steps = losses(folder.path()).len();
    assert!(
        checkpoint(folder.path(), steps)
            .join("manifest.json")
            .is_file()
    );
}

/// Runs words of a shell where `run` is a file system of its own, or says why that is not possible here.
#[cfg(target_os = "linux")]
fn on_a_disk(folder: &Path, options: &str, words: &str) -> Option<Output> {
    fs::create_dir_all(folder.join("run")).unwrap();
    let mount = format!("mount -t tmpfs -o {options} tmpfs run");
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["-rm", "sh", "-c", script])
            .current_dir(folder);
        command
            .env("SSLIGHT", env!("CARGO_BIN_EXE_sslight"))
            .output()
    };
    match shell(&mount) {
        Ok(output) if output.status.success() => {}
        other => {
            println!("SKIP: no file systems of one's own here: {other:?}");
            return None;
        }
    }
    Some(shell(&format!("{mount} && {words}")).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_run_with_advice_and_it_goes_on_when_there_is_room() {
    let (folder, expected) = finished();
    let one: u64 = fs::read_dir(checkpoint(folder.path(), 6))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    let apart = tempfile::tempdir().unwrap();
    // Room for one checkpoint with its copy of the backbone, and not for the second.
    let options = format!("size={}", one * 5 / 3);
    let pretrain = format!("\"$SSLIGHT\" {}", SHORT.join(" "));
    let words = format!(
        "({pretrain}; echo \"code $?\" >&2); mount -o remount,size=1g run; {pretrain} || exit 9; cp run/metrics.jsonl ."
    );
    let Some(output) = on_a_disk(apart.path(), &options, &words) else {
        return;
    };
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("code 3\n"), "{said}");
    assert!(said.contains("free some space and start again"), "{said}");
    assert!(
        said.contains("step-0000000") || said.contains("backbone"),
        "{said}"
    );
    fs::create_dir_all(apart.path().join("run")).unwrap();
    fs::rename(
        apart.path().join("metrics.jsonl"),
        apart.path().join("run/metrics.jsonl"),
    )
    .unwrap();
    assert_eq!(losses(apart.path()), expected);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_folder_is_said_before_anything_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let words = format!(
        "mount -o remount,ro run && \"$SSLIGHT\" {}",
        SHORT.join(" ")
    );
    let Some(output) = on_a_disk(folder.path(), "size=1g", &words) else {
        return;
    };
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("error: run"), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
}
