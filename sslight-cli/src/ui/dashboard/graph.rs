//! One graph.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType};

use super::panels::{Panel, short};
use super::theme::Theme;

/// Rows, frame included, from which on the steps are written below a graph.
const ROWS_FOR_STEPS: u16 = 9;
/// Rows from which on three values are written beside it, and not two.
const ROWS_FOR_THREE: u16 = 12;

/// Draws a graph over the steps `until` now, with its frame; `number` is the key that enlarges it.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    panel: &Panel,
    number: usize,
    until: usize,
    theme: Theme,
) {
    let block = Block::bordered()
        .border_style(theme.quiet())
        .title(title(panel, number, theme));
    let points: Vec<Vec<(f64, f64)>> = panel
        .curves
        .iter()
        .map(|curve| curve.series.points())
        .collect();
    let datasets = points
        .iter()
        .enumerate()
        // The first curve is drawn last, over the others.
        .rev()
        .map(|(place, points)| {
            Dataset::default()
                .marker(theme.marker(place))
                .graph_type(GraphType::Line)
                .style(theme.curve(place))
                .data(points)
        })
        .collect();
    let right = until.max(1) as f64;
    let (low, high) = range(points.iter().flatten().map(|point| point.1));
    let mut steps = Axis::default().bounds([0.0, right]).style(theme.quiet());
    if area.height >= ROWS_FOR_STEPS {
        steps = steps.labels([0.0, right / 2.0, right].map(|step| format!("{step:.0}")));
    }
    let three = area.height >= ROWS_FOR_THREE;
    let labels = [Some(low), three.then_some((low + high) / 2.0), Some(high)];
    let label = |value: f64| label(value, low, high);
    let labels = labels.into_iter().flatten().map(label);
    let values = Axis::default()
        .bounds([low, high])
        .style(theme.quiet())
        .labels(labels);
    let chart = Chart::new(datasets)
        .block(block)
        .legend_position(None)
        .x_axis(steps)
        .y_axis(values);
    frame.render_widget(chart, area);
}

/// Name and last values, each in the colour of its curve.
fn title<'a>(panel: &'a Panel, number: usize, theme: Theme) -> Line<'a> {
    let mut spans = vec![
        Span::styled(format!(" {number} "), theme.quiet()),
        Span::styled(panel.title.as_str(), theme.strong()),
    ];
    for (place, curve) in panel.curves.iter().enumerate() {
        let Some(value) = curve.series.last() else {
            continue;
        };
        let space = if curve.name.is_empty() { "" } else { " " };
        let text = format!(
            "  {}{}{space}{}",
            theme.sign(place),
            curve.name,
            short(value)
        );
        spans.push(Span::styled(text, theme.curve(place)));
    }
    for (name, value) in &panel.beside {
        spans.push(Span::styled(
            format!("  {name} {}", short(*value)),
            theme.quiet(),
        ));
    }
    spans.push(Span::raw(" "));
    Line::from(spans)
}

/// Smallest and largest with some air around, never the same.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let width = high - low;
    if width <= f64::EPSILON * high.abs().max(f64::MIN_POSITIVE) {
        let half = (high.abs() / 10.0).max(0.5 * f64::from(u8::from(high == 0.0)));
        let half = half.max(f64::MIN_POSITIVE);
        return (low - half, high + half);
    }
    let below = low - 0.05 * width;
    // No air reaches below zero where nothing does.
    let below = if low >= 0.0 { below.max(0.0) } else { below };
    (below, high + 0.05 * width)
}

/// A value beside the axis, with the digits that tell `low` from `high`.
fn label(value: f64, low: f64, high: f64) -> String {
    let size = low.abs().max(high.abs());
    // A difference of 1e-4 is a little less than that in floating point.
    let digits = 1.0 - ((high - low).log10() + 1e-9).floor();
    if (1e-3..1e7).contains(&size) && digits <= 9.0 {
        format!("{value:.*}", digits.max(0.0) as usize)
    } else {
        short(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_both_ends_apart() {
        let ends = |low, high| (label(low, low, high), label(high, low, high));
        let said = |low: &str, high: &str| (low.to_owned(), high.to_owned());
        assert_eq!(ends(0.0599, 0.0600), said("0.05990", "0.06000"));
        assert_eq!(ends(1.25, 9.5), said("1.2", "9.5"));
        assert_eq!(ends(120.0, 1530.0), said("120", "1530"));
        assert_eq!(ends(1e-6, 2e-6), said("1.0e-6", "2.0e-6"));
    }

    #[test]
    fn a_range_has_a_width_whatever_is_in_it() {
        for values in [
            vec![],
            vec![0.0],
            vec![5.0, 5.0],
            vec![-1e300, 1e300],
            vec![1e-320],
        ] {
            let (low, high) = range(values.iter().copied());
            assert!(
                low < high && (high - low).is_finite(),
                "{values:?}: {low} {high}"
            );
        }
        let (low, high) = range([1.0, 3.0].into_iter());
        assert!(low < 1.0 && high > 3.0);
        assert_eq!(range([0.0, 2.0].into_iter()).0, 0.0);
    }
}
