#![allow(clippy::unwrap_used)]

use super::*;

const LAST_STEP: usize = 200 * 1251;

fn record(kind: &str, settings: Value, top1: f64) -> String {
    line(kind, settings, top1, &serde_json::json!({}))
}

/// A line of results whose fields are those of a repetition but for `other`.
fn line(kind: &str, settings: Value, top1: f64, other: &Value) -> String {
    let config = resolve(&["paper/dino-resnet18-sslight", "data=/imagenet"]).unwrap();
    let mut all = shown_settings(&config.config);
    all.extend(settings.as_object().unwrap().clone());
    let mut record = serde_json::json!({
        "kind": kind, "subject": "runs/a/backbone.safetensors", "backbone": "resnet18", "protocol": "p, q",
        "settings": all, "step": LAST_STEP, "head": "dino", "train_images": 12811, "validation_images": 50000, "classes": 1000, "seed": 0,
        "top1": top1, "top5": 80.0, "seconds": 1.25, "finished": 1, "backend": "flex", "version": "0"
    });
    for (key, value) in other.as_object().unwrap() {
        match value {
            Value::Object(inner) => {
                for (name, value) in inner {
                    record[key][name] = value.clone();
                }
            }
            value => record[key] = value.clone(),
        }
    }
    record.to_string()
}

fn settings<T: VerbKeys>(settings: &T) -> Value {
    flat(settings)
        .unwrap()
        .into_iter()
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn another_network_step_image_or_list_is_not_the_papers() {
    let folder = tempfile::tempdir().unwrap();
    let config = resolve(&["paper/dino-resnet18-sslight", "data=/imagenet"]).unwrap();
    let config = config.config.to_toml().unwrap();
    std::fs::write(folder.path().join(CONFIG_FILE), config).unwrap();
    let probe = settings(&ProbeSettings::of(crate::config::Family::Cnn));
    let mut listed = FinetuneSettings::semi_supervised();
    listed.finetune.fraction = 1.0;
    listed.finetune.subset = "1percent.txt".to_owned();
    let listed = settings(&listed);
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let cases = [
        ("probe", &probe, "{}", true),
        ("probe", &probe, r#"{"step": 6255}"#, false),
        ("probe", &probe, r#"{"step": null}"#, false),
        ("probe", &probe, r#"{"role": "student"}"#, true),
        ("probe", &probe, r#"{"role": "teacher"}"#, false),
        ("probe", &probe, r#"{"validation_images": 49990}"#, false),
        (
            "probe",
            &probe,
            r#"{"settings": {"eval.resize": 224}}"#,
            false,
        ),
        (
            "probe",
            &probe,
            r#"{"settings": {"eval.interpolation": "bilinear"}}"#,
            false,
        ),
        (
            "probe",
            &probe,
            r#"{"settings": {"views.flip": 0.0}}"#,
            false,
        ),
        ("finetune", &listed, "{}", true),
        ("finetune", &listed, r#"{"train_images": 12812}"#, false),
        ("finetune", &listed, r#"{"head": "linear"}"#, false),
    ];
    let lines =
        cases.map(|(kind, settings, other, _)| line(kind, settings.clone(), 50.0, &json(other)));
    std::fs::write(folder.path().join(RESULTS_FILE), lines.join("\n")).unwrap();
    let rows = results(&[folder.path().to_path_buf()]).unwrap().evaluations;
    for (row, (kind, _, other, is_papers)) in rows.iter().zip(cases) {
        assert_eq!(row.paper.is_some(), is_papers, "{kind} {other}");
    }
    assert_eq!(rows[9].paper, Some((49.8, None)));
}

#[test]
fn a_repetition_of_the_paper_stands_beside_its_row_and_anything_else_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let config = resolve(&["paper/dino-resnet18-sslight", "data=/imagenet"]).unwrap();
    std::fs::write(
        folder.path().join("config.toml"),
        config.config.to_toml().unwrap(),
    )
    .unwrap();
    let probe = ProbeSettings::of(crate::config::Family::Cnn);
    let mut semi = FinetuneSettings::semi_supervised();
    semi.finetune.fraction = 0.01;
    let mut quick = probe.clone();
    quick.probe.cache = true;
    let text = [
        record("probe", settings(&probe), 65.0),
        record("finetune", settings(&semi), 50.0),
        record("probe", settings(&quick), 60.0),
        record("knn", serde_json::json!({"eval.knn_k": 20}), 40.0),
    ];
    std::fs::write(folder.path().join(RESULTS_FILE), text.join("\n")).unwrap();
    let found = results(&[folder.path().to_path_buf()]).unwrap();
    let rows = &found.evaluations;
    let papers: Vec<_> = rows.iter().map(|row| row.paper).collect();
    assert_eq!(
        papers,
        [Some((65.7, Some(86.6))), Some((49.8, None)), None, None]
    );
    assert!((rows[0].difference().unwrap() + 0.7).abs() < 1e-9);
    let names: Vec<_> = rows.iter().map(ResultRow::evaluation).collect();
    assert_eq!(names, ["probe", "fine-tuning", "probe, cached", "kNN k=20"]);
    let csv = found.csv();
    assert!(
        csv.lines()
            .nth(2)
            .unwrap()
            .ends_with(",50.00,80.00,49.80,+0.20,0,1.2,\"p, q\""),
        "{csv}"
    );
    assert_eq!(found.markdown().lines().count(), 6);
    assert!(found.table().contains("-0.70"));
}

#[test]
fn no_results_and_damaged_ones_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let runs = [folder.path().to_path_buf()];
    assert!(
        results(&runs)
            .unwrap_err()
            .to_string()
            .contains("there are no results")
    );
    std::fs::write(folder.path().join(RESULTS_FILE), "{}\n").unwrap();
    assert!(
        results(&runs)
            .unwrap_err()
            .to_string()
            .contains("line 1 is no result")
    );
}

#[test]
fn detectors_have_a_table_of_their_own_with_the_papers_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let scores = serde_json::json!({"box_ap": 34.5, "box_ap50": 55.25, "mask_ap": 32.0});
    let record = DetectionRecord {
        kind: DETECTION.to_owned(),
        backbone: "resnet18".to_owned(),
        init: "runs/a".to_owned(),
        pretraining: Some("paper/dino-resnet18-sslight".to_owned()),
        protocol: "p, q".to_owned(),
        step: Some(90_000),
        scores: scores.as_object().unwrap().clone(),
        paper: super::super::published_detection("paper/dino-resnet18-sslight", 90_000)
            .map(|row| row.named()),
        ..DetectionRecord::default()
    };
    record.add_to(folder.path()).unwrap();
    let found = results(&[folder.path().to_path_buf()]).unwrap();
    assert_eq!(
        (found.evaluations.len(), &found.detections[0].record),
        (0, &record)
    );
    let table = found.table();
    assert_eq!(table.lines().count(), 2);
    for text in [
        "paper/dino-resnet18-sslight",
        "55.25",
        "34.10",
        "31.80",
        "+0.40",
    ] {
        assert!(table.contains(text), "{text}: {table}");
    }
    assert!(found.csv().contains("\"p, q\""));
}
