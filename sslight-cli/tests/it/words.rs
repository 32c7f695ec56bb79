//! Messages, streams and exit codes.

use std::process::{Command, Output};

use crate::program::{command, run, stderr, stdout};

fn sslight(args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), args)
}

/// The program refuses these words with this code and this message, and prints nothing else.
fn refused(args: &[&str], code: i32, message: &str) {
    let output = sslight(args);
    assert_eq!(stderr(&output), message, "{args:?}");
    assert_eq!(output.status.code(), Some(code), "{args:?}");
    assert_eq!(stdout(&output), "", "{args:?}");
}

#[test]
fn an_unknown_verb_names_the_nearest() {
    refused(
        &["pretran"],
        2,
        "error: command line: unknown verb pretran; did you mean pretrain?\n",
    );
    refused(
        &["data=images"],
        2,
        "error: command line: unknown verb data=images; did you mean `sslight pretrain data=images`?\n",
    );
    refused(
        &["qqqqqqqq"],
        2,
        "error: command line: unknown verb qqqqqqqq; there are pretrain, watch, sweep, knn, probe, finetune, detect, results, report, export, import, inspect, embed, neighbours, project, attention, classify, views, selftest, bench, list, doctor, completions, man\n",
    );
}

#[test]
fn without_a_verb_the_help_is_shown_as_an_error() {
    let output = sslight(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("Usage: sslight"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_key_written_as_a_flag_is_told_how_to_be_written() {
    refused(
        &["pretrain", "--epochs", "5"],
        2,
        "error: command line: --epochs is a key, not a flag; write epochs=VALUE\n",
    );
    refused(
        &["pretrain", "--batch-size=5"],
        2,
        "error: command line: --batch-size is a key, not a flag; write batch_size=VALUE\n",
    );
}

#[test]
fn every_problem_of_a_configuration_is_a_line_of_its_own() {
    refused(
        &["pretrain", "epoch=3", "batch_size=0"],
        2,
        "error: command line: unknown key epoch; did you mean epochs?\n\
         error: command line: batch_size is 0, but must be an integer of at least 1\n",
    );
}

#[test]
fn a_configuration_file_that_is_not_there_is_a_file_problem() {
    let output = sslight(&["pretrain", "mine.toml"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).starts_with("error: mine.toml: cannot read this configuration ("),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_run_without_data_is_refused() {
    refused(
        &["pretrain", "paper/dino-mobilenet_v2-sslight"],
        2,
        "error: data is not set; give data=PATH, or data=embedded for the built-in images\n",
    );
}

#[test]
fn a_dry_run_shows_values_with_their_origin_and_what_follows() {
    let output = sslight(&[
        "pretrain",
        "--dry-run",
        "epochs=2",
        "optim.warmup_epochs=0.5",
        "dino.warmup_teacher_temp_epochs=3",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    let row = |name: &str| {
        let line = shown
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name))
            .unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("data"), "data \"embedded\" configuration demo");
    assert_eq!(row("epochs"), "epochs 2 command line");
    assert_eq!(
        row("views.local.size"),
        "views.local.size 18 recipe sslight"
    );
    assert_eq!(row("images"), "images 4000");
    assert!(
        shown.contains("warning: dino.warmup_teacher_temp_epochs = 3 is longer"),
        "{shown}"
    );
}

#[test]
fn a_dry_run_of_data_that_is_not_there_still_shows_the_values() {
    let output = sslight(&["pretrain", "--dry-run", "data=no/such/folder"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stderr(&output).starts_with("warning: no/such/folder: "),
        "{}",
        stderr(&output)
    );
    assert!(stdout(&output).contains("batch_size"));
}

#[test]
fn a_dry_run_says_whether_weights_to_start_from_fit() {
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/DINO_mobilenet_v2_last_ckpt.pth.tar"
    );
    let init = format!("init={golden}");
    let dry = |backbone| {
        let words = ["pretrain", "--dry-run", "model.small_input=false"];
        sslight(&[&words[..], &[backbone, &init]].concat())
    };
    let output = dry("backbone=mobilenet_v2");
    let shown = stdout(&output);
    assert!(
        shown.contains("\ninit: 260 matched of mobilenet_v2 under module.student.backbone.*;"),
        "{shown}"
    );
    assert_eq!(stderr(&output), "");

    let output = dry("backbone=resnet18");
    let message = stderr(&output);
    assert!(
        message.contains("no tensor has the name of one of resnet18"),
        "{message}"
    );
}

#[test]
fn the_help_of_pretrain_has_every_key_with_type_and_default() {
    let output = sslight(&["pretrain", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = stdout(&output);
    for key in sslight_core::config::keys() {
        assert!(
            help.split_whitespace().any(|word| word == key.name),
            "{} is missing:\n{help}",
            key.name
        );
    }
    assert!(help.contains("Example:"), "{help}");
}

#[test]
fn every_verb_has_help_with_an_example() {
    for verb in ["pretrain", "sweep", "knn", "selftest", "list", "doctor"] {
        let output = sslight(&[verb, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{verb}");
        assert!(
            stdout(&output).contains(&format!("  sslight {verb}")),
            "{verb}: {}",
            stdout(&output)
        );
    }
}

#[test]
fn lists_say_what_is_ready_and_what_is_not() {
    let backbones = stdout(&sslight(&["list", "backbones"]));
    let line = |name: &str| {
        backbones
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(
        line("resnet18").ends_with("11,176,512 parameters, 512 features"),
        "{backbones}"
    );
    assert!(line("mobilenet_v2").contains("  ready  "), "{backbones}");
    let methods = stdout(&sslight(&["list", "methods"]));
    assert!(
        methods
            .lines()
            .any(|line| line.starts_with("dino") && line.contains("  ready  ")),
        "{methods}"
    );
    let configs = stdout(&sslight(&["list", "configs"]));
    assert!(
        configs
            .lines()
            .any(|line| line.starts_with("paper/dino-resnet18-sslight  ")),
        "{configs}"
    );
    let place = |text: &str| {
        configs
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {configs}"))
    };
    assert!(
        place("paper/dino-resnet18-sslight  ") < place("for `sslight sweep`:\nsweep/demo-alpha  ")
    );
    let backends: serde_json::Value =
        serde_json::from_slice(&sslight(&["list", "backends", "--json"]).stdout).unwrap();
    assert_eq!(backends[0]["name"], "flex");
    assert_eq!(backends[0]["ready"], true);
}

#[test]
fn an_unknown_list_names_the_nearest_and_all() {
    let output = sslight(&["list", "backbone"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("backbones"), "{}", stderr(&output));
}

#[test]
fn the_doctor_reports_the_machine_as_one_json_object() {
    let output = sslight(&["doctor", "--json", "debug/tiny"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["run"]["images"], 4000);
    assert_eq!(report["run"]["classes"], 10);
    assert_eq!(report["run"]["steps_per_epoch"], 500);
    assert_eq!(report["run"]["steps"], 2);
}

#[test]
fn the_doctor_refuses_data_that_is_not_there() {
    let output = sslight(&["doctor", "data=no/such/folder"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).starts_with("error: no/such/folder: "),
        "{}",
        stderr(&output)
    );
}

#[cfg(not(feature = "cuda"))]
#[test]
fn an_engine_that_is_not_built_is_refused_with_the_way_to_get_it() {
    refused(
        &["selftest", "fixtures", "backend=cuda"],
        2,
        "error: backend cuda is not in this build; build with the cargo feature `cuda` \
         (`just pretrain backend=cuda` does), or use backend=auto\n",
    );
}

#[test]
fn a_selftest_folder_without_a_manifest_is_a_file_problem() {
    let output = sslight(&["selftest", "no/such/folder"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("no/such/folder"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_counts_stand_alone_on_the_last_line_of_a_selftest() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");
    let output = sslight(&["selftest", fixtures, "backend=ndarray", "schedule."]);
    let shown = stdout(&output);
    let last = shown.lines().last().unwrap_or_default();
    let words: Vec<&str> = last.split(", ").collect();
    assert!(
        words.len() == 3 && words[1] == "0 failed",
        "{shown}{}",
        stderr(&output)
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn colours_stay_out_of_files() {
    assert!(!stderr(&sslight(&["pretran"])).contains('\x1b'));
}

#[test]
fn a_tiny_run_trains_is_scored_and_is_not_started_over() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| run(folder.path(), args);
    let output = run(&["pretrain", "debug/tiny", "out=a"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(
        shown.contains("\nstep 2/2  epoch 1/1  loss ")
            && shown.contains("stopped at max_steps: 2 steps in "),
        "{shown}"
    );

    let score: serde_json::Value =
        serde_json::from_slice(&run(&["knn", "a", "--json"]).stdout).unwrap();
    let metrics = std::fs::read_to_string(folder.path().join("a/metrics.jsonl")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    assert_eq!(summary["kind"], "summary");
    assert_eq!(score["knn_top1"], summary["knn_top1"], "{score}");

    let other = run(&["pretrain", "debug/tiny", "out=a", "seed=1"]);
    assert_eq!(other.status.code(), Some(2), "{}", stderr(&other));
    assert!(
        stderr(&other).contains("seed is 1 here and 0 there"),
        "{}",
        stderr(&other)
    );
}

#[test]
fn quiet_runs_print_nothing() {
    let output = sslight(&["pretrain", "debug/tiny", "max_steps=1", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        (stdout(&output), stderr(&output)),
        (String::new(), String::new())
    );
}

#[test]
fn sizes_that_the_data_cannot_have_are_refused_before_any_work() {
    let words = [
        "pretrain",
        "debug/tiny",
        "method=swav",
        "swav.freeze_prototypes_epochs=0",
        "swav.prototypes=5000",
    ];
    let output = sslight(&words);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(
        stderr(&output),
        "error: command line: swav.prototypes is 5000, but must be at most 4000, the number of training images; \
         auto would be 300\n"
    );
    let dry = sslight(&[&words[..], &["--dry-run"]].concat());
    assert_eq!(dry.status.code(), Some(0));
    assert!(
        stderr(&dry).contains("swav.prototypes is 5000"),
        "{}",
        stderr(&dry)
    );
}

#[test]
fn weights_that_are_not_there_are_a_file_problem() {
    let output = sslight(&["knn", "no/such/run", "debug/tiny"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).starts_with("error: no/such/run: cannot be read ("),
        "{}",
        stderr(&output)
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_says_so_and_continues() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["pretrain", "debug/tiny", "max_steps=none", "out=a"];
    let mut child = command(folder.path(), &args)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The first step line says that training is under way; it is read without waiting for the end.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
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
        stderr(&output).contains("stopping after this step"),
        "{}",
        stderr(&output)
    );
    assert!(
        rest.last()
            .unwrap()
            .starts_with("interrupted; the same command continues: "),
        "{rest:?}"
    );

    let output = run(
        folder.path(),
        &["pretrain", "debug/tiny", "max_steps=3", "out=a"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("continuing at step "),
        "{}",
        stdout(&output)
    );
}
