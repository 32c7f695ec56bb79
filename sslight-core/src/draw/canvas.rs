//! A picture in memory that can be drawn on and written as PNG.

use std::io;

use sslight_data::{Image, lettering};

use super::text::{Align, TextStyle};
use super::{Colour, WHITE};

/// Opaque 8-bit RGB pixels. What lies outside is not drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// White all over.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: WHITE.repeat(width * height),
        }
    }

    /// Width and height.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Mixes `colour` into a pixel; all of it for `share` 1.
    pub(crate) fn blend(&mut self, x: i32, y: i32, colour: Colour, share: f32) {
        let (Ok(column), Ok(row)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if column >= self.width || row >= self.height {
            return;
        }
        let at = 3 * (row * self.width + column);
        let share = share.clamp(0.0, 1.0);
        for (value, new) in self.pixels[at..at + 3].iter_mut().zip(colour) {
            let old = f32::from(*value);
            *value = (old + share * (f32::from(new) - old)).round() as u8;
        }
    }

    /// Fills the pixels from `(x, y)` on.
    pub(crate) fn fill(&mut self, (x, y): (i32, i32), size: (usize, usize), colour: Colour) {
        for row in 0..size.1 as i32 {
            for column in 0..size.0 as i32 {
                self.blend(x + column, y + row, colour, 1.0);
            }
        }
    }

    /// A frame of `thickness` pixels around a square of `side` pixels, outside of it.
    pub(crate) fn frame(
        &mut self,
        (x, y): (i32, i32),
        side: usize,
        thickness: usize,
        colour: Colour,
    ) {
        let (inner, t) = (side as i32, thickness as i32);
        let whole = side + 2 * thickness;
        self.fill((x - t, y - t), (whole, thickness), colour);
        self.fill((x - t, y + inner), (whole, thickness), colour);
        self.fill((x - t, y), (thickness, side), colour);
        self.fill((x + inner, y), (thickness, side), colour);
    }

    /// A picture, each of its pixels as a square of `scale` pixels.
    pub(crate) fn image(&mut self, (x, y): (i32, i32), image: &Image, scale: usize) {
        for row in 0..image.height {
            for column in 0..image.width {
                let place = (x + (column * scale) as i32, y + (row * scale) as i32);
                self.fill(place, (scale, scale), image.pixel(column, row));
            }
        }
    }

    /// A disc with soft edges.
    pub(crate) fn disc(&mut self, centre: (f32, f32), radius: f32, colour: Colour, share: f32) {
        let reach = radius.ceil() as i32 + 1;
        let (x, y) = (centre.0.floor() as i32, centre.1.floor() as i32);
        for row in y - reach..=y + reach {
            for column in x - reach..=x + reach {
                let distance = (column as f32 + 0.5 - centre.0).hypot(row as f32 + 0.5 - centre.1);
                let cover = (radius + 0.5 - distance).clamp(0.0, 1.0);
                self.blend(column, row, colour, share * cover);
            }
        }
    }

    /// A line of text whose top is at `y`.
    pub(crate) fn text(&mut self, (x, y): (i32, i32), text: &str, style: TextStyle) {
        let wide = match style.align {
            Align::Left => 0.0,
            Align::Centre => lettering::width(text, style.size) / 2.0,
        };
        let left = x - wide.round() as i32;
        lettering::cover(text, style.size, (0.0, 0.0), |dx, dy, coverage| {
            self.blend(left + dx, y + dy, style.colour, coverage);
        });
    }

    /// The content of a PNG file, with `comment` in it for those who look.
    ///
    /// # Errors
    /// If the picture has no pixels or is too large for the format.
    pub(crate) fn png(&self, comment: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let (width, height) = (self.width as u32, self.height as u32);
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.add_itxt_chunk("Description".to_owned(), comment.to_owned())?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pixel(canvas: &Canvas, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * canvas.width + x);
        [0, 1, 2].map(|channel| canvas.pixels[at + channel])
    }

    #[test]
    fn a_frame_lies_around_its_square_and_what_is_outside_is_left_out() {
        let mut canvas = Canvas::new(8, 6);
        canvas.frame((1, 2), 2, 1, [9, 8, 7]);
        let drawn: Vec<(usize, usize)> = (0..6)
            .flat_map(|y| (0..8).map(move |x| (x, y)))
            .filter(|(x, y)| pixel(&canvas, *x, *y) == [9, 8, 7])
            .collect();
        assert_eq!(drawn.len(), 4 * 2 + 4);
        assert!(drawn.contains(&(0, 1)) && drawn.contains(&(3, 4)) && !drawn.contains(&(1, 2)));
        canvas.fill((-3, -3), (20, 20), [1, 1, 1]);
        assert_eq!(pixel(&canvas, 7, 5), [1, 1, 1]);
    }

    #[test]
    fn a_disc_covers_its_area() {
        let mut canvas = Canvas::new(40, 40);
        canvas.disc((20.0, 20.0), 10.0, [0, 0, 0], 1.0);
        let dark: f32 = canvas
            .pixels
            .iter()
            .map(|v| 1.0 - f32::from(*v) / 255.0)
            .sum();
        let area = std::f32::consts::PI * 100.0;
        assert!((dark / 3.0 - area).abs() < 0.02 * area, "{}", dark / 3.0);
    }

    #[test]
    fn the_file_has_the_pixels_and_the_comment() {
        let mut canvas = Canvas::new(3, 2);
        canvas.blend(2, 1, [0, 0, 200], 0.5);
        let bytes = canvas.png("über").unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(&bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; 18];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, canvas.pixels);
        assert_eq!(pixels[15..], [128, 128, 228]);
        assert_eq!(reader.info().utf8_text[0].get_text().unwrap(), "über");
    }
}
