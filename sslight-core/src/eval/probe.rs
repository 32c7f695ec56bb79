//! The linear probe: linear classifiers on frozen features, one a learning rate, trained side by side in one pass over
//! the backbone (paper, section 4; the reference's classification code).

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use sslight_data::plan::EpochPlan;
use sslight_data::{DataError, HostBatch, Loader};
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::params::host_values;

use super::fit::{BatchIter, Batches, Classifier, labelled};
use super::{Course, Extractor, FeatureSet, Tally};

/// Standard deviation of the initial weights; biases begin at 0.
const INIT_STD: f64 = 0.01;
/// Feature vectors that classifiers look at in one go.
const CHUNK: usize = 4096;

/// Linear classifiers on the same features.
#[derive(Module, Debug)]
pub struct Probes<B: Backend> {
    /// One a learning rate, equal at the start.
    pub classifiers: Vec<Linear<B>>,
}

impl<B: Backend> Probes<B> {
    /// `count` classifiers of `classes` classes on features of length `dim`.
    pub fn new(count: usize, dim: usize, classes: usize, seed: u64, device: &B::Device) -> Self {
        let classifier =
            |_| Linear::normal(&mut ParamInit::new(seed, device), dim, classes, INIT_STD);
        Self {
            classifiers: (0..count).map(classifier).collect(),
        }
    }

    /// What each classifier gets right.
    ///
    /// # Panics
    /// If there are other features than the classifiers look at, or fewer labels.
    pub fn tallies(
        &self,
        features: &FeatureSet,
        labels: &[usize],
        device: &B::Device,
    ) -> Vec<Tally> {
        let tally = |classifier: &Linear<B>| {
            let [classes, dim] = classifier.weight.val().dims();
            let mut tally = Tally::new(classes);
            let rows = features
                .values
                .chunks(CHUNK * dim)
                .zip(labels.chunks(CHUNK));
            for (values, labels) in rows {
                let rows = TensorData::new(values.to_vec(), [labels.len(), dim]);
                let scores = classifier.forward(Tensor::<B, 2>::from_data(rows, device));
                tally.add(&host_values(scores), labels);
            }
            tally
        };
        self.classifiers.iter().map(tally).collect()
    }
}

impl<B: AutodiffBackend> Classifier<B> for Probes<B> {
    type Input = Tensor<B, 2>;

    fn scores(&self, features: Tensor<B, 2>) -> Vec<Tensor<B, 2>> {
        let scores = |classifier: &Linear<B>| classifier.forward(features.clone());
        self.classifiers.iter().map(scores).collect()
    }
}

/// The course of each classifier, which is that of a probe of its own, from the learning rates at the start.
pub fn courses(course: Course, lrs: &[f64]) -> Vec<(String, Course)> {
    let own = |(index, lr): (usize, &f64)| {
        let start = format!("classifiers.{index}.");
        (start, Course { lr: *lr, ..course })
    };
    lrs.iter().enumerate().map(own).collect()
}

/// Features of augmented images, made anew in each epoch.
pub struct FreshFeatures<'a, B: AutodiffBackend> {
    /// The images and their augmentation.
    pub loader: &'a Loader,
    /// The frozen network.
    pub extractor: &'a Extractor<B::InnerBackend>,
    /// Where it is.
    pub device: &'a B::Device,
}

impl<B: AutodiffBackend> Batches<B, Tensor<B, 2>> for FreshFeatures<'_, B> {
    fn epoch(&self, epoch: usize) -> BatchIter<'_, B, Tensor<B, 2>> {
        let make = |batch: Result<HostBatch, DataError>| {
            let source = &**self.loader.source();
            let (images, labels) = labelled::<B::InnerBackend>(batch?, source, self.device)?;
            let features = self.extractor.features(images);
            Ok((Tensor::from_inner(features), Tensor::from_inner(labels)))
        };
        Box::new(self.loader.epoch(epoch, 0).map(make))
    }
}

/// Features that were made once, in a new order each epoch.
pub struct CachedFeatures<'a, B: AutodiffBackend> {
    /// The features.
    pub features: &'a FeatureSet,
    /// Their classes.
    pub labels: &'a [usize],
    /// Rows a step.
    pub batch_size: usize,
    /// Seed of the order.
    pub seed: u64,
    /// Where the rows go.
    pub device: &'a B::Device,
}

impl<B: AutodiffBackend> Batches<B, Tensor<B, 2>> for CachedFeatures<'_, B> {
    fn epoch(&self, epoch: usize) -> BatchIter<'_, B, Tensor<B, 2>> {
        let plan = EpochPlan::new(self.labels.len(), self.batch_size, self.seed, epoch)
            .keeping_remainder(true);
        let dim = self.features.dim;
        let steps = plan.steps();
        let batch = move |step| {
            let rows = plan.step(step).unwrap_or_default();
            let row = |index: &usize| &self.features.values[index * dim..(index + 1) * dim];
            let values: Vec<f32> = rows.iter().flat_map(row).copied().collect();
            let labels: Vec<i64> = rows
                .iter()
                .map(|index| self.labels[*index] as i64)
                .collect();
            let features = TensorData::new(values, [rows.len(), dim]);
            let labels = TensorData::new(labels, [rows.len()]);
            Ok((
                Tensor::<B, 2>::from_data(features, self.device),
                Tensor::<B, 1, Int>::from_data(labels, self.device),
            ))
        };
        Box::new((0..steps).map(batch))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::LrUpdate;
    use crate::eval::fit::{Fit, fit};
    use crate::loss::testing::{B, draw};
    use crate::observe::StopHandle;
    use crate::optim::{ClassificationRules, Rule};

    const CLASSES: usize = 3;

    /// The weights of classifiers that are trained side by side, at learning rates whose floor is far above 0.
    fn trained(lrs: &[f64]) -> Vec<Vec<f32>> {
        let (device, rows, dim) = (Default::default(), 24, 5);
        let features = FeatureSet {
            dim,
            values: draw(3, rows, dim, 1.0).iter().map(|v| *v as f32).collect(),
            labels: None,
        };
        let labels: Vec<usize> = (0..rows).map(|row| row % CLASSES).collect();
        let data = CachedFeatures::<B> {
            features: &features,
            labels: &labels,
            batch_size: 7,
            seed: 0,
            device: &device,
        };
        let course = Course {
            steps_per_epoch: rows.div_ceil(data.batch_size),
            epochs: 4,
            lr: lrs[0],
            min_lr: 0.05,
            update: LrUpdate::Step,
        };
        let how = Fit {
            course,
            rule: Rule::Sgd {
                momentum: 0.9,
                nesterov: false,
            },
            rules: ClassificationRules {
                lr_factor_classifier: 1.0,
                lr_factors: Vec::new(),
            },
            courses: courses(course, lrs),
            weight_decay: 1e-3,
            stop: &StopHandle::new(),
            state: None,
        };
        let probes = Probes::<B>::new(lrs.len(), dim, CLASSES, 0, &device);
        let probes = fit(probes, &how, &data, &device, &mut |_, _| Ok(())).unwrap();
        let classifiers = probes.classifiers.into_iter();
        classifiers
            .map(|classifier| host_values(classifier.weight.val()))
            .collect()
    }

    #[test]
    fn classifiers_of_a_grid_are_those_of_probes_of_their_own_to_the_bit() {
        let lrs = [0.7, 0.3, 0.011];
        let together = trained(&lrs);
        for (lr, together) in lrs.iter().zip(&together) {
            assert_eq!(together, &trained(&[*lr])[0], "{lr}");
        }
        assert_ne!(together[0], together[1]);
    }
}
