//! What must hold between keys, and what is allowed but worth a warning.

use super::{Method, Origin, Problem, Provenance, Resume, RunConfig, ScheduleKind};

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
    if config.train_fraction == 0.0 {
        found.push(out_of_range(
            "train_fraction",
            "0".into(),
            "above 0 and at most 1".into(),
        ));
    }
    if config.holdout_per_class.is_some() && config.holdout_fraction.is_some() {
        found.push(out_of_range(
            "holdout_fraction",
            config.holdout_fraction.unwrap_or_default().to_string(),
            "none beside holdout_per_class".into(),
        ));
    }
    if config.holds_out()
        && let Some(path) = &config.val_data
    {
        found.push(out_of_range(
            "val_data",
            path.clone(),
            "auto beside holdout_per_class or holdout_fraction, which take the images to measure on from data".into(),
        ));
    }
    if !config.batch_size.is_multiple_of(config.accumulate) {
        let fitting = (1..=config.accumulate)
            .rev()
            .find(|parts| config.batch_size.is_multiple_of(*parts));
        let allowed = format!(
            "a divisor of batch_size = {}, such as {}",
            config.batch_size,
            fitting.unwrap_or(1)
        );
        found.push(out_of_range(
            "accumulate",
            config.accumulate.to_string(),
            allowed,
        ));
    }
    let part = config.batch_size / config.accumulate;
    if part < 2 && matches!(config.method, Method::Simclr | Method::Swav) {
        let (key, value, allowed) = match config.accumulate {
            1 => (
                "batch_size",
                config.batch_size,
                format!(
                    "at least 2 with method = {}, which compares the images of a batch with each other",
                    config.method
                ),
            ),
            parts => (
                "accumulate",
                parts,
                format!(
                    "at most batch_size / 2 = {} with method = {}, which compares the images of a part with each other",
                    config.batch_size / 2,
                    config.method
                ),
            ),
        };
        found.push(out_of_range(key, value.to_string(), allowed));
    }
    if let Some(patch) = config.patch_size() {
        let mut sizes = vec![
            ("views.global.size", config.views.global.size),
            ("eval.crop", eval.crop),
        ];
        if config.locals() > 0 {
            sizes.push(("views.local.size", config.views.local.size));
        }
        for (key, size) in sizes {
            if !size.is_multiple_of(patch) {
                let below = size - size % patch;
                let fitting = match below {
                    0 => patch.to_string(),
                    below => format!("{below} or {}", below + patch),
                };
                let allowed = format!(
                    "a multiple of {patch}, the patch of {}, such as {fitting}",
                    config.backbone
                );
                found.push(out_of_range(key, size.to_string(), allowed));
            }
        }
    }
    if let (Method::Moco, Some(length)) = (config.method, config.moco.queue_length)
        && length < config.batch_size
    {
        let allowed = format!("at least batch_size = {}, or auto", config.batch_size);
        found.push(out_of_range(
            "moco.queue_length",
            length.to_string(),
            allowed,
        ));
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
pub(super) fn warnings(config: &RunConfig, provenance: &Provenance) -> Vec<String> {
    let mut found = Vec::new();
    let epochs = config.epochs;
    if let Some(written) = config.optim.warmup_epochs {
        let used = config.warmup_epochs();
        if used < written {
            found.push(format!(
                "optim.warmup_epochs = {written} is longer than the run of {epochs} epochs; shortened to {used}"
            ));
        }
    }
    match config.method {
        Method::Dino => found.extend(of_dino(config)),
        Method::Swav => found.extend(of_swav(config)),
        Method::Moco if config.moco.global_only && config.views.locals > 0 => {
            found.push(format!(
                "moco.global_only = true looks at no local views; views.locals = {} are not drawn",
                config.views.locals
            ));
        }
        Method::Supervised if config.probe => found.push(
            "probe = true adds nothing to method = supervised, which trains a classifier anyway"
                .to_owned(),
        ),
        _ => {}
    }
    if !config.method.looks_at_locals()
        && config.method != Method::Supervised
        && config.views.locals > 0
    {
        found.push(format!(
            "method = {} looks at no local views; views.locals = {} are not drawn",
            config.method, config.views.locals
        ));
    }
    if config.optim.schedule == ScheduleKind::Cosine && config.optim.min_lr > config.peak_lr() {
        found.push(format!(
            "optim.min_lr = {} is above the peak learning rate {}; the rate will rise to the end",
            config.optim.min_lr,
            config.peak_lr()
        ));
    }
    if config.optim.start_warmup_lr > config.peak_lr() && config.warmup_epochs() > 0.0 {
        found.push(format!(
            "optim.start_warmup_lr = {} is above the peak learning rate {}; the rate will fall during the warm-up",
            config.optim.start_warmup_lr,
            config.peak_lr()
        ));
    }
    if config.views.local.size > config.views.global.size && config.locals() > 0 {
        found.push(format!(
            "views.local.size = {} is larger than views.global.size = {}; local views are meant to be smaller",
            config.views.local.size, config.views.global.size
        ));
    }
    if let (0, Some(alpha)) = (config.locals(), config.loss.alpha)
        && alpha != 1.0
        // A recipe states its weight for all methods.
        && !matches!(provenance.of("loss.alpha"), Origin::Recipe(_))
    {
        found.push(format!(
            "loss.alpha = {alpha} weighs global against local views, of which there are none; 1 is used"
        ));
    }
    if config.model.drop_path > 0.0 && config.patch_size().is_none() {
        found.push(format!(
            "model.drop_path = {} does nothing in {}, which has no stochastic depth",
            config.model.drop_path, config.backbone
        ));
    }
    found
}

fn of_dino(config: &RunConfig) -> Vec<String> {
    let mut found = Vec::new();
    let epochs = config.epochs;
    if let Some(written) = config.dino.warmup_teacher_temp_epochs {
        let used = config.teacher_temp_warmup_epochs();
        if used < written {
            found.push(format!(
                "dino.warmup_teacher_temp_epochs = {written} is longer than the run of {epochs} epochs; \
                 shortened to {used}"
            ));
        }
    }
    if config.dino.freeze_last_layer_epochs >= epochs {
        found.push(format!(
            "dino.freeze_last_layer_epochs = {} covers the run of {epochs} epochs; \
             the last layer will never be trained",
            config.dino.freeze_last_layer_epochs
        ));
    }
    found
}

fn of_swav(config: &RunConfig) -> Vec<String> {
    let mut found = Vec::new();
    let (epochs, batch) = (config.epochs, config.batch_size);
    if config.swav.freeze_prototypes_epochs >= epochs {
        found.push(format!(
            "swav.freeze_prototypes_epochs = {} covers the run of {epochs} epochs; \
             the prototypes will never be trained",
            config.swav.freeze_prototypes_epochs
        ));
    }
    if let Some(written) = config.swav.queue_length
        && !written.is_multiple_of(batch)
    {
        let used = written - written % batch;
        found.push(if used == 0 {
            format!(
                "swav.queue_length = {written} does not hold a batch of {batch}; there will be no queue"
            )
        } else {
            format!("swav.queue_length = {written} is no multiple of batch_size = {batch}; {used} are used")
        });
    }
    if let Some(start) = config.swav.queue_start_epoch
        && start >= epochs
        && config.swav.queue_length != Some(0)
    {
        found.push(format!(
            "swav.queue_start_epoch = {start} is behind the run of {epochs} epochs; there will be no queue"
        ));
    }
    found
}
