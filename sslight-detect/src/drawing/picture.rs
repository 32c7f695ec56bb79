//! Draws objects on an image.

use hotcoco::Rle;
use hotcoco::mask::decode;
use sslight_data::Image;

use super::Drawn;
use super::canvas::{self, Area};
use super::colours::{Colour, class_colour, ink_on};
use super::tags::{self, Style, Tag};

/// How much of its colour a mask puts on the image, inside and at its outline.
const INSIDE: f32 = 0.35;
const OUTLINE: f32 = 0.9;
/// How much darker the image is beside a light frame, or lighter beside a dark one, so that frames are seen on pictures of their own
/// colour.
const HALO: f32 = 0.4;
/// Longest side of an enlarged picture.
const LONGEST: usize = 16_384;

/// The image with boxes, masks and names, larger objects first: `name 0.93`, or the name alone without a score. Lines and letters
/// grow with the image.
pub fn draw(image: &Image, objects: &[Drawn]) -> Image {
    draw_enlarged(image, objects, 1)
}

/// As [`draw`], on the image with each pixel as a square of `zoom` pixels; a picture of more than 16 384 pixels a side is enlarged
/// less, and 0 counts as 1.
pub fn draw_enlarged(image: &Image, objects: &[Drawn], zoom: usize) -> Image {
    let longest = image.width.max(image.height);
    let zoom = zoom.min(LONGEST / longest.max(1)).max(1);
    let mut picture = enlarged(image, zoom);
    let longest = longest * zoom;
    let thickness = (longest as f32 / 320.0).round().clamp(1.0, 8.0) as usize + 1;
    let style = Style {
        size: (longest as f32 / 40.0).clamp(11.0, 64.0),
        frame: thickness,
    };

    // NaN corners have an area that is no number, and are not drawn in the end.
    let mut ordered: Vec<&Drawn> = objects.iter().collect();
    ordered.sort_by(|a, b| b.bounds.area().total_cmp(&a.bounds.area()));
    let mut tags = Vec::with_capacity(ordered.len());
    for object in &ordered {
        let colour = class_colour(object.class);
        if let Some(mask) = &object.mask {
            cover(&mut picture, mask, zoom, colour, thickness.div_ceil(2));
        }
    }
    for object in &ordered {
        let Some(bounds) = on_image(object, image, zoom) else {
            continue;
        };
        let colour = class_colour(object.class);
        box_around(&mut picture, bounds, thickness, colour);
        tags.push(Tag {
            bounds,
            text: label(object),
            colour,
        });
    }
    tags::draw(&mut picture, &tags, style);
    picture
}

/// Each pixel as a square of `zoom` pixels.
fn enlarged(image: &Image, zoom: usize) -> Image {
    let mut pixels = Vec::with_capacity(image.pixels.len() * zoom * zoom);
    for row in image.pixels.chunks_exact(3 * image.width.max(1)) {
        let wide: Vec<u8> = row
            .as_chunks::<3>()
            .0
            .iter()
            .flat_map(|pixel| std::iter::repeat_n(*pixel, zoom).flatten())
            .collect();
        (0..zoom).for_each(|_| pixels.extend_from_slice(&wide));
    }
    Image {
        width: image.width * zoom,
        height: image.height * zoom,
        pixels,
    }
}

/// The pixels of the enlarged picture that the box of an object touches; `None` if there is none.
fn on_image(object: &Drawn, image: &Image, zoom: usize) -> Option<Area> {
    if !object.bounds.is_proper() {
        return None;
    }
    let (width, height) = (image.width as f32, image.height as f32);
    let clipped = object.bounds.clipped(width, height);
    if !clipped.is_proper() {
        return None;
    }
    let scaled = clipped.scaled(zoom as f32, zoom as f32);
    Some(Area {
        left: scaled.x0.floor() as usize,
        top: scaled.y0.floor() as usize,
        right: (scaled.x1.ceil() as usize).min(image.width * zoom),
        bottom: (scaled.y1.ceil() as usize).min(image.height * zoom),
    })
}

/// A frame whose middle is the border of the box, between two lines of the other lightness.
fn box_around(picture: &mut Image, bounds: Area, thickness: usize, colour: Colour) {
    let on_picture = |area: Area| Area {
        right: area.right.min(picture.width),
        bottom: area.bottom.min(picture.height),
        ..area
    };
    let outer = on_picture(bounds.grown(thickness / 2));
    let halo = on_picture(outer.grown(1));
    canvas::frame(picture, halo, thickness + 2, ink_on(colour), HALO);
    canvas::frame(picture, outer, thickness, colour, 1.0);
}

/// Puts a colour on the pixels of a mask, and more of it on those within `outline` pixels of its border.
fn cover(picture: &mut Image, mask: &Rle, zoom: usize, colour: Colour, outline: usize) {
    let (width, height) = (mask.w as usize, mask.h as usize);
    let fits = (width * zoom, height * zoom) == (picture.width, picture.height);
    // What is no code of its size would be decoded to something shorter.
    if !fits || Rle::new(mask.h, mask.w, mask.counts.clone()).is_err() {
        return;
    }
    let columns = decode(mask);
    let inside = |x: usize, y: usize| columns[(x / zoom) * height + y / zoom] != 0;
    for y in 0..picture.height {
        for x in 0..picture.width {
            if !inside(x, y) {
                continue;
            }
            let at_border = (1..=outline).any(|step| {
                let left = x.checked_sub(step).is_none_or(|x| !inside(x, y));
                let above = y.checked_sub(step).is_none_or(|y| !inside(x, y));
                let right = x + step >= picture.width || !inside(x + step, y);
                left || above || right || y + step >= picture.height || !inside(x, y + step)
            });
            let share = if at_border { OUTLINE } else { INSIDE };
            canvas::blend(picture, (x, y), colour, share);
        }
    }
}

/// The name with the score, if there is one.
fn label(object: &Drawn) -> String {
    match object.score {
        Some(score) => format!("{} {score:.2}", object.name),
        None => object.name.clone(),
    }
}
