use burn_flex::Flex;

use super::*;
use crate::nn::BatchMode;
use crate::params::host_values;

/// Sums of up to 192 products in float32.
const TOLERANCE: f32 = 2e-5;

fn net() -> Vit<Flex> {
    let config = VitConfig {
        variant: VitVariant::TINY16,
        small_input: true,
    };
    config.init(&mut ParamInit::new(3, &Default::default()))
}

fn images() -> Tensor<Flex, 4> {
    Tensor::<Flex, 1, burn::tensor::Int>::arange(0..2 * 3 * 20 * 24, &Default::default())
        .float()
        .div_scalar(7.0)
        .sin()
        .reshape([2, 3, 20, 24])
}

fn assert_close(ours: &[f32], expected: &[f32]) {
    assert_eq!(ours.len(), expected.len());
    for (index, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= TOLERANCE, "{index}: {a} is not {b}");
    }
}

#[test]
fn the_attention_of_each_token_sums_to_one() {
    let weights = net().attention_of_last_block(images());
    // Patches of 4 pixels, thus 5 rows of 6, and the class token.
    assert_eq!(weights.dims(), [2, 3, 31, 31]);
    let values = host_values(weights);
    assert!(values.iter().all(|weight| *weight > 0.0));
    let sums: Vec<f32> = values.chunks(31).map(|row| row.iter().sum()).collect();
    assert_close(&sums, &[1.0; 2 * 3 * 31]);
    // Were scores left out, each token would look at all alike.
    let spread = |row: &[f32]| {
        row.iter()
            .fold(0.0_f32, |m, w| m.max((w - 1.0 / 31.0).abs()))
    };
    assert!(values.chunks(31).any(|row| spread(row) > 1e-3));
}

#[test]
fn values_averaged_with_the_attention_are_the_attention_output_of_the_last_block() {
    let net = net();
    let (x, last) = net.before_last_block(images());
    let output = host_values(last.attn.forward(x.clone(), &last.norm1));
    let weights = host_values(net.attention_of_last_block(images()));

    let qkv = host_values(last.attn.packed(x, &last.norm1));
    let (batch, heads, tokens, head_dim) = (2, 3, 31, 64);
    let dim = heads * head_dim;
    let mut averaged = vec![0.0; batch * tokens * dim];
    for b in 0..batch {
        for head in 0..heads {
            for row in 0..tokens {
                for column in 0..tokens {
                    let weight = weights[((b * heads + head) * tokens + row) * tokens + column];
                    let value = (b * tokens + column) * 3 * dim + 2 * dim + head * head_dim;
                    let place = (b * tokens + row) * dim + head * head_dim;
                    for d in 0..head_dim {
                        averaged[place + d] += weight * qkv[value + d];
                    }
                }
            }
        }
    }
    let data = burn::tensor::TensorData::new(averaged, [batch, tokens, dim]);
    let averaged = Tensor::<Flex, 3>::from_data(data, &Default::default());
    assert_close(&host_values(last.attn.proj.forward(averaged)), &output);
}

#[test]
fn the_last_block_that_is_looked_at_is_the_one_that_makes_the_features() {
    let net = net();
    let (x, last) = net.before_last_block(images());
    let row = last.forward(x, None).narrow(1, 0, 1).squeeze_dim::<2>(1);
    let ours = host_values(net.norm.forward(row));
    assert_close(
        &ours,
        &host_values(net.forward(images(), BatchMode::Running.into())),
    );
}
