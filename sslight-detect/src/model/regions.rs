//! Regions of a pyramid as maps of one size.

use burn::tensor::{Int, Tensor};
use sslight_kernels::{Region, RoiAlignOptions, roi_align};
use sslight_models::Stage;
use sslight_models::backend::Backend;

use crate::geometry::{BoundingBox, LevelAssignment};

/// What regions are read from: a level for each stage, the finest first.
pub struct RegionReader<'a, B: Backend> {
    /// `[b, channels, h, w]` each.
    pub levels: &'a [Tensor<B, 4>],
    /// Their strides.
    pub stages: &'a [Stage],
    /// Which level a region belongs to.
    pub assignment: LevelAssignment,
}

impl<B: Backend> RegionReader<'_, B> {
    /// Each region, given as its image and box, from its level (RoIAlign, He et al., 2017), in the order given.
    ///
    /// # Shapes
    /// `[regions, channels, side, side]`.
    ///
    /// # Panics
    /// Without any region.
    pub fn read(&self, regions: &[(usize, BoundingBox)], side: usize) -> Tensor<B, 4> {
        let mut order = Vec::with_capacity(regions.len());
        let mut maps = Vec::new();
        for (index, (level, stage)) in self.levels.iter().zip(self.stages).enumerate() {
            let here = regions.iter().enumerate();
            let here: Vec<_> = here
                .filter(|(_, (_, of))| self.assignment.level(*of) == index)
                .collect();
            if here.is_empty() {
                continue;
            }
            let options = RoiAlignOptions {
                output: side,
                spatial_scale: 1.0 / stage.stride as f32,
                sampling_ratio: None,
            };
            let of_level: Vec<Region> = here
                .iter()
                .map(|(_, (image, of))| Region {
                    image: *image,
                    corners: [of.x0, of.y0, of.x1, of.y1],
                })
                .collect();
            maps.push(roi_align(level.clone(), &of_level, options));
            order.extend(here.iter().map(|(at, _)| *at));
        }
        assert!(!maps.is_empty(), "RegionReader::read: no regions");
        if maps.len() == 1 {
            return maps.swap_remove(0);
        }
        let mut places = vec![0i32; order.len()];
        for (place, at) in order.iter().enumerate() {
            places[*at] = place as i32;
        }
        let maps = Tensor::cat(maps, 0);
        let places = Tensor::<B, 1, Int>::from_data(places.as_slice(), &maps.device());
        maps.select(0, places)
    }
}
