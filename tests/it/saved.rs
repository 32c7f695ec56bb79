//! The networks of a checkpoint: what runs leave beside the file of the student's backbone.

use std::path::Path;

use burn_flex::Flex;
use sslight_core::run::{Role, RunError, SavedNetworks};
use sslight_models::params::NamedTensor;
use sslight_models::weights::WeightsFile;

use crate::runs::{Cpu, NEVER, image_folder, train, words};

fn read(path: &Path) -> SavedNetworks {
    SavedNetworks::read::<Flex>(path, &Default::default()).unwrap()
}

/// The values of a file under the names of these tensors.
fn of_file(path: &Path, tensors: &[NamedTensor]) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(path).unwrap();
    let file = WeightsFile::open(&bytes).unwrap();
    assert_eq!(file.entries().len(), tensors.len());
    let values = tensors.iter().map(|tensor| {
        let entry = file.entries().iter().find(|e| e.name == tensor.name);
        file.values(entry.unwrap()).unwrap()
    });
    values.collect()
}

fn values(tensors: &[NamedTensor]) -> Vec<Vec<f32>> {
    tensors.iter().map(|tensor| tensor.values.clone()).collect()
}

#[test]
fn student_and_teacher_of_a_checkpoint_are_told_apart_by_role() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    for (method, has_teacher, head) in [
        ("dino", true, "head.last_layer.weight_v"),
        ("moco", true, "head.mlp.0.weight"),
        ("swav", false, "head.prototypes.weight"),
        ("simclr", false, "head.mlp.0.weight"),
        ("supervised", false, "head.weight"),
    ] {
        let out = folder.path().join(method);
        let method_key = format!("method={method}");
        let mut more = vec![method_key.as_str(), "max_steps=2"];
        if method == "moco" {
            more.push("moco.queue_length=16");
        }
        train::<Cpu>(&words(&data, &out, &more), NEVER).unwrap();
        let saved = read(&out);
        assert_eq!(saved.checkpoint.step, 2, "{method}");
        let student = saved.network(Role::Student).unwrap();
        let file = of_file(&out.join("backbone.safetensors"), &student.backbone);
        assert_eq!(values(&student.backbone), file, "{method}");
        assert!(
            student.head.iter().any(|tensor| tensor.name == head),
            "{method}: {:?}",
            student.head.iter().map(|t| &t.name).collect::<Vec<_>>()
        );
        match saved.network(Role::Teacher) {
            Ok(teacher) => {
                assert!(has_teacher, "{method}");
                let names = |tensors: &[NamedTensor]| -> Vec<String> {
                    tensors.iter().map(|t| t.name.clone()).collect()
                };
                assert_eq!(names(&teacher.backbone), names(&student.backbone));
                assert_eq!(names(&teacher.head), names(&student.head));
                assert_ne!(values(&teacher.backbone), values(&student.backbone));
            }
            Err(error) => {
                assert!(!has_teacher, "{method}");
                let message = error.to_string();
                let end = format!(
                    "{method} has no teacher, its only network is the student; ask for role=student"
                );
                assert!(message.ends_with(&end), "{message}");
            }
        }
        // The folder of the checkpoint says the same as the run that it is the newest of.
        let there = read(&saved.checkpoint.folder);
        assert_eq!(there.tensors(), saved.tensors(), "{method}");
    }
    let error = SavedNetworks::read::<Flex>(folder.path(), &Default::default()).unwrap_err();
    assert!(matches!(error, RunError::NothingSaved { .. }), "{error}");
}
