//! One set of axes with histograms.

use crate::analysis::canvas::{Align, Area};
use crate::analysis::colours::{Colour, DARK, GREY, LIGHT_GREY};
use crate::analysis::figure::Figure;
use crate::analysis::summary::{Distribution, Spacing};
use crate::lettering;

/// Above the axes: title, legend and the name of the vertical axis.
const HEAD: f32 = 66.0;
/// Left of them: the numbers of the vertical axis.
const LEFT: f32 = 40.0;
/// Below them: the numbers and the name of the horizontal axis.
const FOOT: f32 = 48.0;
const TICK_SIZE: f32 = 14.0;
/// Of the highest bar, so that means can be named above it.
const HIGHEST: f32 = 0.86;
/// Most ticks of a logarithmic axis.
const MOST_TICKS: usize = 9;

/// A histogram with its name; a lone one needs none.
pub(super) struct Series<'a> {
    name: &'static str,
    colour: Colour,
    spread: &'a Distribution,
}

impl<'a> Series<'a> {
    pub(super) fn new(name: &'static str, colour: Colour, spread: &'a Distribution) -> Self {
        Self {
            name,
            colour,
            spread,
        }
    }

    /// Ends of bins and the shares in them, in percent.
    fn bins(&self) -> impl Iterator<Item = ([f64; 2], f64)> + '_ {
        let histogram = &self.spread.histogram;
        let total: u64 = histogram.counts.iter().sum();
        let edges = histogram.edges.windows(2).map(|ends| [ends[0], ends[1]]);
        let share = move |count: &u64| 100.0 * *count as f64 / total as f64;
        edges.zip(histogram.counts.iter().map(share))
    }
}

/// Histograms over one horizontal axis.
pub(super) struct Panel<'a> {
    pub title: &'static str,
    pub x_label: &'static str,
    pub y_label: &'static str,
    pub series: Vec<Series<'a>>,
    /// A value that means something, and what.
    pub reference: Option<(f64, &'static str)>,
}

/// From values to places.
struct Axes {
    area: Area,
    spacing: Spacing,
    ends: [f64; 2],
    /// Percent at the upper end.
    most: f64,
}

impl Axes {
    fn x(&self, value: f64) -> f32 {
        let place = |value: f64| match self.spacing {
            Spacing::Linear => value,
            Spacing::Logarithmic => value.log2(),
        };
        let [low, high] = self.ends.map(place);
        self.area.left + self.area.width * ((place(value) - low) / (high - low)) as f32
    }

    fn y(&self, percent: f64) -> f32 {
        self.bottom() - self.area.height * HIGHEST * (percent / self.most) as f32
    }

    fn bottom(&self) -> f32 {
        self.area.top + self.area.height
    }
}

impl Panel<'_> {
    /// Draws it all within `whole`.
    pub(super) fn draw(&self, figure: &mut Figure, whole: Area) {
        let axes = self.axes(Area::new(
            whole.left + LEFT,
            whole.top + HEAD,
            whole.width - LEFT,
            whole.height - HEAD - FOOT,
        ));
        figure.text(
            (whole.left, whole.top),
            self.title,
            (20.0, DARK, Align::Left),
        );
        figure.text(
            (whole.left, whole.top + 30.0),
            self.y_label,
            (TICK_SIZE, GREY, Align::Left),
        );
        self.legend(figure, whole);
        self.grid(figure, &axes);
        for series in &self.series {
            bars(figure, &axes, series);
        }
        self.horizontal_axis(figure, &axes);
        if let Some((value, meaning)) = self.reference {
            reference(figure, &axes, value, meaning);
        }
        for (row, series) in self.series.iter().enumerate() {
            mean(figure, &axes, series, row);
        }
    }

    fn axes(&self, area: Area) -> Axes {
        let edges = |series: &Series<'_>| {
            let edges = &series.spread.histogram.edges;
            [edges[0], edges[edges.len() - 1]]
        };
        let spacing = self.series[0].spread.histogram.spacing;
        let mut ends = edges(&self.series[0]);
        // A reference beyond all values is shown as well.
        let reference = self.reference.map(|(value, _)| [value, value]);
        for [low, high] in self.series.iter().map(edges).chain(reference) {
            ends = [ends[0].min(low), ends[1].max(high)];
        }
        if spacing == Spacing::Logarithmic {
            ends = [ends[0] / 1.12, ends[1] * 1.12];
        }
        let shares = self.series.iter().flat_map(Series::bins);
        let most = shares.map(|(_, share)| share).fold(0.0, f64::max);
        Axes {
            area,
            spacing,
            ends,
            most,
        }
    }

    /// From left to right, at the right end. Viewers of SVG may take a wider font than ours, thus the room.
    fn legend(&self, figure: &mut Figure, whole: Area) {
        const ROOM: f32 = 1.2;
        let named = || self.series.iter().filter(|series| !series.name.is_empty());
        let width = |series: &Series<'_>| 44.0 + ROOM * lettering::width(series.name, 15.0);
        let mut left = whole.left + whole.width - named().map(width).sum::<f32>() + 24.0;
        for series in named() {
            let swatch = Area::new(left, whole.top + 6.0, 12.0, 12.0);
            figure.fill(swatch, series.colour, 1.0);
            let place = (left + 18.0, whole.top + 4.0);
            figure.text(place, series.name, (15.0, DARK, Align::Left));
            left += width(series);
        }
    }

    /// Horizontal lines and their percents.
    fn grid(&self, figure: &mut Figure, axes: &Axes) {
        let step = round_step(axes.most / 2.5);
        let mut percent = step;
        while axes.y(percent) >= axes.area.top {
            let y = axes.y(percent);
            let line = Area::new(axes.area.left, y - 0.5, axes.area.width, 1.0);
            figure.fill(line, LIGHT_GREY, 0.7);
            let place = (axes.area.left - 8.0, y - TICK_SIZE / 2.0);
            let number = format!("{}", (percent * 1000.0).round() / 1000.0);
            figure.text(place, &number, (TICK_SIZE, GREY, Align::Right));
            percent += step;
        }
    }

    fn horizontal_axis(&self, figure: &mut Figure, axes: &Axes) {
        let bottom = axes.bottom();
        let line = Area::new(axes.area.left, bottom - 0.5, axes.area.width, 1.0);
        figure.fill(line, GREY, 1.0);
        for value in ticks(axes) {
            let x = axes.x(value);
            figure.fill(Area::new(x - 0.5, bottom, 1.0, 5.0), GREY, 1.0);
            let style = (TICK_SIZE, GREY, Align::Centre);
            figure.text((x, bottom + 8.0), &value.to_string(), style);
        }
        let middle = axes.area.left + axes.area.width / 2.0;
        let style = (TICK_SIZE, DARK, Align::Centre);
        figure.text((middle, bottom + 29.0), self.x_label, style);
    }
}

fn bars(figure: &mut Figure, axes: &Axes, series: &Series<'_>) {
    const LINE: f32 = 1.5;
    let bottom = axes.bottom();
    let mut before = bottom;
    let mut end = axes.area.left.round();
    for ([low, high], share) in series.bins() {
        // Whole units, so that no seam is seen between neighbours.
        let (left, right, top) = (axes.x(low).round(), axes.x(high).round(), axes.y(share));
        if share > 0.0 {
            let bar = Area::new(left, top, right - left, bottom - top);
            figure.fill(bar, series.colour, 0.45);
            let cap = Area::new(left, top - LINE / 2.0, right - left, LINE);
            figure.fill(cap, series.colour, 1.0);
        }
        step(figure, left, before, top, series.colour);
        (before, end) = (top, right);
    }
    step(figure, end, before, bottom, series.colour);

    fn step(figure: &mut Figure, x: f32, from: f32, to: f32, colour: Colour) {
        let height = (from - to).abs();
        if height > 0.0 {
            let side = Area::new(x - LINE / 2.0, from.min(to), LINE, height);
            figure.fill(side, colour, 1.0);
        }
    }
}

fn reference(figure: &mut Figure, axes: &Axes, value: f64, meaning: &str) {
    let x = axes.x(value);
    let line = Area::new(x - 0.5, axes.area.top - 4.0, 1.0, axes.area.height + 4.0);
    figure.fill(line, GREY, 1.0);
    label(figure, axes, (x, axes.area.top - 18.0), meaning, GREY);
}

/// A line of dashes at the mean, named in the row of its series.
fn mean(figure: &mut Figure, axes: &Axes, series: &Series<'_>, row: usize) {
    let colour = darker(series.colour);
    let x = axes.x(series.spread.mean);
    let top = axes.area.top + 16.0 * row as f32;
    figure.dashes(x, (top, axes.bottom()), colour);
    let text = format!("mean {}", super::number_text(series.spread.mean));
    label(figure, axes, (x, top), &text, colour);
}

/// Right of a place, or left of it where the axes end.
fn label(figure: &mut Figure, axes: &Axes, (x, y): (f32, f32), content: &str, colour: Colour) {
    let right = axes.area.left + axes.area.width;
    let (x, align) = if x + 6.0 + lettering::width(content, TICK_SIZE) <= right {
        (x + 6.0, Align::Left)
    } else {
        (x - 6.0, Align::Right)
    };
    figure.text((x, y), content, (TICK_SIZE, colour, align));
}

fn darker(colour: Colour) -> Colour {
    colour.map(|value| (f32::from(value) * 0.72) as u8)
}

/// 1, 2 or 5 times a power of ten, at or below a value.
fn round_step(most: f64) -> f64 {
    let power = 10_f64.powf(most.log10().floor());
    let factor = [5.0, 2.0].into_iter().find(|f| f * power <= most);
    factor.unwrap_or(1.0) * power
}

/// Powers of two on a logarithmic axis, so many that they stay apart; fifths on a linear one.
fn ticks(axes: &Axes) -> Vec<f64> {
    match axes.spacing {
        Spacing::Linear => (0..=5).map(|fifth| f64::from(fifth) / 5.0).collect(),
        Spacing::Logarithmic => {
            let [first, last] = [axes.ends[0].log2().ceil(), axes.ends[1].log2().floor()];
            let octaves = (first as i32)..=(last as i32);
            let step = octaves.clone().count().div_ceil(MOST_TICKS).max(1) as i32;
            octaves
                .filter(|octave| octave % step == 0)
                .map(|octave| f64::from(octave).exp2())
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        assert_eq!([9.0, 1.0, 3.0, 70.0].map(round_step), [5.0, 1.0, 2.0, 50.0]);
        assert!((round_step(0.03) - 0.02).abs() < 1e-12);
    }

    #[test]
    fn ticks_of_a_long_axis_stay_apart() {
        let axes = |ends| Axes {
            area: Area::new(0.0, 0.0, 100.0, 10.0),
            spacing: Spacing::Logarithmic,
            ends,
            most: 1.0,
        };
        assert_eq!(ticks(&axes([0.3, 4.5])), [0.5, 1.0, 2.0, 4.0]);
        let long = ticks(&axes([1e-6, 1e6]));
        assert!(long.len() <= MOST_TICKS && long.contains(&1.0), "{long:?}");
    }
}
