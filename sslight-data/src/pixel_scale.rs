//! Pixel scale: how many pixels of the view stand for one pixel of the image.
//!
//! The paper's observation is that small networks suffer when global and local views show the world at
//! different pixel scales; its recipe brings the mean ratio measured here to about 1.

use crate::ops::crop::{CropBox, random_box};
use crate::rng::{Draws, Purpose};
use crate::views::{ViewRecipe, ViewSpec};

/// Global views of a recipe: its first ones.
pub(crate) const GLOBALS: usize = 2;

/// Pixel scale PS = size^2 / crop area of a view (paper, Eq. 1).
pub fn pixel_scale(size: usize, crop: CropBox) -> f64 {
    (size * size) as f64 / crop.area() as f64
}

/// The global and the local views of a recipe; `None` if it has no local one.
pub(crate) fn divided(recipe: &ViewRecipe) -> Option<(&[ViewSpec], &[ViewSpec])> {
    let (globals, locals) = recipe.views.split_at_checked(GLOBALS)?;
    (!locals.is_empty()).then_some((globals, locals))
}

/// Draws the boxes of all views of picture number `index`, for a measurement.
pub(crate) fn draw_boxes(
    recipe: &ViewRecipe,
    (width, height): (usize, usize),
    index: usize,
    seed: u64,
) -> Vec<CropBox> {
    let mut draws = Draws::new(seed, 0, index as u64, 0, Purpose::Measurement);
    let mut box_of = |view: &ViewSpec| {
        let (width, height) = (width.max(1), height.max(1));
        random_box(&mut draws, width, height, view.scale, view.ratio)
    };
    recipe.views.iter().map(&mut box_of).collect()
}

/// Mean over `images` pictures of the mean of PS(global) / PS(local) over all pairs of a global view (the
/// first two of the recipe) and a local one. `sizes` are the (width, height) of the pictures, used in
/// turn. `None` if the recipe has no local view, or without pictures.
///
/// [`crate::analysis::statistics`] measures the spread, the overlap and more on the same draws.
pub fn mean_pixel_scale_ratio(
    recipe: &ViewRecipe,
    sizes: &[(usize, usize)],
    images: usize,
    seed: u64,
) -> Option<f64> {
    let (globals, locals) = divided(recipe)?;
    if sizes.is_empty() || images == 0 {
        return None;
    }
    let mut total = 0.0;
    for (index, &size) in sizes.iter().cycle().take(images).enumerate() {
        let boxes = draw_boxes(recipe, size, index, seed);
        let scales = recipe.views.iter().zip(&boxes);
        let scales: Vec<f64> = scales.map(|(v, area)| pixel_scale(v.size, *area)).collect();
        let (of_globals, of_locals) = scales.split_at(globals.len());
        // The mean over all pairs of a quotient of independent factors is a product of two means.
        let of_globals = of_globals.iter().sum::<f64>() / globals.len() as f64;
        let of_locals = of_locals.iter().map(|ps| 1.0 / ps).sum::<f64>() / locals.len() as f64;
        total += of_globals * of_locals;
    }
    Some(total / images as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::views::Crops;

    #[test]
    fn the_recipe_of_the_paper_brings_the_ratio_to_one() {
        let ratio = |crops| {
            mean_pixel_scale_ratio(&ViewRecipe::dino_cnn(crops), &[(256, 256)], 2000, 0).unwrap()
        };
        assert!((ratio(Crops::Baseline) - 1.29).abs() < 0.03);
        assert!((ratio(Crops::Sslight) - 1.0).abs() < 0.03);
    }

    #[test]
    fn without_local_views_there_is_no_ratio() {
        let mut recipe = ViewRecipe::dino_cnn(Crops::Baseline);
        recipe.views.truncate(2);
        assert!(mean_pixel_scale_ratio(&recipe, &[(256, 256)], 10, 0).is_none());
        recipe.views.truncate(1);
        assert!(mean_pixel_scale_ratio(&recipe, &[(256, 256)], 10, 0).is_none());
    }
}
