//! `sslight views recommend`: a setting of views for the images at hand and a budget.

use serde::Serialize;
use sslight_core::config::{Origin, ResolvedConfig, RunConfig, resolve};
use sslight_data::ViewRecipe;
use sslight_data::analysis::recommend::{Fixed, Recommendation, Request, recommend};
use sslight_models::BackboneKind;

use super::images::{DRAWS, IMAGE_SIZE, SAMPLE, configuration, sizes};
use super::{explain, macs, macs_text, require_locals};
use crate::args::ViewsRecommendArgs;
use crate::exit::{CliError, Outcome};
use crate::shown::SPLIT;
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Keys beside those of the configuration.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "budget",
        values: "a positive number",
        default: "1",
        help: "multiply-adds of the views of an image at most, 1 being those of the baseline recipe",
    },
    IMAGE_SIZE,
    SAMPLE,
    DRAWS,
    SPLIT,
];

/// Local views are multiples of it for convolutional networks: their total stride.
const STRIDE: usize = 32;
/// The same with the stem for small images.
const SMALL_STRIDE: usize = 8;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    backbone: String,
    images: String,
    budget: f64,
    /// Multiply-adds of the baseline recipe's views of an image, forward.
    baseline_macs: f64,
    recommendation: Recommendation,
    /// The setting as words of a command line.
    words: Vec<String>,
}

/// Prints the setting and its reasons.
pub fn run(args: &ViewsRecommendArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::take(KEYS, &args.words)?;
    let budget = words.at_least("budget", f64::MIN_POSITIVE)?.unwrap_or(1.0);
    let draws = words.at_least(DRAWS.name, 1)?.unwrap_or(20_000);
    let resolved = configuration(&words)?;
    let config = &resolved.config;
    require_locals(config)?;
    let fixed = fixed(&resolved)?;
    let images = sizes(config, &words)?;
    let mut baseline = baseline(config)?;
    if is_given(&resolved, "views.local.scale") {
        for view in &mut baseline.views[2..] {
            view.scale[0] = config.views.local.scale[0];
        }
    }
    let cost = macs(config);
    let (multiple, multiple_required) = multiple(config);
    let recommendation = recommend(&Request {
        sizes: &images.sizes,
        draws,
        seed: config.seed,
        baseline: &baseline,
        fixed,
        budget,
        multiple,
        multiple_required,
        cost: &cost,
    })
    .map_err(explain)?;
    let report = Report {
        backbone: config.backbone.to_string(),
        images: images.of,
        budget,
        baseline_macs: baseline.views.iter().map(|view| cost(view.size)).sum(),
        words: setting(&recommendation),
        recommendation,
    };
    if args.output.json {
        ui::say_json(&report)?;
    } else {
        ui::say(&text(&report));
    }
    ui::hint(ui::Done::Recommended {
        words: &words.rest,
        setting: &report.words,
        has_data: !config.data.is_empty(),
    });
    Ok(Outcome::Done)
}

/// The views of the baseline recipe for the method, network and global size of a configuration.
pub fn baseline(config: &RunConfig) -> Result<ViewRecipe, CliError> {
    let words = [
        format!("method={}", config.method),
        format!("backbone={}", config.backbone),
        format!("views.global.size={}", config.views.global.size),
        "recipe=baseline".to_owned(),
        "data=".to_owned(),
    ];
    Ok(resolve(&words)?.config.view_recipe())
}

/// Whether the user has set a key, by word or in a file.
fn is_given(resolved: &ResolvedConfig, key: &str) -> bool {
    matches!(
        resolved.provenance.of(key),
        Origin::CommandLine | Origin::File { .. }
    )
}

/// What the user has set stays.
fn fixed(resolved: &ResolvedConfig) -> Result<Fixed, CliError> {
    let views = &resolved.config.views;
    let given = |key: &str| is_given(resolved, key);
    let global_scale = given("views.global.scale");
    if global_scale && views.global.scale[1] != 1.0 {
        return Err(CliError::Usage(format!(
            "command line: views.global.scale is {:?}, but a setting is recommended for global crops of up to the whole image; \
             say views.global.scale=[{:?},1.0]",
            views.global.scale, views.global.scale[0]
        )));
    }
    Ok(Fixed {
        global_size: views.global.size,
        global_low: global_scale.then_some(views.global.scale[0]),
        local_high: given("views.local.scale").then_some(views.local.scale[1]),
        local_size: given("views.local.size").then_some(views.local.size),
        locals: given("views.locals").then_some(views.locals),
    })
}

/// Pixels of which local sizes are multiples, and whether they must be.
fn multiple(config: &RunConfig) -> (usize, bool) {
    let small_input = config.small_input();
    match BackboneKind::from(config.backbone).patch_size(small_input) {
        Some(patch) => (patch, true),
        None if small_input => (SMALL_STRIDE, false),
        None => (STRIDE, false),
    }
}

/// Lines of a configuration file, which are words of a command line too.
fn setting(of: &Recommendation) -> Vec<String> {
    let scale = |[low, high]: [f64; 2]| format!("[{low:?},{high:?}]");
    // Three digits are more than the loss can tell.
    let alpha = (of.alpha * 1000.0).round() / 1000.0;
    vec![
        format!("views.global.size={}", of.global_size),
        format!("views.global.scale={}", scale(of.global_scale)),
        format!("views.local.size={}", of.local_size),
        format!("views.local.scale={}", scale(of.local_scale)),
        format!("views.locals={}", of.locals),
        format!("loss.alpha={alpha}"),
    ]
}

fn text(report: &Report) -> String {
    let of = &report.recommendation;
    let mut text = format!(
        "{}, {}, at most {} of the multiply-adds of the baseline recipe ({})\n\n",
        report.backbone,
        report.images,
        report.budget,
        macs_text(report.baseline_macs)
    );
    for word in &report.words {
        text.push_str(&format!("{word}\n"));
    }
    text.push_str(&format!(
        "\nmean of PSg/PSl over pairs: {:.3} +- {:.3}; multiply-adds: {}, {:.2} of the baseline's\n\nbecause\n",
        of.ratio,
        of.ratio_error,
        macs_text(of.cost * report.baseline_macs),
        of.cost
    ));
    for reason in &of.reasons {
        text.push_str(&format!("  {reason}\n"));
    }
    let quoted = report.words.iter().map(|word| match word.split_once('=') {
        Some((key, value)) if value.starts_with('[') => format!("{key}='{value}'"),
        _ => word.clone(),
    });
    let quoted: Vec<String> = quoted.collect();
    text.push_str(&format!(
        "\nin a shell\n  sslight pretrain data=... backbone={} {}\n",
        report.backbone,
        quoted.join(" ")
    ));
    text
}
