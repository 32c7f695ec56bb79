//! What makes the program pleasant: a trial of a run, completions, manual pages, JSON and quiet everywhere.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::program::{command, run, stderr, stdout};

fn sslight(args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), args)
}

/// The one JSON value on standard output of a run that ends well.
fn json(folder: &Path, args: &[&str]) -> Value {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_doctor_tries_a_run_out_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let report = json(
        folder.path(),
        &["doctor", "debug/tiny", "batch_size=32", "--json"],
    );
    let trial = &report["run"]["trial"];
    assert_eq!(trial["measured_batch"], 32, "{trial}");
    assert!(trial["step_seconds"].as_f64().unwrap() > 0.0, "{trial}");
    // Two steps, and what is measured around them.
    let steps = 2.0 * trial["step_seconds"].as_f64().unwrap();
    assert!(trial["run_seconds"].as_f64().unwrap() >= steps, "{trial}");
    assert!(trial["disk"]["free_bytes"].as_u64() > trial["disk"]["run_bytes"].as_u64());
    if cfg!(target_os = "linux") {
        assert_eq!(trial["memory"]["fits"], true, "{trial}");
        let measured = trial["memory"]["measured"].as_array().unwrap();
        let images: Vec<_> = measured.iter().map(|point| &point["images"]).collect();
        assert_eq!(images, [4, 8, 32]);
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_trial_has_the_checkpoints_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let report = json(folder.path(), &["doctor", "debug/tiny", "--json"]);
    let told = report["run"]["trial"]["disk"]["checkpoint_bytes"]
        .as_u64()
        .unwrap();
    let output = run(
        folder.path(),
        &["pretrain", "debug/tiny", "max_steps=2", "out=a", "--quiet"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let checkpoint = folder.path().join("a/checkpoints/step-00000002");
    let files = checkpoint.read_dir().unwrap();
    let bytes: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(
        told.abs_diff(bytes) * 20 < bytes,
        "told {told}, written {bytes}"
    );
}

#[test]
fn the_doctor_takes_no_steps_when_told_so_and_none_of_a_run_that_would_be_refused() {
    for words in [
        &["debug/tiny", "--no-trial"][..],
        &["debug/tiny", "batch_size=1000000"],
    ] {
        let words = [&["doctor", "--json"], words].concat();
        let folder = tempfile::tempdir().unwrap();
        let report = json(folder.path(), &words);
        assert!(report["run"]["trial"].is_null(), "{report}");
        assert!(report["run"]["images"].is_number());
    }
    let output = sslight(&["doctor", "debug/tiny", "--seconds", "0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("must be a positive number of seconds"));
}

#[test]
fn the_doctor_says_that_a_slow_batch_was_estimated_from_a_part() {
    let words = [
        "doctor",
        "debug/tiny",
        "batch_size=32",
        "--seconds",
        "0.0001",
    ];
    let text = stdout(&sslight(&words));
    assert!(
        text.contains("extrapolated from steps of 8 images"),
        "{text}"
    );
}

#[test]
fn pretrain_prints_its_summary_as_json_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["pretrain", "debug/tiny", "max_steps=2", "out=a", "--json"];
    let summary = json(folder.path(), &words);
    assert_eq!(summary["steps"], 2);
    assert_eq!(summary["end"], "max_steps");
    let plan = json(
        folder.path(),
        &["pretrain", "debug/tiny", "seed=7", "--dry-run", "--json"],
    );
    assert_eq!(plan["keys"]["seed"]["value"], 7);
    assert_eq!(plan["keys"]["seed"]["origin"], "command line");
    let score = json(folder.path(), &["knn", "a", "--json"]);
    assert!(score["knn_top1"].is_number());
    let results = json(folder.path(), &["results", "a", "--json"]);
    assert_eq!(results["results"][0]["kind"], "knn");
    let words = ["neighbours", "a", "out=n.png", "k=2", "queries=2", "--json"];
    let sheet = json(folder.path(), &words);
    assert_eq!((&sheet["queries"], &sheet["k"]), (&2.into(), &2.into()));
    let words = ["embed", "a", "out=f.csv", "split=validation", "--json"];
    assert_eq!(json(folder.path(), &words)["images"], 1000);
    let words = ["views", "preview", "to=v.png", "images=2", "--json"];
    assert_eq!(json(folder.path(), &words)["images"], 2);
    let words = ["sweep", "sweep/demo-alpha", "--dry-run", "--json"];
    let sweep = json(folder.path(), &words);
    assert_eq!(sweep["series"][0]["points"][0]["state"], "waiting");
    assert!(json(folder.path(), &["sweep", "--json"])["sweeps"].is_array());
}

#[test]
fn quiet_verbs_print_results_and_nothing_beside() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| run(folder.path(), args);
    let trained = run(&["pretrain", "debug/tiny", "max_steps=2", "out=a", "--quiet"]);
    assert_eq!((stdout(&trained), stderr(&trained)), Default::default());
    let words = ["probe", "a", "probe.epochs=2", "--quiet"];
    let probed = run(&words);
    assert_eq!(stderr(&probed), "");
    let text = stdout(&probed);
    assert!(text.starts_with("probe top-1"), "{text}");
    let examined = run(&["doctor", "debug/tiny", "-q"]);
    assert_eq!(stderr(&examined), "");
}

#[test]
fn no_hints_and_no_colours_where_there_is_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["views", "recommend", "image_size=500x375", "data_=x"];
    let output = run(folder.path(), &words);
    assert!(!stderr(&output).contains('\x1b'), "{}", stderr(&output));
    let output = run(folder.path(), &words[..3]);
    assert!(!stderr(&output).contains("next:"), "{}", stderr(&output));
    let help = sslight(&["pretrain", "--help"]);
    assert!(!stdout(&help).contains('\x1b'));
}

/// The program on a terminal of its own, which `script` makes; `None` where there is none.
fn on_a_terminal(folder: &Path, line: &str, hints: &str) -> Option<String> {
    let program = env!("CARGO_BIN_EXE_sslight");
    let output = Command::new("script")
        .args(["-qec", &format!("'{program}' {line}"), "/dev/null"])
        .env("SSLIGHT_HINTS", hints)
        .current_dir(folder)
        .output()
        .ok()?;
    Some(stdout(&output))
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_sees_the_next_command_unless_it_is_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let line = "doctor debug/tiny out='runs/a b' --no-trial";
    let Some(text) = on_a_terminal(folder.path(), line, "1") else {
        return;
    };
    assert!(
        text.contains("next: sslight pretrain debug/tiny out='runs/a b'"),
        "{text}"
    );
    for (line, hints) in [
        (line.to_owned(), "0"),
        (format!("{line} --quiet"), "1"),
        (format!("{line} --json"), "1"),
    ] {
        let text = on_a_terminal(folder.path(), &line, hints).unwrap();
        assert!(!text.contains("next:"), "{line}: {text}");
    }
}

#[test]
fn manual_pages_are_printed_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let page = stdout(&sslight(&["man", "views", "preview"]));
    assert!(page.contains(".TH sslight-views-preview 1"), "{page}");
    assert!(page.contains(".SH KEYS AND EXAMPLES"), "{page}");
    let output = run(folder.path(), &["man", "--dir", "man1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for name in ["sslight.1", "sslight-pretrain.1", "sslight-bench-step.1"] {
        assert!(folder.path().join("man1").join(name).is_file(), "{name}");
    }
    let unknown = sslight(&["man", "pretran"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("man: sslight has no verb pretran; there are pretrain,"));
}

/// What bash would offer for a line; `None` where there is no bash.
fn offered(folder: &Path, line: &str) -> Option<Vec<String>> {
    let script = stdout(&run(folder, &["completions", "bash"]));
    std::fs::write(folder.join("completions.bash"), script).unwrap();
    // Words as bash divides them: `=` is one of its own.
    let driver = r#"
        source completions.bash || exit 9
        COMP_LINE=$1 COMP_POINT=${#1}
        COMP_WORDS=(${1//=/ = })
        [[ $1 == *[[:space:]=] ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _sslight_with_words sslight "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["-c", driver, "bash", line]).current_dir(folder);
    let output = bash.output().ok()?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    Some(stdout(&output).lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_verbs_flags_keys_values_configurations_and_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("my photos")).unwrap();
    let Some(verbs) = offered(folder.path(), "sslight pre") else {
        return;
    };
    assert_eq!(verbs, ["pretrain"]);
    let of = |line: &str| offered(folder.path(), line).unwrap();
    assert_eq!(of("sslight pretrain --dry"), ["--dry-run"]);
    assert_eq!(of("sslight pretrain batch_s"), ["batch_size="]);
    assert_eq!(
        of("sslight pretrain method=s"),
        ["swav", "simclr", "supervised"]
    );
    assert_eq!(of("sslight project runs/a method="), ["pca", "tsne"]);
    assert_eq!(of("sslight pretrain debug/t"), ["debug/tiny"]);
    assert_eq!(of("sslight pretrain data=my"), ["my photos"]);
    assert_eq!(of("sslight probe runs/a probe.cac"), ["probe.cache="]);
    assert_eq!(of("sslight views prev"), ["preview"]);
    assert_eq!(of("sslight views preview split=v"), ["validation"]);
    let of_knn = of("sslight knn m");
    for word in ["method=", "model.small_input=", "my photos"] {
        assert!(of_knn.iter().any(|offered| offered == word), "{of_knn:?}");
    }
    let checked = Command::new("bash")
        .args(["-n", "completions.bash"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", stderr(&checked));
}

#[test]
fn an_unknown_shell_is_refused() {
    let output = command(Path::new("."), &["completions", "tcsh"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
