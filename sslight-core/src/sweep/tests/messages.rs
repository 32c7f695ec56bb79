//! What is refused, with the literal text that the user reads.

use super::super::expand;
use super::{TWO, file, sweep};

/// The message for a file with this text, with the file's path cut to its name.
fn message(text: &str, words: &[&str]) -> String {
    let (_folder, path) = file(text);
    match expand(&[&[path.as_str()], words].concat()) {
        Ok(sweep) => panic!("was accepted: {sweep:?}"),
        Err(error) => error.to_string().replace(&path, "two.toml"),
    }
}

/// The message of the file [`TWO`] with one part replaced.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(TWO.matches(from).count(), 1, "{from}");
    message(&TWO.replace(from, to), &[])
}

#[test]
fn a_misspelt_setting_names_its_line_and_the_nearest_key_whichever_point_it_is_of() {
    assert_eq!(
        changed("views.global.scale", "views.globl.scale"),
        "two.toml:23: unknown key views.globl.scale; did you mean views.global.scale or views.local.scale?"
    );
    assert_eq!(
        changed("log_every", "log_evry"),
        "two.toml:6: unknown key log_evry; did you mean log_every?",
        "a setting of all points is told of once"
    );
    assert_eq!(
        changed("axis = \"loss.alpha\"", "axis = \"loss.alfa\""),
        "two.toml:14: unknown key loss.alfa; did you mean loss.alpha?"
    );
}

#[test]
fn a_value_that_no_run_can_have_names_its_line() {
    assert_eq!(
        changed("values = [0.2, 0.4]", "values = [0.2,\n1.4]"),
        "two.toml:15: loss.alpha is 1.4, but must be \"auto\" or a number from 0 to 1"
    );
    assert_eq!(
        changed("[0.2, 1.0]", "0.2"),
        "two.toml:23: views.global.scale must be a list of 2 numbers [min, max], got 0.2 (a number)"
    );
}

#[test]
fn problems_of_all_points_are_told_at_once() {
    let text = TWO
        .replace("log_every", "log_evry")
        .replace("[0.2, 1.0]", "0.2");
    assert_eq!(message(&text, &["epoch=1"]).lines().count(), 3);
}

#[test]
fn a_field_that_is_missing_unknown_or_of_the_wrong_type_names_its_line() {
    assert_eq!(
        changed("base = \"debug/tiny\"\n", ""),
        "two.toml:1: missing field `base`"
    );
    assert_eq!(
        changed("label = \"weight\"", "labels = \"weight\""),
        "two.toml:11: unknown field `labels`, expected one of `name`, `title`, `panel`, `label`, `default`, `axis`, \
         `values`, `fixed`, `points`"
    );
    assert_eq!(
        changed("{ at = \"usual\" }", "{ at = true }"),
        "two.toml:22: a place on the axis is a number or a text"
    );
    assert_eq!(
        changed("title = \"Two, or more\"", "metric = \"knn\""),
        "two.toml:2: unknown variant `knn`, expected one of `knn_top1`, `probe_top1`, `loss`"
    );
}

#[test]
fn a_setting_at_the_top_is_sent_to_its_table() {
    assert_eq!(
        changed("title = \"Two, or more\"", "epochs = 5"),
        "two.toml:2: epochs is a setting of the runs; write it under [fixed]"
    );
}

#[test]
fn a_series_without_points_or_with_two_kinds_of_them_is_refused() {
    let advice = "; give it either axis = KEY with values = [..], or [[series.points]]";
    for (from, to, what) in [
        ("values = [0.2, 0.4]", "", "has an axis without values"),
        ("values = [0.2, 0.4]", "values = []", "has no points"),
        ("axis = \"loss.alpha\"", "", "has values without an axis"),
        (
            "axis = \"loss.alpha\"",
            "points = [{ at = 0.2 }]",
            "has points beside axis or values",
        ),
    ] {
        assert_eq!(
            changed(from, to),
            format!("two.toml:9: series alpha {what}{advice}")
        );
    }
}

#[test]
fn names_must_make_different_folders() {
    assert_eq!(
        changed("name = \"alpha\"", "name = \"../alpha\""),
        "two.toml:9: series name \"../alpha\" cannot begin the name of a folder; use letters, digits, - and _"
    );
    assert_eq!(
        changed("name = \"scale\"", "name = \"alpha\""),
        "two.toml:16: there are two series alpha; give one of them another name"
    );
    assert_eq!(
        changed("[0.2, 0.4]", "[0.2, 0.2]"),
        "two.toml:9: two points would have the folder alpha-0.2; give one of them another place on the axis"
    );
    assert_eq!(
        changed("\"usual\"", "\"//\""),
        "two.toml:16: two points would have the folder scale-; give one of them another place on the axis"
    );
}

#[test]
fn a_default_that_is_no_point_names_the_points() {
    assert_eq!(
        changed("default = 0.2", "default = 0.143"),
        "two.toml:9: series alpha has default = 0.143, but its points are 0.2, 0.4"
    );
}

#[test]
fn a_base_that_names_nothing_is_refused_on_its_line() {
    assert_eq!(
        changed("debug/tiny", "debug/tinny"),
        "two.toml:3: base = \"debug/tinny\" is no configuration; did you mean debug/tiny?"
    );
    assert_eq!(
        changed("debug/tiny", "sweep/figure-1"),
        "sweep/figure-1: is a sweep of several runs, not the configuration of one; \
         run it with `sslight sweep sweep/figure-1`"
    );
}

#[test]
fn a_score_that_no_run_will_have_is_refused() {
    let text = TWO.replacen("title =", "metric = \"probe_top1\"\ntitle =", 1);
    assert_eq!(
        message(&text, &[]),
        "two.toml:2: metric = \"probe_top1\" needs probe = true; write it under [fixed]"
    );
    let (_folder, path) = file(&text);
    assert!(expand(&[path.as_str(), "probe=true"]).is_ok());
}

#[test]
fn folder_and_resume_belong_to_the_sweep() {
    assert_eq!(
        changed("log_every = 2", "out = \"runs/a\""),
        "two.toml:6: out cannot be set for a point: each point has a folder of its own in that of the sweep; \
         write out at the top of the file"
    );
    assert_eq!(
        message(TWO, &["resume=never"]),
        "command line: resume cannot be set for a sweep: finished points are skipped and others continue by \
         themselves; to start over choose another folder with out=PATH"
    );
}

#[test]
fn a_word_that_would_make_points_alike_is_refused() {
    assert_eq!(
        message(TWO, &["loss.alpha=0.1"]),
        "command line: loss.alpha is what series alpha varies or differs by; leave it out, or change it in a copy of the file"
    );
}

#[test]
fn a_word_that_would_make_the_titles_of_series_wrong_is_refused() {
    let text = TWO.replacen(
        "loss.alpha = 0.4 }",
        "loss.alpha = 0.4, views.locals = 3 }",
        1,
    );
    assert_eq!(
        message(&text, &["views.locals=4"]),
        "command line: views.locals is what series scale varies or differs by; leave it out, or change it in a copy of the file"
    );
    // What all series share may be changed.
    sweep(TWO, &["views.locals=4"]);
}

#[test]
fn words_that_are_no_sweep_say_what_was_probably_meant() {
    let message = |words: &[&str]| expand(words).unwrap_err().to_string();
    assert_eq!(
        message(&["sweep/figure-4"]),
        "command line: \"sweep/figure-4\" is neither a sweep nor key=value; did you mean sweep/figure-1, \
         sweep/figure-2 or sweep/figure-3?"
    );
    assert_eq!(
        message(&["demo"]),
        "demo: is no sweep, for it has no [[series]]; run the configuration of one run with `sslight pretrain demo`"
    );
    assert_eq!(
        message(&["epochs=3"]),
        "command line: no sweep is given; `sslight sweep` lists those that are built in"
    );
    assert_eq!(
        message(&["sweep/figure-1", "sweep/figure-2"]),
        "command line: sweep/figure-1 and sweep/figure-2 are two sweeps; run one after the other"
    );
    let (_folder, run) = file("epochs = 3\n");
    assert_eq!(
        message(&[&run]),
        format!(
            "{run}: is no sweep, for it has no [[series]]; run the configuration of one run with `sslight pretrain {run}`"
        )
    );
    assert!(message(&["no/such.toml"]).starts_with("no/such.toml: cannot read this sweep ("));
}

#[test]
fn a_file_that_is_not_toml_names_its_line() {
    assert!(changed("base = ", "base ").starts_with("two.toml:3: not valid TOML: "));
}
