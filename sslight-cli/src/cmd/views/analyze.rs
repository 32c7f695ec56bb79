//! `sslight views analyze`: pixel scales and overlaps of the crops of a configuration, on the images at hand.

use serde::Serialize;
use sslight_core::config::RunConfig;
use sslight_data::analysis::plot::plot;
use sslight_data::analysis::sheet::png;
use sslight_data::analysis::statistics::{ViewStatistics, view_statistics};
use sslight_data::analysis::summary::Distribution;

use super::files::{Picture, Target};
use super::images::{DRAWS, IMAGE_SIZE, SAMPLE, configuration, sizes};
use super::recommend::baseline;
use super::{explain, macs, macs_text, require_locals, title, views_text};
use crate::args::ViewsAnalyzeArgs;
use crate::exit::{CliError, Outcome};
use crate::shown::{OVERWRITE, SPLIT, overwrite};
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Keys beside those of the configuration.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "to",
        values: "an SVG or PNG file",
        default: "none",
        help: "where a plot goes, with a JSON file of all numbers beside it; folders on the way are made",
    },
    IMAGE_SIZE,
    SAMPLE,
    DRAWS,
    SPLIT,
    OVERWRITE,
];

/// Pixels of a PNG for each of the plot.
const PNG_SCALE: usize = 2;

/// What `--json` prints and the file beside the plot has.
#[derive(Debug, Serialize)]
struct Report {
    configuration: String,
    views: Vec<String>,
    images: String,
    statistics: ViewStatistics,
    /// Multiply-adds of the forward pass of the trained network over all views of an image.
    macs: f64,
    /// The same of the baseline recipe.
    baseline_macs: f64,
}

/// Prints the statistics, and draws them if they are to go somewhere.
pub fn run(args: &ViewsAnalyzeArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::take(KEYS, &args.words)?;
    let replace = overwrite(&words)?;
    let target = match words.path("to")? {
        Some(path) => Some(Target::new(&path, &[Picture::Svg, Picture::Png], replace)?),
        None => None,
    };
    let draws = words.at_least(DRAWS.name, 1)?.unwrap_or(20_000);
    let resolved = configuration(&words)?;
    let config = &resolved.config;
    require_locals(config)?;
    let images = sizes(config, &words)?;
    let recipe = config.view_recipe();
    let statistics =
        view_statistics(&recipe, &images.sizes, draws, config.seed).map_err(explain)?;
    let cost = macs(config);
    let of = |views: &[sslight_data::ViewSpec]| views.iter().map(|view| cost(view.size)).sum();
    let report = Report {
        configuration: title(config),
        views: views_text(config),
        images: images.of,
        statistics,
        macs: of(&recipe.views),
        baseline_macs: of(&baseline(config)?.views),
    };
    if let Some(target) = &target {
        let line = format!("{}; {}", report.views.join(", "), report.images);
        let heading = format!("View statistics of {}", report.configuration);
        let plot = plot(&report.statistics, &heading, &line);
        let picture = match target.kind {
            Picture::Svg => plot.svg().into_bytes(),
            Picture::Png => png(&plot.picture(PNG_SCALE)).map_err(explain)?,
        };
        target.write(&picture, &report)?;
    }
    if args.output.json {
        ui::say_json(&report)?;
        return Ok(Outcome::Done);
    }
    ui::say(&text(config, &report));
    if let Some(target) = target {
        ui::say(&format!("written: {}", target.names()));
    }
    Ok(Outcome::Done)
}

fn text(config: &RunConfig, report: &Report) -> String {
    let found = &report.statistics;
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut text = format!("{}\n", report.configuration);
    for views in &report.views {
        text.push_str(&format!("  {views}\n"));
    }
    text.push_str(&format!(
        "crops of {} drawn images, with the sizes of {}\n\n",
        ui::grouped(found.images),
        report.images
    ));
    text.push_str(&table(found));
    let mean = &found.ratio_of_images;
    text.push_str(&format!(
        "\nmean of PSg/PSl over pairs: {:.3} +- {:.3}; it is best at about 1 (Section 3.3.2 of the paper)\n",
        mean.mean, mean.standard_error
    ));
    text.push_str(&format!(
        "pairs without a common pixel: {}; with the local crop inside the global one: {}\n",
        percent(found.disjoint),
        percent(found.contained)
    ));
    text.push_str(&format!(
        "up-sampled, PS above 1: {} of global views, {} of local views\n",
        percent(found.upsampled_globals),
        percent(found.upsampled_locals)
    ));
    text.push_str(&format!(
        "multiply-adds of {} over the views of an image, forward: {}, {:.2} of the baseline recipe's {}\n",
        config.backbone,
        macs_text(report.macs),
        report.macs / report.baseline_macs,
        macs_text(report.baseline_macs)
    ));
    text
}

fn table(found: &ViewStatistics) -> String {
    let mut table = format!(
        "{:26}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}\n",
        "", "mean", "std", "5 %", "25 %", "median", "75 %", "95 %"
    );
    let rows: [(&str, &Distribution); 4] = [
        ("pixel scale PSg, globals", &found.global_pixel_scale),
        ("pixel scale PSl, locals", &found.local_pixel_scale),
        ("PSg/PSl, pairs", &found.ratio),
        ("overlap, pairs", &found.overlap),
    ];
    for (name, of) in rows {
        let values = [of.mean, of.std, of.p5, of.p25, of.p50, of.p75, of.p95];
        let values: String = values.iter().map(|value| format!("{value:9.3}")).collect();
        table.push_str(&format!("{name:26}{values}\n"));
    }
    table
}
