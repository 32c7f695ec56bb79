//! Batches in parts, and forward passes that are repeated for their tape.

use std::collections::BTreeMap;

use sslight_models::params::for_each;

use super::*;

/// Loss and gradients of step 0, and every parameter and buffer after it, by name.
struct Learned {
    stats: StepStats,
    grads: BTreeMap<String, Vec<f32>>,
    state: BTreeMap<String, Vec<f32>>,
}

fn learn(choice: MethodChoice, more: &[&str]) -> Learned {
    let clock = clock();
    // The second epoch, in which no layer is frozen.
    clock.set(2);
    let method = init(&config(choice, more), &clock);
    let (output, grads) = AnyMethod::learn(&method, &batch(0));
    let mut by_name = BTreeMap::new();
    for_each(&method, |name, id, _: Tensor<B, 1>, shape| {
        let values = match shape.len() {
            1 => grads.get::<Flex, 1>(id).map(|grad| grad.into_data()),
            2 => grads.get::<Flex, 2>(id).map(|grad| grad.into_data()),
            3 => grads.get::<Flex, 3>(id).map(|grad| grad.into_data()),
            _ => grads.get::<Flex, 4>(id).map(|grad| grad.into_data()),
        };
        if let Some(values) = values {
            by_name.insert(name.to_string(), values.iter::<f32>().collect());
        }
    });
    let mut state: BTreeMap<String, Vec<f32>> = named_tensors(&method.valid())
        .into_iter()
        .map(|tensor| (tensor.name, tensor.values))
        .collect();
    match &method {
        AnyMethod::Dino(dino) => {
            state.insert("center".into(), values(dino.center.value()));
        }
        AnyMethod::Moco(moco) => {
            state.insert("queue".into(), values(moco.queue.value()));
        }
        AnyMethod::Swav(swav) => {
            let queue = swav.queue.as_ref().map(|queue| values(queue.rows.value()));
            state.insert("queue".into(), queue.unwrap_or_default());
        }
        AnyMethod::Simclr(_) | AnyMethod::Supervised(_) => {}
    }
    Learned {
        stats: output.sync(),
        grads: by_name,
        state,
    }
}

fn values<const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    sslight_models::params::host_values(tensor)
}

/// The largest deviation between two sets of tensors, relative to the largest value of its tensor.
fn deviation(left: &BTreeMap<String, Vec<f32>>, right: &BTreeMap<String, Vec<f32>>) -> f32 {
    assert!(!left.is_empty());
    let one_sided = |left: &BTreeMap<String, _>, right: &BTreeMap<String, _>| -> Vec<String> {
        left.keys()
            .filter(|name| !right.contains_key(*name))
            .cloned()
            .collect()
    };
    assert_eq!(one_sided(left, right), one_sided(right, left));
    let deviations = left.iter().map(|(name, left)| {
        let other = &right[name];
        assert!(left.iter().chain(other).all(|v| v.is_finite()), "{name}");
        let scale = left.iter().fold(1e-6f32, |most, v| most.max(v.abs()));
        let differences = left.iter().zip(other).map(|(l, r)| (l - r).abs());
        differences.fold(0.0, f32::max) / scale
    });
    deviations.fold(0.0, f32::max)
}

/// Layer normalisation instead of batch normalisation, so that an image does not depend on its batch.
const BY_IMAGE: [&str; 8] = [
    "backbone=vit_tiny_16",
    "model.small_input=true",
    "model.drop_path=0",
    "dino.use_bn=false",
    "swav.use_bn=false",
    "moco.use_bn=false",
    "simclr.use_bn=false",
    "probe=true",
];

#[test]
fn without_batch_statistics_parts_give_the_losses_gradients_and_buffers_of_the_whole_batch() {
    // Not SwAV, whose codes balance a part, and not SimCLR, whose negatives are those of a part.
    for choice in [
        MethodChoice::Dino,
        MethodChoice::Moco,
        MethodChoice::Supervised,
    ] {
        let whole = learn(choice, &BY_IMAGE);
        let repeated = "model.grad_checkpointing=true";
        for parts in [
            &["accumulate=2"][..],
            &["accumulate=4"],
            &["accumulate=4", repeated],
        ] {
            let parts = learn(choice, &[&BY_IMAGE[..], parts].concat());
            // Sums of f32 in another order; those of gradients run over all tokens of all images.
            assert!((whole.stats.loss - parts.stats.loss).abs() < 1e-5 * whole.stats.loss);
            let deviation_of_grads = deviation(&whole.grads, &parts.grads);
            assert!(deviation_of_grads < 3e-5, "{choice}: {deviation_of_grads}");
            let deviation_of_state = deviation(&whole.state, &parts.state);
            assert!(deviation_of_state < 1e-5, "{choice}: {deviation_of_state}");
        }
    }
}

#[test]
fn swav_pushes_the_embeddings_of_all_parts_in_the_order_of_the_images() {
    let whole = learn(MethodChoice::Swav, &BY_IMAGE);
    let parts = learn(
        MethodChoice::Swav,
        &[&BY_IMAGE[..], &["accumulate=2"]].concat(),
    );
    assert!(whole.state["queue"].iter().any(|value| *value != 0.0));
    assert!(deviation(&whole.state, &parts.state) < 1e-5);
    assert!(parts.stats.loss.is_finite());
}

#[test]
fn only_parameters_of_the_trained_network_get_gradients() {
    for choice in MethodChoice::all() {
        // Two parts: a buffer with a tape would show in the second.
        let grads = learn(*choice, &["accumulate=2", "probe=true"]).grads;
        let trained = ["student.", "network.", "query.", "backbone.", "classifier."];
        assert!(!grads.is_empty(), "{choice}");
        for name in grads.keys() {
            let of_network = trained.iter().any(|prefix| name.starts_with(prefix));
            assert!(of_network && !name.contains("running_"), "{choice}: {name}");
        }
    }
}

#[test]
fn parts_of_a_batch_with_batch_statistics_are_trained_on_their_own() {
    let whole = learn(MethodChoice::Dino, &[]);
    let parts = learn(MethodChoice::Dino, &["accumulate=2"]);
    assert!(deviation(&whole.grads, &parts.grads) > 1e-3);
}

#[test]
fn a_repeated_forward_pass_changes_neither_gradients_nor_statistics() {
    for choice in MethodChoice::all() {
        // Batch statistics and local views, then stochastic depth.
        for more in [
            &["probe=true"][..],
            &[
                "backbone=vit_tiny_16",
                "model.small_input=true",
                "model.drop_path=0.5",
            ],
        ] {
            let plain = learn(*choice, more);
            let repeated = learn(
                *choice,
                &[more, &["model.grad_checkpointing=true"]].concat(),
            );
            assert_eq!(plain.stats, repeated.stats, "{choice}");
            assert_eq!(plain.state, repeated.state, "{choice}");
            let deviation = deviation(&plain.grads, &repeated.grads);
            assert!(deviation < 1e-5, "{choice}: {deviation}");
        }
    }
}
