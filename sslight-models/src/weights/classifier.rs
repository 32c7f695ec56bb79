//! The linear classifier that a supervised checkpoint holds beside its backbone.

use super::{Import, WeightsEntry, WeightsError, WeightsFile};

/// Modules that are one linear layer from features to classes: torchvision's MobileNetV2, torchvision's ResNets, timm's
/// transformers, and this program's and timm's other networks.
const CLASSIFIERS: [&str; 4] = ["classifier.1", "fc", "head", "classifier"];

/// Under these the layer of that name projects features for MoCo, whose file says nothing of classes.
const PROJECTING: [&str; 2] = ["encoder_q.", "base_encoder."];

/// The field that holds a backbone; its classifier is beside it.
const BACKBONE: &str = "backbone.";

/// A linear layer from features to classes.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearClassifier {
    /// Its name in the file.
    pub name: String,
    /// Number of classes.
    pub classes: usize,
    /// `[classes, features_dim]`, row-major.
    pub weight: Vec<f32>,
    /// `[classes]`.
    pub bias: Vec<f32>,
}

impl LinearClassifier {
    /// Finds the classifier of the backbone that was [imported](Import) from `file`, by its name and by the length
    /// of a feature vector.
    ///
    /// # Errors
    /// [`WeightsError::NoClassifier`] if there is none; as [`WeightsFile::values`] if its values cannot be read.
    pub fn of(
        file: &WeightsFile<'_>,
        import: &Import<'_>,
        features_dim: usize,
    ) -> Result<Self, WeightsError> {
        let beside = import.prefix.strip_suffix(BACKBONE);
        let projecting = PROJECTING.iter().any(|end| import.prefix.ends_with(end));
        let places = std::iter::once(import.prefix.as_str()).chain(beside);
        let names = places.flat_map(|place| CLASSIFIERS.map(|name| format!("{place}{name}")));
        let found = names.filter(|_| !projecting).find_map(|name| {
            let weight = entry(file, &format!("{name}.weight"))?;
            let bias = entry(file, &format!("{name}.bias"))?;
            match (&weight.shape[..], &bias.shape[..]) {
                ([rows, dim], [classes])
                    if *dim == features_dim && rows == classes && *rows > 0 =>
                {
                    Some((name, *rows, weight, bias))
                }
                _ => None,
            }
        });
        let Some((name, classes, weight, bias)) = found else {
            return Err(WeightsError::NoClassifier {
                features_dim,
                heads: import.head.clone(),
            });
        };
        Ok(Self {
            name,
            classes,
            weight: file.values(weight)?,
            bias: file.values(bias)?,
        })
    }
}

fn entry<'f>(file: &'f WeightsFile<'_>, name: &str) -> Option<&'f WeightsEntry> {
    file.entries().iter().find(|entry| entry.name == name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use burn_ndarray::NdArray;

    use super::*;
    use crate::nn::ParamInit;
    use crate::params::NamedTensor;
    use crate::weights::{named_tensors, to_safetensors};
    use crate::{Backbone, BackboneKind};

    const KIND: BackboneKind = BackboneKind::ResNet18;
    const DIM: usize = 512;

    fn tensor(name: &str, shape: &[usize]) -> NamedTensor {
        NamedTensor {
            name: name.to_string(),
            shape: shape.to_vec(),
            values: (0..shape.iter().product())
                .map(|i: usize| i as f32)
                .collect(),
        }
    }

    /// The classifier of a file of a backbone under a prefix, and of these tensors.
    fn classifier(
        prefix: &str,
        more: &[(&str, &[usize])],
    ) -> Result<LinearClassifier, WeightsError> {
        let mut init = ParamInit::new(0, &Default::default());
        let backbone: Backbone<NdArray> = KIND.init(false, &mut init).unwrap();
        let mut tensors = named_tensors(&backbone);
        for tensor in &mut tensors {
            tensor.name = format!("{prefix}{}", tensor.name);
        }
        tensors.extend(more.iter().map(|(name, shape)| tensor(name, shape)));
        let bytes = to_safetensors(&tensors, BTreeMap::new()).unwrap();
        let file = WeightsFile::open(&bytes).unwrap();
        let import = Import::of(&backbone, KIND, &file).unwrap();
        LinearClassifier::of(&file, &import, DIM)
    }

    #[test]
    fn a_classifier_is_found_by_its_name_beside_the_backbone() {
        for (prefix, name) in [
            ("", "fc"),
            ("", "classifier.1"),
            ("", "head"),
            ("module.", "module.fc"),
            ("network.backbone.", "network.classifier"),
        ] {
            let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
            let found = classifier(prefix, &[(&weight, &[3, DIM]), (&bias, &[3])]).unwrap();
            assert_eq!((found.name.as_str(), found.classes), (name, 3));
            assert_eq!((found.weight[DIM], found.bias[2]), (DIM as f32, 2.0));
        }
    }

    #[test]
    fn what_is_no_classifier_of_these_features_is_not_taken_for_one() {
        let dim = DIM;
        for (prefix, weight, bias) in [
            ("", ("fc.weight", vec![3, dim + 1]), ("fc.bias", vec![3])),
            ("", ("fc.weight", vec![3, dim]), ("fc.bias", vec![4])),
            ("", ("fc.0.weight", vec![3, dim]), ("fc.0.bias", vec![3])),
            ("", ("fc.weight", vec![3, dim]), ("head.bias", vec![3])),
            (
                "module.encoder_q.",
                ("module.encoder_q.fc.weight", vec![128, dim]),
                ("module.encoder_q.fc.bias", vec![128]),
            ),
        ] {
            let result = classifier(prefix, &[(weight.0, &weight.1), (bias.0, &bias.1)]);
            let message = result.unwrap_err().to_string();
            assert!(
                message.contains("no linear classifier of 512 features"),
                "{message}"
            );
        }
    }
}
