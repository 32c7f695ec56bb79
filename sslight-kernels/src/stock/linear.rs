//! Linear layers in terms of burn's operations.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;

use super::{primitive, tensor};
use crate::backend::{Before, LinearGradients};

pub(crate) fn forward<B: Backend>(
    x: FloatTensor<B>,
    before: Before<FloatTensor<B>>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let values = prepared::<B>(tensor(x), before);
    let y = values.matmul(tensor::<B, 2>(weight).transpose());
    primitive(match bias {
        Some(bias) => y + tensor::<B, 1>(bias).unsqueeze(),
        None => y,
    })
}

pub(crate) fn backward<B: Backend>(
    x: FloatTensor<B>,
    before: Before<FloatTensor<B>>,
    weight: FloatTensor<B>,
    output_grad: FloatTensor<B>,
) -> LinearGradients<FloatTensor<B>> {
    let (x, grad) = (tensor::<B, 2>(x), tensor::<B, 2>(output_grad));
    let values = prepared::<B>(x.clone(), before.clone());
    let weight_grad = grad.clone().transpose().matmul(values);
    let bias_grad = grad.clone().sum_dim(0).squeeze_dim::<1>(0);
    let values_grad = grad.matmul(tensor(weight));
    let (x_grad, norm) = match before {
        Before::Nothing => (values_grad, None),
        Before::Gelu => {
            let density = x.clone().powi_scalar(2).mul_scalar(-0.5).exp();
            let density = density * (1.0 / std::f64::consts::TAU.sqrt());
            (values_grad * (up_to(x.clone()) + x * density), None)
        }
        Before::LayerNorm { weight, eps, .. } => {
            let (normalized, inverse_std) = normalized(x, eps);
            let scale_grad = (values_grad.clone() * normalized.clone()).sum_dim(0);
            let shift_grad = values_grad.clone().sum_dim(0);
            let grad = values_grad * tensor::<B, 1>(weight).unsqueeze();
            let mean = grad.clone().mean_dim(1);
            let product = (grad.clone() * normalized.clone()).mean_dim(1);
            let x_grad = (grad - mean - normalized * product) * inverse_std;
            let norm = [scale_grad, shift_grad].map(|sums| primitive(sums.squeeze_dim::<1>(0)));
            (x_grad, Some(norm))
        }
    };
    LinearGradients {
        x: primitive(x_grad),
        weight: primitive(weight_grad),
        bias: primitive(bias_grad),
        norm,
    }
}

fn prepared<B: Backend>(x: Tensor<B, 2>, before: Before<FloatTensor<B>>) -> Tensor<B, 2> {
    match before {
        Before::Nothing => x,
        Before::Gelu => x.clone() * up_to(x),
        Before::LayerNorm { weight, bias, eps } => {
            let (normalized, _) = normalized(x, eps);
            normalized * tensor::<B, 1>(weight).unsqueeze() + tensor::<B, 1>(bias).unsqueeze()
        }
    }
}

/// The normal distribution up to `x`.
fn up_to<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5
}

/// Rows of mean 0 and variance 1, and their inverse standard deviations before.
fn normalized<B: Backend>(x: Tensor<B, 2>, eps: f64) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let centered = x.clone() - x.mean_dim(1);
    let var = (centered.clone() * centered.clone()).mean_dim(1);
    let inverse_std = (var + eps).sqrt().recip();
    (centered * inverse_std.clone(), inverse_std)
}
