//! The convolution that cuts an image into patches and projects each of them.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use sslight_kernels::{Before, linear, patches};

use super::init::ParamInit;
use crate::backend::Backend;

/// A convolution with bias whose stride is the side of its kernel.
///
/// Its windows do not overlap, so that it is a product of one matrix of patches with one of weights. Rows and
/// columns of pixels that fill no patch are cut off at the bottom and at the right, as a convolution without
/// padding does.
#[derive(Module, Debug)]
pub struct PatchProjection<B: Backend> {
    /// `[dim, channels, patch, patch]`.
    pub weight: Param<Tensor<B, 4>>,
    /// `[dim]`.
    pub bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> PatchProjection<B> {
    /// PyTorch's default for convolutions: weight and bias uniform in `+-1/sqrt(channels * patch^2)`.
    pub fn uniform(init: &mut ParamInit<B>, channels: usize, dim: usize, patch: usize) -> Self {
        let bound = 1.0 / ((channels * patch * patch) as f64).sqrt();
        Self {
            weight: init.uniform([dim, channels, patch, patch], bound),
            bias: init.uniform([dim], bound),
        }
    }

    /// Side of a patch in pixels.
    pub fn patch_px(&self) -> usize {
        self.weight.dims()[3]
    }

    /// Rows and columns of patches in an image of `height` by `width` pixels.
    pub fn grid(&self, height: usize, width: usize) -> [usize; 2] {
        [height / self.patch_px(), width / self.patch_px()]
    }

    /// Projected patches, row by row of the image.
    ///
    /// # Shapes
    /// `[b, channels, h, w]` to `[b, (h div patch) * (w div patch), dim]`.
    ///
    /// # Panics
    /// If the image is smaller than a patch or has other channels than the weight.
    pub fn forward(&self, images: Tensor<B, 4>) -> Tensor<B, 3> {
        let [batch, channels, height, width] = images.dims();
        let [dim, weight_channels, patch, _] = self.weight.dims();
        let [rows, columns] = self.grid(height, width);
        assert!(
            rows > 0 && columns > 0 && channels == weight_channels,
            "PatchProjection::forward: weight {:?} does not fit images {:?}",
            self.weight.dims(),
            images.dims()
        );
        let values = channels * patch * patch;
        let patches = patches(images, patch);
        let weight: Tensor<B, 2> = self.weight.val().reshape([dim, values]);
        let projected = linear(patches, Before::Nothing, weight, Some(self.bias.val()));
        projected.reshape([batch, rows * columns, dim])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Int;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use burn_ndarray::NdArray;

    use super::*;
    use crate::params::host_values;

    #[test]
    fn patches_agree_with_a_convolution_also_where_pixels_are_cut_off() {
        let device = Default::default();
        let patches: PatchProjection<NdArray> =
            PatchProjection::uniform(&mut ParamInit::new(0, &device), 3, 5, 4);
        for [height, width] in [[8, 8], [11, 4], [9, 14]] {
            let images =
                Tensor::<NdArray, 1, Int>::arange(0..(2 * 3 * height * width) as i64, &device)
                    .float()
                    .sin()
                    .reshape([2, 3, height, width]);
            let options = ConvOptions::new([4, 4], [0, 0], [1, 1], 1);
            let (weight, bias) = (patches.weight.val(), patches.bias.val());
            let expected = conv2d(images.clone(), weight, Some(bias), options)
                .flatten::<3>(2, 3)
                .swap_dims(1, 2);
            let got = patches.forward(images);
            assert_eq!(got.dims(), expected.dims(), "{height} x {width}");
            for (got, want) in host_values(got).iter().zip(host_values(expected)) {
                // Sums of 48 products of magnitude 0.1.
                assert!((got - want).abs() < 1e-5, "got {got}, expected {want}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "does not fit images [1, 3, 3, 8]")]
    fn an_image_smaller_than_a_patch_is_refused() {
        let device = Default::default();
        let patches: PatchProjection<NdArray> =
            PatchProjection::uniform(&mut ParamInit::new(0, &device), 3, 5, 4);
        patches.forward(Tensor::zeros([1, 3, 3, 8], &device));
    }
}
