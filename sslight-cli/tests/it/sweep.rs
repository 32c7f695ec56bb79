//! `sslight sweep` as users and scripts meet it: a sweep that ends, goes on, fails and is refused.

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::process::Stdio;

use crate::program::{command, run, stderr, stdout};

/// Two points of two steps each on the embedded images.
const ALPHA: &str = "title = \"Alpha\"\nbase = \"debug/tiny\"\nout = \"s\"\n\
    [[series]]\nname = \"alpha\"\naxis = \"loss.alpha\"\nvalues = [0.25, 0.75]\n";

/// A folder with a sweep file `a.toml`.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), text).unwrap();
    folder
}

#[test]
fn without_a_configuration_the_built_in_sweeps_are_listed() {
    let folder = folder("");
    let output = run(folder.path(), &["sweep"]);
    assert_eq!(output.status.code(), Some(0));
    let shown = stdout(&output);
    for name in [
        "sweep/demo-alpha",
        "sweep/figure-1",
        "sweep/figure-2",
        "sweep/figure-3",
    ] {
        assert!(shown.contains(&format!("\n  {name}  ")), "{shown}");
    }
}

#[test]
fn a_sweep_is_no_configuration_of_one_run_and_says_how_it_is_run() {
    let folder = folder(ALPHA);
    for place in ["a.toml", "sweep/figure-1"] {
        let output = run(folder.path(), &["pretrain", place]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(
            stderr(&output),
            format!(
                "error: {place}: is a sweep of several runs, not the configuration of one; \
                 run it with `sslight sweep {place}`\n"
            )
        );
    }
}

#[test]
fn a_dry_run_shows_points_values_steps_and_folders_and_writes_nothing() {
    let folder = folder(ALPHA);
    let output = run(folder.path(), &["sweep", "--dry-run", "a.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "Alpha\n2 points, 2 runs, from debug/tiny; scored by knn_top1; folder s\n\nalpha\n  \
         alpha-0.25  loss.alpha=0.25\n              2 steps, new, s/alpha-0.25\n  \
         alpha-0.75  loss.alpha=0.75\n              2 steps, new, s/alpha-0.75\n"
    );
    assert!(!folder.path().join("s").exists());
}

#[test]
fn a_mistake_in_the_last_point_is_told_before_the_first_runs() {
    let text = format!(
        "{ALPHA}[[series]]\nname = \"b\"\npoints = [{{ at = 1, set = {{ batch_sise = 4 }} }}]\n"
    );
    let folder = folder(&text);
    let output = run(folder.path(), &["sweep", "a.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: a.toml:10: unknown key batch_sise; did you mean batch_size?\n"
    );
    let large = text.replace("batch_sise = 4", "batch_size = 5000");
    std::fs::write(folder.path().join("a.toml"), large).unwrap();
    let output = run(folder.path(), &["sweep", "a.toml"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("5000"), "{}", stderr(&output));
    assert!(!folder.path().join("s").exists());
}

#[test]
fn a_sweep_trains_its_points_makes_tables_and_a_plot_and_runs_nothing_twice() {
    let folder = folder(ALPHA);
    let output = run(folder.path(), &["sweep", "a.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(
        shown.contains("run 2 of 2, alpha-0.75: loss.alpha=0.75\n"),
        "{shown}"
    );
    assert!(shown.contains("2 of 2 runs finished."), "{shown}");

    let read = |name: &str| std::fs::read_to_string(folder.path().join("s").join(name)).unwrap();
    let csv = read("sweep.csv");
    let column = |row: &str, name: &str| {
        let at = csv
            .lines()
            .next()
            .unwrap()
            .split(',')
            .position(|head| head == name);
        row.split(',').nth(at.unwrap()).unwrap().to_owned()
    };
    for row in csv.lines().skip(1) {
        let metrics = read(&format!("{}/metrics.jsonl", column(row, "point")));
        let summary: serde_json::Value =
            serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
        assert_eq!(column(row, "state"), "finished");
        assert_eq!(column(row, "steps"), "2");
        let score: f64 = column(row, "score").parse().unwrap();
        assert_eq!(summary["knn_top1"], score);
    }
    assert_eq!(
        csv.matches(",yes,").count(),
        1,
        "one point is the best: {csv}"
    );
    assert!(read("sweep.svg").starts_with("<svg "));
    assert!(read("sweep.md").starts_with("# Alpha\n"));

    let before = read("alpha-0.25/train.log");
    let output = run(folder.path(), &["sweep", "a.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).starts_with(
            "alpha-0.25: finished already, skipped\nalpha-0.75: finished already, skipped\n"
        ),
        "{}",
        stdout(&output)
    );
    assert_eq!(read("alpha-0.25/train.log"), before);
    assert_eq!(read("sweep.csv"), csv);
    let dry = run(folder.path(), &["sweep", "--dry-run", "a.toml"]);
    assert_eq!(stdout(&dry).matches("2 steps, finished, ").count(), 2);

    let other = run(folder.path(), &["sweep", "a.toml", "seed=1"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(
        stderr(&other).contains("seed is 1 here and 0 there"),
        "{}",
        stderr(&other)
    );
}

#[test]
fn a_point_that_stops_itself_decides_the_exit_code_after_the_others_have_run() {
    let text = "base = \"debug/tiny\"\nout = \"s\"\n[fixed]\noptim.kind = \"sgd\"\n\
        [[series]]\nname = \"lr\"\naxis = \"optim.base_lr\"\nvalues = [1e30, 0.1]\n";
    let folder = folder(text);
    let output = run(
        folder.path(),
        &["sweep", "a.toml", "--quiet", "max_steps=4"],
    );
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let shown = stderr(&output);
    assert!(
        shown.starts_with("warning: lr-1000000000000000000000000000000 failed: step "),
        "{shown}"
    );
    assert!(
        shown.ends_with(
            "error: 1 of 2 runs failed: lr-1000000000000000000000000000000; the same command tries them again\n"
        ),
        "{shown}"
    );
    assert_eq!(stdout(&output), "", "quiet");
    let csv = std::fs::read_to_string(folder.path().join("s/sweep.csv")).unwrap();
    assert!(
        csv.contains(",failed,") && csv.contains(",finished,4,"),
        "{csv}"
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_ends_with_a_checkpoint_and_its_tables_and_goes_on() {
    let folder = folder(ALPHA);
    let mut child = command(folder.path(), &["sweep", "a.toml", "max_steps=none"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("step ")));
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(
        rest.iter()
            .any(|line| line.contains("0 of 2 runs finished.")),
        "{rest:?}"
    );
    let csv = std::fs::read_to_string(folder.path().join("s/sweep.csv")).unwrap();
    assert!(
        csv.contains(",unfinished,") && csv.contains(",waiting,"),
        "{csv}"
    );

    let steps = std::fs::read_dir(folder.path().join("s/alpha-0.25/checkpoints"))
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .file_name()
                .into_string()
                .unwrap()
                .strip_prefix("step-")?
                .parse::<usize>()
                .ok()
        })
        .max()
        .unwrap();
    let max_steps = format!("max_steps={}", steps + 1);
    let output = run(folder.path(), &["sweep", "a.toml", &max_steps]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(
        shown.contains(&format!("continuing at step {steps}\n")),
        "{shown}"
    );
    assert!(shown.contains("2 of 2 runs finished."), "{shown}");
}
