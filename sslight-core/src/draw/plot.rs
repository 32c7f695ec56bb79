//! A canvas as something that plotters draws on, so that one plot is SVG and PNG.
//!
//! plotters' own bitmaps take text from the system's fonts, or from fonts that are registered for a whole process.

use std::convert::Infallible;

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

use super::{Canvas, Colour};
use sslight_data::lettering;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// The height of a line in units of the font's size, as Roboto has it.
const LINE: f32 = 1.17;

/// Draws with coordinates that are `scale` times coarser than the canvas.
pub(crate) struct PlotCanvas<'a> {
    canvas: &'a mut Canvas,
    scale: usize,
}

impl<'a> PlotCanvas<'a> {
    pub(crate) fn new(canvas: &'a mut Canvas, scale: usize) -> Self {
        Self { canvas, scale }
    }

    fn scaled(&self, value: i32) -> i32 {
        value * self.scale as i32
    }

    fn place(&self, (x, y): BackendCoord) -> BackendCoord {
        (self.scaled(x), self.scaled(y))
    }

    /// Fills a rectangle of the canvas.
    fn cover(&mut self, from: BackendCoord, to: BackendCoord, colour: BackendColor) {
        for y in from.1..to.1 {
            for x in from.0..to.0 {
                self.canvas.blend(x, y, rgb(colour), colour.alpha as f32);
            }
        }
    }

    fn line_height(&self, style: &impl BackendTextStyle) -> f32 {
        style.size() as f32 * LINE * self.scale as f32
    }
}

fn rgb(colour: BackendColor) -> Colour {
    let (r, g, b) = colour.rgb;
    [r, g, b]
}

impl DrawingBackend for PlotCanvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let (width, height) = self.canvas.size();
        ((width / self.scale) as u32, (height / self.scale) as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Drawn {
        let from = self.place(point);
        let to = self.place((point.0 + 1, point.1 + 1));
        self.cover(from, to, colour);
        Ok(())
    }

    /// Lines along an axis, which is all that a mesh has, are bars; the others are left to plotters.
    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        if from.0 != to.0 && from.1 != to.1 {
            return plotters_backend::rasterizer::draw_line(self, from, to, style);
        }
        let thick = self.scaled(style.stroke_width().max(1) as i32);
        let (low, high) = (
            self.place((from.0.min(to.0), from.1.min(to.1))),
            self.place((from.0.max(to.0), from.1.max(to.1))),
        );
        self.cover(low, (high.0 + thick, high.1 + thick), style.color());
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        centre: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        if !fill {
            return plotters_backend::rasterizer::draw_circle(self, centre, radius, style, fill);
        }
        let (x, y) = self.place(centre);
        let colour = style.color();
        let radius = radius as f32 * self.scale as f32;
        self.canvas.disc(
            (x as f32, y as f32),
            radius,
            rgb(colour),
            colour.alpha as f32,
        );
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        place: BackendCoord,
    ) -> Drawn {
        let size = self.line_height(style);
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Right => -lettering::width(text, size),
            HPos::Center => -lettering::width(text, size) / 2.0,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => 0.0,
            VPos::Center => -size / 2.0,
            VPos::Bottom => -size,
        };
        let (left, top) = (left.round() as i32, top.round() as i32);
        let (x, y) = self.place(place);
        let (turn, colour) = (style.transform(), style.color());
        lettering::cover(text, size, (0.0, 0.0), |dx, dy, coverage| {
            let (dx, dy) = turn.transform(left + dx, top + dy);
            let share = coverage * colour.alpha as f32;
            self.canvas.blend(x + dx, y + dy, rgb(colour), share);
        });
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let size = self.line_height(style);
        let width = lettering::width(text, size).ceil() as usize;
        let height = size.ceil() as usize;
        let down = |pixels: usize| pixels.div_ceil(self.scale) as u32;
        Ok((down(width), down(height)))
    }
}
