//! The terms of the loss (Ren et al., 2015, eq. 1; He et al., 2017, section 3), without state and randomness.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor};
use sslight_models::backend::Backend;

/// `sum(-y log s(x) - (1 - y) log(1 - s(x)))` for logits `x` and targets `y` in 0 to 1, both `[n]`; `[1]`.
pub fn binary_cross_entropy_sum<B: Backend>(
    logits: Tensor<B, 1>,
    targets: Tensor<B, 1>,
) -> Tensor<B, 1> {
    // Both parts of `log s(x)` depend on the sign of `x`; at 0 burn's derivatives of them do not add up, those of this do.
    let of_objects = log_sigmoid(logits.clone()) * targets.clone();
    let of_background = log_sigmoid(logits.neg()) * (targets.neg() + 1.0);
    (of_objects + of_background).sum().neg()
}

/// `sum |x - y|` of box codes `[n, 4]`; `[1]`.
pub fn absolute_sum<B: Backend>(codes: Tensor<B, 2>, targets: Tensor<B, 2>) -> Tensor<B, 1> {
    (codes - targets).abs().sum()
}

/// The mean of `-log softmax(x)[label]` over rows, logits `[n, classes]` and labels `[n]`; `[1]`.
pub fn cross_entropy_mean<B: Backend>(
    logits: Tensor<B, 2>,
    labels: Tensor<B, 1, Int>,
) -> Tensor<B, 1> {
    let picked = log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1));
    picked.mean().neg()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::backend::Autodiff;
    use burn_flex::Flex;
    use sslight_models::params::host_values;

    use super::*;

    #[test]
    fn the_gradient_of_the_binary_cross_entropy_is_the_error_of_the_probability_even_at_zero() {
        let device = Default::default();
        let values = [0.0f32, 0.0, 2.0, -30.0, 100.0, -100.0];
        let targets = [1.0f32, 0.0, 0.25, 1.0, 0.0, 1.0];
        let logits = Tensor::<Autodiff<Flex>, 1>::from_data(values, &device).require_grad();
        let loss = binary_cross_entropy_sum(logits.clone(), Tensor::from_data(targets, &device));
        let grads = loss.clone().backward();
        let want = |(x, y): (&f32, &f32)| {
            let (x, y) = (f64::from(*x), f64::from(*y));
            x.max(0.0) - x * y + (-x.abs()).exp().ln_1p()
        };
        let total: f64 = values.iter().zip(&targets).map(want).sum();
        assert!((f64::from(host_values(loss)[0]) - total).abs() < 1e-4 * total);
        let grads = host_values(logits.grad(&grads).unwrap());
        for ((x, y), grad) in values.iter().zip(targets).zip(grads) {
            let want = 1.0 / (1.0 + (-x).exp()) - y;
            assert!((grad - want).abs() < 1e-6, "{x} {y}: {grad}, not {want}");
        }
    }
}
