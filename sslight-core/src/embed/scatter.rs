//! Points of a plane in the colours of their classes, as SVG and as PNG.

use std::collections::BTreeMap;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::EmbedError;
use crate::draw::{Canvas, DARK, GREY, LIGHT_GREY, PlotCanvas, class_colour, fit, width};

const FONT: &str = "sans-serif";
const PLOT: (u32, u32) = (760, 720);
const HEAD: u32 = 82;
const LEGEND: u32 = 200;
const LEGEND_LINE: i32 = 22;
/// Classes that a legend names.
const NAMED: usize = 29;
/// Pixels of a PNG along a unit of the plot.
const SCALE: usize = 2;
const TITLE_SIZE: f64 = 20.0;
const TEXT_SIZE: f64 = 13.0;
/// Free space around the points, as a share of the longer side.
const BORDER: f64 = 0.04;

/// What is drawn.
pub(super) struct Scatter {
    pub title: String,
    /// How the features came about.
    pub lines: [String; 2],
    pub axes: [String; 2],
    /// Empty without classes.
    pub class_names: Vec<String>,
    pub points: Vec<Point>,
}

/// An image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub place: [f64; 2],
    pub class: Option<usize>,
}

/// The text of an SVG file.
pub(super) fn svg(scatter: &Scatter) -> Result<String, EmbedError> {
    let mut text = String::new();
    let root = SVGBackend::with_string(&mut text, scatter.size()).into_drawing_area();
    draw(&root, scatter).map_err(EmbedError::Drawing)?;
    drop(root);
    Ok(text)
}

/// The content of a PNG file.
pub(super) fn png(scatter: &Scatter) -> Result<Vec<u8>, EmbedError> {
    let (wide, high) = scatter.size();
    let mut canvas = Canvas::new(SCALE * wide as usize, SCALE * high as usize);
    let root = PlotCanvas::new(&mut canvas, SCALE).into_drawing_area();
    draw(&root, scatter).map_err(EmbedError::Drawing)?;
    drop(root);
    canvas
        .png(&format!("{}; {}", scatter.title, scatter.lines.join("; ")))
        .map_err(|error| EmbedError::Drawing(error.to_string()))
}

impl Scatter {
    fn size(&self) -> (u32, u32) {
        let legend = if self.class_names.is_empty() {
            20
        } else {
            LEGEND
        };
        (PLOT.0 + legend, HEAD + PLOT.1)
    }

    /// Points of each class.
    fn counts(&self) -> BTreeMap<usize, usize> {
        let mut counts = BTreeMap::new();
        for class in self.points.iter().filter_map(|point| point.class) {
            *counts.entry(class).or_insert(0) += 1;
        }
        counts
    }

    fn colour(&self, class: Option<usize>) -> RGBColor {
        let [r, g, b] = class_colour(class.unwrap_or(0), self.class_names.len());
        RGBColor(r, g, b)
    }

    /// Ends of both axes, with a unit of the same length on both: distances are what the plot shows.
    fn ranges(&self, (wide, high): (f64, f64)) -> [Range<f64>; 2] {
        let ends = [0, 1].map(|axis| {
            let values = self.points.iter().map(|point| point.place[axis]);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, up), v| {
                (low.min(v), up.max(v))
            })
        });
        let span = |axis: usize| ends[axis].1 - ends[axis].0;
        let unit = (span(0) / wide).max(span(1) / high).max(1e-9) * (1.0 + 2.0 * BORDER);
        [(0, wide), (1, high)].map(|(axis, pixels)| {
            let middle = (ends[axis].0 + ends[axis].1) / 2.0;
            middle - unit * pixels / 2.0..middle + unit * pixels / 2.0
        })
    }
}

fn colour([r, g, b]: [u8; 3]) -> RGBColor {
    RGBColor(r, g, b)
}

fn style(size: f64, of: [u8; 3], at: HPos) -> TextStyle<'static> {
    let middle = Pos::new(at, VPos::Center);
    let mut style = TextStyle::from((FONT, size).into_font()).pos(middle);
    style.color = colour(of).to_backend_color();
    style
}

/// As wide as the text is drawn in our font, which is near what a viewer has.
fn shortened(text: &str, size: f64, most: u32) -> String {
    fit(text, 1.17 * size as f32, most as f32)
}

fn draw<D: DrawingBackend>(root: &DrawingArea<D, Shift>, scatter: &Scatter) -> Result<(), String> {
    let drawn = || -> Result<(), DrawingAreaErrorKind<D::ErrorType>> {
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        let most = scatter.size().0 - 48;
        let title = shortened(&scatter.title, TITLE_SIZE, most);
        head.draw(&Text::new(
            title,
            (24, 24),
            style(TITLE_SIZE, DARK, HPos::Left),
        ))?;
        for (line, y) in scatter.lines.iter().zip([50, 68]) {
            let line = shortened(line, TEXT_SIZE, most);
            head.draw(&Text::new(
                line,
                (24, y),
                style(TEXT_SIZE, GREY, HPos::Left),
            ))?;
        }
        let (plot, legend) = body.split_horizontally(PLOT.0);
        draw_points(&plot, scatter)?;
        if !scatter.class_names.is_empty() {
            draw_legend(&legend, scatter)?;
        }
        root.present()
    };
    drawn().map_err(|error| error.to_string())
}

fn draw_points<D: DrawingBackend>(
    area: &DrawingArea<D, Shift>,
    scatter: &Scatter,
) -> Result<(), DrawingAreaErrorKind<D::ErrorType>> {
    const MARGIN: u32 = 16;
    const X_LABELS: u32 = 52;
    const Y_LABELS: u32 = 72;
    let wide = f64::from(PLOT.0 - 2 * MARGIN - Y_LABELS);
    let high = f64::from(PLOT.1 - 2 * MARGIN - X_LABELS);
    let [x, y] = scatter.ranges((wide, high));
    let decimals = decimals((x.end - x.start).min(y.end - y.start));
    let number = |value: &f64| tick(*value, decimals);
    let mut chart = ChartBuilder::on(area)
        .margin(MARGIN)
        .x_label_area_size(X_LABELS)
        .y_label_area_size(Y_LABELS)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .x_desc(&scatter.axes[0])
        .y_desc(&scatter.axes[1])
        .x_labels(8)
        .y_labels(8)
        .max_light_lines(0)
        .bold_line_style(colour(LIGHT_GREY).mix(0.5))
        .axis_style(colour(LIGHT_GREY))
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .label_style((FONT, TEXT_SIZE).into_font().color(&colour(DARK)))
        .axis_desc_style((FONT, 15).into_font().color(&colour(DARK)))
        .draw()?;
    let radius = if scatter.points.len() > 400 { 3 } else { 4 };
    chart.draw_series(shuffled(&scatter.points).map(|point| {
        let fill = scatter.colour(point.class).mix(0.75).filled();
        Circle::new((point.place[0], point.place[1]), radius, fill)
    }))?;
    Ok(())
}

/// The points in an order in which no class lies on top: data often are sorted by class. The step has no common divisor
/// with their number, so that each comes once.
fn shuffled(points: &[Point]) -> impl Iterator<Item = &Point> {
    let count = points.len();
    let golden = (count as f64 * 0.618_033_988_75) as usize;
    let step = (golden.max(1)..)
        .find(|step| divisor(*step, count) == 1)
        .unwrap_or(1);
    (0..count).map(move |i| &points[i * step % count])
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// Digits behind the point that tell ticks of an axis of this length apart.
fn decimals(span: f64) -> usize {
    (1.0 - span.log10().floor()).clamp(0.0, 6.0) as usize
}

/// A number without the sign of a zero.
fn tick(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        _ => text,
    }
}

fn draw_legend<D: DrawingBackend>(
    area: &DrawingArea<D, Shift>,
    scatter: &Scatter,
) -> Result<(), DrawingAreaErrorKind<D::ErrorType>> {
    const LEFT: i32 = 12;
    const TOP: i32 = 26;
    let counts = scatter.counts();
    let shown = if counts.len() > NAMED + 1 {
        NAMED
    } else {
        counts.len()
    };
    let most = LEGEND - 24 - LEFT as u32 - 16;
    let text = style(TEXT_SIZE, DARK, HPos::Left);
    for (row, (class, count)) in counts.iter().take(shown).enumerate() {
        let y = TOP + row as i32 * LEGEND_LINE;
        let dot = Circle::new((LEFT, y), 5, scatter.colour(Some(*class)).filled());
        area.draw(&dot)?;
        let count = format!(" ({count})");
        let taken = width(&count, 1.17 * TEXT_SIZE as f32).ceil() as u32;
        let name = scatter.class_names.get(*class).map_or("", String::as_str);
        let name = shortened(name, TEXT_SIZE, most.saturating_sub(taken));
        area.draw(&Text::new(name + &count, (LEFT + 14, y), text.clone()))?;
    }
    if counts.len() > shown {
        let rest = format!("and {} more classes", counts.len() - shown);
        let y = TOP + shown as i32 * LEGEND_LINE;
        let grey = style(TEXT_SIZE, GREY, HPos::Left);
        area.draw(&Text::new(rest, (LEFT + 14, y), grey))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn scatter(count: usize, classes: usize) -> Scatter {
        let point = |i: usize| Point {
            place: [(i as f64 * 1.3).sin(), 0.2 * (i as f64 * 0.7).cos()],
            class: (classes > 0).then(|| i % classes.max(1)),
        };
        Scatter {
            title: "PCA of the features of some images".to_owned(),
            lines: ["resnet18 of a & b".to_owned(), "images".to_owned()],
            axes: ["PC 1".to_owned(), "PC 2".to_owned()],
            class_names: (0..classes).map(|i| format!("class <{i}>")).collect(),
            points: (0..count).map(point).collect(),
        }
    }

    #[test]
    fn an_svg_has_a_mark_for_each_point_and_each_class() {
        let text = svg(&scatter(50, 3)).unwrap();
        assert_eq!(text.matches("<circle").count(), 50 + 3);
        for word in ["class &lt;2&gt; (16)", "PC 1", "PC 2", "a &amp; b"] {
            assert!(text.contains(word), "{word}");
        }
        let text = svg(&scatter(50, 0)).unwrap();
        assert_eq!(text.matches("<circle").count(), 50);
    }

    #[test]
    fn a_legend_of_a_hundred_classes_names_some() {
        let text = svg(&scatter(200, 100)).unwrap();
        assert_eq!(text.matches("<circle").count(), 200 + NAMED);
        assert!(text.contains("and 71 more classes"), "{text}");
    }

    #[test]
    fn a_unit_is_as_long_on_both_axes_and_all_points_are_inside() {
        let scatter = scatter(50, 0);
        let [x, y] = scatter.ranges((600.0, 300.0));
        assert!(((x.end - x.start) / 600.0 - (y.end - y.start) / 300.0).abs() < 1e-9);
        let inside = |p: &Point| x.contains(&p.place[0]) && y.contains(&p.place[1]);
        assert!(scatter.points.iter().all(inside));
    }

    #[test]
    fn a_tick_at_zero_has_no_sign() {
        assert_eq!(
            [tick(-1e-9, 1), tick(-0.2, 1), tick(0.0, 2)],
            ["0.0", "-0.2", "0.00"]
        );
    }

    #[test]
    fn each_point_is_drawn_once_in_another_order() {
        for count in [1, 2, 7, 100, 2000] {
            let points = scatter(count, 0).points;
            let mut places: Vec<[f64; 2]> = shuffled(&points).map(|point| point.place).collect();
            let mut sorted: Vec<[f64; 2]> = points.iter().map(|point| point.place).collect();
            places.sort_by(|a, b| a[0].total_cmp(&b[0]));
            sorted.sort_by(|a, b| a[0].total_cmp(&b[0]));
            assert_eq!(places, sorted, "{count}");
        }
    }
}
