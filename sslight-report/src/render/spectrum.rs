//! The singular values of the features, by their index.

use serde_json::{Value, json};

use super::curves::figure_head;
use super::html::Html;
use super::number::short;
use crate::history::History;

/// The group of plots that it is in.
pub(super) const GROUP: &str = "Features";

/// Epochs of a run that can be chosen.
const MOST_EPOCHS: usize = 8;
/// Values of an epoch.
const MOST_VALUES: usize = 300;

/// The figure; the script fills in what is chosen.
pub(super) fn figure() -> Html {
    let mut html = Html::default();
    figure_head(
        &mut html,
        "spectrum",
        [
            "Spectrum of features",
            "",
            "Singular values, largest first, relative to the largest. A long flat line uses all directions; a cliff is collapse of dimensions.",
        ],
    );
    html.raw("<p class=\"words\">The spectrum is only drawn; the effective rank sums it up.</p></div></figure>");
    html
}

/// Some epochs of a run, the first and the last among them.
pub(super) fn data(history: &History) -> Value {
    let spectra = history.spectra();
    evenly(spectra.len(), MOST_EPOCHS)
        .map(|index| {
            let spectrum = &spectra[index];
            let mut values = spectrum.values.clone();
            values.retain(|value| value.is_finite());
            values.sort_by(|a, b| b.total_cmp(a));
            let places: Vec<usize> = evenly(values.len(), MOST_VALUES).collect();
            let chosen: Vec<Value> = places.iter().map(|&place| short(values[place])).collect();
            let numbers: Vec<usize> = places.iter().map(|place| place + 1).collect();
            json!({ "epoch": spectrum.epochs, "x": numbers, "y": chosen })
        })
        .collect()
}

/// At most `most` of `0..count`, evenly, the first and the last among them.
fn evenly(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let kept = count.min(most);
    (0..kept).map(move |place| place * (count - 1) / (kept - 1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_are_kept() {
        for (count, most) in [(0, 8), (1, 8), (2, 8), (8, 8), (9, 8), (300, 8), (5, 1)] {
            let kept: Vec<usize> = evenly(count, most).collect();
            assert_eq!(kept.len(), count.min(most));
            assert!(kept.is_sorted_by(|a, b| a < b));
            assert_eq!(kept.first().copied(), (count > 0).then_some(0));
            if most > 1 {
                assert_eq!(kept.last().copied(), count.checked_sub(1));
            }
        }
    }
}
