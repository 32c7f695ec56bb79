//! Fine-tuning: backbone and classifier are trained together (paper, section 4.2; the reference's classification code).

use burn::module::Module;
use burn::tensor::Tensor;
use sslight_data::{DataError, HostBatch, Loader};
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::head::classifier::{ClassifierHead, ClassifierHeadConfig};
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::weights::{LoadReport, WeightMap};
use sslight_models::{Backbone, BatchMode, params};

use super::fit::{BatchIter, Batches, Classifier, labelled};
use super::{EvalError, Tally};
use crate::optim::ClassificationRules;

/// Width of DINO's hidden layers where no weights say it.
const HIDDEN_DIM: usize = 2048;
/// The tensor of a DINO head whose first dimension is its width.
const FIRST_LAYER: &str = "mlp.0.weight";

/// A backbone with a classifier.
#[derive(Module, Debug)]
pub struct FineTuned<B: Backend> {
    /// The network.
    pub backbone: Backbone<B>,
    /// What turns its features into class scores.
    pub classifier: Head<B>,
}

/// A classifier on features.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Head<B: Backend> {
    /// One linear layer.
    Linear(Linear<B>),
    /// See [`ClassifierHead`].
    Dino(ClassifierHead<B>),
}

impl<B: Backend> Head<B> {
    /// One linear layer, with PyTorch's initialisation.
    pub fn linear(backbone: &Backbone<B>, classes: usize, init: &mut ParamInit<B>) -> Self {
        Self::Linear(Linear::uniform(init, backbone.features_dim(), classes))
    }

    /// The hidden layers of a DINO head and a linear layer; the hidden layers are new as well without weights.
    ///
    /// # Errors
    /// What of the weights is missing or of another shape.
    pub fn dino(
        backbone: &Backbone<B>,
        classes: usize,
        weights: Option<&WeightMap>,
        init: &mut ParamInit<B>,
    ) -> Result<Self, LoadReport> {
        let width = weights.and_then(|weights| weights.get(FIRST_LAYER)?.0.first().copied());
        let config = ClassifierHeadConfig {
            in_dim: backbone.features_dim(),
            hidden_dim: width.unwrap_or(HIDDEN_DIM),
            classes,
        };
        let head = config.init(init);
        Ok(Self::Dino(match weights {
            Some(weights) => head.with_hidden_layers(weights)?,
            None => head,
        }))
    }

    fn forward(&self, features: Tensor<B, 2>, mode: BatchMode) -> Tensor<B, 2> {
        match self {
            Self::Linear(linear) => linear.forward(features),
            Self::Dino(head) => head.forward(features, mode),
        }
    }
}

impl<B: Backend> FineTuned<B> {
    /// Class scores.
    ///
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, classes]`.
    pub fn forward(&self, images: Tensor<B, 4>, mode: BatchMode) -> Tensor<B, 2> {
        self.classifier
            .forward(self.backbone.forward(images, mode), mode)
    }

    /// What it gets right in evaluation mode.
    ///
    /// # Errors
    /// The first error of `batches`, or images without labels.
    pub fn tally(
        &self,
        classes: usize,
        batches: impl Iterator<Item = Result<HostBatch, DataError>>,
        device: &B::Device,
    ) -> Result<Tally, EvalError> {
        let mut tally = Tally::new(classes);
        for batch in batches {
            let mut batch = batch?;
            let labels = batch.labels.take().unwrap_or_default();
            let labels: Vec<usize> = labels
                .into_iter()
                .map(|label| usize::try_from(label).unwrap_or(usize::MAX))
                .collect();
            let mut views = crate::learner::upload::<B>(batch, device).groups;
            let Some(images) = views.pop() else { continue };
            let scores = self.forward(images, BatchMode::Running);
            tally.add(&params::host_values(scores), &labels);
        }
        Ok(tally)
    }
}

impl<B: AutodiffBackend> Classifier<B> for FineTuned<B> {
    type Input = Tensor<B, 4>;

    fn scores(&self, images: Tensor<B, 4>) -> Vec<Tensor<B, 2>> {
        vec![self.forward(images, BatchMode::Batch)]
    }
}

/// Augmented images with their labels. A last batch of a single image is left out: it has no variance for batch
/// normalisation in the head.
pub struct Images<'a, B: AutodiffBackend> {
    /// The images and their augmentation.
    pub loader: &'a Loader,
    /// Where they go.
    pub device: &'a B::Device,
}

impl<B: AutodiffBackend> Batches<B, Tensor<B, 4>> for Images<'_, B> {
    fn epoch(&self, epoch: usize) -> BatchIter<'_, B, Tensor<B, 4>> {
        let source = self.loader.source();
        let make = |batch: Result<HostBatch, DataError>| labelled(batch?, &**source, self.device);
        let has_variance = |batch: &Result<HostBatch, DataError>| {
            batch.as_ref().map_or(true, |batch| batch.len() > 1)
        };
        let batches = self.loader.epoch(epoch, 0).filter(has_variance);
        Box::new(batches.map(make))
    }
}

/// The rules of fine-tuning: with `layer_decay` below 1 the learning rate falls from block to block towards the images
/// (Clark et al., 2020); the last block has all of it.
pub fn rules<B: Backend>(
    backbone: &Backbone<B>,
    classifier_factor: f64,
    layer_decay: f64,
) -> ClassificationRules {
    let mut blocks: Vec<String> = Vec::new();
    params::for_each(backbone, |name, _, _: Tensor<B, 1>, _| {
        let block = block_of(name);
        if blocks.last() != Some(&block) {
            blocks.push(block);
        }
    });
    // What stands before the first block is one of them.
    let is_stem = |block: &String| !block.contains('.');
    let stem = blocks
        .iter()
        .take_while(|block| is_stem(block))
        .count()
        .max(1);
    let depth_of = |place: usize| place.saturating_sub(stem - 1);
    let last = depth_of(blocks.len() - 1);
    let factor = |(place, block): (usize, &String)| {
        let below = (last - depth_of(place)) as i32;
        (format!("backbone.{block}."), layer_decay.powi(below))
    };
    let mut factors: Vec<(String, f64)> = blocks.iter().enumerate().map(factor).collect();
    // Tokens are parameters themselves, without a dot behind their names.
    for (name, _) in &mut factors {
        if let Some(token) = name.strip_suffix('.')
            && (token.ends_with("_token") || token.ends_with("_embed"))
        {
            *name = token.to_string();
        }
    }
    ClassificationRules {
        lr_factor_classifier: classifier_factor,
        lr_factors: if layer_decay == 1.0 {
            Vec::new()
        } else {
            factors
        },
    }
}

/// The block that a tensor belongs to: `features.3`, `layer1.0`, `blocks.7`, or what stands alone.
fn block_of(name: &str) -> String {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    match parts.next().filter(|part| part.parse::<usize>().is_ok()) {
        Some(index) => format!("{first}.{index}"),
        None => first.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn_ndarray::NdArray;
    use sslight_models::BackboneKind;

    use super::*;

    fn factors(kind: BackboneKind) -> Vec<(String, f64)> {
        let mut init = ParamInit::new(0, &Default::default());
        let backbone = kind.init::<NdArray>(false, &mut init).unwrap();
        let rules = rules(&backbone, 1.0, 0.5);
        let mut of_names = Vec::new();
        params::for_each(&backbone, |name, _, _: Tensor<NdArray, 1>, _| {
            let name = format!("backbone.{name}");
            let found = rules
                .lr_factors
                .iter()
                .find(|(start, _)| name.starts_with(start.as_str()));
            of_names.push((name, found.unwrap().1));
        });
        of_names
    }

    fn factor(factors: &[(String, f64)], name: &str) -> f64 {
        factors.iter().find(|(n, _)| n == name).unwrap().1
    }

    #[test]
    fn the_last_block_learns_fully_and_each_before_it_half_as_fast() {
        let mobilenet = factors(BackboneKind::MobileNetV2);
        for (name, below) in [
            ("18.0", 0),
            ("17.conv.0.0", 1),
            ("0.0", 18),
            ("1.conv.0.0", 17),
        ] {
            let name = format!("backbone.features.{name}.weight");
            assert_eq!(factor(&mobilenet, &name), 0.5f64.powi(below), "{name}");
        }
        // Eight blocks, before them the stem of conv1 and bn1.
        let resnet = factors(BackboneKind::ResNet18);
        assert_eq!(factor(&resnet, "backbone.layer4.1.conv2.weight"), 1.0);
        assert_eq!(
            factor(&resnet, "backbone.layer1.0.conv1.weight"),
            0.5f64.powi(7)
        );
        assert_eq!(factor(&resnet, "backbone.bn1.weight"), 0.5f64.powi(8));
        assert_eq!(factor(&resnet, "backbone.conv1.weight"), 0.5f64.powi(8));
        // Twelve blocks and the last norm.
        let vit = factors(BackboneKind::VitTiny16);
        assert_eq!(factor(&vit, "backbone.norm.weight"), 1.0);
        assert_eq!(factor(&vit, "backbone.blocks.11.norm1.weight"), 0.5);
        for stem in ["cls_token", "pos_embed", "patch_embed.proj.weight"] {
            assert_eq!(
                factor(&vit, &format!("backbone.{stem}")),
                0.5f64.powi(13),
                "{stem}"
            );
        }
    }

    #[test]
    fn a_decay_of_one_is_no_rule() {
        let mut init = ParamInit::new(0, &Default::default());
        let backbone = BackboneKind::ResNet18
            .init::<NdArray>(false, &mut init)
            .unwrap();
        assert_eq!(rules(&backbone, 2.0, 1.0).lr_factors, []);
    }
}
