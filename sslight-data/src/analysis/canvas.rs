//! A picture in memory to draw on. What lies outside is not drawn.

use ::image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage, codecs::png::PngEncoder};

use super::colours::Colour;
use crate::lettering;
use crate::{DataError, Image};

/// Which end of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// A line of text. `size` is its height in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TextStyle {
    pub size: f32,
    pub colour: Colour,
    pub align: Align,
}

/// A rectangle with edges between pixels or across them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
}

impl Area {
    pub(super) fn new(left: f32, top: f32, width: f32, height: f32) -> Self {
        Self {
            left,
            top,
            width,
            height,
        }
    }

    /// Whether two rectangles have a point in common.
    pub(super) fn meets(self, other: Self) -> bool {
        self.left < other.left + other.width
            && other.left < self.left + self.width
            && self.top < other.top + other.height
            && other.top < self.top + self.height
    }

    /// Larger by `by` on all sides.
    fn grown(self, by: f32) -> Self {
        Self::new(
            self.left - by,
            self.top - by,
            self.width + 2.0 * by,
            self.height + 2.0 * by,
        )
    }
}

/// An RGB picture that is drawn on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Canvas {
    picture: RgbImage,
}

impl Canvas {
    /// One colour all over.
    pub(super) fn new(width: usize, height: usize, colour: Colour) -> Self {
        Self {
            picture: RgbImage::from_pixel(width as u32, height as u32, Rgb(colour)),
        }
    }

    /// What was drawn.
    pub(super) fn into_picture(self) -> RgbImage {
        self.picture
    }

    /// Mixes `colour` into a pixel; all of it for `share` 1.
    fn blend(&mut self, x: i32, y: i32, colour: Colour, share: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
            return;
        };
        if let Some(pixel) = self.picture.get_pixel_mut_checked(x, y) {
            let share = share.clamp(0.0, 1.0);
            for (value, new) in pixel.0.iter_mut().zip(colour) {
                let old = f32::from(*value);
                *value = (old + share * (f32::from(new) - old)).round() as u8;
            }
        }
    }

    /// Fills a rectangle; pixels on its edges as far as it covers them.
    pub(super) fn fill(&mut self, area: Area, colour: Colour, opacity: f32) {
        let cover = |pixel: i32, start: f32, length: f32| {
            let (low, high) = (pixel as f32, pixel as f32 + 1.0);
            (high.min(start + length) - low.max(start)).clamp(0.0, 1.0)
        };
        let range = |start: f32, length: f32, most: u32| {
            let end = (start + length).ceil().min(most as f32);
            start.floor().max(0.0) as i32..end as i32
        };
        for y in range(area.top, area.height, self.picture.height()) {
            let share = opacity * cover(y, area.top, area.height);
            for x in range(area.left, area.width, self.picture.width()) {
                self.blend(x, y, colour, share * cover(x, area.left, area.width));
            }
        }
    }

    /// A frame just inside a rectangle.
    pub(super) fn frame(&mut self, area: Area, thickness: f32, colour: Colour, opacity: f32) {
        let Area {
            left,
            top,
            width,
            height,
        } = area;
        let t = thickness.min(width / 2.0).min(height / 2.0);
        for side in [
            Area::new(left, top, width, t),
            Area::new(left, top + height - t, width, t),
            Area::new(left, top + t, t, height - 2.0 * t),
            Area::new(left + width - t, top + t, t, height - 2.0 * t),
        ] {
            self.fill(side, colour, opacity);
        }
    }

    /// A frame just outside a rectangle.
    pub(super) fn frame_around(&mut self, area: Area, thickness: f32, colour: Colour) {
        self.frame(area.grown(thickness), thickness, colour, 1.0);
    }

    /// A picture, each of its pixels as a square of `scale` pixels, from a place on.
    pub(super) fn image(&mut self, (left, top): (usize, usize), image: &Image, scale: usize) {
        for y in 0..image.height * scale {
            for x in 0..image.width * scale {
                let colour = image.pixel(x / scale, y / scale);
                self.blend((left + x) as i32, (top + y) as i32, colour, 1.0);
            }
        }
    }

    /// A line of text whose top is at `y`.
    pub(super) fn text(&mut self, (x, y): (f32, f32), content: &str, style: TextStyle) {
        let before = match style.align {
            Align::Left => 0.0,
            Align::Centre => lettering::width(content, style.size) / 2.0,
            Align::Right => lettering::width(content, style.size),
        };
        lettering::cover(content, style.size, (x - before, y), |x, y, coverage| {
            self.blend(x, y, style.colour, coverage);
        });
    }
}

/// The content of a PNG file.
///
/// # Errors
/// [`DataError::Setting`] if the picture has no pixels or too many for the format.
pub fn png(picture: &RgbImage) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let (width, height) = picture.dimensions();
    PngEncoder::new(&mut bytes)
        .write_image(picture, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| {
            super::refuse(
                "picture",
                "a size that PNG can have",
                format!("{width}x{height} ({error})"),
            )
        })?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const INK: Colour = [9, 8, 7];

    fn drawn(canvas: Canvas) -> Vec<(u32, u32)> {
        let picture = canvas.into_picture();
        let pixels = picture.enumerate_pixels();
        pixels
            .filter(|(_, _, pixel)| pixel.0 == INK)
            .map(|(x, y, _)| (x, y))
            .collect()
    }

    #[test]
    fn frames_lie_inside_or_around_a_rectangle() {
        let mut canvas = Canvas::new(8, 6, [255; 3]);
        canvas.frame(Area::new(1.0, 1.0, 4.0, 3.0), 1.0, INK, 1.0);
        let inside = drawn(canvas);
        assert_eq!(inside.len(), 4 * 3 - 2);
        assert!(inside.contains(&(1, 1)) && inside.contains(&(4, 3)) && !inside.contains(&(2, 2)));
        let mut canvas = Canvas::new(8, 6, [255; 3]);
        canvas.frame_around(Area::new(1.0, 2.0, 2.0, 2.0), 1.0, INK);
        let around = drawn(canvas);
        assert_eq!(around.len(), 4 * 4 - 4);
        assert!(around.contains(&(0, 1)) && around.contains(&(3, 4)));
    }

    #[test]
    fn edges_across_pixels_cover_them_in_part_and_what_is_outside_is_left_out() {
        let mut canvas = Canvas::new(4, 1, [200; 3]);
        canvas.fill(Area::new(0.5, -3.0, 2.0, 9.0), [0; 3], 1.0);
        let picture = canvas.into_picture();
        let grey: Vec<u8> = picture.pixels().map(|pixel| pixel.0[0]).collect();
        assert_eq!(grey, [100, 0, 100, 200]);
    }

    #[test]
    fn a_picture_is_shown_pixel_by_pixel_and_comes_back_from_its_file() {
        let mut canvas = Canvas::new(5, 4, [255; 3]);
        let image = Image::from_gray(2, 1, &[10, 20]).unwrap();
        canvas.image((1, 1), &image, 2);
        let picture = canvas.into_picture();
        assert_eq!(picture.get_pixel(2, 2).0, [10; 3]);
        assert_eq!(picture.get_pixel(3, 1).0, [20; 3]);
        assert_eq!(picture.get_pixel(0, 0).0, [255; 3]);
        let read = ::image::load_from_memory(&png(&picture).unwrap()).unwrap();
        assert_eq!(read.into_rgb8(), picture);
        assert!(png(&RgbImage::new(0, 3)).is_err());
    }
}
