//! Batch normalisation with a stated mode.
//!
//! burn's own layer takes its mode from the type of the backend, which a teacher (batch statistics,
//! no gradients) and a frozen network inside a training graph both contradict, and it keeps the biased
//! variance where PyTorch keeps the unbiased one. See docs/adr/0003-own-batch-normalisation.md.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use sslight_kernels::{
    Activation, Normalization, Statistics, batch_norm_add_running, batch_norm_add_train,
    batch_norm_running, batch_norm_train, norm_conv2d_train, norm_max_pool_running,
    norm_max_pool_train,
};

use super::buffer::Buffer;
use super::conv::Conv2d;
use super::init::ParamInit;
use crate::backend::Backend;

/// PyTorch's value.
pub(crate) const EPSILON: f64 = 1e-5;
/// Weight of the newest batch in the running statistics (PyTorch's `momentum`).
const BN_MOMENTUM: f64 = 0.1;

/// Which statistics normalise a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchMode {
    /// Statistics of the batch itself, which also move the running ones: training, and the
    /// teacher's forward pass. Whether a tape is kept depends only on the tensors
    /// (`no_grad` parameters and untracked inputs leave none).
    Batch,
    /// Statistics of the batch itself, while the running ones stay: a pass that repeats an earlier one to get
    /// its tape.
    Repeat,
    /// The running statistics, which stay as they are: evaluation, and frozen layers inside a
    /// training graph.
    Running,
}

/// Batch normalisation over the channel dimension, with PyTorch's numerics and names.
///
/// `y = weight * (x - mean) / sqrt(var + 1e-5) + bias`, the variance being the biased one of the batch,
/// or the running one, which accumulates unbiased variances.
#[derive(Module, Debug)]
pub struct BatchNorm<B: Backend> {
    /// Scale, `[channels]`.
    pub weight: Param<Tensor<B, 1>>,
    /// Shift, `[channels]`.
    pub bias: Param<Tensor<B, 1>>,
    /// Running mean, `[channels]`.
    pub running_mean: Buffer<B, 1>,
    /// Running variance, `[channels]`.
    pub running_var: Buffer<B, 1>,
}

impl<B: Backend> BatchNorm<B> {
    /// Scale 1, shift 0, running mean 0, running variance 1.
    pub fn new(init: &mut ParamInit<B>, channels: usize) -> Self {
        let device = init.device().clone();
        Self {
            weight: init.constant([channels], 1.0),
            bias: init.constant([channels], 0.0),
            running_mean: Buffer::new(Tensor::zeros([channels], &device)),
            running_var: Buffer::new(Tensor::ones([channels], &device)),
        }
    }

    /// Normalises dimension 1.
    ///
    /// # Shapes
    /// `[b, channels, ...]` to the same.
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>, mode: BatchMode) -> Tensor<B, D> {
        self.forward_activated(x, mode, Activation::None)
    }

    /// Normalises dimension 1 and applies `activation`, in one operation.
    ///
    /// # Shapes
    /// `[b, channels, ...]` to the same.
    pub fn forward_activated<const D: usize>(
        &self,
        x: Tensor<B, D>,
        mode: BatchMode,
        activation: Activation,
    ) -> Tensor<B, D> {
        let dims = x.dims();
        let [batch, channels] = [dims[0], dims[1]];
        let positions = dims[2..].iter().product();
        let x = x.reshape([batch, channels, positions]);
        let y = match mode {
            BatchMode::Batch => {
                let (y, mean, var) = self.normalize_by_batch(x, activation);
                self.update_running(mean, var, batch * positions);
                y
            }
            BatchMode::Repeat => self.normalize_by_batch(x, activation).0,
            BatchMode::Running => self.normalize_by_running(x, activation),
        };
        y.reshape(dims)
    }

    /// `conv(act(norm(x)))`; in training the values between are not kept.
    ///
    /// # Shapes
    /// `[b, channels, h, w]` to those of `conv`.
    pub fn forward_into(
        &self,
        x: Tensor<B, 4>,
        mode: BatchMode,
        activation: Activation,
        conv: &Conv2d<B>,
    ) -> Tensor<B, 4> {
        if mode == BatchMode::Running {
            return conv.forward(self.forward_activated(x, mode, activation));
        }
        let [batch, _, height, width] = x.dims();
        let norm = self.normalization(activation);
        let (y, statistics) = norm_conv2d_train(x, norm, conv.weight.val(), conv.options());
        if mode == BatchMode::Batch {
            self.update_running(statistics.mean, statistics.var, batch * height * width);
        }
        y
    }

    /// `act(norm(x) + shortcut)`, the end of a residual block.
    ///
    /// # Shapes
    /// x and shortcut `[b, channels, h, w]` to the same.
    pub fn forward_added(
        &self,
        x: Tensor<B, 4>,
        mode: BatchMode,
        activation: Activation,
        shortcut: Tensor<B, 4>,
    ) -> Tensor<B, 4> {
        let dims = x.dims();
        let [batch, channels, height, width] = dims;
        let [x, shortcut] =
            [x, shortcut].map(|maps| maps.reshape([batch, channels, height * width]));
        let norm = self.normalization(activation);
        if mode == BatchMode::Running {
            return batch_norm_add_running(x, norm, self.running(), shortcut).reshape(dims);
        }
        let (y, statistics) = batch_norm_add_train(x, norm, shortcut);
        if mode == BatchMode::Batch {
            self.update_running(statistics.mean, statistics.var, batch * height * width);
        }
        y.reshape(dims)
    }

    /// `pool(act(norm(x)))` with 3x3 max pooling, stride 2 and padding 1: the end of a ResNet's stem.
    ///
    /// # Shapes
    /// `[b, channels, h, w]` to `[b, channels, ceil(h / 2), ceil(w / 2)]`.
    pub fn forward_pooled(
        &self,
        x: Tensor<B, 4>,
        mode: BatchMode,
        activation: Activation,
    ) -> Tensor<B, 4> {
        let [batch, _, height, width] = x.dims();
        let norm = self.normalization(activation);
        if mode == BatchMode::Running {
            return norm_max_pool_running(x, norm, self.running());
        }
        let (y, statistics) = norm_max_pool_train(x, norm);
        if mode == BatchMode::Batch {
            self.update_running(statistics.mean, statistics.var, batch * height * width);
        }
        y
    }

    fn running(&self) -> Statistics<Tensor<B, 1>> {
        Statistics {
            mean: self.running_mean.value(),
            var: self.running_var.value(),
        }
    }

    fn normalization(&self, activation: Activation) -> Normalization<Tensor<B, 1>> {
        Normalization {
            weight: self.weight.val(),
            bias: self.bias.val(),
            eps: EPSILON,
            activation,
        }
    }

    /// The result, and mean and biased variance of the batch.
    fn normalize_by_batch(
        &self,
        x: Tensor<B, 3>,
        activation: Activation,
    ) -> (Tensor<B, 3>, Tensor<B, 1>, Tensor<B, 1>) {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        batch_norm_train(x, weight, bias, EPSILON, activation)
    }

    fn normalize_by_running(&self, x: Tensor<B, 3>, activation: Activation) -> Tensor<B, 3> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        batch_norm_running(x, weight, bias, self.running(), EPSILON, activation)
    }

    /// Moves the running statistics by those of a batch whose channels have `count` values.
    fn update_running(&self, mean: Tensor<B, 1>, biased_var: Tensor<B, 1>, count: usize) {
        let count = count as f64;
        let unbiased_var = biased_var * (count / (count - 1.0).max(1.0));
        for (state, batch) in [
            (&self.running_mean, mean),
            (&self.running_var, unbiased_var),
        ] {
            state.set(state.value() * (1.0 - BN_MOMENTUM) + batch * BN_MOMENTUM);
        }
    }
}
