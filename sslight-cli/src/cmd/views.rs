//! `sslight views`: what the views of a configuration look like, how they are spread, and which suit the images.

mod analyze;
mod files;
mod images;
mod preview;
mod recommend;

use sslight_core::config::RunConfig;
use sslight_data::{DataError, ViewSpec};
use sslight_models::BackboneKind;

use crate::args::ViewsVerb;
use crate::exit::{CliError, Outcome};

pub use analyze::KEYS as ANALYZE_KEYS;
pub use preview::KEYS as PREVIEW_KEYS;
pub use recommend::KEYS as RECOMMEND_KEYS;

/// Does what is asked for.
pub fn run(verb: &ViewsVerb) -> Result<Outcome, CliError> {
    match verb {
        ViewsVerb::Preview(args) => preview::run(args),
        ViewsVerb::Analyze(args) => analyze::run(args),
        ViewsVerb::Recommend(args) => recommend::run(args),
    }
}

/// `dino on mobilenet_v2, recipe sslight`.
fn title(config: &RunConfig) -> String {
    format!(
        "{} on {}, recipe {}",
        config.method, config.backbone, config.recipe
    )
}

/// `2 global views of 224 px, scale 0.3 to 1` and the like, for each run of equal views.
fn views_text(config: &RunConfig) -> Vec<String> {
    let views = config.view_recipe().views;
    let alike = |a: &ViewSpec, b: &ViewSpec| a.size == b.size && a.scale == b.scale;
    let mut first = 0;
    let runs = views.chunk_by(alike).map(|run| {
        let kind = if first < 2 { "global" } else { "local" };
        first += run.len();
        let plural = if run.len() == 1 { "" } else { "s" };
        let ViewSpec { scale, size, .. } = run[0];
        format!(
            "{} {kind} view{plural} of {size} px, scale {} to {}",
            run.len(),
            scale[0],
            scale[1]
        )
    });
    runs.collect()
}

/// Multiply-adds of the network's forward pass on a view.
fn macs(config: &RunConfig) -> impl Fn(usize) -> f64 {
    let (kind, small_input) = (BackboneKind::from(config.backbone), config.small_input());
    move |side| kind.macs(small_input, side) as f64
}

/// A number of multiply-adds in the unit that fits.
fn macs_text(macs: f64) -> String {
    match macs {
        many if many >= 1e9 => format!("{:.2} G", many / 1e9),
        few => format!("{:.1} M", few / 1e6),
    }
}

/// Refuses a configuration without local views.
fn require_locals(config: &RunConfig) -> Result<(), CliError> {
    if config.locals() > 0 {
        return Ok(());
    }
    let why = if !config.method.looks_at_locals() {
        format!(
            "method {} looks at no local views; say method=dino, for one",
            config.method
        )
    } else if config.views.locals > 0 {
        "moco.global_only=true leaves local views out".to_owned()
    } else {
        "views.locals is 0".to_owned()
    };
    Err(CliError::Usage(format!(
        "command line: nothing to compare global views with: {why}"
    )))
}

/// A setting that an analysis refuses is one of the command line.
fn explain(error: DataError) -> CliError {
    match error {
        error @ DataError::Setting { .. } => CliError::Usage(format!("command line: {error}")),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use sslight_core::config::resolve;

    use super::*;

    #[test]
    fn views_are_said_run_by_run() -> Result<(), CliError> {
        let config = resolve(&["data=", "views.locals=1"])?.config;
        assert_eq!(
            views_text(&config),
            [
                "2 global views of 224 px, scale 0.3 to 1",
                "1 local view of 128 px, scale 0.05 to 0.3"
            ]
        );
        let config = resolve(&["data=", "method=supervised"])?.config;
        assert_eq!(views_text(&config).len(), 1);
        assert!(require_locals(&config).is_err());
        Ok(())
    }

    #[test]
    fn multiply_adds_are_said_in_the_unit_that_fits() {
        assert_eq!(macs_text(299_520_000.0), "299.5 M");
        assert_eq!(macs_text(1.82e9), "1.82 G");
    }
}
