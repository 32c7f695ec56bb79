//! A setting of views for given images and a budget, by the paper's findings (Sections 3.3.1 to 3.3.4).
//!
//! The local size LC is the one at which mean(PSg / PSl) = 1. PSg / PSl = (GC / LC)^2 Area(l) / Area(g), so that
//!
//! ```text
//! LC = GC sqrt(mean over pairs of Area(l) / Area(g))
//! ```
//!
//! whose mean is measured: boxes that do not fit are drawn again, which favours small ones, and the more so the longer the
//! image. Two other readings of the same condition stand beside it:
//!
//! * `GC sqrt(mean Area(l) / mean Area(g))`, the quotient of means. With images as long as ImageNet's this one gives the
//!   paper's numbers, 103 for S = 0.14 and 128 for S = 0.3, where the mean over pairs gives 115 and 133;
//! * the closed form of the mean over pairs if every box fitted, with shares uniform in `[low, Sl]` and `[Sg, 1]`:
//!   `GC sqrt((low + Sl) / 2 * ln(1 / Sg) / (1 - Sg))`. It knows nothing of the images.

mod reasons;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::refuse;
use super::statistics::{ViewStatistics, view_statistics};
use crate::DataError;
use crate::pixel_scale::{divided, mean_pixel_scale_ratio};
use crate::views::ViewRecipe;

/// The best Sg and Sl of Section 3.3.1 (0.3 to 0.4); Table 7 has this one for all networks.
pub const BEST_SCALE: f64 = 0.3;
/// The best weights of global-global pairs by Section 3.3.4.
pub const BEST_ALPHA: [f64; 2] = [0.3, 0.4];
/// A multiple that moves the mean ratio further from 1 is halved, if it may be.
const FAR: f64 = 0.15;

/// What is asked for.
pub struct Request<'a> {
    /// (width, height) of the images.
    pub sizes: &'a [(usize, usize)],
    /// Images whose crops are drawn for a measurement.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// The recipe whose cost is the unit of the budget. Shapes of crops and the lower bound of local scales are its, and its
    /// number of local views is the most that is recommended.
    pub baseline: &'a ViewRecipe,
    /// What is not to be changed.
    pub fixed: Fixed,
    /// The most that the views of an image may cost, in units of the baseline's.
    pub budget: f64,
    /// Local sizes are multiples of so many pixels: the total stride of a convolutional network, or the patch of a
    /// transformer.
    pub multiple: usize,
    /// Whether no other sizes will do, as for a transformer, which does not look at parts of a patch. Otherwise the multiple is
    /// halved while it keeps the mean ratio far from 1, which matters where views are small.
    pub multiple_required: bool,
    /// Cost of one view of a side in pixels, in any unit: multiply-adds of the network, say.
    pub cost: &'a dyn Fn(usize) -> f64,
}

/// Values that the user has chosen; what is `None` is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fixed {
    /// Side of a global view in pixels, GC.
    pub global_size: usize,
    /// Least share of the image's area in a global crop, Sg.
    pub global_low: Option<f64>,
    /// Greatest share of the image's area in a local crop, Sl.
    pub local_high: Option<f64>,
    /// Side of a local view in pixels, LC.
    pub local_size: Option<usize>,
    /// Number of local views, Nl.
    pub locals: Option<usize>,
}

/// A setting, and why it is recommended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recommendation {
    /// GC in pixels.
    pub global_size: usize,
    /// [Sg, 1].
    pub global_scale: [f64; 2],
    /// [low, Sl].
    pub local_scale: [f64; 2],
    /// LC in pixels, a multiple of what suits the network unless it was given.
    pub local_size: usize,
    /// Number of local views.
    pub locals: usize,
    /// Range of alpha.
    pub alpha_range: [f64; 2],
    /// Weight of global-global pairs.
    pub alpha: f64,
    /// The LC at which the mean of PSg / PSl over pairs is 1 with these scales.
    pub exact_local_size: f64,
    /// The LC at which the quotient of the mean areas is 1.
    pub local_size_by_mean_areas: f64,
    /// The LC of the closed form, by which every box fits.
    pub closed_form_local_size: f64,
    /// Mean of PSg / PSl at this setting.
    pub ratio: f64,
    /// Standard error of [`Self::ratio`].
    pub ratio_error: f64,
    /// Cost of the views of an image, in units of the baseline's.
    pub cost: f64,
    /// Whether the cost is within the budget; it may not be where the user has fixed too much.
    pub within_budget: bool,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
}

/// The scales, sizes and number of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Setting {
    global_size: usize,
    global_low: f64,
    local_low: f64,
    local_high: f64,
    local_size: usize,
    locals: usize,
}

/// What a number of the setting follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The user.
    Given,
    /// Findings of the paper.
    Paper,
    /// A mean ratio of 1.
    Solved,
    /// The mean ratio of 1 is out of reach of this number.
    OutOfReach,
    /// The budget.
    Budget,
}

/// Where the numbers of the setting are from.
#[derive(Clone, Copy, Debug)]
struct Sources {
    global_low: Source,
    local_high: Source,
    local_size: Source,
    locals: Source,
}

/// Finds the setting.
///
/// # Errors
/// [`DataError::Setting`] without images, for values out of range, and for a budget below that of the two global views and one
/// local view.
pub fn recommend(request: &Request<'_>) -> Result<Recommendation, DataError> {
    let start = check(request)?;
    let (mut setting, mut sources) = request.scales_and_size(start);
    request.number(&mut setting, &mut sources)?;
    let statistics = request.measure(setting)?;
    Ok(request.recommendation(setting, sources, &statistics))
}

/// The setting before anything is solved: what is given, and the paper's values.
fn check(request: &Request<'_>) -> Result<Setting, DataError> {
    let fixed = request.fixed;
    let Some((_, locals)) = divided(request.baseline) else {
        let expected = "at least one local view after the two global ones";
        return Err(refuse("baseline", expected, "none"));
    };
    if !(request.budget > 0.0 && request.budget.is_finite()) {
        let got = request.budget.to_string();
        return Err(refuse(
            "budget",
            "a positive number, 1 for the cost of the baseline",
            got,
        ));
    }
    if request.multiple == 0 {
        return Err(refuse("multiple", "at least one pixel", "0"));
    }
    if fixed.locals == Some(0) {
        return Err(refuse("locals", "at least one local view", "0"));
    }
    let global_low = fixed.global_low.unwrap_or(BEST_SCALE);
    let setting = Setting {
        global_size: fixed.global_size,
        global_low,
        local_low: locals[0].scale[0],
        // Neither above Sg: two views of the same scale would be resized to different sizes (Section 3.3.1).
        local_high: fixed
            .local_high
            .unwrap_or(global_low.max(locals[0].scale[0])),
        local_size: fixed.local_size.unwrap_or(fixed.global_size),
        locals: fixed.locals.unwrap_or(locals.len()),
    };
    // Ranges of scales and sizes, images and draws.
    request.measure_few(setting, 1)?;
    Ok(setting)
}

impl Request<'_> {
    /// Solves for the local size; where that is given, for the upper bound of local scales; where that is given too, for the
    /// lower bound of global ones.
    fn scales_and_size(&self, start: Setting) -> (Setting, Sources) {
        let fixed = self.fixed;
        let given = |is_given: bool, otherwise: Source| match is_given {
            true => Source::Given,
            false => otherwise,
        };
        let mut sources = Sources {
            global_low: given(fixed.global_low.is_some(), Source::Paper),
            local_high: given(fixed.local_high.is_some(), Source::Paper),
            local_size: given(fixed.local_size.is_some(), Source::Solved),
            locals: given(fixed.locals.is_some(), Source::Paper),
        };
        let mut setting = start;
        match (fixed.local_size, fixed.local_high, fixed.global_low) {
            (None, ..) => setting.local_size = self.rounded(self.exact_local_size(setting)),
            (Some(_), None, _) => {
                let with = |high| Setting {
                    local_high: high,
                    ..start
                };
                let (high, source) = self.solve(with, [start.local_low, 1.0]);
                (setting, sources.local_high) = (with(high), source);
            }
            (Some(_), Some(_), None) => {
                let with = |low| Setting {
                    global_low: low,
                    ..start
                };
                // The ratio falls as global crops grow.
                let (low, source) = self.solve(with, [1.0, start.local_low]);
                (setting, sources.global_low) = (with(low), source);
            }
            (Some(_), Some(_), Some(_)) => {}
        }
        (setting, sources)
    }

    /// Fits the number of local views to the budget or, where that is given, their size.
    fn number(&self, setting: &mut Setting, sources: &mut Sources) -> Result<(), DataError> {
        let left = self.budget * self.baseline_cost() - self.cost_of(*setting, 0);
        let affordable = |size: usize| {
            // An exact fit may come out a little below a whole number.
            (left / (self.cost)(size) * (1.0 + 1e-9)).floor().max(0.0) as usize
        };
        if self.fixed.locals.is_none() {
            let most = affordable(setting.local_size);
            if most < setting.locals {
                (setting.locals, sources.locals) = (most, Source::Budget);
            }
            if most == 0 {
                let least = self.cost_of(*setting, 1) / self.baseline_cost();
                return Err(refuse(
                    "budget",
                    "enough for the two global views and one local view; lower views.global.size or views.local.size otherwise",
                    format!("{}, and these cost {least:.2}", self.budget),
                ));
            }
        } else if affordable(setting.local_size) < setting.locals
            && self.fixed.local_size.is_none()
            && self.fixed.local_high.is_none()
        {
            let size = setting.local_size;
            let smaller = self.multiples().find_map(|multiple| {
                let sizes = (1..size.div_ceil(multiple))
                    .rev()
                    .map(|times| times * multiple);
                sizes
                    .into_iter()
                    .find(|size| affordable(*size) >= setting.locals)
            });
            if let Some(size) = smaller {
                let with = |high| Setting {
                    local_high: high,
                    local_size: size,
                    ..*setting
                };
                let (high, source) = self.solve(with, [setting.local_low, 1.0]);
                *setting = with(high);
                (sources.local_high, sources.local_size) = (source, Source::Budget);
            }
        }
        Ok(())
    }

    /// The end of a range at which, or the place in it where, the mean ratio is 1. `ends` are the low and the high side of
    /// the ratio.
    fn solve(&self, with: impl Fn(f64) -> Setting, ends: [f64; 2]) -> (f64, Source) {
        // The same draws at every place, so that the ratio moves smoothly.
        const HALVINGS: usize = 24;
        let [mut below, mut above] = ends;
        if self.ratio(with(below)) > 1.0 {
            return (below, Source::OutOfReach);
        }
        if self.ratio(with(above)) < 1.0 {
            return (above, Source::OutOfReach);
        }
        for _ in 0..HALVINGS {
            let middle = (below + above) / 2.0;
            if self.ratio(with(middle)) < 1.0 {
                below = middle;
            } else {
                above = middle;
            }
        }
        // Thousandths are finer than the draws can tell.
        (
            ((below + above) / 2.0 * 1000.0).round() / 1000.0,
            Source::Solved,
        )
    }

    /// The mean of PSg / PSl over pairs; not a number for settings that [`check`] refuses.
    fn ratio(&self, setting: Setting) -> f64 {
        mean_pixel_scale_ratio(&self.recipe(setting), self.sizes, self.draws, self.seed)
            .unwrap_or(f64::NAN)
    }

    fn exact_local_size(&self, setting: Setting) -> f64 {
        let setting = Setting {
            local_size: setting.global_size,
            ..setting
        };
        setting.global_size as f64 * self.ratio(setting).sqrt()
    }

    /// The multiples of which local sizes may be, the best first.
    fn multiples(&self) -> impl Iterator<Item = usize> + use<> {
        let required = self.multiple_required;
        let halved = move |multiple: &usize| (!required && *multiple > 1).then_some(multiple / 2);
        std::iter::successors(Some(self.multiple), halved)
    }

    /// The nearest multiple that suits the network, at least one.
    fn rounded(&self, size: f64) -> usize {
        let nearest = |multiple: usize| {
            let times = (size / multiple as f64).round() as usize;
            times.max(1) * multiple
        };
        let close = |rounded: &usize| ((size / *rounded as f64).powi(2) - 1.0).abs() <= FAR;
        let mut all = self.multiples().map(nearest);
        all.find(close).unwrap_or(nearest(self.multiple))
    }

    /// The baseline's views with the scales and sizes of a setting.
    fn recipe(&self, setting: Setting) -> ViewRecipe {
        let mut recipe = self.baseline.clone();
        let (globals, locals) = recipe.views.split_at_mut(crate::pixel_scale::GLOBALS);
        for view in globals {
            view.scale = [setting.global_low, 1.0];
            view.size = setting.global_size;
        }
        for view in locals {
            view.scale = [setting.local_low, setting.local_high];
            view.size = setting.local_size;
        }
        recipe
    }

    fn measure(&self, setting: Setting) -> Result<ViewStatistics, DataError> {
        self.measure_few(setting, self.draws)
    }

    fn measure_few(&self, setting: Setting, draws: usize) -> Result<ViewStatistics, DataError> {
        let draws = draws.min(self.draws);
        view_statistics(&self.recipe(setting), self.sizes, draws, self.seed)
    }

    fn baseline_cost(&self) -> f64 {
        let views = self.baseline.views.iter();
        views.map(|view| (self.cost)(view.size)).sum()
    }

    /// Cost of the global views and `locals` local ones.
    fn cost_of(&self, setting: Setting, locals: usize) -> f64 {
        let globals = crate::pixel_scale::GLOBALS as f64 * (self.cost)(setting.global_size);
        globals + locals as f64 * (self.cost)(setting.local_size)
    }

    fn recommendation(
        &self,
        setting: Setting,
        sources: Sources,
        statistics: &ViewStatistics,
    ) -> Recommendation {
        let size = setting.global_size as f64;
        let cost = self.cost_of(setting, setting.locals) / self.baseline_cost();
        // Eq. 3 with this weight is the plain mean over pairs, Eq. 2: P_gg / (P_gg + P_gl).
        let neutral = 1.0 / (1.0 + setting.locals as f64);
        let alpha_range = BEST_ALPHA.map(|alpha| alpha.max(neutral));
        let mut recommendation = Recommendation {
            global_size: setting.global_size,
            global_scale: [setting.global_low, 1.0],
            local_scale: [setting.local_low, setting.local_high],
            local_size: setting.local_size,
            locals: setting.locals,
            alpha_range,
            alpha: alpha_range[1],
            exact_local_size: self.exact_local_size(setting),
            local_size_by_mean_areas: size
                * (statistics.local_share / statistics.global_share).sqrt(),
            closed_form_local_size: closed_form_local_size(
                setting.global_size,
                setting.global_low,
                [setting.local_low, setting.local_high],
            ),
            ratio: statistics.ratio.mean,
            ratio_error: statistics.ratio_of_images.standard_error,
            cost,
            within_budget: cost <= self.budget * (1.0 + 1e-9),
            reasons: Vec::new(),
        };
        recommendation.reasons = self.reasons(&recommendation, sources);
        recommendation
    }
}

/// The local size in pixels at which the mean of PSg / PSl over pairs is 1 if every box fits: shares of the area are
/// uniform in `[global_low, 1]` and in `local_scale`.
pub fn closed_form_local_size(global_size: usize, global_low: f64, local_scale: [f64; 2]) -> f64 {
    let mean_local = (local_scale[0] + local_scale[1]) / 2.0;
    // The mean of 1 / share; its limit where all global crops are the whole image.
    let mean_inverse_global = match 1.0 - global_low {
        0.0 => 1.0,
        length => -global_low.ln() / length,
    };
    global_size as f64 * (mean_local * mean_inverse_global).sqrt()
}
