//! The picture of a sheet.

use ::image::RgbImage;

use super::caption::{self, LINES};
use super::record::{ImageRecord, SheetRecord, ViewRecord};
use super::{SheetHead, SheetImage};
use crate::Image;
use crate::analysis::canvas::{Align, Area, Canvas, TextStyle};
use crate::analysis::colours::{Colour, DARK, FAINT, GREY, LIGHT_GREY, PAGE, WHITE, of_view};
use crate::lettering;
use crate::ops::crop::CropBox;
use crate::ops::resize::resize_crop;
use crate::pixel_scale::GLOBALS;
use crate::views::{ViewPlan, apply};

const MARGIN: usize = 28;
const HEAD: usize = 108;
const FOOT: usize = 26;
/// Between cards.
const CARD_GAP: usize = 18;
/// Inside a card, on all sides.
const PADDING: usize = 20;
/// Between views, and between an image and its views.
const GAP: usize = 18;
/// The longer side of an image as it is shown.
const ORIGINAL: usize = 300;
/// Below an image: its name and size.
const ORIGINAL_CAPTION: usize = 44;
/// Views stand side by side up to this width.
const MOST_WIDTH: usize = 1640;
/// Captions need it.
const LEAST_CELL: usize = 132;
/// Views of small images are enlarged to about this side, all by the same whole number.
const LEAST_GLOBAL: usize = 128;
const GLOBAL_FRAME: f32 = 4.0;
const LOCAL_FRAME: f32 = 2.0;
/// Room for the frame of a view.
const FRAME: usize = 4;
const CAPTION_HEAD: usize = 24;
const CAPTION_LINE: usize = 16;
const CAPTION: usize = FRAME + 6 + CAPTION_HEAD + LINES * CAPTION_LINE;

const TITLE_SIZE: f32 = 28.0;
const LINE_SIZE: f32 = 16.0;
const NAME_SIZE: f32 = 15.0;
const CAPTION_SIZE: f32 = 14.0;
const TAG_SIZE: f32 = 12.0;

/// The whole sheet.
pub(super) fn draw(
    images: &[SheetImage],
    plans: &[Vec<ViewPlan>],
    record: &SheetRecord,
    head: SheetHead<'_>,
) -> RgbImage {
    let sizes: Vec<usize> = plans[0].iter().map(|plan| plan.size).collect();
    let layout = Layout::new(&sizes);
    let card = (
        2 * PADDING + ORIGINAL + 2 * GAP + layout.width,
        2 * PADDING + layout.height.max(ORIGINAL + ORIGINAL_CAPTION),
    );
    let width = 2 * MARGIN + card.0;
    let height = HEAD + images.len() * (card.1 + CARD_GAP) - CARD_GAP + FOOT;
    let mut canvas = Canvas::new(width, height, PAGE);
    draw_head(&mut canvas, width, head);
    for (row, (shown, plans)) in images.iter().zip(plans).enumerate() {
        let top = HEAD + row * (card.1 + CARD_GAP);
        let area = Area::new(MARGIN as f32, top as f32, card.0 as f32, card.1 as f32);
        canvas.fill(area, WHITE, 1.0);
        canvas.frame(area, 1.0, LIGHT_GREY, 1.0);
        let place = (MARGIN + PADDING, top + PADDING);
        draw_original(&mut canvas, place, shown, &record.images[row]);
        let place = (place.0 + ORIGINAL + 2 * GAP, place.1);
        for ((plan, view), cell) in plans
            .iter()
            .zip(&record.images[row].views)
            .zip(&layout.cells)
        {
            let place = (place.0 + cell.left, place.1 + cell.top);
            let pixels = apply(&shown.image, plan);
            draw_view(&mut canvas, place, &pixels, layout.scale, (cell.view, view));
        }
    }
    canvas.into_picture()
}

/// The place of a view among those of its image.
struct Cell {
    view: usize,
    left: usize,
    top: usize,
}

/// Where views stand, side by side and in as many lines as are needed.
struct Layout {
    /// Pixels of the sheet for each of a view, in both directions.
    scale: usize,
    cells: Vec<Cell>,
    width: usize,
    height: usize,
}

impl Layout {
    fn new(sizes: &[usize]) -> Self {
        let largest = sizes.iter().copied().max().unwrap_or(1);
        let mut layout = Self {
            scale: (LEAST_GLOBAL / largest).max(1),
            cells: Vec::new(),
            width: 0,
            height: 0,
        };
        let (globals, locals) = sizes.split_at(GLOBALS.min(sizes.len()));
        layout.add(globals, 0);
        if !locals.is_empty() {
            layout.add(locals, layout.width + GAP);
        }
        layout
    }

    /// Adds views from a place on, in lines of about equal length.
    fn add(&mut self, sizes: &[usize], start: usize) {
        let side = |size: usize| size * self.scale + 2 * FRAME;
        let largest = sizes.iter().copied().map(side).max().unwrap_or(0);
        let step = largest.max(LEAST_CELL) + GAP;
        let fitting = (MOST_WIDTH.saturating_sub(start) / step).max(1);
        let lines = sizes.len().div_ceil(fitting).max(1);
        let line = sizes.len().div_ceil(lines).max(1);
        for place in 0..sizes.len() {
            self.cells.push(Cell {
                view: self.cells.len(),
                left: start + place % line * step,
                top: place / line * (largest + CAPTION + GAP),
            });
        }
        self.width = start + line * step - GAP;
        self.height = self.height.max(lines * (largest + CAPTION + GAP) - GAP);
    }
}

fn style(size: f32, colour: Colour, align: Align) -> TextStyle {
    TextStyle {
        size,
        colour,
        align,
    }
}

fn is_global(view: usize) -> bool {
    view < GLOBALS
}

fn frame_of(view: usize) -> f32 {
    if is_global(view) {
        GLOBAL_FRAME
    } else {
        LOCAL_FRAME
    }
}

fn draw_head(canvas: &mut Canvas, width: usize, head: SheetHead<'_>) {
    const MEANING: &str = "Boxes in the image have the colours of their views; thick: global, thin: local.   scale: share of the image's \
                           area in the crop.   pixel scale: view area / crop area (Eq. 1).   Numbered lines: colour jitter in its order.";
    let left = MARGIN as f32;
    let most = (width - 2 * MARGIN) as f32;
    for (top, content, size, colour) in [
        (20.0, head.title, TITLE_SIZE, DARK),
        (56.0, head.line, LINE_SIZE, GREY),
        (78.0, MEANING, LINE_SIZE, GREY),
    ] {
        let line = lettering::start(content, size, most);
        canvas.text((left, top), &line, style(size, colour, Align::Left));
    }
}

/// The image, at most [`ORIGINAL`] pixels long, with the boxes of its views, name and size.
fn draw_original(
    canvas: &mut Canvas,
    (left, top): (usize, usize),
    shown: &SheetImage,
    record: &ImageRecord,
) {
    let Image { width, height, .. } = shown.image;
    let longer = width.max(height);
    let enlarged = (ORIGINAL / longer).max(1);
    let fitted = |side: usize| match longer > ORIGINAL {
        true => (side * ORIGINAL / longer).max(1),
        false => side,
    };
    let small = match longer > ORIGINAL {
        true => {
            let whole = CropBox::whole(width, height);
            &resize_crop(&shown.image, whole, fitted(width), fitted(height))
        }
        false => &shown.image,
    };
    let (wide, high) = (small.width * enlarged, small.height * enlarged);
    let left = left + (ORIGINAL - wide) / 2;
    canvas.image((left, top), small, enlarged);
    let scale = (wide as f32 / width as f32, high as f32 / height as f32);
    let boxes = record.views.iter().map(|view| {
        let crop = view.crop;
        Area::new(
            left as f32 + crop.left as f32 * scale.0,
            top as f32 + crop.top as f32 * scale.1,
            crop.width as f32 * scale.0,
            crop.height as f32 * scale.1,
        )
    });
    let boxes: Vec<Area> = boxes.collect();
    // Global boxes first: they are larger, and local ones stay visible over them.
    for (view, area) in boxes.iter().enumerate() {
        draw_box(canvas, *area, view);
    }
    draw_tags(canvas, &boxes);
    let middle = (left + wide / 2) as f32;
    let below = (top + high + 8) as f32;
    let name = lettering::end(&shown.name, NAME_SIZE, ORIGINAL as f32);
    canvas.text(
        (middle, below),
        &name,
        style(NAME_SIZE, DARK, Align::Centre),
    );
    let size = format!("{width} × {height} px");
    let place = (middle, below + 19.0);
    canvas.text(place, &size, style(CAPTION_SIZE, GREY, Align::Centre));
}

/// A frame with a thin line of white inside, which shows on any image.
fn draw_box(canvas: &mut Canvas, area: Area, view: usize) {
    let thickness = if is_global(view) { 3.0 } else { 1.5 };
    let inner = Area::new(
        area.left + thickness,
        area.top + thickness,
        (area.width - 2.0 * thickness).max(0.0),
        (area.height - 2.0 * thickness).max(0.0),
    );
    canvas.frame(inner, 1.0, WHITE, 0.55);
    canvas.frame(area, thickness, of_view(view), 1.0);
}

/// The name of each view on the upper side of its box, as far left as no other name is.
fn draw_tags(canvas: &mut Canvas, boxes: &[Area]) {
    let mut taken: Vec<Area> = Vec::new();
    for (view, area) in boxes.iter().enumerate() {
        let name = tag(view);
        let wide = lettering::width(&name, TAG_SIZE) + 6.0;
        let high = TAG_SIZE + 2.0;
        if area.width < wide || area.height < high {
            continue;
        }
        let places = (0..(area.width - wide) as usize + 1).map(|right| {
            let left = area.left + right as f32;
            Area::new(left, area.top, wide, high)
        });
        let place = places
            .into_iter()
            .find(|place| taken.iter().all(|other| !place.meets(*other)));
        let place = place.unwrap_or(Area::new(area.left, area.top, wide, high));
        canvas.fill(place, of_view(view), 1.0);
        let at = (place.left + 3.0, place.top + 1.0);
        canvas.text(at, &name, style(TAG_SIZE, WHITE, Align::Left));
        taken.push(place);
    }
}

/// `g1`, `g2`, `l1` and so on.
fn tag(view: usize) -> String {
    match view.checked_sub(GLOBALS) {
        None => format!("g{}", view + 1),
        Some(local) => format!("l{}", local + 1),
    }
}

fn draw_view(
    canvas: &mut Canvas,
    (left, top): (usize, usize),
    pixels: &Image,
    scale: usize,
    (view, record): (usize, &ViewRecord),
) {
    let side = pixels.width * scale;
    let frame = frame_of(view);
    let (x, y) = (left + frame as usize, top + frame as usize);
    canvas.image((x, y), pixels, scale);
    let area = Area::new(x as f32, y as f32, side as f32, side as f32);
    canvas.frame_around(area, frame, of_view(view));

    let wide = (side + 2 * FRAME).clamp(LEAST_CELL, LEAST_CELL + 24) as f32;
    let left = left as f32;
    let mut top = (y + side + FRAME + 6) as f32;
    canvas.fill(Area::new(left, top + 3.0, 11.0, 11.0), of_view(view), 1.0);
    canvas.text(
        (left + 17.0, top),
        &record.name,
        style(NAME_SIZE, DARK, Align::Left),
    );
    let size = format!("{} px", record.size);
    canvas.text(
        (left + wide, top),
        &size,
        style(CAPTION_SIZE, GREY, Align::Right),
    );
    top += CAPTION_HEAD as f32;
    for line in caption::lines(record) {
        let (label, value) = match line.active {
            true => (GREY, DARK),
            false => (FAINT, FAINT),
        };
        canvas.text(
            (left, top),
            &line.label,
            style(CAPTION_SIZE, label, Align::Left),
        );
        canvas.text(
            (left + wide, top),
            &line.value,
            style(CAPTION_SIZE, value, Align::Right),
        );
        top += CAPTION_LINE as f32;
    }
}
