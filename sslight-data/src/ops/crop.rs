//! The random-resized-crop box (torchvision 0.10, `RandomResizedCrop.get_params`).

use crate::Image;
use crate::rng::Draws;

/// A rectangle of whole pixels inside a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropBox {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Number of rows, at least 1.
    pub height: usize,
    /// Number of columns, at least 1.
    pub width: usize,
}

impl CropBox {
    /// The whole of a picture.
    pub fn whole(width: usize, height: usize) -> Self {
        Self {
            top: 0,
            left: 0,
            height,
            width,
        }
    }

    /// Area in pixels.
    pub fn area(&self) -> usize {
        self.width * self.height
    }

    /// The part of this box that lies inside a picture, which has at least one pixel.
    pub(crate) fn clamped_to(self, width: usize, height: usize) -> Self {
        let top = self.top.min(height - 1);
        let left = self.left.min(width - 1);
        Self {
            top,
            left,
            height: self.height.clamp(1, height - top),
            width: self.width.clamp(1, width - left),
        }
    }
}

/// Tries before the fallback box is taken.
const TRIES: usize = 10;

/// Draws a box on a picture of `width` x `height` pixels: its area is a share of the picture uniform in
/// `scale`, its width over height is log-uniform in `ratio`, its place is uniform. A box that does not
/// fit is drawn again, at most ten times, then [`fallback_box`] is taken.
pub fn random_box(
    draws: &mut Draws,
    width: usize,
    height: usize,
    scale: [f64; 2],
    ratio: [f64; 2],
) -> CropBox {
    let picture_area = (width * height) as f64;
    let log_ratio = ratio.map(f64::ln);
    for _ in 0..TRIES {
        let area = picture_area * draws.uniform(scale[0], scale[1]);
        let ratio = draws.uniform(log_ratio[0], log_ratio[1]).exp();
        let w = (area * ratio).sqrt().round_ties_even() as usize;
        let h = (area / ratio).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            return CropBox {
                top: draws.below(height - h + 1),
                left: draws.below(width - w + 1),
                height: h,
                width: w,
            };
        }
    }
    fallback_box(width, height, ratio)
}

/// The largest centred box whose width over height lies in `ratio`.
pub fn fallback_box(width: usize, height: usize, ratio: [f64; 2]) -> CropBox {
    let picture_ratio = width as f64 / height as f64;
    let (w, h) = if picture_ratio < ratio[0] {
        (width, (width as f64 / ratio[0]).round_ties_even() as usize)
    } else if picture_ratio > ratio[1] {
        (
            (height as f64 * ratio[1]).round_ties_even() as usize,
            height,
        )
    } else {
        (width, height)
    };
    let (w, h) = (w.clamp(1, width), h.clamp(1, height));
    CropBox {
        top: (height - h) / 2,
        left: (width - w) / 2,
        height: h,
        width: w,
    }
}

/// Copies a box out of a picture. A box that reaches beyond the picture is cut at its border.
pub fn crop(image: &Image, area: CropBox) -> Image {
    let area = area.clamped_to(image.width, image.height);
    let pixels = (area.top..area.top + area.height)
        .flat_map(|y| {
            let start = y * image.row_bytes() + 3 * area.left;
            &image.pixels[start..start + 3 * area.width]
        })
        .copied()
        .collect();
    Image {
        width: area.width,
        height: area.height,
        pixels,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

    #[test]
    fn every_box_lies_inside_pictures_of_extreme_shape() {
        for (width, height) in [
            (1, 1),
            (2, 1),
            (20_000, 20),
            (20, 20_000),
            (1, 20_000),
            (33, 47),
        ] {
            for index in 0..500 {
                let mut draws = Draws::for_view(0, 0, index, 0);
                for scale in [[0.05, 0.14], [0.3, 1.0], [1.0, 1.0]] {
                    let b = random_box(&mut draws, width, height, scale, RATIO);
                    assert!(b.width >= 1 && b.left + b.width <= width, "{b:?}");
                    assert!(b.height >= 1 && b.top + b.height <= height, "{b:?}");
                }
            }
        }
    }

    #[test]
    fn a_box_beyond_the_border_is_cut() {
        let image = Image::from_gray(3, 2, &[1, 2, 3, 4, 5, 6]).unwrap();
        let area = CropBox {
            top: 1,
            left: 1,
            height: 9,
            width: 9,
        };
        let cut = crop(&image, area);
        assert_eq!((cut.width, cut.height), (2, 1));
        assert_eq!(cut.pixel(0, 0), [5; 3]);
    }
}
