//! A confusion matrix as a picture: rows are classes, columns what was taken for them, darker is more.

use std::error::Error;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{EvalError, Tally};

const FONT: &str = "sans-serif";
const TITLE_HEIGHT: i32 = 44;
const LEGEND_HEIGHT: i32 = 40;
/// Pixels of a letter, roughly, to leave room for the longest name.
const LETTER: i32 = 7;
/// Classes up to which cells have numbers.
const NUMBERED: usize = 20;
/// Cells whose share of the row is less are left empty.
const LEAST_SHOWN: f64 = 0.5;
const DARK: RGBColor = RGBColor(8, 48, 107);

/// The matrix as SVG, in percent of each row.
///
/// # Errors
/// A defect of this program only.
pub fn confusion_svg(tally: &Tally, names: &[String], title: &str) -> Result<String, EvalError> {
    let classes = tally.classes();
    let cell = if classes <= NUMBERED { 44 } else { 12 };
    let name = |class: usize| {
        names
            .get(class)
            .map_or_else(|| class.to_string(), Clone::clone)
    };
    let longest = (0..classes).map(|class| name(class).chars().count()).max();
    let margin = LETTER * longest.unwrap_or(0).clamp(4, 24) as i32 + 40;
    let side = cell * classes as i32;
    let (width, height) = (
        margin + side + 20,
        TITLE_HEIGHT + margin + side + LEGEND_HEIGHT,
    );
    let mut text = String::new();
    let root =
        SVGBackend::with_string(&mut text, (width as u32, height as u32)).into_drawing_area();
    let draw = || -> Result<(), Box<dyn Error>> {
        root.fill(&WHITE)?;
        let (left, top) = (margin, TITLE_HEIGHT + margin);
        let style = |size: i32, horizontal, vertical| {
            TextStyle::from((FONT, size).into_font()).pos(Pos::new(horizontal, vertical))
        };
        root.draw(&Text::new(
            title.to_owned(),
            (width / 2, TITLE_HEIGHT / 2),
            style(18, HPos::Center, VPos::Center),
        ))?;
        for class in 0..classes {
            let row = tally.row(class);
            let samples: u32 = row.iter().sum();
            let middle = top + cell * class as i32 + cell / 2;
            let size = if cell > 20 { 13 } else { 10 };
            root.draw(&Text::new(
                name(class),
                (left - 6, middle),
                style(size, HPos::Right, VPos::Center),
            ))?;
            let column = (left + cell * class as i32 + cell / 2, top - 6);
            let up = style(size, HPos::Left, VPos::Center).transform(FontTransform::Rotate270);
            root.draw(&Text::new(name(class), column, up))?;
            for (taken, count) in row.iter().enumerate() {
                let share = 100.0 * f64::from(*count) / f64::from(samples.max(1));
                let corner = (left + cell * taken as i32, top + cell * class as i32);
                let opposite = (corner.0 + cell - 1, corner.1 + cell - 1);
                // A square root, so that single mistakes can be seen.
                let colour = DARK.mix((share / 100.0).sqrt());
                root.draw(&Rectangle::new([corner, opposite], colour.filled()))?;
                if classes <= NUMBERED && share >= LEAST_SHOWN {
                    let ink = if share > 30.0 { WHITE } else { BLACK };
                    let place = (corner.0 + cell / 2, corner.1 + cell / 2);
                    let style = style(13, HPos::Center, VPos::Center).color(&ink);
                    root.draw(&Text::new(format!("{share:.0}"), place, style))?;
                }
            }
        }
        let frame = [(left, top), (left + side, top + side)];
        root.draw(&Rectangle::new(frame, BLACK.mix(0.4)))?;
        let below = (left + side / 2, top + side + LEGEND_HEIGHT / 2);
        let words = "rows: class, columns: taken for, percent of the row";
        root.draw(&Text::new(
            words,
            below,
            style(13, HPos::Center, VPos::Center),
        ))?;
        root.present()?;
        Ok(())
    };
    let drawn = draw().map_err(|error| EvalError::Plot(error.to_string()));
    drop(root);
    drawn.map(|()| text)
}
