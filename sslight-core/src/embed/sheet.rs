//! The sheet of nearest neighbours: a row a query, the query first.

use sslight_data::{EvalView, eval_transform};

use super::neighbours::{Neighbour, NeighbourSheet, file_name};
use super::{EmbedError, Images};
use crate::draw::{
    Align, Canvas, Colour, DARK, DIFFERENT_CLASS, GREY, LIGHT_GREY, SAME_CLASS, TextStyle, fit,
    width,
};

/// The least side of a picture.
const TILE: usize = 112;
const FRAME: usize = 4;
/// Between pictures, frames included.
const GAP: usize = 20;
/// Between the query and its neighbours.
const QUERY_GAP: usize = 28;
const MARGIN: usize = 28;
const HEAD: usize = 92;
/// Below a picture.
const CAPTION: usize = 48;
const FOOT: usize = 44;

const TITLE_SIZE: f32 = 26.0;
const LINE_SIZE: f32 = 15.0;
const CAPTION_SIZE: f32 = 15.0;

/// What the sheet says of itself.
pub(super) struct Head {
    pub line: String,
    /// Images that were searched.
    pub searched: usize,
    pub k: usize,
    /// Pictures show what the network saw.
    pub view: EvalView,
}

/// Sizes that follow from the images.
struct Layout {
    /// A picture as the network saw it, then how often each pixel is shown.
    view: EvalView,
    scale: usize,
}

impl Layout {
    /// Small images are shown pixel by pixel, others at the least side.
    fn new(head: &Head) -> Self {
        let view = head.view;
        if view.crop < TILE {
            return Self {
                view,
                scale: TILE.div_ceil(view.crop),
            };
        }
        Self {
            view: EvalView {
                crop: TILE,
                resize: view.resize * TILE / view.crop,
                ..view
            },
            scale: 1,
        }
    }

    fn side(&self) -> usize {
        self.view.crop * self.scale
    }

    /// Left and top of a picture; column 0 is the query.
    fn place(&self, row: usize, column: usize) -> (i32, i32) {
        let after_query = if column > 0 { QUERY_GAP } else { 0 };
        let x = MARGIN + FRAME + column * (self.side() + GAP) + after_query;
        let y = HEAD + FRAME + row * (self.side() + CAPTION + GAP);
        (x as i32, y as i32)
    }

    fn size(&self, rows: usize, columns: usize) -> (usize, usize) {
        let (x, y) = self.place(rows, columns);
        let width = x as usize - FRAME - GAP + 2 * FRAME + MARGIN;
        (width, y as usize - FRAME + FOOT)
    }
}

/// The content of a PNG file.
pub(super) fn draw(
    images: &Images,
    result: &NeighbourSheet,
    head: &Head,
) -> Result<Vec<u8>, EmbedError> {
    let layout = Layout::new(head);
    let (wide, high) = layout.size(result.rows.len(), 1 + head.k);
    let mut canvas = Canvas::new(wide, high);
    draw_head(&mut canvas, &layout, head);
    for (number, row) in result.rows.iter().enumerate() {
        let place = layout.place(number, 0);
        draw_tile(&mut canvas, &layout, images, place, row.query, DARK)?;
        draw_caption(&mut canvas, &layout, place, &label(images, row.query), "");
        for (column, neighbour) in row.neighbours.iter().enumerate() {
            let place = layout.place(number, column + 1);
            let frame = frame_colour(neighbour);
            draw_tile(&mut canvas, &layout, images, place, neighbour.index, frame)?;
            let similarity = format!("{:.3}", neighbour.similarity);
            let label = label(images, neighbour.index);
            draw_caption(&mut canvas, &layout, place, &label, &similarity);
        }
    }
    draw_foot(&mut canvas, result);
    canvas
        .png(&format!("Nearest neighbours: {}", head.line))
        .map_err(|error| EmbedError::Drawing(error.to_string()))
}

fn frame_colour(neighbour: &Neighbour) -> Colour {
    match neighbour.same_class {
        Some(true) => SAME_CLASS,
        Some(false) => DIFFERENT_CLASS,
        None => LIGHT_GREY,
    }
}

/// The class, or what tells images without classes apart.
fn label(images: &Images, index: usize) -> String {
    match images.class(index) {
        Some(class) => class.to_owned(),
        None => file_name(&images.source.name(index)).to_owned(),
    }
}

fn draw_head(canvas: &mut Canvas, layout: &Layout, head: &Head) {
    let left = MARGIN as i32;
    let most = (canvas.size().0 - 2 * MARGIN) as f32;
    let title = format!(
        "Nearest neighbours by cosine among {} images",
        head.searched
    );
    let title = fit(&title, TITLE_SIZE, most);
    canvas.text(
        (left, 14),
        &title,
        TextStyle::new(TITLE_SIZE, DARK, Align::Left),
    );
    let line = fit(&head.line, LINE_SIZE, most);
    canvas.text(
        (left, 44),
        &line,
        TextStyle::new(LINE_SIZE, GREY, Align::Left),
    );
    for column in 0..=head.k {
        let text = match column {
            0 => "query".to_owned(),
            rank => rank.to_string(),
        };
        let middle = layout.place(0, column).0 + layout.side() as i32 / 2;
        let style = TextStyle::new(CAPTION_SIZE, GREY, Align::Centre);
        canvas.text((middle, HEAD as i32 - 24), &text, style);
    }
}

fn draw_tile(
    canvas: &mut Canvas,
    layout: &Layout,
    images: &Images,
    place: (i32, i32),
    index: usize,
    frame: Colour,
) -> Result<(), EmbedError> {
    let image = eval_transform(&images.source.image(index)?, layout.view);
    canvas.image(place, &image, layout.scale);
    canvas.frame(place, layout.side(), FRAME, frame);
    Ok(())
}

fn draw_caption(
    canvas: &mut Canvas,
    layout: &Layout,
    (x, y): (i32, i32),
    label: &str,
    similarity: &str,
) {
    let middle = x + layout.side() as i32 / 2;
    let top = y + (layout.side() + FRAME) as i32 + 5;
    let label = fit(label, CAPTION_SIZE, (layout.side() + GAP - 6) as f32);
    canvas.text(
        (middle, top),
        &label,
        TextStyle::new(CAPTION_SIZE, DARK, Align::Centre),
    );
    let style = TextStyle::new(CAPTION_SIZE, GREY, Align::Centre);
    canvas.text((middle, top + 18), similarity, style);
}

/// What the frames mean, and how many are right.
fn draw_foot(canvas: &mut Canvas, result: &NeighbourSheet) {
    let Some(share) = result.same_class else {
        return;
    };
    let top = canvas.size().1 as i32 - FOOT as i32 + 4;
    let mut left = MARGIN as i32;
    let share = format!("same class as the query: {share:.1} % of those shown");
    for (colour, text) in [
        (SAME_CLASS, share.as_str()),
        (DIFFERENT_CLASS, "another class"),
    ] {
        canvas.fill((left, top + 1), (16, 16), colour);
        canvas.text(
            (left + 24, top),
            text,
            TextStyle::new(LINE_SIZE, DARK, Align::Left),
        );
        left += 24 + width(text, LINE_SIZE).ceil() as i32 + 32;
    }
}
