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
        let dims = maps.dims();
        let places = Tensor::<B, 1, Int>::from_data(places.as_slice(), &maps.device());
        // As rows: burn-flex sums the gradient of these row by row, that of more dimensions value by value.
        let rows: Tensor<B, 2> = maps.flatten(1, 3);
        rows.select(0, places).reshape(dims)
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use sslight_models::params::host_values;

    use super::*;

    #[test]
    fn regions_of_all_levels_come_in_the_order_given() {
        let device = Default::default();
        let strides = [4, 8, 16, 32];
        let stages = strides.map(|stride| Stage {
            stride,
            channels: 2,
        });
        // A level has its number everywhere, the second image 10 more.
        let levels: Vec<Tensor<Flex, 4>> = (0..4)
            .map(|level| {
                let side = 1024 / strides[level];
                let image = |value: f64| Tensor::full([1, 2, side, side], value, &device);
                Tensor::cat(vec![image(level as f64), image(10.0 + level as f64)], 0)
            })
            .collect();
        let reader = RegionReader {
            levels: &levels,
            stages: &stages,
            assignment: LevelAssignment {
                finest: 2,
                coarsest: 5,
            },
        };
        let sides = [500.0, 20.0, 230.0, 130.0, 60.0, 1000.0];
        let of = |at: usize| {
            (
                at % 2,
                BoundingBox::new(8.0, 8.0, 8.0 + sides[at], 8.0 + sides[at]),
            )
        };
        let regions: Vec<_> = (0..sides.len()).map(of).collect();
        let maps = reader.read(&regions, 3);
        assert_eq!(maps.dims(), [6, 2, 3, 3]);
        let values = host_values(maps);
        let want = [3.0, 10.0, 2.0, 11.0, 0.0, 13.0];
        for (values, want) in values.chunks(18).zip(want) {
            let apart = values.iter().map(|value| (value - want).abs());
            assert!(apart.fold(0.0, f32::max) < 1e-5, "{values:?} {want}");
        }
    }
}
