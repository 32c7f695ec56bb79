//! `sslight classify`: what a supervised checkpoint sees in images.

use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use serde::Serialize;
use sslight_core::run::{Classified, ClassifyOptions, ImageClasses, classify_weights};

use crate::args::ClassifyArgs;
use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::subject::Subject;
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Keys beside those of the configuration.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "labels",
        values: "path",
        default: "none",
        help: "names of the classes, one a line in the order of the classifier",
    },
    VerbKey {
        name: "top",
        values: "an integer of at least 1",
        default: "5",
        help: "classes that are told of an image",
    },
];

/// What `--json` prints; accuracies are absent when the data have no classes, or other ones.
#[derive(Serialize)]
struct Json<'a> {
    weights: &'a Path,
    backend: String,
    data: &'a str,
    classes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    top1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top5: Option<f64>,
    images: &'a [ImageClasses],
}

/// Classifies the images of the configuration.
pub fn run(args: &ClassifyArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::take(KEYS, &args.words)?;
    let subject = Subject::at(&args.weights);
    let resolved = subject.resolve(&words.rest)?;
    resolved.require_data()?;
    let names = words.path("labels")?.as_deref().map(names).transpose()?;
    let weights = subject.read()?;
    let engine = backend::choose(resolved.config.backend)?;
    let options = ClassifyOptions {
        path: &subject.weights,
        weights: &weights,
        names: names.as_deref().unwrap_or_default(),
        top: words.at_least("top", 1)?.unwrap_or(5),
    };
    let classified = with_engine!(engine, |B, device| {
        classify_weights::<<B as AutodiffBackend>::InnerBackend>(
            &resolved.config,
            &options,
            &device,
        )
    })?;
    ui::note(&classified.loaded);
    for image in &classified.unreadable {
        ui::warn(&format!("left out {image}"));
    }
    if let Some(unscored) = &classified.unscored {
        ui::note(unscored);
    }
    if args.output.json {
        let json = Json {
            weights: &subject.weights,
            backend: engine.choice().to_string(),
            data: &classified.data,
            classes: classified.classes,
            top1: classified.accuracy.map(|[top1, _]| top1),
            top5: classified.accuracy.map(|[_, top5]| top5),
            images: &classified.images,
        };
        ui::say_json(&json)?;
    } else {
        ui::say(&text(&classified));
    }
    Ok(Outcome::Done)
}

/// The lines of a file, without empty ones at its end.
fn names(path: &Path) -> Result<Vec<String>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|source| CliError::Read {
        path: path.to_owned(),
        advice: "give labels=FILE with the name of a class a line",
        source,
    })?;
    let lines = text.trim_end().lines();
    Ok(lines.map(|line| line.trim().to_owned()).collect())
}

/// A line an image, and one for the accuracy.
fn text(classified: &Classified) -> String {
    let mut text = String::new();
    for image in &classified.images {
        let classes = image.top.iter().map(|score| {
            let name = score.name.iter().map(|name| format!(" {name}"));
            let name: String = name.collect();
            format!("{}{name} {:.2} %", score.class, 100.0 * score.probability)
        });
        let classes: Vec<String> = classes.collect();
        text.push_str(&format!("{}: {}\n", image.image, classes.join(", ")));
    }
    if let Some([top1, top5]) = classified.accuracy {
        text.push_str(&format!(
            "top-1 {top1:.2} %, top-5 {top5:.2} % of {} images ({})\n",
            classified.images.len(),
            classified.data
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use sslight_core::run::ClassScore;

    use super::*;

    #[test]
    fn an_image_is_a_line_with_its_classes_and_their_names() {
        let score = |class, name: &str, probability| ClassScore {
            class,
            name: Some(name.to_owned()),
            probability,
            logit: 0.0,
        };
        let classified = Classified {
            data: "4 images".to_owned(),
            loaded: String::new(),
            classes: 3,
            images: vec![ImageClasses {
                image: "a.png".to_owned(),
                label: Some(2),
                top: vec![score(2, "cat", 0.75), score(0, "dog", 0.125)],
            }],
            unreadable: Vec::new(),
            accuracy: Some([100.0, 100.0]),
            unscored: None,
        };
        let lines = "a.png: 2 cat 75.00 %, 0 dog 12.50 %\ntop-1 100.00 %, top-5 100.00 % of 1 images (4 images)\n";
        assert_eq!(text(&classified), lines);
    }
}
