//! Losses and gradients that are no numbers any more, and the layer where that began.

use crate::method::StepStats;

/// What of a step is no number, in words.
pub fn not_finite(stats: &StepStats, layers: &[String]) -> Option<String> {
    let broken = stats.gradients.and_then(|gradients| gradients.broken);
    let of_gradients = broken.map(|broken| {
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
        format!("the gradient of {layer} is not a number ({others})")
    });
    match (stats.loss.is_finite(), of_gradients) {
        (true, gradients) => gradients,
        (false, None) => Some(format!("the loss is {}", stats.loss)),
        (false, Some(gradients)) => Some(format!("the loss is {}, {gradients}", stats.loss)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::collapse::tests::step;
    use super::*;
    use crate::method::GradientSummary;

    fn said(loss: f64, norms: &[f32]) -> Option<String> {
        let layers: Vec<String> = ["conv1", "layer1.0.conv1", "head.0"]
            .map(String::from)
            .into();
        let stats = StepStats {
            gradients: Some(GradientSummary::of(norms)),
            ..step(loss, 0.0, 0.0)
        };
        not_finite(&stats, &layers)
    }

    #[test]
    fn the_layer_whose_gradient_is_no_number_is_named() {
        assert_eq!(said(1.0, &[1.0, 2.0, 3.0]), None);
        assert_eq!(
            said(1.0, &[1.0, f32::NAN, 3.0]).as_deref(),
            Some("the gradient of layer1.0.conv1 is not a number (no other is)")
        );
        assert_eq!(
            said(1.0, &[f32::NAN, f32::INFINITY, 3.0]).as_deref(),
            Some(
                "the gradient of layer1.0.conv1 is not a number (2 of 3 are, this one first on the way back)"
            )
        );
    }

    #[test]
    fn a_loss_that_is_no_number_is_said_first() {
        assert_eq!(
            said(f64::INFINITY, &[1.0, 1.0, f32::NAN]).as_deref(),
            Some("the loss is inf, the gradient of head.0 is not a number (no other is)")
        );
        assert_eq!(
            said(f64::NAN, &[1.0; 3]).as_deref(),
            Some("the loss is NaN")
        );
    }
}
