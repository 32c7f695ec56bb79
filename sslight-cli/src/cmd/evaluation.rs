//! `sslight probe` and `sslight finetune`: evaluations of trained weights that train something themselves.

use sslight_core::config::{FinetuneSettings, ProbeSettings, VerbKeys, split_words};
use sslight_core::run::{self, Evaluated, EvaluationOptions, EvaluationRecord, Progress};

use crate::args::EvaluationArgs;
use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::subject::Measured;
use crate::train::stop_on_interrupt;
use crate::ui;

/// Said at an interrupt.
const STOPPING: &str = "stopping; the same command goes on after the last whole epoch";

/// `sslight probe`.
pub fn probe(args: &EvaluationArgs) -> Result<Outcome, CliError> {
    let measured = Measured::at(&args.subject)?;
    let (own, words) = split_words("probe", &args.words);
    let resolved = measured.resolve(&words)?;
    let config = &resolved.config;
    let settings = ProbeSettings::of(config.backbone.family()).with_words(&own)?;
    evaluate(args, &measured, config.backend, |engine, options| {
        with_engine!(engine, |B, device| run::probe::<B>(
            config, &settings, options, &device
        ))
    })
}

/// `sslight finetune`.
pub fn finetune(args: &EvaluationArgs) -> Result<Outcome, CliError> {
    let measured = Measured::at(&args.subject)?;
    if matches!(measured, Measured::Pixels) {
        return Err(CliError::Usage(
            "finetune: pixels have no network to train; take `random` for the network from scratch"
                .to_owned(),
        ));
    }
    let (own, words) = split_words("finetune", &args.words);
    let resolved = measured.resolve(&words)?;
    let config = &resolved.config;
    let settings = FinetuneSettings::semi_supervised().with_words(&own)?;
    evaluate(args, &measured, config.backend, |engine, options| {
        with_engine!(engine, |B, device| run::finetune::<B>(
            config, &settings, options, &device
        ))
    })
}

/// Chooses the engine, shows progress and prints the record.
fn evaluate(
    args: &EvaluationArgs,
    measured: &Measured,
    backend: sslight_core::config::BackendChoice,
    evaluate: impl FnOnce(backend::Engine, EvaluationOptions<'_>) -> Result<Evaluated, run::RunError>,
) -> Result<Outcome, CliError> {
    let engine = backend::choose(backend)?;
    let stop = stop_on_interrupt(STOPPING)?;
    let name = engine.choice().to_string();
    let mut tell = |progress: Progress| show(&progress);
    let options = EvaluationOptions {
        subject: measured.core(),
        run: measured.run(&args.words),
        backend_name: &name,
        stop: &stop,
        tell: &mut tell,
    };
    let evaluated = match evaluate(engine, options) {
        Err(error) if error.is_interruption() => {
            ui::warn(&error.to_string());
            return Ok(Outcome::Interrupted);
        }
        other => other?,
    };
    ui::show(args.output.json, &evaluated.record, || text(&evaluated))?;
    if let Some(folder) = evaluated.results.parent() {
        ui::hint(ui::Done::Evaluated { folder });
    }
    Ok(Outcome::Done)
}

/// Shows how far it is.
fn show(progress: &Progress) {
    match progress {
        Progress::Note(text) => ui::note(text),
        Progress::Epoch {
            epoch,
            epochs,
            lr,
            loss,
            top1,
        } => {
            // Of many epochs a tenth is enough to follow.
            let shown =
                *epochs <= 20 || top1.is_some() || epoch.is_multiple_of(epochs.div_ceil(20));
            if !shown {
                return;
            }
            let score = top1.map_or(String::new(), |top1| format!("  top-1 {top1:.2} %"));
            ui::tell(&format!(
                "epoch {epoch}/{epochs}  loss {loss:.4}  lr {lr:.3e}{score}"
            ));
        }
    }
}

fn text(evaluated: &Evaluated) -> String {
    let record = &evaluated.record;
    let EvaluationRecord { top1, top5, .. } = record;
    let mut lines = vec![format!(
        "{} top-1 {top1:.2} %, top-5 {top5:.2} % on {} validation images ({})",
        record.kind, record.validation_images, record.protocol
    )];
    if let Some(rates) = record
        .more
        .get("learning_rates")
        .and_then(|rates| rates.as_array())
    {
        for rate in rates {
            let number = |key: &str| rate.get(key).and_then(serde_json::Value::as_f64);
            if let (Some(lr), Some(top1)) = (number("base_lr"), number("top1")) {
                lines.push(format!("  base_lr {lr}: top-1 {top1:.2} %"));
            }
        }
    }
    lines.push(format!(
        "{:.1} s; result added to {}",
        record.seconds,
        evaluated.results.display()
    ));
    if let Some(folder) = &evaluated.folder {
        lines.push(format!(
            "weights, per-class accuracy and confusion matrix in {}",
            folder.display()
        ));
    }
    lines.join("\n")
}
