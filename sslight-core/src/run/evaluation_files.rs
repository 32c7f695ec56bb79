//! The files of an evaluation with classes: per-class accuracy, confusion matrix, classifier.

use std::collections::BTreeMap;

use sslight_models::params::NamedTensor;
use sslight_models::weights::to_safetensors;

use super::RunError;
use super::evaluation::{EvaluationRecord, Place};
use crate::eval::Tally;
use crate::eval::confusion_plot::confusion_svg;
use crate::text::csv_cell;

/// Classes up to which a confusion matrix can be read as a picture.
const CLASSES_DRAWN: usize = 100;

/// What was trained, as a file.
pub(super) struct WeightsToWrite<'a> {
    pub(super) file: &'a str,
    pub(super) tensors: &'a [NamedTensor],
    /// What the file says of the network that they are of or stand on.
    pub(super) metadata: BTreeMap<String, String>,
}

/// Writes `per_class.csv`, `confusion.csv`, `confusion.svg`, `result.json` and the weights.
pub(super) fn write_tally(
    place: &Place,
    tally: &Tally,
    names: &[String],
    record: &EvaluationRecord,
    weights: WeightsToWrite<'_>,
) -> Result<(), RunError> {
    place.write("per_class.csv", per_class(tally, names).as_bytes())?;
    place.write("confusion.csv", confusion(tally, names).as_bytes())?;
    if tally.classes() <= CLASSES_DRAWN {
        let title = format!(
            "{} of {}: top-1 {:.2} %",
            record.kind, record.backbone, record.top1
        );
        place.write(
            "confusion.svg",
            confusion_svg(tally, names, &title)?.as_bytes(),
        )?;
    }
    let refuse = |reason: String| RunError::State {
        path: place.folder.clone(),
        reason,
    };
    let mut metadata = weights.metadata;
    metadata.extend([
        ("kind".to_owned(), record.kind.clone()),
        ("backbone".to_owned(), record.backbone.clone()),
        ("subject".to_owned(), record.subject.clone()),
        ("top1".to_owned(), record.top1.to_string()),
    ]);
    let bytes = to_safetensors(weights.tensors, metadata);
    let bytes = bytes.map_err(|error| refuse(error.to_string()))?;
    place.write(weights.file, &bytes)?;
    let json = serde_json::to_string_pretty(record).map_err(|error| refuse(error.to_string()))?;
    Ok(place.write("result.json", json.as_bytes())?)
}

fn per_class(tally: &Tally, names: &[String]) -> String {
    let mut text = String::from("class,name,samples,right,accuracy_percent\n");
    for (class, accuracy) in tally.per_class().into_iter().enumerate() {
        let row = tally.row(class);
        let samples: u32 = row.iter().sum();
        let accuracy = accuracy.map_or(String::new(), |accuracy| format!("{accuracy:.4}"));
        let name = csv_cell(names.get(class).map_or("", String::as_str));
        text.push_str(&format!(
            "{class},{name},{samples},{},{accuracy}\n",
            row[class]
        ));
    }
    text
}

/// A row a true class, a column a predicted one.
fn confusion(tally: &Tally, names: &[String]) -> String {
    let name = |class: usize| csv_cell(names.get(class).map_or("", String::as_str));
    let head: Vec<String> = (0..tally.classes()).map(name).collect();
    let mut text = format!("class,{}\n", head.join(","));
    for class in 0..tally.classes() {
        let counts: Vec<String> = tally.row(class).iter().map(u32::to_string).collect();
        text.push_str(&format!("{},{}\n", name(class), counts.join(",")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_names_counts_and_empty_cells_for_classes_without_samples() {
        let mut tally = Tally::new(3);
        tally.add(&[0.0, 1.0, 0.0, 1.0, 0.0, 0.0], &[0, 0]);
        tally.add(&[0.0, 1.0, 0.0], &[1]);
        let names = ["a, b", "c", "d\"e"].map(str::to_owned);
        assert_eq!(
            per_class(&tally, &names),
            "class,name,samples,right,accuracy_percent\n0,\"a, b\",2,1,50.0000\n1,c,1,1,100.0000\n2,\"d\"\"e\",0,0,\n"
        );
        assert_eq!(
            confusion(&tally, &names),
            "class,\"a, b\",c,\"d\"\"e\"\n\"a, b\",1,1,0\nc,0,1,0\n\"d\"\"e\",0,0,0\n"
        );
    }
}
