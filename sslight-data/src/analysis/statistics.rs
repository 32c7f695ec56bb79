//! Pixel scales and overlaps of the crops of a recipe, on images of given sizes (paper, Sections 3.3.1 and 3.3.2).
//!
//! The pixel scale of a view is PS = final size^2 / crop area (Eq. 1). The ratio PSg / PSl is taken of every pair of a
//! global and a local view of the same image, and its mean is the mean over all pairs of all images.

use serde::Serialize;

use super::refuse;
use super::summary::{Distribution, Moments};
use crate::DataError;
use crate::ops::crop::CropBox;
use crate::pixel_scale::{divided, draw_boxes, pixel_scale};
use crate::views::ViewRecipe;

/// What the crops of a recipe are like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewStatistics {
    /// Images whose crops were drawn.
    pub images: usize,
    /// Global views of an image.
    pub globals: usize,
    /// Local views of an image.
    pub locals: usize,
    /// PSg, of all global views.
    pub global_pixel_scale: Distribution,
    /// PSl, of all local views.
    pub local_pixel_scale: Distribution,
    /// PSg / PSl, of all pairs of a global and a local view of an image.
    pub ratio: Distribution,
    /// The mean of PSg / PSl over the pairs of an image, as a quantity of images: its standard error is that of the mean
    /// ratio, since pairs of an image share their crops.
    pub ratio_of_images: Moments,
    /// Share of the local crop's area that lies in the global crop, of all pairs.
    pub overlap: Distribution,
    /// Share of pairs whose crops have no pixel in common.
    pub disjoint: f64,
    /// Share of pairs whose local crop lies in the global one as a whole.
    pub contained: f64,
    /// Share of global views with more pixels than their crop (PS above 1): a side larger than that of a square of the
    /// crop's area.
    pub upsampled_globals: f64,
    /// The same of local views.
    pub upsampled_locals: f64,
    /// Mean share of the image's area in a global crop.
    pub global_share: f64,
    /// Mean share of the image's area in a local crop.
    pub local_share: f64,
}

/// Draws the crops of `images` images, whose (width, height) are `sizes` in turn, and measures them. The crops are those
/// of [`crate::ops::crop::random_box`], as in training, in streams of their own.
///
/// # Errors
/// [`DataError::Setting`] without sizes or images, for an image without pixels, and for a recipe that is out of range or has
/// no local view.
pub fn view_statistics(
    recipe: &ViewRecipe,
    sizes: &[(usize, usize)],
    images: usize,
    seed: u64,
) -> Result<ViewStatistics, DataError> {
    let (globals, locals) = check(recipe, sizes, images)?;
    let mut sample = Sample::default();
    for (index, &size) in sizes.iter().cycle().take(images).enumerate() {
        let boxes = draw_boxes(recipe, size, index, seed);
        let scales = recipe.views.iter().zip(&boxes);
        let scales: Vec<f64> = scales.map(|(v, area)| pixel_scale(v.size, *area)).collect();
        sample.add(&boxes, &scales, globals, size);
    }
    let share = |values: &[f64], of: fn(f64) -> bool| {
        values.iter().filter(|value| of(**value)).count() as f64 / values.len() as f64
    };
    Ok(ViewStatistics {
        images,
        globals,
        locals,
        disjoint: share(&sample.overlaps, |overlap| overlap == 0.0),
        contained: share(&sample.overlaps, |overlap| overlap == 1.0),
        upsampled_globals: share(&sample.global_scales, |scale| scale > 1.0),
        upsampled_locals: share(&sample.local_scales, |scale| scale > 1.0),
        global_share: sample.global_share / (images * globals) as f64,
        local_share: sample.local_share / (images * locals) as f64,
        ratio_of_images: Moments::of(&sample.ratios_of_images),
        global_pixel_scale: Distribution::of_ratios(sample.global_scales),
        local_pixel_scale: Distribution::of_ratios(sample.local_scales),
        ratio: Distribution::of_ratios(sample.ratios),
        overlap: Distribution::of_shares(sample.overlaps),
    })
}

/// The numbers of global and local views of a recipe that can be measured.
fn check(
    recipe: &ViewRecipe,
    sizes: &[(usize, usize)],
    images: usize,
) -> Result<(usize, usize), DataError> {
    recipe.validate()?;
    let Some((globals, locals)) = divided(recipe) else {
        let got = format!("{} views in all", recipe.views.len());
        return Err(refuse(
            "views",
            "at least one local view after the two global ones",
            got,
        ));
    };
    if sizes.is_empty() {
        return Err(refuse("sizes", "the sizes of at least one image", "none"));
    }
    if let Some((width, height)) = sizes.iter().find(|(w, h)| *w == 0 || *h == 0) {
        let got = format!("{width}x{height}");
        return Err(refuse("sizes", "sides of at least one pixel", got));
    }
    if images == 0 {
        return Err(refuse("draws", "at least 1", "0"));
    }
    Ok((globals.len(), locals.len()))
}

/// What was measured, view by view and pair by pair.
#[derive(Default)]
struct Sample {
    global_scales: Vec<f64>,
    local_scales: Vec<f64>,
    ratios: Vec<f64>,
    ratios_of_images: Vec<f64>,
    overlaps: Vec<f64>,
    global_share: f64,
    local_share: f64,
}

impl Sample {
    /// Adds the views of an image, global ones first.
    fn add(
        &mut self,
        boxes: &[CropBox],
        scales: &[f64],
        globals: usize,
        (width, height): (usize, usize),
    ) {
        let share = |area: &CropBox| area.area() as f64 / (width * height) as f64;
        let (global_boxes, local_boxes) = boxes.split_at(globals);
        let (global_scales, local_scales) = scales.split_at(globals);
        let pairs = global_scales.len() * local_scales.len();
        for (global, global_scale) in global_boxes.iter().zip(global_scales) {
            for (local, local_scale) in local_boxes.iter().zip(local_scales) {
                self.ratios.push(global_scale / local_scale);
                self.overlaps.push(overlap(*local, *global));
            }
        }
        let of_image = &self.ratios[self.ratios.len() - pairs..];
        self.ratios_of_images
            .push(of_image.iter().sum::<f64>() / pairs as f64);
        self.global_scales.extend(global_scales);
        self.local_scales.extend(local_scales);
        self.global_share += global_boxes.iter().map(share).sum::<f64>();
        self.local_share += local_boxes.iter().map(share).sum::<f64>();
    }
}

/// Share of the area of `local` that lies in `global`.
fn overlap(local: CropBox, global: CropBox) -> f64 {
    let common = |start: (usize, usize), length: (usize, usize)| {
        let end = (start.0 + length.0).min(start.1 + length.1);
        end.saturating_sub(start.0.max(start.1))
    };
    let width = common((local.left, global.left), (local.width, global.width));
    let height = common((local.top, global.top), (local.height, global.height));
    (width * height) as f64 / local.area() as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pixel_scale::mean_pixel_scale_ratio;
    use crate::views::Crops;

    fn crop(left: usize, top: usize, width: usize, height: usize) -> CropBox {
        CropBox {
            top,
            left,
            height,
            width,
        }
    }

    #[test]
    fn overlap_is_the_share_of_the_local_area() {
        let global = crop(10, 20, 30, 40);
        for (local, share) in [
            (crop(10, 20, 30, 40), 1.0),
            (crop(15, 25, 2, 2), 1.0),
            (crop(0, 0, 10, 20), 0.0),
            (crop(40, 60, 5, 5), 0.0),
            (crop(5, 15, 10, 10), 0.25),
            (crop(0, 0, 60, 80), 0.25),
        ] {
            assert_eq!(overlap(local, global), share, "{local:?}");
        }
    }

    #[test]
    fn whole_images_as_global_crops_are_known_by_hand() {
        let mut recipe = ViewRecipe::dino_cnn(Crops::Sslight);
        for view in &mut recipe.views[..2] {
            view.scale = [1.0, 1.0];
        }
        let found = view_statistics(&recipe, &[(448, 448)], 200, 0).unwrap();
        // A box of the whole area fits only as the whole image, which is also the fallback.
        assert_eq!(found.global_pixel_scale.mean, 0.25);
        assert_eq!(found.global_pixel_scale.std, 0.0);
        assert_eq!((found.overlap.min, found.overlap.max), (1.0, 1.0));
        assert_eq!((found.disjoint, found.contained), (0.0, 1.0));
        assert_eq!((found.upsampled_globals, found.global_share), (0.0, 1.0));
        // PSg / PSl = (224 / 128)^2 times the share of the local crop, uniform in 0.05..0.3.
        let expected = (224.0_f64 / 128.0).powi(2) * 0.175;
        assert!((found.ratio.mean - expected).abs() < 0.01, "{expected}");
        assert!((found.local_share - 0.175).abs() < 0.003);
        // PSl > 1 means a crop below 128^2 of 448^2 pixels, 0.0816 of them: (0.0816 - 0.05) / 0.25 of the crops.
        assert!((found.upsampled_locals - 0.1265).abs() < 0.03);
    }

    #[test]
    fn equal_boxes_have_the_ratio_of_the_sizes() {
        let mut recipe = ViewRecipe::dino_cnn(Crops::Sslight);
        for view in &mut recipe.views {
            view.scale = [1.0, 1.0];
        }
        let found = view_statistics(&recipe, &[(300, 300)], 50, 0).unwrap();
        let expected = (224.0 * 224.0) / (128.0 * 128.0);
        assert!((found.ratio.mean - expected).abs() < 1e-12);
        assert!(found.ratio.std < 1e-12 && found.ratio_of_images.standard_error < 1e-12);
        assert_eq!(found.contained, 1.0);
    }

    #[test]
    fn the_mean_ratio_is_that_of_the_same_draws() {
        let recipe = ViewRecipe::dino_cnn(Crops::Baseline);
        let sizes = [(500, 375), (333, 500)];
        let found = view_statistics(&recipe, &sizes, 300, 7).unwrap();
        let expected = mean_pixel_scale_ratio(&recipe, &sizes, 300, 7).unwrap();
        assert!((found.ratio.mean / expected - 1.0).abs() < 1e-12);
        assert!((found.ratio_of_images.mean / expected - 1.0).abs() < 1e-12);
        assert_eq!((found.images, found.globals, found.locals), (300, 2, 6));
        let pairs: u64 = found.ratio.histogram.counts.iter().sum();
        assert_eq!(pairs, 300 * 12);
    }

    #[test]
    fn what_cannot_be_measured_is_refused_by_name() {
        let recipe = ViewRecipe::dino_cnn(Crops::Sslight);
        let mut no_locals = recipe.clone();
        no_locals.views.truncate(2);
        let mut bad = recipe.clone();
        bad.views[0].size = 0;
        for (recipe, sizes, images, message) in [
            (
                &no_locals,
                &[(9, 9)][..],
                1,
                "views: expected at least one local view after the two global ones, got 2 views in all",
            ),
            (
                &recipe,
                &[],
                1,
                "sizes: expected the sizes of at least one image, got none",
            ),
            (
                &recipe,
                &[(0, 4)],
                1,
                "sizes: expected sides of at least one pixel, got 0x4",
            ),
            (&recipe, &[(9, 9)], 0, "draws: expected at least 1, got 0"),
            (&bad, &[(9, 9)], 1, "views[0].size: "),
        ] {
            let error = view_statistics(recipe, sizes, images, 0).unwrap_err();
            assert!(matches!(error, DataError::Setting { .. }));
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }
}
