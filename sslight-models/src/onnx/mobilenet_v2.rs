//! [`MobileNetV2`](crate::MobileNetV2) as a graph.

use super::conv::{After, ConvNames};
use super::graph::Graph;
use super::{INPUT, OnnxError, Weights};
use crate::mobilenet_v2::{Layer, MobileNetV2Config};
use crate::nn::Conv2dConfig;

pub(super) fn graph(small_input: bool, weights: &Weights<'_>) -> Result<Graph, OnnxError> {
    let mut graph = Graph::default();
    let mut x = INPUT.to_string();
    let layers = MobileNetV2Config { small_input }.layers();
    for (index, layer) in layers.iter().enumerate() {
        let name = format!("features.{index}");
        x = match layer {
            Layer::ConvNorm(conv) => {
                graph.part(&x, &name, ["0", "1"], *conv, After::Relu6, weights)?
            }
            Layer::InvertedResidual(shape) => {
                let name = format!("{name}.conv");
                let hidden = shape.hidden();
                let mut y = x.clone();
                let mut place = 0;
                if shape.is_expanded() {
                    let expand = Conv2dConfig::new(shape.in_channels, hidden, 1, 1);
                    y = graph.part(&y, &name, ["0.0", "0.1"], expand, After::Relu6, weights)?;
                    place = 1;
                }
                let depthwise = Conv2dConfig::depthwise(hidden, shape.stride);
                let (conv, norm) = (format!("{place}.0"), format!("{place}.1"));
                y = graph.part(&y, &name, [&conv, &norm], depthwise, After::Relu6, weights)?;
                let project = Conv2dConfig::new(hidden, shape.out_channels, 1, 1);
                let (conv, norm) = ((place + 1).to_string(), (place + 2).to_string());
                y = graph.part(&y, &name, [&conv, &norm], project, After::Nothing, weights)?;
                if shape.has_shortcut() {
                    graph.node("Add", format!("{name}.add"), &[&x, &y], vec![])
                } else {
                    y
                }
            }
        };
    }
    graph.pooled_output(&x);
    Ok(graph)
}

impl Graph {
    /// A convolution and its normalisation by their places in a module.
    fn part(
        &mut self,
        x: &str,
        module: &str,
        [conv, norm]: [&str; 2],
        shape: Conv2dConfig,
        after: After,
        weights: &Weights<'_>,
    ) -> Result<String, OnnxError> {
        let names = ConvNames {
            conv: &format!("{module}.{conv}"),
            norm: &format!("{module}.{norm}"),
        };
        self.conv_norm(x, names, shape, after, weights)
    }
}
