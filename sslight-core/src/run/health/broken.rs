//! Losses, gradients and weights that are not finite any more, and the layer where that began.

use burn::module::AutodiffModule;
use sslight_models::backend::AutodiffBackend;
use sslight_models::weights;

use crate::method::GradientSummary;

/// What of a step is not finite, in words.
///
/// Of several gradients the one nearest to the loss is named: the way back came to it first, and those before it have it from
/// there. If the loss is not finite itself, all gradients have it from there.
pub fn not_finite(
    loss: f64,
    gradients: Option<GradientSummary>,
    layers: &[String],
) -> Option<String> {
    let broken = gradients.and_then(|gradients| gradients.broken);
    if !loss.is_finite() {
        let gradients = broken.map_or(String::new(), |broken| {
            format!(
                ", and {} of {} gradients are not finite",
                broken.count,
                layers.len()
            )
        });
        return Some(format!("the loss is {loss}{gradients}"));
    }
    broken.map(|broken| {
        let layer = layers
            .get(broken.first)
            .map_or("a parameter", String::as_str);
        let others = match broken.count {
            1 => "no other is".to_string(),
            count => format!(
                "{count} of {} are, this one first on the way back",
                layers.len()
            ),
        };
        format!("the gradient of {layer} is not finite ({others})")
    })
}

/// The first parameter or buffer in the order of the forward pass that holds a value that is not finite.
pub fn first_broken_weights<B: AutodiffBackend, M: AutodiffModule<B>>(
    module: &M,
) -> Option<String> {
    let tensors = weights::named_tensors(&module.valid());
    let broken = tensors.into_iter().find(|tensor| !tensor.is_finite());
    broken.map(|tensor| tensor.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(loss: f64, norms: &[f32]) -> Option<String> {
        let layers: Vec<String> = ["conv1", "layer1.0.conv1", "head.0"]
            .map(String::from)
            .into();
        not_finite(loss, Some(GradientSummary::of(norms)), &layers)
    }

    #[test]
    fn the_layer_whose_gradient_is_no_number_is_named() {
        assert_eq!(said(1.0, &[1.0, 2.0, 3.0]), None);
        assert_eq!(
            said(1.0, &[1.0, f32::NAN, 3.0]).as_deref(),
            Some("the gradient of layer1.0.conv1 is not finite (no other is)")
        );
        assert_eq!(
            said(1.0, &[f32::NAN, f32::INFINITY, 3.0]).as_deref(),
            Some(
                "the gradient of layer1.0.conv1 is not finite (2 of 3 are, this one first on the way back)"
            )
        );
    }

    #[test]
    fn a_loss_that_is_no_number_is_said_first() {
        assert_eq!(
            said(f64::INFINITY, &[1.0, 1.0, f32::NAN]).as_deref(),
            Some("the loss is inf, and 1 of 3 gradients are not finite")
        );
        assert_eq!(
            said(f64::NAN, &[1.0; 3]).as_deref(),
            Some("the loss is NaN")
        );
    }
}
