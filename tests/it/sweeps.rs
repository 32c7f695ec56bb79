//! Sweeps on a small folder of images: each point is trained once, as it would be alone, and nothing is lost.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use sslight_core::config::{RunConfig, resolve, sweeps};
use sslight_core::observe::{End, SaveHandle, StopHandle};
use sslight_core::run::{RunError, RunOptions, pretrain};
use sslight_core::sweep::{Board, State, Sweep, SweepError, Told, drive, expand};

use crate::configs::tiny_words;
use crate::runs::{Cpu, NEVER, StopAfter, image_folder, losses, train, words};

/// Three points, two of them with one configuration.
const SERIES: &str = r#"
[[series]]
name = "alpha"
axis = "loss.alpha"
values = [0.2, 0.6]

[[series]]
name = "same"
points = [{ at = "again", set = { loss.alpha = 0.6 } }]
"#;

/// A sweep over the runs of `runs.rs`, in a folder of its own.
struct Bench {
    folder: tempfile::TempDir,
    data: String,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = image_folder(&folder.path().join("data"));
        let base = words(&data, Path::new("unused"), &[]);
        let config = resolve(&base).unwrap().config;
        fs::write(folder.path().join("base.toml"), config.to_toml().unwrap()).unwrap();
        Self { folder, data }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sweep(&self, series: &str, more: &[&str]) -> Sweep {
        let base = self.path("base.toml");
        let file = self.path("sweep.toml");
        fs::write(&file, format!("base = {base:?}\n{series}")).unwrap();
        let mut words = vec![file.display().to_string()];
        words.push(format!("out={}", self.path("out").display()));
        words.extend(more.iter().map(|word| (*word).to_owned()));
        expand(&words).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The losses of a run of one point's settings, trained alone.
    fn alone(&self, name: &str, setting: &str) -> Vec<(u64, f64)> {
        let out = self.path(name);
        train::<Cpu>(&words(&self.data, &out, &[setting]), NEVER).unwrap();
        losses(&out)
    }
}

/// Drives a sweep; tells which points were trained, and stops the run of one after some steps.
fn driven<'a>(
    sweep: &'a Sweep,
    interrupt: Option<(&str, usize)>,
) -> (Result<Board<'a>, SweepError>, Vec<String>) {
    let stop = StopHandle::new();
    let trained = RefCell::new(Vec::new());
    let mut told = Vec::new();
    let board = drive(
        sweep,
        &stop,
        &mut |point| {
            trained.borrow_mut().push(point.name.clone());
            let steps = match interrupt {
                Some((name, steps)) if name == point.name => steps,
                _ => NEVER,
            };
            let options = RunOptions {
                observer: Box::new(StopAfter {
                    steps,
                    stop: stop.clone(),
                }),
                stop: stop.clone(),
                save: SaveHandle::new(),
                renderer: None,
                backend_name: "test".to_string(),
            };
            pretrain::<Cpu>(&point.resolved, &Default::default(), options)
        },
        &mut |event| {
            told.push(match event {
                Told::Reused(point) => format!("reused {}", point.name),
                Told::Begins(point, place) => format!("{place} {}", point.name),
                Told::Failed(point, _) => format!("failed {}", point.name),
            });
        },
    );
    let begun: Vec<&str> = told
        .iter()
        .filter_map(|told| told.split_once(' '))
        .map(|told| told.1)
        .collect();
    for name in &*trained.borrow() {
        assert!(
            begun.contains(&name.as_str()),
            "{name} was not told of: {told:?}"
        );
    }
    (board, trained.into_inner())
}

fn finished(board: &Board<'_>) -> Vec<bool> {
    let points = board.sweep().points();
    points.map(|point| board.record(point).is_some()).collect()
}

#[test]
fn each_point_has_the_losses_of_its_run_alone_and_no_configuration_is_trained_twice() {
    let bench = Bench::new();
    let sweep = bench.sweep(SERIES, &[]);
    let (board, trained) = driven(&sweep, None);
    let board = board.unwrap();
    assert_eq!(trained, ["alpha-0.2", "alpha-0.6"]);
    assert_eq!(finished(&board), [true, true, true]);
    let out = bench.path("out");
    let of_points = ["alpha-0.2", "alpha-0.6"].map(|name| losses(&out.join(name)));
    assert_eq!(of_points[0], bench.alone("a", "loss.alpha=0.2"));
    assert_eq!(of_points[1], bench.alone("b", "loss.alpha=0.6"));
    assert_ne!(of_points[0], of_points[1]);
    for file in ["sweep.toml", "sweep.csv", "sweep.md", "sweep.svg"] {
        assert!(out.join(file).is_file(), "{file}");
    }

    // The images have no validation set, so points are scored by nothing but the loss.
    let csv = fs::read(out.join("sweep.csv")).unwrap();
    let (again, trained) = driven(&sweep, None);
    assert_eq!(trained, Vec::<String>::new());
    assert_eq!(finished(&again.unwrap()), [true, true, true]);
    assert_eq!(fs::read(out.join("sweep.csv")).unwrap(), csv);
    assert_eq!(losses(&out.join("alpha-0.2")), of_points[0]);
}

#[test]
fn an_interrupted_sweep_has_its_tables_and_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let sweep = bench.sweep(SERIES, &[]);
    let (board, trained) = driven(&sweep, Some(("alpha-0.6", 4)));
    let board = board.unwrap();
    assert_eq!(trained, ["alpha-0.2", "alpha-0.6"]);
    assert_eq!(finished(&board), [true, false, false]);
    let csv = fs::read_to_string(bench.path("out/sweep.csv")).unwrap();
    assert!(
        csv.contains(",finished,6,") && csv.contains(",unfinished,,"),
        "{csv}"
    );

    let (board, trained) = driven(&sweep, None);
    assert_eq!(trained, ["alpha-0.6"]);
    assert_eq!(finished(&board.unwrap()), [true, true, true]);
    let there = losses(&bench.path("out/alpha-0.6"));
    assert_eq!(there, bench.alone("b", "loss.alpha=0.6"));
}

#[test]
fn a_stop_during_one_point_keeps_the_next_from_beginning() {
    let bench = Bench::new();
    let sweep = bench.sweep(SERIES, &[]);
    let (board, trained) = driven(&sweep, Some(("alpha-0.2", 1)));
    assert_eq!(trained, ["alpha-0.2"]);
    let board = board.unwrap();
    let states: Vec<&State> = sweep.runs().map(|point| board.state(point)).collect();
    assert!(
        matches!(states[..], [State::Unfinished, State::Waiting]),
        "{states:?}"
    );
}

#[test]
fn more_steps_than_a_finished_point_took_are_taken() {
    let bench = Bench::new();
    let short = bench.sweep(SERIES, &["max_steps=2"]);
    assert_eq!(driven(&short, None).1.len(), 2);
    assert_eq!(driven(&short, None).1.len(), 0);
    let longer = bench.sweep(SERIES, &["max_steps=3"]);
    let (board, trained) = driven(&longer, None);
    assert_eq!(trained, ["alpha-0.2", "alpha-0.6"]);
    let board = board.unwrap();
    for point in longer.runs() {
        let summary = &board.record(point).unwrap().summary;
        assert_eq!((summary.end, summary.steps), (End::MaxSteps, 3));
    }
    assert_eq!(losses(&bench.path("out/alpha-0.2")).len(), 3);
}

#[test]
fn a_point_that_stops_itself_is_noted_and_the_others_go_on() {
    let bench = Bench::new();
    let series = "[[series]]\nname = \"lr\"\naxis = \"optim.base_lr\"\nvalues = [1e30, 0.1]\n";
    let sweep = bench.sweep(series, &["optim.kind=sgd"]);
    let (board, trained) = driven(&sweep, None);
    let board = board.unwrap();
    assert_eq!(trained.len(), 2);
    assert_eq!(finished(&board), [false, true]);
    let failures = board.failures();
    assert_eq!(failures.len(), 1);
    assert!(failures[0].1.is_self_stop(), "{}", failures[0].1);
    let markdown = fs::read_to_string(bench.path("out/sweep.md")).unwrap();
    assert!(markdown.contains("| failed: step "), "{markdown}");
    // It is tried again, the other is not.
    assert_eq!(driven(&sweep, None).1, [trained[0].clone()]);
}

#[test]
fn a_point_that_is_finished_with_other_settings_is_refused_before_anything_runs() {
    let bench = Bench::new();
    let sweep = bench.sweep(SERIES, &["max_steps=1"]);
    assert_eq!(driven(&sweep, None).1.len(), 2);
    let copy = fs::read(bench.path("out/sweep.toml")).unwrap();
    let refused = |series: &str, words: &[&str], keys: &[&str]| {
        let changed = bench.sweep(series, &[&["max_steps=1"], words].concat());
        let (board, trained) = driven(&changed, None);
        assert_eq!(trained, Vec::<String>::new());
        match board {
            Err(SweepError::Run(RunError::Differs { differences, .. })) => {
                let named: Vec<&str> = differences.iter().map(|one| one.key).collect();
                assert_eq!(named, keys);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(bench.path("out/sweep.toml")).unwrap(), copy);
    };
    // A new first point does not run either.
    let with_another = SERIES.replace("[0.2,", "[0.1, 0.2,");
    refused(&with_another, &["seed=1"], &["seed"]);
    // Weights do not depend on it, but the score that is there does.
    refused(SERIES, &["eval.knn_k=3"], &["eval.knn_k"]);
    let (again, trained) = driven(&sweep, None);
    assert!(again.is_ok() && trained.is_empty());
}

#[test]
fn a_folder_of_something_else_and_a_sweep_under_way_are_refused() {
    let bench = Bench::new();
    let sweep = bench.sweep(SERIES, &["max_steps=1"]);
    let stop = StopHandle::new();
    let mut inner = None;
    let outer = drive(
        &sweep,
        &stop,
        &mut |_| {
            inner.get_or_insert_with(|| driven(&sweep, None).0.map(|_| ()));
            Err(RunError::Vanished)
        },
        &mut |_| {},
    );
    assert_eq!(outer.unwrap().failures().len(), 2);
    assert!(
        matches!(inner, Some(Err(SweepError::Run(RunError::Locked { .. })))),
        "{inner:?}"
    );

    fs::remove_dir_all(bench.path("out")).unwrap();
    fs::create_dir_all(bench.path("out")).unwrap();
    fs::write(bench.path("out/notes.txt"), "mine").unwrap();
    let (board, trained) = driven(&sweep, None);
    assert!(
        matches!(board, Err(SweepError::Occupied { .. })),
        "{board:?}"
    );
    assert!(trained.is_empty());
}

/// The first point of a sweep as a configuration file.
fn first_point(sweep: &str, path: &Path) -> RunConfig {
    let sweep = expand(&[sweep]).unwrap();
    let config = sweep.points().next().unwrap().resolved.config.clone();
    fs::write(path, config.to_toml().unwrap()).unwrap();
    config
}

#[test]
fn the_first_point_of_every_built_in_sweep_trains_two_steps() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    for (index, sweep) in sweeps().iter().enumerate() {
        let file = folder.path().join(format!("{index}.toml"));
        let out = folder.path().join(index.to_string());
        let written = first_point(sweep.name, &file);
        let words = tiny_words(&file.display().to_string(), &data, &out);
        let tiny = resolve(&words).unwrap().config;
        assert_eq!(
            (tiny.alpha(), tiny.locals(), tiny.views.global.scale),
            (
                written.alpha(),
                written.locals(),
                written.views.global.scale
            ),
            "{}",
            sweep.name
        );
        let summary =
            train::<Cpu>(&words, NEVER).unwrap_or_else(|error| panic!("{}: {error}", sweep.name));
        assert_eq!((summary.end, summary.steps), (End::MaxSteps, 2));
        let losses = losses(&out);
        assert!(
            losses.len() == 2 && losses.iter().all(|(_, loss)| loss.is_finite()),
            "{}: {losses:?}",
            sweep.name
        );
    }
}
