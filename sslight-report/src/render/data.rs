//! What the script draws, as data.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::curves::Drawn;
use super::number::short;
use super::plots::PLOTS;
use super::{events, spectrum};
use crate::history::History;
use crate::page::RunPage;

/// Ends of epochs that a run is placed in time by.
const MOST_ENDS: usize = 600;

/// The plots and runs, with at most `buckets` buckets in a series.
pub(super) fn of(plots: &[Drawn], runs: &[RunPage], buckets: usize) -> Value {
    let plots_data: Vec<Value> = plots
        .iter()
        .map(|plot| {
            let series: Vec<Value> = plot
                .series
                .iter()
                .map(|series| json!({ "id": series.id(), "label": series.label }))
                .collect();
            let known = plot.plot;
            json!({
                "title": plot.title,
                "log": known.is_none_or(|plot| plot.log),
                "marks": known.is_some_and(|plot| plot.marks),
                "floors": known.map_or(&[][..], |plot| plot.floors),
                "series": series,
            })
        })
        .collect();
    let runs: Vec<Value> = runs
        .iter()
        .map(|run| run_data(plots, run, buckets))
        .collect();
    json!({ "plots": plots_data, "runs": runs })
}

fn run_data(plots: &[Drawn], run: &RunPage, buckets: usize) -> Value {
    let history = &run.history;
    let mut axes = Axes::default();
    let mut all = Map::new();
    for series in plots.iter().flat_map(|plot| &plot.series) {
        let Some(values) = series.of(history) else {
            continue;
        };
        let thinned = values.thinned(buckets);
        let mut entry = json!({
            "x": axes.index(&thinned.extremes),
            "y": second(&thinned.extremes),
        });
        if !thinned.means.is_empty() {
            entry["mean_x"] = axes.index(&thinned.means).into();
            entry["mean_y"] = second(&thinned.means);
        }
        all.insert(series.id(), entry);
    }
    let marks: Vec<Value> = history
        .events()
        .iter()
        .take(events::MOST)
        .map(|event| json!([event.step, events::words(&event.name)]))
        .collect();
    let mut floors = Map::new();
    for (key, _) in PLOTS.iter().flat_map(|plot| plot.floors) {
        if let Some(value) = history.last(key) {
            floors.insert((*key).to_owned(), short(value));
        }
    }
    json!({
        "name": run.name,
        "axes": axes.all,
        "series": all,
        "clock": clock(history),
        "marks": marks,
        "floors": floors,
        "spectra": spectrum::data(history),
    })
}

/// Where epochs ended: step, epochs, seconds.
fn clock(history: &History) -> Value {
    let ends = history.epoch_ends();
    let every = ends.len().div_ceil(MOST_ENDS).max(1);
    ends.iter()
        .enumerate()
        .filter(|(index, _)| index % every == 0 || index + 1 == ends.len())
        .map(|(_, end)| json!([end.step, end.epochs, end.seconds.map(short)]))
        .collect()
}

fn second(points: &[(f64, f64)]) -> Value {
    points.iter().map(|point| short(point.1)).collect()
}

/// Steps of series, each list once: those of a short run are the same for all its series.
#[derive(Default)]
struct Axes {
    all: Vec<Value>,
    known: HashMap<Vec<u64>, usize>,
}

impl Axes {
    fn index(&mut self, points: &[(f64, f64)]) -> usize {
        let bits = points.iter().map(|point| point.0.to_bits()).collect();
        *self.known.entry(bits).or_insert_with(|| {
            self.all
                .push(points.iter().map(|point| short(point.0)).collect());
            self.all.len() - 1
        })
    }
}
