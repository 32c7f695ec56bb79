//! `sslight detect eval`.

use std::path::Path;
use std::time::Instant;

use burn::tensor::backend::AutodiffBackend;
use sslight_core::config::{Origin, Problem, Problems, ResolvedVerb};
use sslight_core::observe::StopHandle;
use sslight_core::run::DetectionRecord;
use sslight_detect::annotations::{DetectionSet, write_results};
use sslight_detect::training::{
    DetectConfig, DetectError, Measured, SavedDetector, Use, detector_there, find, open, scores,
    trained_on,
};

use sslight_models::backend::Backend;

use crate::args::DetectEvalArgs;
use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::train::stop_and_leave_nothing;
use crate::ui;

/// Measures a detector on the validation images of its run, or on those that `val_data` names.
pub fn run(args: &DetectEvalArgs) -> Result<Outcome, CliError> {
    let run = super::run_of(&args.detector);
    let mut resolved = super::resolve_use(run.as_deref(), &args.words)?;
    // Before anything else is asked for.
    detector_there(&args.detector)?;
    let said = |key: &str| *resolved.provenance.of(key) == Origin::CommandLine;
    if said("val_data") && !said("val_images") {
        // Those of the run are of other annotations.
        resolved.settings.val_images = None;
    }
    let config = &resolved.settings;
    let Some(annotations) = &config.val_data else {
        let advice = "give val_data=PATH: annotations to measure on";
        let key = "val_data";
        let problems = Problems(vec![Problem::Missing { key, advice }]);
        return Err(CliError::Config(problems.into()));
    };
    let engine = backend::choose(config.backend)?;
    let stop = stop_and_leave_nothing()?;
    let mut notices = Vec::new();
    let set = open(
        Path::new(annotations),
        config.val_images.as_deref(),
        &mut notices,
    )?;
    notices.iter().for_each(|notice| ui::warn(&notice.text));
    let asked = Asked {
        detector: &args.detector,
        run: run.as_deref(),
        write: args.write.as_deref(),
        resolved: &resolved,
        backend: engine.choice().to_string(),
    };
    let measured = with_engine!(engine, |B, device| {
        measure::<<B as AutodiffBackend>::InnerBackend>(&asked, set, &stop, &device)
    });
    let record = match measured {
        Err(DetectError::Interrupted) => return Ok(Outcome::Interrupted),
        measured => measured?,
    };
    let beside = match args.detector.is_dir() {
        true => args.detector.as_path(),
        false => args.detector.parent().unwrap_or(Path::new("")),
    };
    let folder = run.as_deref().unwrap_or(beside);
    let results = record.add_to(folder)?;
    ui::show(args.output.json, &record, || text(&record, &results))?;
    ui::hint(ui::Done::Evaluated { folder });
    Ok(Outcome::Done)
}

/// What is to be measured.
struct Asked<'a> {
    detector: &'a Path,
    /// The run that it is of.
    run: Option<&'a Path>,
    /// A file for what is found.
    write: Option<&'a Path>,
    resolved: &'a ResolvedVerb<DetectConfig>,
    backend: String,
}

fn measure<B: Backend>(
    asked: &Asked<'_>,
    set: DetectionSet,
    stop: &StopHandle,
    device: &B::Device,
) -> Result<DetectionRecord, DetectError> {
    let started = Instant::now();
    let config = &asked.resolved.settings;
    let detector = SavedDetector::<B>::open(asked.detector, device)?;
    let set = set.with_class_names(&detector.classes)?;
    let how = Use {
        loading: super::prepared(&detector.loading, asked.resolved),
        limits: config.limits(),
    };
    let found = find(&detector.network, &set, &how, device, stop)?;
    if let Some(file) = asked.write {
        write_results(&set, &found, file)?;
    }
    let scores = scores(&set, &found, detector.masks)?;
    let measured = Measured {
        subject: detector.path.display().to_string(),
        step: detector.step,
        config: asked.run.map(|_| config),
        train_images: asked.run.and_then(trained_on),
        backbone: detector.backbone.to_string(),
        set: &set,
        scores: &scores,
        sides: [how.loading.test_side, how.loading.longest_side],
        seconds: started.elapsed().as_secs_f64(),
        backend: asked.backend.clone(),
    };
    Ok(measured.record())
}

/// The numbers with the paper's under them, and those of the classes.
fn text(record: &DetectionRecord, results: &Path) -> String {
    let mut text = format!(
        "{} images, {} classes; {}\n",
        record.validation_images, record.classes, record.protocol
    );
    let number = |value: Option<&serde_json::Value>| {
        let number = value.and_then(serde_json::Value::as_f64);
        number.map_or("-".to_owned(), |number| format!("{number:.2}"))
    };
    let names = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"];
    let head = ["AP", "AP50", "AP75", "small", "medium", "large"];
    text.push_str(&format!("{:<8}", ""));
    head.iter()
        .for_each(|name| text.push_str(&format!("{name:>8}")));
    let paper = record.paper.as_ref();
    for kind in ["box", "mask"] {
        let rows = [
            (kind.to_owned(), Some(&record.scores)),
            ("  paper".to_owned(), paper),
        ];
        for (title, numbers) in rows {
            let Some(numbers) = numbers else { continue };
            if !numbers.keys().any(|key| key.starts_with(kind)) {
                continue;
            }
            text.push_str(&format!("\n{title:<8}"));
            for name in names {
                let value = numbers.get(&format!("{kind}_{name}"));
                text.push_str(&format!("{:>8}", number(value)));
            }
        }
    }
    let width = record
        .per_class
        .iter()
        .map(|class| class.name.chars().count());
    let width = width.max().unwrap_or(0).max(8);
    for class in &record.per_class {
        let of = |score: Option<f64>| score.map_or("-".to_owned(), |score| format!("{score:.2}"));
        text.push_str(&format!(
            "\n  {:<width$}  box {:>6}",
            class.name,
            of(class.box_ap)
        ));
        if class.mask_ap.is_some() {
            text.push_str(&format!("  mask {:>6}", of(class.mask_ap)));
        }
    }
    text.push_str(&format!(
        "\n{:.1} s; result added to {}",
        record.seconds,
        results.display()
    ));
    text
}
