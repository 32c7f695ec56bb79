//! The distributions of [`ViewStatistics`] as a picture: pixel scales and their ratio on logarithmic axes, the overlap on a
//! linear one, and a table.

mod panel;

use ::image::RgbImage;

use super::canvas::Align;
use super::canvas::Area;
use super::colours::{Colour, DARK, GLOBAL, GREY, LIGHT_GREY, LOCAL, PAIR};
use super::figure::Figure;
use super::statistics::ViewStatistics;
use super::summary::Distribution;
use crate::lettering;
use panel::{Panel, Series};

const WIDTH: f32 = 1080.0;
const MARGIN: f32 = 48.0;
/// Between panels side by side.
const GUTTER: f32 = 44.0;
const HEAD: f32 = 104.0;
const LARGE_PANEL: f32 = 270.0;
const SMALL_PANEL: f32 = 250.0;
/// Between rows of panels, and before the table.
const GAP: f32 = 34.0;
const TABLE_LINE: f32 = 25.0;
const FOOT: f32 = 110.0;
/// How much wider than ours the font of a viewer of SVG may be.
const VIEWERS_FONT: f32 = 1.15;

/// The picture, as SVG or in pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot(Figure);

impl Plot {
    /// An SVG file. Text is left to the viewer's fonts.
    pub fn svg(&self) -> String {
        self.0.svg()
    }

    /// In pixels, `scale` times 1080 wide, with text in the font of the project.
    pub fn picture(&self, scale: usize) -> RgbImage {
        self.0.picture(scale.max(1))
    }
}

/// Draws statistics under a title and a line of what they are of.
pub fn plot(statistics: &ViewStatistics, title: &str, line: &str) -> Plot {
    let rows = table(statistics);
    let table_height = TABLE_LINE * (rows.len() + 1) as f32;
    let height = HEAD + LARGE_PANEL + GAP + SMALL_PANEL + GAP + table_height + FOOT;
    let mut figure = Figure::new(WIDTH as usize, height as usize, title);
    let whole = WIDTH - 2.0 * MARGIN;
    for (top, content, size, colour) in [(28.0, title, 27.0, DARK), (64.0, line, 16.0, GREY)] {
        let shown = lettering::start(content, size, whole / VIEWERS_FONT);
        figure.text((MARGIN, top), &shown, (size, colour, Align::Left));
    }

    let half = (whole - GUTTER) / 2.0;
    let mut top = HEAD;
    pixel_scales(statistics).draw(&mut figure, Area::new(MARGIN, top, whole, LARGE_PANEL));
    top += LARGE_PANEL + GAP;
    ratio(statistics).draw(&mut figure, Area::new(MARGIN, top, half, SMALL_PANEL));
    let right = MARGIN + half + GUTTER;
    overlap(statistics).draw(&mut figure, Area::new(right, top, half, SMALL_PANEL));
    top += SMALL_PANEL + GAP;
    draw_table(&mut figure, top, &rows);
    top += table_height + 18.0;
    for sentence in sentences(statistics) {
        figure.text((MARGIN, top), &sentence, (15.0, GREY, Align::Left));
        top += 22.0;
    }
    Plot(figure)
}

fn pixel_scales(statistics: &ViewStatistics) -> Panel<'_> {
    Panel {
        title: "Pixel scale of views",
        x_label: "PS = view area / crop area, pixels per pixel (logarithmic)",
        y_label: "% of views in a bin",
        series: vec![
            Series::new("global views, PSg", GLOBAL, &statistics.global_pixel_scale),
            Series::new("local views, PSl", LOCAL, &statistics.local_pixel_scale),
        ],
        reference: Some((1.0, "crop and view of the same size")),
    }
}

fn ratio(statistics: &ViewStatistics) -> Panel<'_> {
    Panel {
        title: "Ratio PSg / PSl",
        x_label: "of pairs of a global and a local view (logarithmic)",
        y_label: "% of pairs in a bin",
        series: vec![Series::new("", PAIR, &statistics.ratio)],
        reference: Some((1.0, "equal")),
    }
}

fn overlap(statistics: &ViewStatistics) -> Panel<'_> {
    Panel {
        title: "Overlap of crops",
        x_label: "share of the local crop's area in the global crop",
        y_label: "% of pairs in a bin",
        series: vec![Series::new("", PAIR, &statistics.overlap)],
        reference: None,
    }
}

/// A line of the table: a quantity, its colour, its spread.
type Row<'a> = (&'static str, Colour, &'a Distribution);

fn table(statistics: &ViewStatistics) -> [Row<'_>; 4] {
    [
        ("PSg, global views", GLOBAL, &statistics.global_pixel_scale),
        ("PSl, local views", LOCAL, &statistics.local_pixel_scale),
        ("PSg / PSl, pairs", PAIR, &statistics.ratio),
        ("overlap, pairs", PAIR, &statistics.overlap),
    ]
}

fn draw_table(figure: &mut Figure, top: f32, rows: &[Row<'_>]) {
    const HEADS: [&str; 7] = ["mean", "std", "5 %", "25 %", "median", "75 %", "95 %"];
    const FIRST: f32 = 330.0;
    const SIZE: f32 = 16.0;
    let step = (WIDTH - MARGIN - FIRST) / (HEADS.len() - 1) as f32;
    let column = |index: usize| FIRST + index as f32 * step;
    let rule = |figure: &mut Figure, y: f32| {
        let line = Area::new(MARGIN, y, WIDTH - 2.0 * MARGIN, 1.0);
        figure.fill(line, LIGHT_GREY, 1.0);
    };
    for (index, head) in HEADS.iter().enumerate() {
        figure.text((column(index), top), head, (SIZE, GREY, Align::Right));
    }
    rule(figure, top + TABLE_LINE - 4.0);
    for (number, (name, colour, spread)) in rows.iter().enumerate() {
        let y = top + TABLE_LINE * (number + 1) as f32 + 2.0;
        figure.fill(Area::new(MARGIN, y + 2.5, 11.0, 11.0), *colour, 1.0);
        figure.text((MARGIN + 20.0, y), name, (SIZE, DARK, Align::Left));
        let values = [
            spread.mean,
            spread.std,
            spread.p5,
            spread.p25,
            spread.p50,
            spread.p75,
            spread.p95,
        ];
        for (index, value) in values.iter().enumerate() {
            let text = number_text(*value);
            figure.text((column(index), y), &text, (SIZE, DARK, Align::Right));
        }
    }
    rule(figure, top + TABLE_LINE * (rows.len() + 1) as f32 + 4.0);
}

fn sentences(statistics: &ViewStatistics) -> [String; 3] {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    [
        format!(
            "Mean PSg / PSl {:.3}, standard error {:.3} over {} drawn images; it is best at about 1 (Section 3.3.2 of the paper).",
            statistics.ratio_of_images.mean,
            statistics.ratio_of_images.standard_error,
            grouped(statistics.images)
        ),
        format!(
            "Crops of {} of the pairs have no pixel in common; in {} the local crop lies inside the global one.",
            percent(statistics.disjoint),
            percent(statistics.contained)
        ),
        format!(
            "Up-sampled, with PS above 1: {} of the global and {} of the local views.",
            percent(statistics.upsampled_globals),
            percent(statistics.upsampled_locals)
        ),
    ]
}

/// A count with its thousands apart.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let place = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    let parts = digits.char_indices().map(|(at, digit)| match place(at) {
        true => format!(",{digit}"),
        false => digit.to_string(),
    });
    parts.collect()
}

/// Three digits that count, of numbers of everyday size.
fn number_text(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.001 => format!("{value:.1e}"),
        size if size < 10.0 => format!("{value:.3}"),
        size if size < 100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::analysis::statistics::view_statistics;
    use crate::views::{Crops, ViewRecipe};

    #[test]
    fn a_plot_says_what_it_shows_and_has_a_bar_for_each_filled_bin() {
        let recipe = ViewRecipe::dino_cnn(Crops::Sslight);
        let statistics = view_statistics(&recipe, &[(256, 256)], 200, 0).unwrap();
        let plot = plot(&statistics, "Views of <b>", "200 images");
        let svg = plot.svg();
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
        for text in [
            "Views of &lt;b&gt;",
            "200 images",
            "Pixel scale of views",
            "global views, PSg",
            "% of pairs in a bin",
            "share of the local crop's area in the global crop",
            "median",
        ] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
        let filled = |spread: &Distribution| {
            let counts = spread.histogram.counts.iter();
            counts.filter(|count| **count > 0).count()
        };
        let bars: usize = [
            &statistics.global_pixel_scale,
            &statistics.local_pixel_scale,
            &statistics.ratio,
            &statistics.overlap,
        ]
        .map(filled)
        .iter()
        .sum();
        assert_eq!(svg.matches(" fill-opacity=\"0.45\"/>").count(), bars);
        let picture = plot.picture(2);
        assert_eq!(picture.width(), 2160);
        let coloured = |colour: Colour| picture.pixels().any(|pixel| pixel.0 == colour);
        assert!([GLOBAL, LOCAL, PAIR].into_iter().all(coloured));
    }

    #[test]
    fn equal_values_are_drawn_as_well() {
        let mut recipe = ViewRecipe::dino_cnn(Crops::Sslight);
        for view in &mut recipe.views {
            view.scale = [1.0, 1.0];
        }
        let statistics = view_statistics(&recipe, &[(64, 64)], 3, 0).unwrap();
        let svg = plot(&statistics, "", "").svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        assert_eq!(
            [7, 1000, 1_234_567].map(grouped),
            ["7", "1,000", "1,234,567"]
        );
        let texts = [0.0, 0.00012, 0.1234, 1.0, 12.345, 1234.5].map(number_text);
        assert_eq!(texts, ["0", "1.2e-4", "0.123", "1.000", "12.35", "1234"]);
    }
}
