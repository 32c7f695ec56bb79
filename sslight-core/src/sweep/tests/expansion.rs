//! What a file and the words of a command line become.

use std::path::Path;

use super::super::{At, Metric, expand};
use super::{TWO, sweep};
use crate::config::{Resume, resolve};

#[test]
fn a_point_is_its_base_under_the_settings_of_file_series_and_point() {
    let sweep = sweep(TWO, &["out=runs/two"]);
    let names: Vec<&str> = sweep.points().map(|point| &*point.name).collect();
    assert_eq!(
        names,
        ["alpha-0.2", "alpha-0.4", "scale-usual", "scale-wide"]
    );
    let expected = [
        vec!["loss.alpha=0.2"],
        vec!["loss.alpha=0.4"],
        vec!["loss.alpha=0.4"],
        vec!["loss.alpha=0.4", "views.global.scale=[0.2, 1.0]"],
    ];
    for (point, own) in sweep.points().zip(expected) {
        let out = format!("out=runs/two/{}", point.run);
        let fixed = [
            "debug/tiny",
            "log_every=2",
            "views.local.scale=[0.05, 0.3]",
            &out,
        ];
        let alone = resolve(&[&fixed[..], &own].concat()).unwrap().config;
        assert_eq!(point.resolved.config, alone, "{}", point.name);
    }
}

#[test]
fn a_point_with_the_configuration_of_an_earlier_one_shares_its_run() {
    let sweep = sweep(TWO, &["out=runs/two"]);
    let runs: Vec<&str> = sweep.points().map(|point| &*point.run).collect();
    assert_eq!(runs, ["alpha-0.2", "alpha-0.4", "alpha-0.4", "scale-wide"]);
    assert_eq!(sweep.runs().count(), 3);
    let out = |index: usize| sweep.points().nth(index).unwrap().resolved.config.out_dir();
    assert_eq!(out(2), Path::new("runs/two/alpha-0.4"));
}

#[test]
fn words_of_the_command_line_win_in_all_points() {
    let sweep = sweep(TWO, &["log_every=7", "max_steps=3"]);
    for point in sweep.points() {
        let config = &point.resolved.config;
        assert_eq!((config.log_every, config.max_steps), (7, Some(3)));
    }
}

#[test]
fn only_the_keys_on_which_points_differ_are_named() {
    let sweep = sweep(TWO, &[]);
    let varied = sweep.varied().unwrap();
    let keys: Vec<&str> = varied.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["views.global.scale", "loss.alpha"]);
    assert_eq!(varied[1].1, ["0.2", "0.4", "0.4", "0.4"]);
}

#[test]
fn folders_are_named_after_the_file_unless_given_and_the_command_line_wins() {
    let named = expand(&["sweep/figure-1"]).unwrap();
    assert_eq!(named.out, Path::new("runs/sweep/figure-1"));
    assert_eq!(sweep(TWO, &[]).out, Path::new("runs/sweep/two"));
    let stated = format!("out = \"runs/mine\"\n{TWO}");
    assert_eq!(sweep(&stated, &[]).out, Path::new("runs/mine"));
    assert_eq!(sweep(&stated, &["out=runs/b"]).out, Path::new("runs/b"));
    assert_eq!(
        sweep(&stated, &["out=auto"]).out,
        Path::new("runs/mine"),
        "auto is no folder"
    );
}

#[test]
fn what_is_not_said_has_a_default() {
    let sweep = sweep(TWO, &[]);
    assert_eq!(sweep.metric, Metric::KnnTop1);
    let [alpha, scale] = &sweep.series[..] else {
        panic!("{:?}", sweep.series)
    };
    assert_eq!((&*alpha.title, &*alpha.panel), ("alpha", "alpha"));
    assert_eq!(
        (&*scale.title, &*scale.panel, &*scale.label),
        ("Scales | S_g", "Scales | S_g", "point")
    );
    assert_eq!(alpha.default, Some(At::Number(0.2)));
    assert_eq!(scale.default, Some(At::Word("wide".to_owned())));
}

#[test]
fn words_and_lists_are_places_too_and_make_folders_of_plain_names() {
    let text = "base = \"debug/tiny\"\n[[series]]\nname = \"s\"\naxis = \"views.local.scale\"\n\
                values = [[0.05, 0.3], [0.05, 0.4]]\n\
                [[series]]\nname = \"o\"\naxis = \"optim.kind\"\nvalues = [\"lars\", \"adamw\"]\n";
    let sweep = sweep(text, &[]);
    let names: Vec<&str> = sweep.points().map(|point| &*point.name).collect();
    assert_eq!(names, ["s-0.05-0.3", "s-0.05-0.4", "o-lars", "o-adamw"]);
    assert_eq!(sweep.series[0].points[0].at.to_string(), "[0.05, 0.3]");
    assert_eq!(sweep.series[0].label, "views.local.scale");
}

#[test]
fn a_base_cannot_send_points_into_one_folder_or_forbid_to_continue() {
    let (_folder, base) =
        super::file("data = \"embedded\"\nout = \"runs/x\"\nresume = \"never\"\n");
    let text = TWO.replace("debug/tiny", &base);
    for point in sweep(&text, &["out=o"]).points() {
        let config = &point.resolved.config;
        assert_eq!(config.resume, Resume::Auto);
        assert_eq!(config.out_dir(), Path::new("o").join(&point.run));
    }
}
