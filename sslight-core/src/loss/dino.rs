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
use burn::tensor::activation::{log_softmax, softmax};
use sslight_models::backend::Backend;

use super::PairTerms;

/// Number of global views, which are the teacher's.
pub const GLOBAL_VIEWS: usize = 2;

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
    let [student_rows, classes] = student.dims();
    let [teacher_rows, _] = teacher.dims();
    let batch = teacher_rows / GLOBAL_VIEWS;
    assert!(
        batch > 0
            && teacher_rows == GLOBAL_VIEWS * batch
            && student_rows % batch == 0
            && student_rows >= teacher_rows,
        "dino_terms: {student_rows} student rows do not fit {teacher_rows} teacher rows"
    );
    let targets = softmax((teacher - center) / temps.teacher, 1);
    let first = targets.clone().narrow(0, 0, batch);
    let second = targets.narrow(0, batch, batch);
    let log_probs = log_softmax(student / temps.student, 1);

    // H(i, v) is linear in q_i. So the two global pairs are one product with the targets swapped, and
    // the pairs of a local view with both targets are one product with their sum.
    let global_log_probs = log_probs.clone().narrow(0, 0, teacher_rows);
    let swapped = Tensor::cat(vec![second.clone(), first.clone()], 0);
    let global = (swapped * global_log_probs).sum() / -(teacher_rows as f64);

    let local_rows = student_rows - teacher_rows;
    let local = (local_rows > 0).then(|| {
        let views = local_rows / batch;
        let log_probs = log_probs
            .narrow(0, teacher_rows, local_rows)
            .reshape([views, batch, classes]);
        let sum = (first + second).unsqueeze::<3>();
        (log_probs * sum).sum() / -((GLOBAL_VIEWS * local_rows) as f64)
    });
    PairTerms { global, local }
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
