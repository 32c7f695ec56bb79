//! Mirroring.

use crate::Image;

/// Mirrors the picture left to right.
pub fn flip_horizontal(image: &mut Image) {
    let row_bytes = image.row_bytes();
    for row in image.pixels.chunks_exact_mut(row_bytes) {
        row.as_chunks_mut::<3>().0.reverse();
    }
}
