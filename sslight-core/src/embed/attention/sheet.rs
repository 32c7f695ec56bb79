//! The sheet of an image: itself, where all heads look, where each looks.

use sslight_data::Image;

use super::{EmbedError, Maps, enlarged};
use crate::draw::{Align, Canvas, DARK, GREY, TextStyle, fit, inferno};

/// The least side of a picture.
const TILE: usize = 224;
const GAP: usize = 16;
const MARGIN: usize = 24;
const HEAD: usize = 74;
/// Below a picture.
const CAPTION: usize = 48;
/// Width of the scale of colours.
const BAR: usize = 14;
const TITLE_SIZE: f32 = 22.0;
const TEXT_SIZE: f32 = 15.0;
/// Of the image under a map, its greys where nothing is looked at.
const SHADE: f32 = 0.45;
/// Of the map, its share where most is looked at.
const COVER: f32 = 0.85;

/// The content of a PNG file.
pub(super) fn draw(
    image: &Image,
    maps: &Maps,
    title: &str,
    line: &str,
) -> Result<Vec<u8>, EmbedError> {
    let scale = TILE.div_ceil(image.width).max(1);
    let image = enlarged(image, scale);
    let side = image.width;
    let tiles = 1 + maps.maps.len();
    let wide = 2 * MARGIN + tiles * (side + GAP) + BAR + 60;
    let mut canvas = Canvas::new(wide, HEAD + side + CAPTION);
    let most = (wide - 2 * MARGIN) as f32;
    let left = |text: &str, size: f32| fit(text, size, most);
    let style = TextStyle::new(TITLE_SIZE, DARK, Align::Left);
    let title = format!("Attention of the class token, last block: {title}");
    canvas.text((MARGIN as i32, 12), &left(&title, TITLE_SIZE), style);
    let style = TextStyle::new(TEXT_SIZE, GREY, Align::Left);
    canvas.text((MARGIN as i32, 42), &left(line, TEXT_SIZE), style);

    let place = |tile: usize| ((MARGIN + tile * (side + GAP)) as i32, HEAD as i32);
    canvas.image(place(0), &image, 1);
    caption(&mut canvas, place(0), side, "image", "");
    for (number, map) in maps.maps.iter().enumerate() {
        let place = place(number + 1);
        let range = map
            .iter()
            .fold((f32::INFINITY, 0.0_f32), |(least, most), weight| {
                (least.min(*weight), most.max(*weight))
            });
        draw_map(
            &mut canvas,
            place,
            &image,
            &maps.upsampled(map, side),
            range,
        );
        let name = match number {
            0 => "mean of the heads".to_owned(),
            head => format!("head {head}"),
        };
        let even = 1.0 / (maps.grid * maps.grid) as f32;
        let peak = format!("{:.4} to {:.4} (even: {even:.4})", range.0, range.1);
        caption(&mut canvas, place, side, &name, &peak);
    }
    draw_scale(&mut canvas, place(tiles), side);
    canvas
        .png(&format!("{title}; {line}"))
        .map_err(|error| EmbedError::Drawing(error.to_string()))
}

/// The map in colour over the image in grey, from the least weight of the map to the largest: what a map shows is where
/// it is uneven, and its caption says how much.
fn draw_map(
    canvas: &mut Canvas,
    (x, y): (i32, i32),
    image: &Image,
    map: &[f32],
    (least, most): (f32, f32),
) {
    for (at, value) in map.iter().enumerate() {
        let (column, row) = (at % image.width, at / image.width);
        let [r, g, b] = image.pixel(column, row).map(f32::from);
        let grey = (0.299 * r + 0.587 * g + 0.114 * b) * SHADE;
        let share = ((value - least) / (most - least).max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
        let place = (x + column as i32, y + row as i32);
        canvas.blend(place.0, place.1, [grey.round() as u8; 3], 1.0);
        canvas.blend(place.0, place.1, inferno(share), COVER * share.sqrt());
    }
}

fn caption(canvas: &mut Canvas, (x, y): (i32, i32), side: usize, name: &str, detail: &str) {
    let middle = x + side as i32 / 2;
    let top = y + side as i32 + 6;
    canvas.text(
        (middle, top),
        name,
        TextStyle::new(TEXT_SIZE, DARK, Align::Centre),
    );
    let style = TextStyle::new(TEXT_SIZE, GREY, Align::Centre);
    canvas.text((middle, top + 18), detail, style);
}

/// What the colours mean.
fn draw_scale(canvas: &mut Canvas, (x, y): (i32, i32), side: usize) {
    for row in 0..side {
        let share = 1.0 - row as f32 / (side - 1).max(1) as f32;
        canvas.fill((x, y + row as i32), (BAR, 1), inferno(share));
    }
    let style = TextStyle::new(TEXT_SIZE, GREY, Align::Left);
    let right = x + BAR as i32 + 5;
    canvas.text((right, y - 1), "largest", style);
    canvas.text(
        (right, y + side as i32 - TEXT_SIZE as i32 - 1),
        "least",
        style,
    );
}
