//! `sslight bench` as users and scripts meet it.

use std::process::Output;

use crate::program::{run as run_in, stderr};

fn run(args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = run_in(folder.path(), args);
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "a measurement leaves files behind");
    output
}

#[test]
fn a_step_is_measured_part_by_part() {
    let args = ["bench", "step", "debug/tiny", "--steps", "2", "--json"];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["batch_size"], 8);
    assert_eq!(report["steps"], 2);
    let seconds = |value: &serde_json::Value| value.as_f64().unwrap();
    let step = seconds(&report["step_seconds"]);
    assert!(step > 0.0 && seconds(&report["images_per_s"]) > 0.0);
    let share = seconds(&report["share_outside_backbone"]);
    assert!(share > 0.0 && share < 1.0, "{share}");
    let part = |name: &str| {
        let parts = report["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["name"] == name).unwrap();
        seconds(&part["seconds"])
    };
    for name in [
        "backbone forward",
        "teacher's backbone",
        "heads and loss",
        "backbone backward",
        "optimizer",
        "moving average",
    ] {
        assert!(part(name) > 0.0, "{name}");
    }
    assert!(part("backbone backward") < step);
}

#[test]
fn a_step_on_fixed_views_tells_operations_and_memory() {
    let args = [
        "bench",
        "step",
        "debug/tiny",
        "--steps",
        "2",
        "--json",
        "--fixed-views",
    ];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let operations = report["operations"].as_array().unwrap();
    let time_of = |operation: &serde_json::Value| operation["seconds"].as_f64().unwrap();
    let all: f64 = operations.iter().map(time_of).sum();
    assert!(all > 0.0 && report["gflops"].as_f64().unwrap() > 0.0);
    for name in ["linear forward", "linear backward"] {
        let operation = operations
            .iter()
            .find(|operation| operation["name"] == name);
        assert!(
            operation.unwrap()["calls"].as_f64().unwrap() >= 1.0,
            "{name}"
        );
    }
    if cfg!(target_os = "linux") {
        assert!(report["peak_bytes"].as_u64().unwrap() > 1 << 20);
    }
}

#[test]
fn inference_is_measured_without_data() {
    let args = ["bench", "inference", "backbone=resnet18", "batch_size=2"];
    let small = ["views.global.size=32", "--steps", "2", "--json"];
    let output = run(&[&args[..], &small].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["batch_size"], &report["steps"]),
        (&2.into(), &2.into())
    );
    let [seconds, images] =
        ["step_seconds", "images_per_s"].map(|key| report[key].as_f64().unwrap());
    assert!(seconds > 0.0 && (images * seconds - 2.0).abs() < 1e-9);
}

#[test]
fn no_steps_and_unknown_keys_are_refused() {
    for args in [
        ["bench", "step", "--steps", "0"],
        ["bench", "step", "debug/tiny", "epoch=3"],
    ] {
        assert_eq!(run(&args).status.code(), Some(2), "{args:?}");
    }
    let output = run(&["bench", "step", "debug/tiny", "epoch=3"]);
    let text = stderr(&output);
    assert!(text.contains("unknown key epoch"), "{text}");
}

#[test]
fn operations_are_measured_beside_the_roofline() {
    let output = run(&[
        "bench",
        "ops",
        "--filter",
        "attention",
        "--tries",
        "1",
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let positive = |value: &serde_json::Value| value.as_f64().is_some_and(|value| value > 0.0);
    assert!(positive(&report["machine_gflops"]) && positive(&report["machine_gigabytes_per_s"]));
    let operations = report["operations"].as_array().unwrap();
    let kernels: Vec<&str> = operations
        .iter()
        .map(|of| of["kernel"].as_str().unwrap())
        .collect();
    assert_eq!(kernels, ["attention backward", "attention forward"]);
    assert!(
        operations
            .iter()
            .all(|of| positive(&of["share_of_roofline"]))
    );

    let output = run(&["bench", "ops", "--filter", "atention"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no operation contains \"atention\""));
}
