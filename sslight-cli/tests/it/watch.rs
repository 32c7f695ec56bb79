//! `sslight watch`, beside a run that trains, is interrupted, goes on and ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::program::{command, run, stderr, stdout};

/// A run of `steps` steps that takes a while.
fn train(folder: &Path, steps: usize) -> Child {
    let steps = format!("max_steps={steps}");
    let words = ["pretrain", "debug/tiny", "out=r", "epochs=100000", &steps];
    command(folder, &words)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the run has told of a step; gives back its output, which must stay open.
fn until_a_step(child: &mut Child) -> impl Read + use<> {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("step ") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "no step was told");
    }
    output
}

fn interrupt(child: &Child) {
    let id = child.id().to_string();
    let status = Command::new("kill").args(["-INT", &id]).status();
    assert!(status.unwrap().success());
}

#[test]
fn what_is_no_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for place in ["none", "empty", "file"] {
        let output = run(folder.path(), &["watch", place]);
        assert_eq!(output.status.code(), Some(3), "{place}");
        let expected =
            format!("error: {place}: no run is here; give the folder that a run has as out=PATH\n");
        assert_eq!(stderr(&output), expected);
    }
}

#[test]
fn a_finished_run_is_told_and_its_lines_are_passed_on_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        folder.path(),
        &["pretrain", "debug/tiny", "out=r", "--quiet"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for form in [
        &["watch", "r"][..],
        &["watch", "r", "--plain"],
        &["watch", "r", "--once"],
    ] {
        let output = run(folder.path(), form);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let shown = stdout(&output);
        for expected in [
            "data: ",
            "step 2/2  epoch 1/1  loss ",
            "stopped at max_steps: 2 steps",
            "the run has ended",
        ] {
            assert!(shown.contains(expected), "{form:?}: {expected}: {shown}");
        }
    }
    let metrics = std::fs::read_to_string(folder.path().join("r/metrics.jsonl")).unwrap();
    for form in [
        &["watch", "r", "--json"][..],
        &["watch", "r", "--json", "--once"],
    ] {
        let output = run(folder.path(), form);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(stdout(&output), metrics);
    }
}

#[test]
fn a_run_is_followed_while_it_trains_until_it_is_interrupted_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut training = train(folder.path(), 100_000);
    let output = until_a_step(&mut training);
    let once = || stdout(&run(folder.path(), &["watch", "r", "--once"]));
    let shown = once();
    assert!(shown.contains("a process trains here now"), "{shown}");
    let watching = command(folder.path(), &["watch", "r", "--plain"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Looking does not disturb, however often; the one who leaves is not the run's business.
    let mut leaving = command(folder.path(), &["watch", "r"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut told = BufReader::new(leaving.stdout.take().unwrap());
    told.read_line(&mut first).unwrap();
    interrupt(&leaving);
    assert_eq!(leaving.wait().unwrap().code(), Some(0));
    assert!(training.try_wait().unwrap().is_none());
    interrupt(&training);
    drop(output);
    assert_eq!(training.wait().unwrap().code(), Some(130));
    let watched = watching.wait_with_output().unwrap();
    assert_eq!(watched.status.code(), Some(0));
    let shown = stdout(&watched);
    assert!(
        shown.contains("\ninterrupted; the same command continues"),
        "{shown}"
    );

    // A kill leaves no end.
    let mut training = train(folder.path(), 100_000);
    let output = until_a_step(&mut training);
    training.kill().unwrap();
    training.wait().unwrap();
    drop(output);
    let shown = once();
    let expected = "`sslight pretrain r/config.toml out=r` continues it";
    assert!(
        shown.contains("no process trains here; the last checkpoint is of step "),
        "{shown}"
    );
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn the_dashboard_without_a_terminal_is_lines_and_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["pretrain", "debug/tiny", "out=r", "--dashboard"];
    let output = run(folder.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("note: --dashboard needs a terminal"));
    assert!(stdout(&output).contains("step 2/2"));
    let board = std::fs::read_dir(folder.path().join("r")).unwrap();
    let names = board.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        names
            .filter(|name| name.starts_with("events.out.tfevents."))
            .count(),
        1
    );
}
