//! What a panel of the plot shows, as numbers: curves, axes and the scores that training has to beat.

use super::{At, Board, Point, Series};

/// Share of the scores' span that is left free above and below them.
const MARGIN: f64 = 0.15;
/// Least span of scores that is shown, as a share of them, so that equal scores do not look apart.
const LEAST_SPAN: f64 = 0.01;
/// A line this many spans below the scores would press them together and is only told of in words.
const NEAR: f64 = 1.5;
/// Ticks closer than this share of the axis would run into each other.
const TICK_GAP: f64 = 0.065;

/// A panel.
#[derive(Debug, PartialEq)]
pub(super) struct Panel {
    pub title: String,
    /// What the horizontal axis shows.
    pub label: String,
    /// Its ends.
    pub x: (f64, f64),
    /// Where it has ticks, and what stands there.
    pub ticks: Vec<(f64, String)>,
    /// The ends of the vertical axis.
    pub y: (f64, f64),
    pub curves: Vec<Curve>,
    /// Scores that training has to beat, the same for all points; with their names.
    pub floors: Vec<(&'static str, f64)>,
}

/// A series on a panel.
#[derive(Debug, PartialEq)]
pub(super) struct Curve {
    pub title: String,
    /// Points with a score, from left to right.
    pub points: Vec<(f64, f64)>,
    /// The best of them.
    pub best: Option<(f64, f64)>,
    /// The paper's default, if it has a score.
    pub default: Option<(f64, f64)>,
}

/// The panels of a plot, in the order in which the file names them.
pub(super) fn panels(board: &Board<'_>) -> Vec<Panel> {
    let mut names: Vec<&str> = Vec::new();
    for series in &board.sweep().series {
        if !names.contains(&&*series.panel) {
            names.push(&series.panel);
        }
    }
    let all = &board.sweep().series;
    let of = |name: &str| all.iter().filter(|s| s.panel == name).collect::<Vec<_>>();
    names
        .iter()
        .map(|name| panel(board, name, &of(name)))
        .collect()
}

fn panel(board: &Board<'_>, title: &str, series: &[&Series]) -> Panel {
    let axis = Axis::new(series);
    let curves: Vec<Curve> = series.iter().map(|s| curve(board, s, &axis)).collect();
    let scores = || curves.iter().flat_map(|curve| &curve.points).map(|p| p.1);
    let (low, high) = ends(scores()).unwrap_or((0.0, 1.0));
    let span = (high - low).max(LEAST_SPAN * high.abs().max(0.1));
    let mut floors = floors(board, series);
    floors.retain(|(_, floor)| *floor > low - NEAR * span && *floor < high + NEAR * span);
    let shown = scores().chain(floors.iter().map(|(_, floor)| *floor));
    let (low, high) = ends(shown).unwrap_or((0.0, 1.0));
    let margin = MARGIN * (high - low).max(span) + 0.5 * (span - (high - low)).max(0.0);
    Panel {
        title: title.to_owned(),
        label: series.first().map_or("", |series| &series.label).to_owned(),
        x: axis.ends(),
        ticks: axis.ticks(),
        y: (low - margin, high + margin),
        curves,
        floors,
    }
}

fn curve(board: &Board<'_>, series: &Series, axis: &Axis) -> Curve {
    let place = |point: &Point| Some((axis.place(&point.at)?, board.score(point)?));
    let mut points: Vec<(f64, f64)> = series.points.iter().filter_map(place).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let default = series.points.iter().find(|point| series.is_default(point));
    Curve {
        title: series.title.clone(),
        points,
        best: board.best(series).and_then(place),
        default: default.and_then(place),
    }
}

/// The kNN scores of pixels and of the network before training, where they are the same for all points and can be
/// compared with what is shown.
fn floors(board: &Board<'_>, series: &[&Series]) -> Vec<(&'static str, f64)> {
    if board.sweep().metric == super::Metric::Loss {
        return Vec::new();
    }
    let points = series.iter().flat_map(|series| &series.points);
    let records: Vec<_> = points.filter_map(|point| board.record(point)).collect();
    let same = |of: &dyn Fn(usize) -> Option<f64>| {
        let first = (!records.is_empty()).then(|| of(0)).flatten()?;
        let same = (0..records.len()).all(|index| of(index) == Some(first));
        same.then_some(first)
    };
    let before = same(&|index| records[index].summary.knn_before);
    let pixels = same(&|index| records[index].summary.knn_pixels);
    let named = [("before training", before), ("raw pixels", pixels)];
    named
        .into_iter()
        .filter_map(|(name, floor)| Some((name, floor?)))
        .collect()
}

/// The horizontal axis of a panel: a scale if all of its points are numbers, otherwise places side by side.
enum Axis {
    Scale(Vec<f64>),
    Places(Vec<At>),
}

impl Axis {
    fn new(series: &[&Series]) -> Self {
        let places = series.iter().flat_map(|series| &series.points);
        let mut different: Vec<At> = Vec::new();
        for point in places {
            if !different.contains(&point.at) {
                different.push(point.at.clone());
            }
        }
        let number = |at: &At| match at {
            At::Number(number) => Some(*number),
            At::Word(_) => None,
        };
        match different.iter().map(number).collect::<Option<Vec<f64>>>() {
            Some(mut numbers) => {
                numbers.sort_by(f64::total_cmp);
                Self::Scale(numbers)
            }
            None => Self::Places(different),
        }
    }

    fn place(&self, at: &At) -> Option<f64> {
        match (self, at) {
            (Self::Scale(_), At::Number(number)) => Some(*number),
            (Self::Scale(_), At::Word(_)) => None,
            (Self::Places(places), at) => {
                let index = places.iter().position(|place| place == at)?;
                Some(index as f64)
            }
        }
    }

    fn ends(&self) -> (f64, f64) {
        match self {
            Self::Scale(numbers) => {
                let (low, high) = ends(numbers.iter().copied()).unwrap_or((0.0, 1.0));
                let margin = match 0.06 * (high - low) {
                    0.0 => 0.5 * high.abs().max(1.0),
                    margin => margin,
                };
                (low - margin, high + margin)
            }
            Self::Places(places) => (-0.5, places.len() as f64 - 0.5),
        }
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        match self {
            Self::Scale(numbers) => {
                let (low, high) = self.ends();
                let mut ticks: Vec<(f64, String)> = Vec::new();
                for number in numbers {
                    let gap = ticks.last().map_or(f64::MAX, |(last, _)| number - last);
                    if gap >= TICK_GAP * (high - low) {
                        ticks.push((*number, number.to_string()));
                    }
                }
                ticks
            }
            Self::Places(places) => {
                let places = places.iter().enumerate();
                places
                    .map(|(index, at)| (index as f64, at.to_string()))
                    .collect()
            }
        }
    }
}

fn ends(numbers: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    numbers.fold(None, |ends, number| {
        let (low, high) = ends.unwrap_or((number, number));
        Some((low.min(number), high.max(number)))
    })
}
