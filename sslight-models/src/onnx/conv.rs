//! Convolutions with their normalisation, and what the convolutional networks share.

use super::graph::{Attribute, Graph};
use super::{OUTPUT, OnnxError, Weights};
use crate::nn::{Conv2dConfig, norm};

/// The activation after a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Nothing,
    Relu,
    Relu6,
}

/// Names of a convolution and of the normalisation after it.
pub(super) struct ConvNames<'a> {
    pub(super) conv: &'a str,
    pub(super) norm: &'a str,
}

impl Graph {
    /// A convolution, its normalisation by running statistics and its activation.
    ///
    /// The normalisation is linear in evaluation: with `s = weight / sqrt(var + eps)` it scales the kernel of each
    /// channel by `s`, and its shift `bias - mean s` is the bias of the convolution.
    pub(super) fn conv_norm(
        &mut self,
        input: &str,
        names: ConvNames<'_>,
        conv: Conv2dConfig,
        after: After,
        weights: &Weights<'_>,
    ) -> Result<String, OnnxError> {
        let ConvNames { conv: name, norm } = names;
        let channels = conv.out_channels;
        let per_channel = conv.in_channels / conv.groups * conv.kernel * conv.kernel;
        let kernel = weights.values(&format!("{name}.weight"), channels * per_channel)?;
        let of_norm = |part: &str| weights.values(&format!("{norm}.{part}"), channels);
        let (scale, shift) = (of_norm("weight")?, of_norm("bias")?);
        let (mean, var) = (of_norm("running_mean")?, of_norm("running_var")?);

        let mut folded = Vec::with_capacity(kernel.len());
        let mut bias = Vec::with_capacity(channels);
        for (channel, kernel) in kernel.chunks(per_channel.max(1)).enumerate() {
            let spread = (f64::from(var[channel]) + norm::EPSILON).sqrt();
            let factor = f64::from(scale[channel]) / spread;
            folded.extend(kernel.iter().map(|v| (f64::from(*v) * factor) as f32));
            bias.push((f64::from(shift[channel]) - f64::from(mean[channel]) * factor) as f32);
        }
        let shape = [
            channels,
            conv.in_channels / conv.groups,
            conv.kernel,
            conv.kernel,
        ];
        let kernel = self.floats(&format!("{name}.weight"), &shape, folded);
        let bias = self.floats(&format!("{name}.bias"), &[channels], bias);
        let (side, padding) = (conv.kernel as i64, conv.kernel as i64 / 2);
        let y = self.node(
            "Conv",
            name,
            &[input, &kernel, &bias],
            vec![
                ("kernel_shape", Attribute::Ints(vec![side; 2])),
                ("strides", Attribute::Ints(vec![conv.stride as i64; 2])),
                ("pads", Attribute::Ints(vec![padding; 4])),
                ("group", Attribute::Int(conv.groups as i64)),
            ],
        );
        Ok(self.activation(&y, after))
    }

    /// An activation.
    pub(super) fn activation(&mut self, x: &str, after: After) -> String {
        match after {
            After::Nothing => x.to_string(),
            After::Relu => self.node("Relu", format!("{x}.relu"), &[x], vec![]),
            After::Relu6 => {
                let low = self.floats("relu6.min", &[], vec![0.0]);
                let high = self.floats("relu6.max", &[], vec![6.0]);
                self.node("Clip", format!("{x}.relu6"), &[x, &low, &high], vec![])
            }
        }
    }

    /// The mean over all positions, as the output of the model.
    pub(super) fn pooled_output(&mut self, maps: &str) {
        let pooled = self.node("GlobalAveragePool", "pool", &[maps], vec![]);
        let axis = vec![("axis", Attribute::Int(1))];
        self.node("Flatten", OUTPUT, &[&pooled], axis);
    }
}
