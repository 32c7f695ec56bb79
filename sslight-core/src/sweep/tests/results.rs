//! What the tables and the plot say of boards of which everything is known.

use std::path::PathBuf;

use super::super::panel::panels;
use super::super::{Board, Point, State, Sweep};
use super::{TWO, sweep};
use crate::observe::{End, EpochReport, Summary};
use crate::run::{RunError, RunRecord};

fn finished(knn_top1: Option<f64>, loss: f64) -> State {
    State::Finished(Box::new(RunRecord {
        summary: Summary {
            end: End::Completed,
            steps: 10,
            epochs: 1,
            loss: 9.0,
            knn_top1,
            knn_top5: None,
            knn_before: Some(60.0),
            knn_pixels: Some(8.5),
            knn_protocol: Some("20-NN".to_owned()),
            scores: serde_json::Map::new(),
            seconds: 1.0,
            out: PathBuf::from("x"),
        },
        epoch: Some(EpochReport {
            loss,
            probe_top1: Some(50.0),
            ..EpochReport::default()
        }),
    }))
}

fn point<'a>(sweep: &'a Sweep, name: &str) -> &'a Point {
    sweep.points().find(|point| point.name == name).unwrap()
}

/// Both alphas done, the second better; the last point failed.
fn board(sweep: &Sweep) -> Board<'_> {
    let mut board = Board::new(sweep);
    board.set(point(sweep, "alpha-0.2"), finished(Some(61.0), 5.5));
    board.set(point(sweep, "alpha-0.4"), finished(Some(62.25), 6.5));
    let error = RunError::NotFinite {
        step: 7,
        what: "the loss is NaN".to_string(),
    };
    board.set(point(sweep, "scale-wide"), State::Failed(error));
    board
}

#[test]
fn the_csv_has_a_line_for_each_point_with_scores_marks_reason_and_varied_keys() {
    let sweep = sweep(TWO, &["out=o"]);
    let csv = board(&sweep).csv().unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "series,at,point,run,state,steps,metric,score,knn_top1,probe_top1,loss,knn_before,knn_pixels,best,default,\
             reason,views.global.scale,loss.alpha",
            "alpha,0.2,alpha-0.2,o/alpha-0.2,finished,10,knn_top1,61,61,50,5.5,60,8.5,,yes,,\"[0.3, 1.0]\",0.2",
            "alpha,0.4,alpha-0.4,o/alpha-0.4,finished,10,knn_top1,62.25,62.25,50,6.5,60,8.5,yes,,,\"[0.3, 1.0]\",0.4",
            "scale,usual,scale-usual,o/alpha-0.4,finished,10,knn_top1,62.25,62.25,50,6.5,60,8.5,yes,,,\"[0.3, 1.0]\",0.4",
        ]
    );
    assert!(
        lines[4].starts_with(
            "scale,wide,scale-wide,o/scale-wide,failed,,knn_top1,,,,,,,,yes,\"step 7: the loss is NaN; "
        ) && lines[4].ends_with("\",\"[0.2, 1.0]\",0.4"),
        "{}",
        lines[4]
    );
    assert_eq!(lines.len(), 5);
}

#[test]
fn the_markdown_marks_best_default_and_failed_points_and_keeps_its_columns() {
    let sweep = sweep(TWO, &[]);
    let markdown = board(&sweep).markdown();
    let expected = "# Two, or more\n\n\
        Score: kNN top-1 (%), 20-NN; 2 of 3 runs finished.\n\n\
        ## alpha\n\n\
        | weight | kNN top-1 (%) | kNN before training (%) | pixels kNN (%) | run |  |\n\
        |---|---:|---:|---:|---|---|\n\
        | 0.2 | 61.00 | 60.00 | 8.50 | alpha-0.2 | the paper's default |\n\
        | 0.4 | 62.25 | 60.00 | 8.50 | alpha-0.4 | best |\n\n\
        ## Scales | S_g\n\n\
        | point | kNN top-1 (%) | kNN before training (%) | pixels kNN (%) | run |  |\n\
        |---|---:|---:|---:|---|---|\n\
        | usual | 62.25 | 60.00 | 8.50 | alpha-0.4 | best |\n\
        | wide | - | - | - | scale-wide | the paper's default, failed: step 7: the loss is NaN; ";
    assert!(markdown.starts_with(expected), "{markdown}");
}

#[test]
fn the_text_has_the_same_rows_under_each_other() {
    let sweep = sweep(TWO, &[]);
    let text = board(&sweep).text();
    let row = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
    assert_eq!(
        row("  0.2"),
        "  0.2             61.00                    60.00            8.50  alpha-0.2  the paper's default"
    );
    let scores = ["  weight", "  0.2", "  0.4"].map(|start| {
        let line = row(start);
        line.find("61.00")
            .or(line.find("62.25"))
            .or(line.find("top-1 (%)").map(|at| at + 4))
    });
    assert_eq!(scores[0], scores[1], "{text}");
    assert_eq!(scores[1], scores[2], "{text}");
}

#[test]
fn the_lowest_loss_is_the_best_and_the_loss_is_that_of_the_last_epoch() {
    let by_loss = TWO.replace("title = \"Two", "metric = \"loss\"\ntitle = \"Two");
    let sweep = sweep(&by_loss, &[]);
    let board = board(&sweep);
    let best = board.best(&sweep.series[0]).unwrap();
    assert_eq!((&*best.name, board.score(best)), ("alpha-0.2", Some(5.5)));
    assert!(
        panels(&board)[0].floors.is_empty(),
        "kNN scores are no losses"
    );
}

#[test]
fn the_first_of_equal_scores_is_the_best_and_a_score_that_was_not_taken_is_none() {
    let sweep = sweep(TWO, &[]);
    let mut board = Board::new(&sweep);
    assert!(board.best(&sweep.series[0]).is_none());
    board.set(point(&sweep, "alpha-0.2"), finished(None, 1.0));
    assert!(board.best(&sweep.series[0]).is_none());
    board.set(point(&sweep, "alpha-0.2"), finished(Some(5.0), 1.0));
    board.set(point(&sweep, "alpha-0.4"), finished(Some(5.0), 1.0));
    assert_eq!(board.best(&sweep.series[0]).unwrap().name, "alpha-0.2");
}

#[test]
fn numbers_stand_on_a_scale_and_words_side_by_side() {
    let sweep = sweep(TWO, &[]);
    let panels = panels(&board(&sweep));
    let [alpha, scale] = &panels[..] else {
        panic!("{panels:?}")
    };
    assert_eq!(alpha.curves[0].points, [(0.2, 61.0), (0.4, 62.25)]);
    assert_eq!(alpha.curves[0].best, Some((0.4, 62.25)));
    assert_eq!(alpha.curves[0].default, Some((0.2, 61.0)));
    assert_eq!(
        alpha.ticks,
        [(0.2, "0.2".to_owned()), (0.4, "0.4".to_owned())]
    );
    assert_eq!(scale.curves[0].points, [(0.0, 62.25)]);
    assert_eq!(scale.curves[0].default, None, "it has no score");
    assert_eq!(
        scale.ticks,
        [(0.0, "usual".to_owned()), (1.0, "wide".to_owned())]
    );
    assert!(alpha.y.0 < 60.0 && alpha.y.1 > 62.25, "{:?}", alpha.y);
    // 60 is near the scores, 8.5 would press them together.
    assert_eq!(alpha.floors, [("before training", 60.0)]);
}

#[test]
fn series_of_one_panel_share_it() {
    let text = TWO.replace("title = \"Scales | S_g\"", "panel = \"alpha\"");
    let sweep = sweep(&text, &[]);
    let panels = panels(&board(&sweep));
    assert_eq!(panels.len(), 1);
    let titles: Vec<&str> = panels[0].curves.iter().map(|curve| &*curve.title).collect();
    assert_eq!(titles, ["alpha", "scale"]);
    let ticks: Vec<&str> = panels[0].ticks.iter().map(|(_, text)| &**text).collect();
    assert_eq!(ticks, ["0.2", "0.4", "usual", "wide"]);
}

#[test]
fn the_plot_has_titles_labels_curves_and_rings_and_escapes_its_text() {
    let text = TWO.replace("Two, or more", "Two < three & <b>");
    let sweep = sweep(&text, &[]);
    let svg = board(&sweep).svg().unwrap();
    for part in [
        "Two &lt; three &amp; &lt;b&gt;",
        "weight",
        "kNN top-1 (%)",
        "Scales | S_g",
        "the paper&apos;s default",
        "before training, kNN 60.00 %",
        "<polyline",
    ] {
        assert!(svg.contains(part), "{part} is missing:\n{svg}");
    }
    // Ring and legend of each panel's best point, and of the one default with a score.
    assert_eq!(svg.matches("r=\"11\"").count(), 2);
    assert_eq!(svg.matches("r=\"8\"").count(), 1);
    assert!(svg.trim_end().ends_with("</svg>"));
}

#[test]
fn a_board_without_scores_is_drawn_and_says_so() {
    let sweep = sweep(TWO, &[]);
    let svg = Board::new(&sweep).svg().unwrap();
    assert_eq!(svg.matches("no scores yet").count(), 2);
    assert!(!svg.contains("NaN") && !svg.contains("<polyline points=\"\""));
}
