//! The verb `classify`, on weights whose answers are known.

use std::path::Path;

use crate::program::{run, stderr, stdout};

/// Features of a network whose last normalisation has weight 0 are its bias (ReLU6), whatever the image: here 1 in place
/// 0 and 2 in place 1. Two classes of these make logits of 1 and 2.
fn weights(folder: &Path) {
    let source = folder.join("run/backbone.safetensors");
    let bytes = std::fs::read(source).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let pick = |count: usize, values: &[f32]| {
        let mut all = vec![0.0_f32; count];
        all[..values.len()].copy_from_slice(values);
        all.iter()
            .flat_map(|v| v.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .iter()
        .map(|(name, view)| {
            let values = match name {
                "features.18.1.weight" => pick(1280, &[]),
                "features.18.1.bias" => pick(1280, &[1.0, 2.0]),
                _ => view.data().to_vec(),
            };
            (name.to_owned(), view.shape().to_vec(), values)
        })
        .collect();
    let mut identity = vec![0.0; 1280 + 2];
    (identity[0], identity[1281]) = (1.0, 1.0);
    tensors.push((
        "classifier.1.weight".into(),
        vec![2, 1280],
        pick(2560, &identity),
    ));
    tensors.push(("classifier.1.bias".into(), vec![2], pick(2, &[])));
    let views = tensors.iter().map(|(name, shape, values)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), values);
        (name, view.unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.join("supervised.safetensors"), bytes).unwrap();
}

#[test]
fn images_get_the_classes_that_follow_from_the_weights_and_accuracy_if_they_are_labelled() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let output = run(folder, &["pretrain", "debug/tiny", "out=run"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    weights(folder);
    for (class, count) in [("cat", 1), ("dog", 3)] {
        std::fs::create_dir_all(folder.join("data").join(class)).unwrap();
        for number in 0..count {
            let path = folder.join(format!("data/{class}/{number}.png"));
            image::RgbImage::from_pixel(40, 30, image::Rgb([90, 20 * number, 7]))
                .save(path)
                .unwrap();
        }
    }
    std::fs::write(folder.join("names.txt"), "dog\ncat\n").unwrap();
    let classify = |more: &[&str]| {
        let words = [
            "classify",
            "supervised.safetensors",
            "data=data",
            "backbone=mobilenet_v2",
            "views.global.size=32",
        ];
        run(folder, &[&words, more].concat())
    };

    // Class 1 is the likelier one, with e / (1 + e) = 0.7311: the dogs by number, the cat by name.
    let output = classify(&[]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].ends_with("cat/0.png: 1 73.11 %, 0 26.89 %"),
        "{text}"
    );
    assert!(
        lines[4].starts_with("top-1 75.00 %, top-5 100.00 % of 4 images"),
        "{text}"
    );
    let loaded = "note: 260 matched of mobilenet_v2 and classifier.1 of 2 classes, from supervised.safetensors";
    assert!(stderr(&output).starts_with(loaded), "{}", stderr(&output));

    let output = classify(&["labels=names.txt", "top=1", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["top1"], &json["classes"]), (&25.0.into(), &2.into()));
    let images = json["images"].as_array().unwrap();
    assert_eq!(images.len(), 4);
    assert_eq!(
        (&images[0]["label"], &images[1]["label"]),
        (&1.into(), &0.into())
    );
    let top = &images[0]["top"];
    assert_eq!(
        (&top[0]["name"], &top[0]["logit"], &top[1]),
        (&"cat".into(), &2.0.into(), &serde_json::Value::Null)
    );

    std::fs::write(folder.join("names.txt"), "dog\ncat\nowl\n").unwrap();
    let output = classify(&["labels=names.txt"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let expected = "error: labels: 3 names, and the classifier has 2 classes; give one name a line for each class\n";
    assert_eq!(stderr(&output), expected);
    // The run's own file is without a classifier.
    let words = ["classify", "run", "data=data", "views.global.size=32"];
    let output = run(folder, &words);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let expected = "error: run/backbone.safetensors: no linear classifier of 1280 features";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
}
