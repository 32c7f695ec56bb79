//! Images cut into patches.

use rayon::prelude::*;

use super::buffer::unset;

/// Sizes of images `[b, c, height, width]`, and the side of a patch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) channels: usize,
    pub(crate) size: [usize; 2],
    pub(crate) side: usize,
}

/// The patches of each image by rows and columns, `[channel, y, x]` each; pixels that fill none are left out.
pub(crate) fn patches(shape: Shape, images: &[f32]) -> Vec<f32> {
    let Shape {
        channels,
        size: [height, width],
        side,
    } = shape;
    let [rows, columns] = [height / side, width / side];
    let image_len = channels * height * width;
    let patch_len = channels * side * side;
    let row_len = columns * patch_len;
    if image_len == 0 || rows * row_len == 0 {
        return Vec::new();
    }
    let mut patches = unset(images.len() / image_len * rows * row_len);
    patches
        .par_chunks_exact_mut(row_len)
        .enumerate()
        .for_each(|(index, patches)| {
            let (image, row) = (index / rows, index % rows);
            let image = &images[image * image_len..][..image_len];
            for (channel, plane) in image.chunks_exact(height * width).enumerate() {
                for y in 0..side {
                    let line = &plane[(row * side + y) * width..][..columns * side];
                    let at = (channel * side + y) * side;
                    let targets = patches.chunks_exact_mut(patch_len);
                    for (patch, pixels) in targets.zip(line.chunks_exact(side)) {
                        patch[at..at + side].copy_from_slice(pixels);
                    }
                }
            }
        });
    patches
}
