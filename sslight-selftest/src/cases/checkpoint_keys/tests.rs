use super::*;

fn tensor(name: &str, shape: &[usize], trained: bool) -> Tensor {
    Tensor {
        name: name.to_string(),
        shape: shape.to_vec(),
        trained,
    }
}

fn ours() -> Vec<Tensor> {
    vec![
        tensor("student.backbone.conv1.weight", &[2, 3, 1, 1], true),
        tensor("student.backbone.bn1.bias", &[2], true),
        tensor("teacher.backbone.bn1.bias", &[2], false),
    ]
}

fn reference() -> Reference {
    let key = |name: &str, shape: &[usize]| (name.to_string(), shape.to_vec());
    Reference {
        state_dict: vec![
            key("queue", &[1, 1]),
            key("student.backbone.encoder.0.weight", &[2, 3, 1, 1]),
            key("student.backbone.encoder.1.bias", &[2]),
            key("student.backbone.encoder.1.num_batches_tracked", &[]),
            key("teacher.backbone.encoder.1.bias", &[2]),
        ],
        trainable_parameters: 8,
        optimizer_groups: vec![
            vec!["student.backbone.encoder.0.weight".to_string()],
            vec!["student.backbone.encoder.1.bias".to_string()],
        ],
    }
}

fn difference(reference: &Reference, ours: &[Tensor]) -> String {
    compare("resnet18", reference, ours)
        .unwrap_err()
        .to_string()
}

#[test]
fn equal_models_are_equal() {
    compare("resnet18", &reference(), &ours()).unwrap();
}

#[test]
fn another_name_order_shape_or_number_of_tensors_is_a_difference() {
    let mut renamed = ours();
    renamed[1].name.push('x');
    let mut exchanged = ours();
    exchanged.swap(1, 2);
    let mut reshaped = ours();
    reshaped[1].shape = vec![3];
    let fewer = ours()[..2].to_vec();
    for ours in [renamed, exchanged, reshaped, fewer] {
        let message = difference(&reference(), &ours);
        assert!(message.starts_with("tensors: "), "{message}");
    }
}

#[test]
fn another_number_of_trained_values_is_a_difference() {
    let mut ours = ours();
    ours[2].trained = true;
    assert_eq!(
        difference(&reference(), &ours),
        "10 trained values, expected 8"
    );
}

#[test]
fn another_division_into_groups_is_a_difference() {
    let mut merged = reference();
    let bias = merged.optimizer_groups.remove(1);
    merged.optimizer_groups[0].extend(bias);
    assert_eq!(
        difference(&merged, &ours()),
        "2 optimizer groups, expected 1"
    );
    let mut exchanged = reference();
    exchanged.optimizer_groups.swap(0, 1);
    let message = difference(&exchanged, &ours());
    assert!(
        message.starts_with("members of optimizer group 0: "),
        "{message}"
    );
}
