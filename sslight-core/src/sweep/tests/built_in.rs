//! The sweeps of `configs/sweep`.

use std::collections::BTreeMap;

use super::super::{At, Point, Sweep, expand};
use crate::config::sweeps;

fn named(name: &str) -> Sweep {
    expand(&[name]).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn numbers(sweep: &Sweep, series: &str) -> Vec<f64> {
    let series = sweep.series.iter().find(|one| one.name == series).unwrap();
    let number = |point: &Point| match point.at {
        At::Number(number) => number,
        At::Word(_) => panic!("{:?}", point.at),
    };
    series.points.iter().map(number).collect()
}

#[test]
fn every_built_in_sweep_resolves_and_opens_with_what_it_is() {
    for sweep in sweeps() {
        let expanded = named(sweep.name);
        assert!(sweep.summary().len() > 20, "{}", sweep.name);
        let command = format!("# Command: sslight sweep {}", sweep.name);
        assert!(sweep.text.contains(&command), "{}", sweep.name);
        assert!(sweep.text.contains("# Published score: "), "{}", sweep.name);
        for point in expanded.points() {
            assert_eq!(
                point.resolved.warnings,
                Vec::<String>::new(),
                "{}",
                point.name
            );
        }
    }
}

#[test]
fn the_figures_train_the_papers_network_at_its_length_with_the_original_weighting_where_it_is_not_varied()
 {
    for figure in ["sweep/figure-1", "sweep/figure-2", "sweep/figure-3"] {
        for point in named(figure).points() {
            let config = &point.resolved.config;
            assert_eq!((config.epochs, config.batch_size), (200, 1024));
            assert_eq!(config.backbone.word(), "mobilenet_v2");
            if !point.name.starts_with("alpha-") {
                let plain_mean = 1.0 / (1.0 + config.locals() as f64);
                assert_eq!(config.alpha(), plain_mean, "{}", point.name);
                assert_eq!(config.beta(), 1.0 - plain_mean, "{}", point.name);
            }
        }
    }
}

#[test]
fn figure_1_varies_one_scale_at_a_time_at_the_default_sizes() {
    let sweep = named("sweep/figure-1");
    for (series, global) in [("global", true), ("local", false)] {
        let named_by_the_paper = [0.14, 0.3, 0.4];
        let numbers = numbers(&sweep, series);
        assert!(named_by_the_paper.iter().all(|n| numbers.contains(n)));
        let series = sweep.series.iter().find(|one| one.name == series).unwrap();
        for (point, number) in series.points.iter().zip(numbers) {
            let views = &point.resolved.config.views;
            let (s_g, s_l) = if global {
                (number, 0.14)
            } else {
                (0.3, number)
            };
            assert_eq!(views.global.scale, [s_g, 1.0], "{}", point.name);
            assert_eq!(views.local.scale, [0.05, s_l], "{}", point.name);
            assert_eq!((views.global.size, views.local.size), (224, 96));
        }
    }
    assert_eq!(sweep.runs().count() + 1, sweep.points().count());
}

#[test]
fn figure_2_varies_the_local_size_at_both_scales_in_one_panel() {
    let sweep = named("sweep/figure-2");
    for (series, s) in [("scale014", 0.14), ("scale03", 0.3)] {
        let numbers = numbers(&sweep, series);
        assert!([96.0, 103.0, 128.0].iter().all(|n| numbers.contains(n)));
        let series = sweep.series.iter().find(|one| one.name == series).unwrap();
        for (point, number) in series.points.iter().zip(numbers) {
            let views = &point.resolved.config.views;
            assert_eq!(views.global.scale, [s, 1.0]);
            assert_eq!(views.local.scale, [0.05, s]);
            assert_eq!(views.local.size as f64, number);
        }
    }
    assert_eq!(sweep.series[0].panel, sweep.series[1].panel);
}

#[test]
fn figure_3_varies_local_views_and_alpha_and_counts_the_original_weighting_as_one_seventh() {
    let sweep = named("sweep/figure-3");
    for point in sweep.points() {
        let config = &point.resolved.config;
        match point.at {
            At::Number(number) if point.name.starts_with("views-") => {
                assert_eq!(config.locals() as f64, number);
            }
            At::Number(number) => {
                assert_eq!(config.locals(), 6);
                assert!((config.alpha() - number).abs() < 5e-4, "{}", point.name);
            }
            At::Word(_) => panic!("{:?}", point.at),
        }
    }
    let alphas = numbers(&sweep, "alpha");
    assert!([0.143, 0.3, 0.4].iter().all(|n| alphas.contains(n)));
    let shared: BTreeMap<&str, &str> = sweep
        .points()
        .filter(|point| !point.owns_run())
        .map(|point| (&*point.name, &*point.run))
        .collect();
    assert_eq!(shared, BTreeMap::from([("alpha-0.143", "views-scale03-6")]));
}
