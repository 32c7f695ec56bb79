//! RoIAlign in terms of burn's operations: the weights of each axis as matrices.

use std::ops::Range;

use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Device, Tensor, TensorData};

use super::{primitive, tensor};
use crate::roi_align::{Axis, Region, RoiAlignOptions};

/// Values between the products with both matrices, `[regions of a chunk, output, c, w]`: 64 MiB of f32.
const LARGEST_CHUNK: usize = 1 << 24;

pub(crate) fn forward<B: Backend>(
    features: FloatTensor<B>,
    regions: &[Region],
    options: RoiAlignOptions,
) -> FloatTensor<B> {
    let features = tensor::<B, 4>(features);
    let device = features.device();
    let dims = features.dims();
    let [batch, channels, height, width] = dims;
    let output = options.output;
    let rows: Tensor<B, 3> =
        features
            .permute([0, 2, 1, 3])
            .reshape([batch, height, channels * width]);
    let mut bins: Vec<Tensor<B, 4>> = Vec::new();
    for chunk in chunks(regions, dims, options) {
        let regions = &regions[chunk];
        let count = regions.len();
        let image = rows.clone().narrow(0, regions[0].image, 1);
        let vertical = matrices(regions, Region::vertical, height, options, &device)
            .reshape([count * output, height]);
        let lines = vertical.matmul(image.reshape([height, channels * width]));
        let horizontal = matrices(regions, Region::horizontal, width, options, &device);
        let chunk = lines
            .reshape([count, output * channels, width])
            .matmul(horizontal.swap_dims(1, 2))
            .reshape([count, output, channels, output]);
        bins.push(chunk.swap_dims(1, 2));
    }
    primitive(match bins.len() {
        0 => Tensor::zeros([0, channels, output, output], &device),
        _ => Tensor::cat(bins, 0),
    })
}

pub(crate) fn backward<B: Backend>(
    regions: &[Region],
    options: RoiAlignOptions,
    feature_dims: [usize; 4],
    output_grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let grad = tensor::<B, 4>(output_grad);
    let device = grad.device();
    let [batch, channels, height, width] = feature_dims;
    let output = options.output;
    let mut images: Vec<Option<Tensor<B, 2>>> = vec![None; batch];
    for chunk in chunks(regions, feature_dims, options) {
        let bins = grad.clone().narrow(0, chunk.start, chunk.len());
        let regions = &regions[chunk];
        let count = regions.len();
        let horizontal = matrices(regions, Region::horizontal, width, options, &device);
        let lines = bins
            .swap_dims(1, 2)
            .reshape([count, output * channels, output])
            .matmul(horizontal)
            .reshape([count * output, channels * width]);
        let vertical = matrices(regions, Region::vertical, height, options, &device)
            .reshape([count * output, height]);
        let rows = vertical.transpose().matmul(lines);
        let image = &mut images[regions[0].image];
        *image = Some(match image.take() {
            Some(before) => before + rows,
            None => rows,
        });
    }
    let images = images
        .into_iter()
        .map(|image| image.unwrap_or_else(|| Tensor::zeros([height, channels * width], &device)))
        .collect();
    let grad = Tensor::cat(images, 0).reshape([batch, height, channels, width]);
    primitive(grad.permute([0, 2, 1, 3]))
}

/// Regions that follow each other and are of one image, as many as memory allows between the two products.
fn chunks(
    regions: &[Region],
    [_, channels, _, width]: [usize; 4],
    options: RoiAlignOptions,
) -> Vec<Range<usize>> {
    let longest = (LARGEST_CHUNK / (options.output * channels * width)).max(1);
    let mut chunks = Vec::new();
    let mut start = 0;
    for same_image in regions.chunk_by(|one, next| one.image == next.image) {
        for chunk in same_image.chunks(longest) {
            chunks.push(start..start + chunk.len());
            start += chunk.len();
        }
    }
    chunks
}

/// The weights of the cells of an axis in the bins of each region, `[regions, output, cells]`.
fn matrices<B: Backend>(
    regions: &[Region],
    pixels: impl Fn(&Region) -> [f32; 2],
    cells: usize,
    options: RoiAlignOptions,
    device: &Device<B>,
) -> Tensor<B, 3> {
    let output = options.output;
    let mut values = vec![0.0; regions.len() * output * cells];
    for (region, matrix) in regions.iter().zip(values.chunks_exact_mut(output * cells)) {
        let axis = Axis::new(pixels(region), cells, options);
        for (bin, row) in matrix.chunks_exact_mut(cells).enumerate() {
            for tap in axis.bin(bin) {
                row[tap.cell] = tap.weight;
            }
        }
    }
    let dims = [regions.len(), output, cells];
    Tensor::from_data(TensorData::new(values, dims), device)
}
