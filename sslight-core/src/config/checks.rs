//! What must hold between keys, and what is allowed but worth a warning.

use super::{Method, Problem, Provenance, Resume, RunConfig, ScheduleKind};

/// Relations between keys that no run can break.
pub(super) fn problems(config: &RunConfig, provenance: &Provenance) -> Vec<Problem> {
    let out_of_range = |key: &'static str, value: String, allowed: String| Problem::OutOfRange {
        key,
        value,
        allowed,
        origin: provenance.of(key).clone(),
    };
    let mut found = Vec::new();
    let eval = &config.eval;
    if eval.crop > eval.resize {
        found.push(out_of_range(
            "eval.crop",
            eval.crop.to_string(),
            format!("at most eval.resize = {}", eval.resize),
        ));
    }
    if let Some(patch) = config.backbone.patch_size() {
        let mut sizes = vec![
            ("views.global.size", config.views.global.size),
            ("eval.crop", eval.crop),
        ];
        if config.views.locals > 0 {
            sizes.push(("views.local.size", config.views.local.size));
        }
        for (key, size) in sizes {
            if size < patch {
                let allowed = format!("at least {patch}, one patch of {}", config.backbone);
                found.push(out_of_range(key, size.to_string(), allowed));
            }
        }
    }
    if config.alpha() + config.beta() == 0.0 {
        let allowed = "above 0 when loss.beta is 0, or nothing is learned".to_owned();
        found.push(out_of_range("loss.alpha", "0".to_owned(), allowed));
    }
    if let (false, Resume::Path(path)) = (config.init.is_empty(), &config.resume) {
        found.push(Problem::Conflict {
            key: "init",
            other: format!("resume={}", path.display()),
            advice: "an exact resume brings its own weights, so drop one of the two",
            origin: provenance.of("init").clone(),
        });
    }
    found
}

/// What is allowed but probably not meant.
pub(super) fn warnings(config: &RunConfig) -> Vec<String> {
    let mut found = Vec::new();
    let epochs = config.epochs;
    let written = config.optim.warmup_epochs;
    let used = config.warmup_epochs();
    if used < written {
        found.push(format!(
            "optim.warmup_epochs = {written} is longer than the run of {epochs} epochs; shortened to {used}"
        ));
    }
    if config.method == Method::Dino {
        let written = config.dino.warmup_teacher_temp_epochs;
        let used = config.teacher_temp_warmup_epochs();
        if used < written {
            found.push(format!(
                "dino.warmup_teacher_temp_epochs = {written} is longer than the run of {epochs} epochs; \
                 shortened to {used}"
            ));
        }
        if config.dino.freeze_last_layer_epochs >= epochs {
            found.push(format!(
                "dino.freeze_last_layer_epochs = {} covers the run of {epochs} epochs; \
                 the last layer will never be trained",
                config.dino.freeze_last_layer_epochs
            ));
        }
    }
    if config.optim.schedule == ScheduleKind::Cosine && config.optim.min_lr > config.peak_lr() {
        found.push(format!(
            "optim.min_lr = {} is above the peak learning rate {}; the rate will rise to the end",
            config.optim.min_lr,
            config.peak_lr()
        ));
    }
    if config.views.local.size > config.views.global.size && config.views.locals > 0 {
        found.push(format!(
            "views.local.size = {} is larger than views.global.size = {}; local views are meant to be smaller",
            config.views.local.size, config.views.global.size
        ));
    }
    found
}
