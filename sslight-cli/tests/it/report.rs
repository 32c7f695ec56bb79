//! `sslight report` as users meet it: a page of a run, of several, and of what is no run.

use std::fs;

use crate::program::{run, stderr, stdout};

/// A folder with a run `out` of two steps.
fn trained(names: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in names {
        let (out, seed) = (format!("out={name}"), format!("seed={seed}"));
        let words = ["pretrain", "debug/tiny", "--quiet", &out, &seed];
        let output = run(folder.path(), &words);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    folder
}

#[test]
fn a_page_of_a_run_is_one_file_with_curves_pictures_and_origins() {
    let folder = trained(&[("run", "5")]);
    let output = run(folder.path(), &["report", "run"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("run/report.html"),
        "{}",
        stdout(&output)
    );
    let page = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(page.len() < 3_000_000, "{}", page.len());
    for expected in [
        "<title>",
        "Nearest neighbours",
        "data:image/png;base64,",
        "command line",
        "configuration debug/tiny",
        "before training",
        "grad_norm",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    // The address in the licence of the plots is text; nothing is fetched.
    for forbidden in [
        "src=\"http",
        "href=\"http",
        "src=\"/",
        "url(",
        "@import",
        "fetch(",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn several_runs_are_compared_on_a_page_whose_place_must_be_named() {
    let folder = trained(&[("a", "1"), ("b<script>", "2")]);
    let output = run(
        folder.path(),
        &["report", "a", "b<script>", "pictures=false"],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("give to=PAGE.html"),
        "{}",
        stderr(&output)
    );
    let words = [
        "report",
        "a",
        "b<script>",
        "pictures=false",
        "to=both.html",
        "--json",
    ];
    let output = run(folder.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["runs"].as_array().unwrap().len(), 2);
    let page = fs::read_to_string(folder.path().join("both.html")).unwrap();
    assert_eq!(told["bytes"], page.len());
    assert!(
        !page.contains("b<script>"),
        "a name reached the page as markup"
    );
}

#[test]
fn pictures_that_cannot_be_drawn_are_a_warning_and_a_note_on_the_page() {
    let folder = trained(&[("run", "1")]);
    let output = run(folder.path(), &["report", "run", "data=no/such/images"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("could not be drawn"),
        "{}",
        stderr(&output)
    );
    let page = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(page.contains("could not be drawn"));
}

#[test]
fn what_is_no_run_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["report", "nowhere"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("nowhere"), "{}", stderr(&output));
    let output = run(folder.path(), &["report", "nowhere", "picture=false"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("did you mean pictures"),
        "{}",
        stderr(&output)
    );
}
