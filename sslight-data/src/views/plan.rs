//! From a specification to the draws of one view, and from the draws to its pixels.

use super::{BLUR_SIGMA, ViewSpec, Workspace};
use crate::Image;
use crate::ops::crop::{CropBox, random_box};
use crate::ops::jitter::{JitterOp, JitterPlan};
use crate::rng::Draws;

/// All draws of one view: nothing about it is random any more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewPlan {
    /// The box that is cut from the image.
    pub crop: CropBox,
    /// Side of the square view in pixels.
    pub size: usize,
    /// Whether it is mirrored.
    pub flip: bool,
    /// Colour jitter, if any.
    pub jitter: Option<JitterPlan>,
    /// Whether it loses its colour.
    pub grayscale: bool,
    /// Standard deviation of the Gaussian blur in pixels, if any.
    pub blur_sigma: Option<f64>,
    /// Whether it is solarised.
    pub solarize: bool,
}

/// Draws one view of an image of `width` x `height` pixels.
///
/// Every number is drawn whether it is used or not, and the crop, which takes a varying number of
/// draws, comes last. So two recipes that differ in scales and sizes alone see the same colours.
pub fn draw_plan(draws: &mut Draws, spec: &ViewSpec, width: usize, height: usize) -> ViewPlan {
    let flip = draws.unit() < spec.flip;
    let jittered = draws.unit() <= spec.jitter.probability;
    let jitter_plan = draw_jitter(draws, spec);
    let grayscale = draws.unit() < spec.grayscale;
    let blurred = draws.unit() <= spec.blur;
    let sigma = draws.uniform(BLUR_SIGMA[0], BLUR_SIGMA[1]);
    let solarize = draws.unit() < spec.solarize;
    ViewPlan {
        crop: random_box(draws, width, height, spec.scale, spec.ratio),
        size: spec.size,
        flip,
        jitter: jittered.then_some(jitter_plan),
        grayscale,
        blur_sigma: blurred.then_some(sigma),
        solarize,
    }
}

fn draw_jitter(draws: &mut Draws, spec: &ViewSpec) -> JitterPlan {
    let mut order = JitterOp::ALL;
    draws.shuffle(&mut order);
    let mut factor = |strength: f64| draws.uniform((1.0 - strength).max(0.0), 1.0 + strength);
    let strengths = spec.jitter;
    JitterPlan {
        order,
        brightness: factor(strengths.brightness),
        contrast: factor(strengths.contrast),
        saturation: factor(strengths.saturation),
        hue: draws.uniform(-strengths.hue, strengths.hue),
    }
}

/// Makes the view that a plan describes: crop and resize, mirror, jitter, gray, blur, solarise. Pure. For many views, a
/// [`Workspace`] does the same and keeps its buffers.
pub fn apply(image: &Image, plan: &ViewPlan) -> Image {
    Workspace::default().apply(image, plan).to_image()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::{Crops, ViewRecipe};

    fn plans(spec: &ViewSpec, count: usize) -> Vec<ViewPlan> {
        (0..count)
            .map(|index| draw_plan(&mut Draws::for_view(5, 0, index, 0), spec, 300, 200))
            .collect()
    }

    fn share(plans: &[ViewPlan], of: impl Fn(&ViewPlan) -> bool) -> f64 {
        plans.iter().filter(|p| of(p)).count() as f64 / plans.len() as f64
    }

    #[test]
    fn events_happen_as_often_as_their_probability_says() {
        let spec = ViewRecipe::dino_cnn(Crops::Baseline).views[1];
        let n = 20_000;
        let plans = plans(&spec, n);
        let check = |what: &str, got: f64, p: f64| {
            let limit = 5.0 * (p * (1.0 - p) / n as f64).sqrt();
            assert!(
                (got - p).abs() <= limit,
                "{what}: got {got}, want {p} +- {limit}"
            );
        };
        check("flip", share(&plans, |p| p.flip), 0.5);
        check("jitter", share(&plans, |p| p.jitter.is_some()), 0.8);
        check("grayscale", share(&plans, |p| p.grayscale), 0.2);
        check("blur", share(&plans, |p| p.blur_sigma.is_some()), 0.1);
        check("solarize", share(&plans, |p| p.solarize), 0.2);
        let first = |p: &ViewPlan| p.jitter.is_some_and(|j| j.order[0] == JitterOp::Hue);
        check("hue comes first", share(&plans, first), 0.8 / 4.0);
    }

    #[test]
    fn factors_stay_in_their_ranges() {
        let spec = ViewRecipe::swav(Crops::Baseline).views[0];
        for plan in plans(&spec, 2000) {
            if let Some(jitter) = plan.jitter {
                for factor in [jitter.brightness, jitter.contrast, jitter.saturation] {
                    assert!((1.0 - 0.8..1.8).contains(&factor));
                }
                assert!(jitter.hue.abs() <= 0.2);
            }
            assert!(plan.blur_sigma.is_none_or(|s| (0.1..2.0).contains(&s)));
        }
    }

    #[test]
    fn certain_and_impossible_events_are_just_that() {
        let mut spec = ViewRecipe::dino_cnn(Crops::Baseline).views[0];
        spec.flip = 1.0;
        spec.grayscale = 0.0;
        spec.jitter.probability = 1.0;
        let plans = plans(&spec, 2000);
        assert!(plans.iter().all(|p| p.flip && !p.grayscale && !p.solarize));
        assert!(
            plans
                .iter()
                .all(|p| p.jitter.is_some() && p.blur_sigma.is_some())
        );
    }

    #[test]
    fn recipes_that_differ_in_scale_share_their_colours() {
        let baseline = plans(&ViewRecipe::dino_cnn(Crops::Baseline).views[4], 200);
        let sslight = plans(&ViewRecipe::dino_cnn(Crops::Sslight).views[4], 200);
        for (a, b) in baseline.iter().zip(&sslight) {
            let b = ViewPlan {
                crop: a.crop,
                size: a.size,
                ..*b
            };
            assert_eq!(*a, b);
        }
    }

    #[test]
    fn pictures_of_extreme_shape_give_views_of_the_size_asked_for() {
        for (width, height) in [(1, 1), (20_000, 20), (20, 20_000)] {
            let pixels = vec![140; 3 * width * height];
            let image = Image {
                width,
                height,
                pixels,
            };
            for (view, spec) in ViewRecipe::swav(Crops::Sslight).views.iter().enumerate() {
                let plan = draw_plan(&mut Draws::for_view(1, 0, 0, view), spec, width, height);
                let made = apply(&image, &plan);
                assert_eq!((made.width, made.height), (spec.size, spec.size));
                assert_eq!(made.pixels.len(), 3 * spec.size * spec.size);
            }
        }
    }
}
