//! The geometry of a convolution.

use std::ops::Range;

/// Sizes of a two-dimensional convolution; pairs are (vertical, horizontal).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConvShape {
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) input: [usize; 2],
    pub(crate) output: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
}

impl ConvShape {
    /// The shape for images `[b, c, h, w]` and a weight `[out, c / groups, kh, kw]`, or `None` if the
    /// padded image is smaller than the kernel, or a size is 0.
    pub(crate) fn new(
        image: [usize; 4],
        weight: [usize; 4],
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Option<Self> {
        let [batch, in_channels, height, width] = image;
        let [out_channels, _, kernel_height, kernel_width] = weight;
        if image.contains(&0) || weight.contains(&0) {
            return None;
        }
        let output = |size: usize, kernel: usize, axis: usize| {
            let room = (size + 2 * padding[axis]).checked_sub(kernel)?;
            Some(room / stride[axis] + 1)
        };
        Some(Self {
            batch,
            in_channels,
            out_channels,
            input: [height, width],
            output: [
                output(height, kernel_height, 0)?,
                output(width, kernel_width, 1)?,
            ],
            kernel: [kernel_height, kernel_width],
            stride,
            padding,
        })
    }

    /// Positions of an input map.
    pub(crate) fn input_len(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Positions of an output map.
    pub(crate) fn output_len(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Positions of the kernel.
    pub(crate) fn kernel_len(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The rows (axis 0) or columns (axis 1) of the kernel that meet the image anywhere.
    ///
    /// On maps smaller than the kernel most of it only ever sees padding: one of nine positions is
    /// left of a 3x3 kernel on a map of one pixel.
    pub(crate) fn live(&self, axis: usize) -> Range<usize> {
        let meets = |tap: &usize| !self.reach(axis, *tap).is_empty();
        let first = (0..self.kernel[axis]).find(meets);
        let last = (0..self.kernel[axis]).rev().find(meets);
        match (first, last) {
            (Some(first), Some(last)) => first..last + 1,
            _ => 0..0,
        }
    }

    /// The outputs along an axis whose input under kernel position `tap` lies inside the image.
    pub(crate) fn reach(&self, axis: usize, tap: usize) -> Range<usize> {
        let (stride, padding) = (self.stride[axis], self.padding[axis]);
        // input = output * stride + tap - padding must lie in 0..size
        let first = padding.saturating_sub(tap).div_ceil(stride);
        let end = (self.input[axis] + padding)
            .saturating_sub(tap)
            .div_ceil(stride)
            .min(self.output[axis]);
        first.min(end)..end
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reach_is_what_trying_every_output_finds() {
        for (size, kernel, stride, padding) in (1..7).flat_map(|size| {
            [
                (1, 1, 0),
                (3, 1, 1),
                (3, 2, 1),
                (3, 2, 2),
                (7, 2, 3),
                (2, 3, 1),
            ]
            .map(|(k, s, p)| (size, k, s, p))
        }) {
            let Some(shape) = ConvShape::new(
                [1, 1, size, size],
                [1, 1, kernel, kernel],
                [stride; 2],
                [padding; 2],
            ) else {
                continue;
            };
            for tap in 0..kernel {
                let want: Vec<usize> = (0..shape.output[0])
                    .filter(|out| {
                        let at = out * stride + tap;
                        at >= padding && at < size + padding
                    })
                    .collect();
                let got: Vec<usize> = shape.reach(0, tap).collect();
                assert_eq!(
                    got, want,
                    "size {size} kernel {kernel} stride {stride} tap {tap}"
                );
            }
        }
    }

    #[test]
    fn on_one_pixel_a_single_position_of_the_kernel_is_live() {
        let shape = ConvShape::new([1, 1, 1, 1], [1, 1, 3, 3], [1; 2], [1; 2]).unwrap();
        assert_eq!((shape.live(0), shape.live(1)), (1..2, 1..2));
        let strided = ConvShape::new([1, 1, 2, 2], [1, 1, 3, 3], [2; 2], [1; 2]).unwrap();
        assert_eq!((strided.live(0), strided.live(1)), (1..3, 1..3));
    }
}
