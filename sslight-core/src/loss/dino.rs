//! The DINO loss (Caron et al., 2021, Eq. 1-3 and Alg. 1) over pairs of views.
//!
//! ```text
//! q_i    = softmax((teacher_i - c) / tau_t)            targets of global view i, no gradient
//! H(i,v) = mean_b[ -sum_k q_i log softmax(student_v / tau_s)_k ]          for v != i
//! L_gg   = mean of H over the 2 global-global pairs, L_gl over the 2 N_l global-local pairs
//! c     <- m c + (1 - m) mean over rows of teacher     after the loss (Eq. 4)
//! ```
//!
//! How `L_gg` and `L_gl` make the loss is the paper's Eq. 3: [`PairWeights`](super::PairWeights).

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use sslight_models::backend::Backend;

use super::{PairTerms, cross_view_terms};

/// The temperatures of the two softmaxes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temps {
    /// Divides the student's logits.
    pub student: f64,
    /// Divides the centred logits of the teacher.
    pub teacher: f64,
}

/// The pair terms. Teacher logits and centre must carry no gradient.
///
/// # Shapes
/// Rows are view-major: all samples of view 0, then of view 1, and so on.
/// student logits `[(2 + locals) b, k]`, teacher logits `[2 b, k]`, center `[1, k]`.
///
/// # Panics
/// If the rows do not fit two teacher views and at least two student views of one batch.
pub fn dino_terms<B: Backend>(
    student: Tensor<B, 2>,
    teacher: Tensor<B, 2>,
    center: Tensor<B, 2>,
    temps: Temps,
) -> PairTerms<B> {
    let targets = dino_targets(teacher, center, temps.teacher);
    terms_of_targets(student, targets, temps.student)
}

/// The teacher's centred and sharpened probabilities; nothing may carry a gradient.
///
/// # Shapes
/// teacher logits `[rows, k]`, center `[1, k]` to `[rows, k]`.
pub fn dino_targets<B: Backend>(
    teacher: Tensor<B, 2>,
    center: Tensor<B, 2>,
    teacher_temp: f64,
) -> Tensor<B, 2> {
    softmax((teacher - center) / teacher_temp, 1)
}

/// The pair terms of given targets, see [`dino_terms`].
pub fn terms_of_targets<B: Backend>(
    student: Tensor<B, 2>,
    targets: Tensor<B, 2>,
    student_temp: f64,
) -> PairTerms<B> {
    cross_view_terms(student, targets, student_temp)
}

/// The centre after a step: an exponential moving average of the mean teacher logit (Eq. 4).
///
/// # Shapes
/// center `[1, k]`, teacher logits `[rows, k]` to `[1, k]`.
pub fn update_center<B: Backend>(
    center: Tensor<B, 2>,
    teacher: Tensor<B, 2>,
    center_momentum: f64,
) -> Tensor<B, 2> {
    center * center_momentum + teacher.mean_dim(0) * (1.0 - center_momentum)
}

#[cfg(test)]
mod tests;
