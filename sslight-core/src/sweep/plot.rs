//! `sweep.svg`: a panel beside the other, as in the paper's figures. Text is left to the viewer's own fonts.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::panel::{Curve, Panel, panels};
use super::{Board, SweepError};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const FONT: &str = "sans-serif";
const PANEL: (u32, u32) = (520, 380);
const TITLE_HEIGHT: u32 = 46;
const LEGEND_LINE: u32 = 20;
const GREY: RGBColor = RGBColor(120, 120, 120);
/// The rings of the paper's figures.
const DEFAULT_RING: RGBColor = RGBColor(214, 39, 40);
const BEST_RING: RGBColor = RGBColor(142, 69, 133);
/// Of curves; distinct for most kinds of colour vision, and none of the rings.
const COLOURS: [RGBColor; 5] = [
    RGBColor(31, 119, 180),
    RGBColor(230, 159, 0),
    RGBColor(0, 128, 96),
    RGBColor(86, 86, 86),
    RGBColor(86, 180, 233),
];

impl Board<'_> {
    /// The plot as an SVG file, black on white whatever is behind it.
    ///
    /// # Errors
    /// A defect of this program only.
    pub fn svg(&self) -> Result<String, SweepError> {
        let panels = panels(self);
        let rows = panels.iter().map(|panel| legend(panel).len()).max();
        let legend_height = LEGEND_LINE * rows.unwrap_or(0) as u32 + 12;
        let width = PANEL.0 * panels.len() as u32;
        let height = TITLE_HEIGHT + PANEL.1 + legend_height;
        let mut text = String::new();
        let root = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        let metric = self.sweep().metric.label();
        let draw = || -> Drawn {
            root.fill(&WHITE)?;
            let (head, body) = root.split_vertically(TITLE_HEIGHT);
            let style = centred(21.0);
            let middle = (width as i32 / 2, TITLE_HEIGHT as i32 / 2);
            head.draw(&Text::new(self.sweep().title.clone(), middle, style))?;
            for (area, panel) in body.split_evenly((1, panels.len())).iter().zip(&panels) {
                let (chart, strip) = area.split_vertically(PANEL.1);
                draw_panel(&chart, panel, metric)?;
                draw_legend(&strip, panel)?;
            }
            root.present()?;
            Ok(())
        };
        let drawn = draw().map_err(|error| SweepError::Plot(error.to_string()));
        drop(root);
        drawn.map(|()| text)
    }
}

fn centred(size: f64) -> TextStyle<'static> {
    let middle = Pos::new(HPos::Center, VPos::Center);
    TextStyle::from((FONT, size).into_font()).pos(middle)
}

fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

fn draw_panel(area: &Area<'_>, panel: &Panel, metric: &str) -> Drawn {
    let (low, high) = panel.y;
    let x = Ticked {
        ends: panel.x,
        ticks: panel.ticks.clone(),
    };
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, (FONT, 18))
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(68)
        .build_cartesian_2d(x, low..high)?;
    let decimals = decimals(high - low);
    chart
        .configure_mesh()
        .x_desc(&panel.label)
        .y_desc(metric)
        .x_max_light_lines(0)
        .y_max_light_lines(0)
        .bold_line_style(BLACK.mix(0.12))
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 16))
        .y_label_formatter(&|y| format!("{y:.decimals$}"))
        .draw()?;
    for (index, (_, floor)) in panel.floors.iter().enumerate() {
        let line = [(panel.x.0, *floor), (panel.x.1, *floor)];
        chart.draw_series(DashedLineSeries::new(line, dash(index), 4, GREY.into()))?;
    }
    for (index, curve) in panel.curves.iter().enumerate() {
        let colour = colour(index);
        let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2));
        chart.draw_series(line)?;
        let dots = curve.points.iter();
        chart.draw_series(dots.map(|place| Circle::new(*place, 4, colour.filled())))?;
        for (place, radius, ring) in rings(curve) {
            let ring = Circle::new(place, radius, ring.stroke_width(2));
            chart.draw_series(std::iter::once(ring))?;
        }
    }
    if panel.curves.iter().all(|curve| curve.points.is_empty()) {
        let (width, height) = area.dim_in_pixel();
        let middle = (width as i32 / 2, height as i32 / 2);
        area.draw(&Text::new(
            "no scores yet",
            middle,
            centred(14.0).color(&GREY),
        ))?;
    }
    Ok(())
}

/// Rings around points that stand out; of different sizes, since one point may have both.
fn rings(curve: &Curve) -> impl Iterator<Item = ((f64, f64), i32, RGBColor)> {
    let default = curve.default.map(|place| (place, 8, DEFAULT_RING));
    let best = curve.best.map(|place| (place, 11, BEST_RING));
    default.into_iter().chain(best)
}

fn dash(index: usize) -> i32 {
    if index == 0 { 8 } else { 3 }
}

/// An axis with ticks where the points are, instead of at round numbers.
struct Ticked {
    ends: (f64, f64),
    ticks: Vec<(f64, String)>,
}

impl Ranged for Ticked {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.ends.0) / (self.ends.1 - self.ends.0);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light lines lie between ticks, where there is nothing to show.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|(place, _)| *place).collect()
    }

    fn range(&self) -> Range<f64> {
        self.ends.0..self.ends.1
    }
}

impl ValueFormatter<f64> for Ticked {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(place, _)| place == value);
        tick.map_or_else(String::new, |(_, text)| text.clone())
    }
}

/// Digits behind the point that tell ticks of an axis of this length apart.
fn decimals(span: f64) -> usize {
    (1.0 - span.log10().floor()).clamp(0.0, 6.0) as usize
}

/// What a line of a legend shows.
enum Mark {
    Curve(RGBColor),
    Ring(RGBColor),
    Dashes(i32),
}

fn legend(panel: &Panel) -> Vec<(Mark, String)> {
    let mut lines = Vec::new();
    // A lone curve is named by its panel.
    if panel.curves.len() > 1 {
        let titles = panel.curves.iter().map(|curve| curve.title.clone());
        lines.extend(
            titles
                .enumerate()
                .map(|(index, title)| (Mark::Curve(colour(index)), title)),
        );
    }
    let has = |of: fn(&Curve) -> Option<(f64, f64)>| panel.curves.iter().any(|c| of(c).is_some());
    if has(|curve| curve.best) {
        lines.push((Mark::Ring(BEST_RING), "best".to_owned()));
    }
    if has(|curve| curve.default) {
        lines.push((Mark::Ring(DEFAULT_RING), "the paper's default".to_owned()));
    }
    for (index, (name, floor)) in panel.floors.iter().enumerate() {
        lines.push((
            Mark::Dashes(dash(index)),
            format!("{name}, kNN {floor:.2} %"),
        ));
    }
    lines
}

fn draw_legend(area: &Area<'_>, panel: &Panel) -> Drawn {
    const LEFT: i32 = 80;
    let style = TextStyle::from((FONT, 15).into_font()).pos(Pos::new(HPos::Left, VPos::Center));
    for (row, (mark, text)) in legend(panel).into_iter().enumerate() {
        let y = row as i32 * LEGEND_LINE as i32 + 8;
        let ends = [(LEFT, y), (LEFT + 28, y)];
        let middle = (LEFT + 14, y);
        match mark {
            Mark::Curve(colour) => {
                area.draw(&PathElement::new(ends, colour.stroke_width(2)))?;
                area.draw(&Circle::new(middle, 4, colour.filled()))?;
            }
            Mark::Ring(colour) => area.draw(&Circle::new(middle, 7, colour.stroke_width(2)))?,
            Mark::Dashes(length) => {
                for x in (LEFT..LEFT + 28 - length).step_by(length as usize + 4) {
                    area.draw(&PathElement::new([(x, y), (x + length, y)], GREY))?;
                }
            }
        }
        area.draw(&Text::new(text, (LEFT + 38, y), style.clone()))?;
    }
    Ok(())
}
