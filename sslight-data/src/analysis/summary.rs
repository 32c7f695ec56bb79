//! Numbers that stand for many: moments, quantiles, histograms.

use serde::Serialize;

/// Bins of a logarithmic histogram for each doubling.
const BINS_PER_OCTAVE: f64 = 8.0;
/// Bins of a histogram over 0..=1.
const BINS_OF_SHARES: usize = 20;

/// Mean and spread of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moments {
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation, with one degree of freedom taken by the mean; 0 for a single value.
    pub std: f64,
    /// Standard error of the mean, if the values are independent.
    pub standard_error: f64,
}

impl Moments {
    /// Of at least one value.
    pub(super) fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let std = (squares / (n - 1.0).max(1.0)).sqrt();
        Self {
            mean,
            std,
            standard_error: std / n.sqrt(),
        }
    }
}

/// How a quantity is spread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
    /// Least value.
    pub min: f64,
    /// 5th percentile, values between two neighbours taken from the line through them, as of all percentiles.
    pub p5: f64,
    /// Lower quartile.
    pub p25: f64,
    /// Median.
    pub p50: f64,
    /// Upper quartile.
    pub p75: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Greatest value.
    pub max: f64,
    /// Counts for a plot.
    pub histogram: Histogram,
}

/// What the bins of a histogram are equal in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Spacing {
    /// Length.
    Linear,
    /// Ratio of their ends.
    Logarithmic,
}

/// Counts of values in neighbouring bins.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// What the bins are equal in.
    pub spacing: Spacing,
    /// Ends of the bins, rising, one more than there are counts. A value on an edge belongs to the bin above it, the greatest
    /// edge to the last bin.
    pub edges: Vec<f64>,
    /// Values in each bin.
    pub counts: Vec<u64>,
}

impl Distribution {
    /// Of at least one positive number. Bins are eighths of an octave, so that those of different quantities lie on
    /// one grid and 1 is an edge.
    pub(super) fn of_ratios(values: Vec<f64>) -> Self {
        Self::new(values, |sorted| {
            let bin = |value: f64| (BINS_PER_OCTAVE * value.log2()).floor() as i64;
            let (first, last) = (bin(sorted[0]), bin(sorted[sorted.len() - 1]));
            let edge = |place: i64| (place as f64 / BINS_PER_OCTAVE).exp2();
            let mut counts = vec![0; (last - first + 1) as usize];
            for value in sorted {
                counts[(bin(*value) - first) as usize] += 1;
            }
            Histogram {
                spacing: Spacing::Logarithmic,
                edges: (first..=last + 1).map(edge).collect(),
                counts,
            }
        })
    }

    /// Of at least one number in 0..=1.
    pub(super) fn of_shares(values: Vec<f64>) -> Self {
        Self::new(values, |sorted| {
            let mut counts = vec![0; BINS_OF_SHARES];
            for value in sorted {
                let bin = (value * BINS_OF_SHARES as f64) as usize;
                counts[bin.min(BINS_OF_SHARES - 1)] += 1;
            }
            let edge = |place: usize| place as f64 / BINS_OF_SHARES as f64;
            Histogram {
                spacing: Spacing::Linear,
                edges: (0..=BINS_OF_SHARES).map(edge).collect(),
                counts,
            }
        })
    }

    fn new(mut values: Vec<f64>, histogram: impl Fn(&[f64]) -> Histogram) -> Self {
        let Moments { mean, std, .. } = Moments::of(&values);
        values.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&values, share);
        Self {
            mean,
            std,
            min: values[0],
            p5: at(0.05),
            p25: at(0.25),
            p50: at(0.5),
            p75: at(0.75),
            p95: at(0.95),
            max: values[values.len() - 1],
            histogram: histogram(&values),
        }
    }
}

/// The value that `share` of the sorted values lie below.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_percentiles_are_those_of_the_textbook() {
        let moments = Moments::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(moments.mean, 5.0);
        assert!((moments.std - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        assert!((moments.standard_error - (32.0_f64 / 56.0).sqrt()).abs() < 1e-12);
        assert_eq!(Moments::of(&[3.0]).std, 0.0);
        let spread = Distribution::of_ratios((1..=101).rev().map(f64::from).collect());
        let percentiles = [spread.p5, spread.p25, spread.p50, spread.p75, spread.p95];
        assert_eq!(percentiles, [6.0, 26.0, 51.0, 76.0, 96.0]);
        assert_eq!((spread.min, spread.max), (1.0, 101.0));
    }

    #[test]
    fn bins_of_ratios_are_eighths_of_an_octave_and_hold_every_value() {
        let Histogram { edges, counts, .. } =
            Distribution::of_ratios(vec![1.0, 1.05, 2.0, 0.99]).histogram;
        assert_eq!(edges.len(), counts.len() + 1);
        assert_eq!(edges[1], 1.0);
        assert_eq!((counts[0], counts[1], counts[9]), (1, 2, 1));
        assert_eq!(counts.iter().sum::<u64>(), 4);
    }

    #[test]
    fn the_last_bin_of_shares_has_its_upper_end() {
        let Histogram { edges, counts, .. } =
            Distribution::of_shares(vec![0.0, 0.05, 0.999, 1.0]).histogram;
        assert_eq!((edges[0], edges[20]), (0.0, 1.0));
        assert_eq!((counts[0], counts[1], counts[19]), (1, 1, 2));
    }
}
