//! [`ResNet`](crate::ResNet) as a graph.

use super::conv::{After, ConvNames};
use super::graph::{Attribute, Graph};
use super::{INPUT, OnnxError, Weights};
use crate::nn::Conv2dConfig;
use crate::resnet::{BlockShape, ResNetConfig, ResNetVariant};

pub(super) fn graph(
    variant: ResNetVariant,
    small_input: bool,
    weights: &Weights<'_>,
) -> Result<Graph, OnnxError> {
    let config = ResNetConfig::new(variant).with_small_input(small_input);
    let mut graph = Graph::default();
    let names = ConvNames {
        conv: "conv1",
        norm: "bn1",
    };
    let mut x = graph.conv_norm(INPUT, names, config.stem(), After::Relu, weights)?;
    if !small_input {
        x = graph.node(
            "MaxPool",
            "maxpool",
            &[&x],
            vec![
                ("kernel_shape", Attribute::Ints(vec![3; 2])),
                ("strides", Attribute::Ints(vec![2; 2])),
                ("pads", Attribute::Ints(vec![1; 4])),
            ],
        );
    }
    for (stage, blocks) in config.stages().iter().enumerate() {
        for (index, shape) in blocks.iter().enumerate() {
            let name = format!("layer{}.{index}", stage + 1);
            x = block(&mut graph, &x, &name, *shape, weights)?;
        }
    }
    graph.pooled_output(&x);
    Ok(graph)
}

fn block(
    graph: &mut Graph,
    x: &str,
    name: &str,
    shape: BlockShape,
    weights: &Weights<'_>,
) -> Result<String, OnnxError> {
    let convs = shape.convolutions();
    let mut y = x.to_string();
    for (place, conv) in convs.iter().enumerate() {
        let number = place + 1;
        let after = if number == convs.len() {
            After::Nothing
        } else {
            After::Relu
        };
        let names = ConvNames {
            conv: &format!("{name}.conv{number}"),
            norm: &format!("{name}.bn{number}"),
        };
        y = graph.conv_norm(&y, names, *conv, after, weights)?;
    }
    let shortcut = match shape.projection() {
        Some(conv) => projected(graph, x, name, conv, weights)?,
        None => x.to_string(),
    };
    let sum = graph.node("Add", format!("{name}.add"), &[&y, &shortcut], vec![]);
    Ok(graph.activation(&sum, After::Relu))
}

fn projected(
    graph: &mut Graph,
    x: &str,
    name: &str,
    conv: Conv2dConfig,
    weights: &Weights<'_>,
) -> Result<String, OnnxError> {
    let names = ConvNames {
        conv: &format!("{name}.downsample.0"),
        norm: &format!("{name}.downsample.1"),
    };
    graph.conv_norm(x, names, conv, After::Nothing, weights)
}
