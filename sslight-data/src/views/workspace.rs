//! Buffers that views are made in, kept from one to the next.

use super::ViewPlan;
use crate::Image;
use crate::ops::blur::Blur;
use crate::ops::eval::{EvalView, eval_into};
use crate::ops::gray::gray_planes;
use crate::ops::jitter::jitter_planes;
use crate::ops::normalize::Normalizer;
use crate::ops::resize::{Resizer, Target};
use crate::ops::solarize::solarize_planes;
use crate::planes::Planes;

/// Makes views one after another without allocating, once its buffers have grown to the largest image and view. One a thread.
#[derive(Debug, Default)]
pub struct Workspace {
    resizer: Resizer,
    blur: Blur,
    view: Planes,
}

impl Workspace {
    /// Makes the view that a plan describes: crop and resize, mirror, jitter, gray, blur, solarise. It depends on the
    /// arguments alone.
    pub fn apply(&mut self, image: &Image, plan: &ViewPlan) -> View<'_> {
        let target = Target {
            flip: plan.flip,
            ..Target::whole(plan.size, plan.size)
        };
        let view = &mut self.view;
        self.resizer.resize(image, plan.crop, &target, view);
        if let Some(jitter_plan) = &plan.jitter {
            jitter_planes(view, jitter_plan);
        }
        if plan.grayscale {
            gray_planes(view);
        }
        if let Some(sigma) = plan.blur_sigma {
            self.blur.apply(view, sigma);
        }
        if plan.solarize {
            solarize_planes(view);
        }
        View(view)
    }

    /// As [`crate::eval_transform`].
    pub fn eval(&mut self, image: &Image, view: EvalView) -> View<'_> {
        eval_into(image, view, &mut self.resizer, &mut self.view);
        View(&self.view)
    }
}

/// A view in a [`Workspace`], until the next one is made there.
#[derive(Clone, Copy, Debug)]
pub struct View<'a>(&'a Planes);

impl View<'_> {
    /// The samples as `[3, height, width]`.
    pub fn samples(&self) -> &[u8] {
        self.0.samples()
    }

    /// The interleaved picture.
    pub fn to_image(&self) -> Image {
        self.0.to_image()
    }

    /// Writes the view as normalised `[3, height, width]`.
    ///
    /// # Panics
    /// If `out` does not hold exactly `3 * height * width` values.
    pub fn normalize(&self, normalizer: &Normalizer, out: &mut [f32]) {
        normalizer.write_planes(self.0, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::flip::flip_horizontal;
    use crate::rng::Draws;
    use crate::views::{Crops, ViewRecipe, apply, draw_plan};

    fn picture(width: usize, height: usize) -> Image {
        let pixels = (0..3 * width * height).map(|i| (i * i % 251) as u8);
        let pixels = pixels.collect();
        Image {
            width,
            height,
            pixels,
        }
    }

    #[test]
    fn what_was_made_before_leaves_no_trace() {
        let mut used = Workspace::default();
        for (index, (width, height)) in [(90, 70), (13, 200), (1, 1), (240, 31)].iter().enumerate()
        {
            let image = picture(*width, *height);
            for (view, spec) in ViewRecipe::dino_cnn(Crops::Baseline)
                .views
                .iter()
                .enumerate()
            {
                let mut draws = Draws::for_view(3, 0, index, view);
                let plan = draw_plan(&mut draws, spec, *width, *height);
                let fresh = apply(&image, &plan);
                assert_eq!(used.apply(&image, &plan).to_image(), fresh);
            }
        }
    }

    #[test]
    fn a_mirrored_view_is_the_mirror_of_the_view() {
        let image = picture(50, 40);
        let spec = ViewRecipe::dino_cnn(Crops::Baseline).views[2];
        let mut plan = draw_plan(&mut Draws::for_view(0, 0, 0, 0), &spec, 50, 40);
        plan.flip = false;
        let mut mirrored = apply(&image, &plan);
        flip_horizontal(&mut mirrored);
        plan.flip = true;
        assert_eq!(apply(&image, &plan), mirrored);
    }
}
