//! Kernels on slices of f32, images in the order `[b, c, h, w]`.
//!
//! Work is split by shape alone (never by the number of threads) and every reduction has one fixed
//! order, so that results are equal bit for bit on any number of threads of one machine.

pub(crate) mod attention;
pub(crate) mod batch_norm;
mod buffer;
mod columns;
pub(crate) mod cross_view;
pub(crate) mod dense;
pub(crate) mod depthwise;
mod disjoint;
mod exp;
mod gelu;
pub(crate) mod linear;
pub(crate) mod machine;
mod matrix;
pub(crate) mod patches;
pub(crate) mod pointwise;
pub(crate) mod roi_align;
mod row_products;
mod shape;
mod simd;
pub(crate) mod small_maps;
pub(crate) mod update;
pub(crate) mod weight_norm;
pub(crate) mod winograd;

pub(crate) use shape::ConvShape;
