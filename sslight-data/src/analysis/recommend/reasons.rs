//! The reasons for a setting, in words.

use super::{BEST_ALPHA, BEST_SCALE, Recommendation, Request, Setting, Source, Sources};

/// Beyond this distance of the mean ratio from 1 it is said what would bring it there.
const CLOSE: f64 = 0.05;

impl Request<'_> {
    /// A sentence for each number of the setting.
    pub(super) fn reasons(&self, setting: &Recommendation, sources: Sources) -> Vec<String> {
        let mut reasons = vec![
            global_scale(setting, sources.global_low),
            local_scale(setting, sources.local_high),
        ];
        reasons.push(self.local_size(setting, sources.local_size));
        reasons.push(other_readings(setting));
        reasons.extend(self.off_one(setting, sources));
        reasons.push(self.number_of_locals(setting, sources.locals));
        reasons.push(alpha(setting));
        reasons.extend(self.over_budget(setting));
        reasons
    }

    fn local_size(&self, setting: &Recommendation, source: Source) -> String {
        let (size, exact) = (setting.local_size, setting.exact_local_size);
        let ratio = format!(
            "the mean of PSg/PSl over pairs of a global and a local view (Eq. 1) is {:.3} with it, and is best at about 1 (Section 3.3.2)",
            setting.ratio
        );
        // Of those that were tried, the one of which the size is.
        let multiple = self.multiples().find(|multiple| size % multiple == 0);
        let multiple = multiple.unwrap_or(1);
        match source {
            Source::Given => format!("views.local.size={size} as given; {ratio}"),
            Source::Budget => format!(
                "views.local.size={size} is the largest multiple of {multiple} that the budget allows for {} local views; {ratio}",
                setting.locals
            ),
            _ => format!(
                "views.local.size={size}: {exact:.1} px would make the ratio 1 on these images, and {size} is the nearest \
                 multiple of {multiple}{}; {ratio}",
                match multiple == self.multiple {
                    true => String::new(),
                    false => format!(", multiples of {} being too far from it", self.multiple),
                }
            ),
        }
    }

    /// What would bring the ratio to 1, if it is not close.
    fn off_one(&self, setting: &Recommendation, sources: Sources) -> Option<String> {
        let free = sources.local_high == Source::Paper;
        if (setting.ratio - 1.0).abs() <= CLOSE || !free {
            return None;
        }
        let with = |high| Setting {
            global_size: setting.global_size,
            global_low: setting.global_scale[0],
            local_low: setting.local_scale[0],
            local_high: high,
            local_size: setting.local_size,
            locals: setting.locals,
        };
        match self.solve(with, [setting.local_scale[0], 1.0]) {
            (high, Source::Solved) => Some(format!(
                "views.local.scale=[{},{high}] would bring the ratio from {:.3} to 1 at this size",
                setting.local_scale[0], setting.ratio
            )),
            _ => None,
        }
    }

    fn number_of_locals(&self, setting: &Recommendation, source: Source) -> String {
        let (locals, cost) = (setting.locals, setting.cost);
        match source {
            Source::Given => {
                format!("views.locals={locals} as given; the views cost {cost:.2} of the baseline")
            }
            Source::Budget => format!(
                "views.locals={locals} is what the budget of {} allows, the views cost {cost:.2} of the baseline; more local \
                 views bring little and saturate quickly (Section 3.3.3); with views.locals=N the size follows from the budget",
                self.budget
            ),
            _ => format!(
                "views.locals={locals} as in the baseline, since more bring little (Section 3.3.3); the views cost {cost:.2} of \
                 the baseline"
            ),
        }
    }

    fn over_budget(&self, setting: &Recommendation) -> Option<String> {
        (!setting.within_budget).then(|| {
            format!(
                "beyond the budget: what is given costs {:.2} of the baseline and the budget is {}; give up one of \
                 views.locals, views.local.size and views.local.scale",
                setting.cost, self.budget
            )
        })
    }
}

fn global_scale(setting: &Recommendation, source: Source) -> String {
    let low = setting.global_scale[0];
    match source {
        Source::Given => format!(
            "views.global.scale=[{low},1] as given; 0.3 to 0.4 was best for Sg (Section 3.3.1)"
        ),
        Source::Solved => format!(
            "views.global.scale=[{low},1] makes the mean ratio 1 with the local views as given; 0.3 to 0.4 was best for Sg \
             (Section 3.3.1)"
        ),
        Source::OutOfReach => format!(
            "views.global.scale=[{low},1] brings the mean ratio as near to 1 as it gets with the local views as given"
        ),
        _ => format!(
            "views.global.scale=[{low},1]: Sg was best at 0.3 to 0.4, and {BEST_SCALE} is that of all published runs \
             (Section 3.3.1, Table 7)"
        ),
    }
}

fn local_scale(setting: &Recommendation, source: Source) -> String {
    let [low, high] = setting.local_scale;
    let mut text = match source {
        Source::Given => format!("views.local.scale=[{low},{high}] as given"),
        Source::Solved => format!(
            "views.local.scale=[{low},{high}] makes the mean ratio 1 with local views of {} px",
            setting.local_size
        ),
        Source::OutOfReach => format!(
            "views.local.scale=[{low},{high}] brings the mean ratio as near to 1 as it gets with local views of {} px",
            setting.local_size
        ),
        _ => format!(
            "views.local.scale=[{low},{high}]: Sl = Sg, so that no two views of one scale are resized to different sizes \
             (Sections 3.3.1 and 3.3.2)"
        ),
    };
    if high > setting.global_scale[0] {
        text.push_str(
            "; Sl is above Sg, so that views of one scale differ in pixel scale (Section 3.3.1)",
        );
    }
    text
}

fn other_readings(setting: &Recommendation) -> String {
    format!(
        "other readings of a ratio of 1: {:.1} px by the quotient of the mean areas, which with images like ImageNet's gives the \
         paper's 103 and 128; {:.1} px by the closed form, in which every crop fits its image",
        setting.local_size_by_mean_areas, setting.closed_form_local_size
    )
}

fn alpha(setting: &Recommendation) -> String {
    let neutral = 1.0 / (1.0 + setting.locals as f64);
    let [low, high] = BEST_ALPHA;
    if neutral >= high {
        return format!(
            "loss.alpha={neutral:.3} is the plain mean over pairs: {} local views do not outweigh the global ones, and the best of \
             Section 3.3.4, {low} to {high}, would give them more weight",
            setting.locals
        );
    }
    format!(
        "loss.alpha={}: {low} to {high} was best with 6 local views (Section 3.3.4); the plain mean over pairs would be {neutral:.3}",
        setting.alpha
    )
}
