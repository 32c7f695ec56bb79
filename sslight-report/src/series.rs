//! Numbers over steps, and fewer of them for long runs.

/// One key of a run over its steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// The key in `metrics.jsonl`.
    pub key: String,
    /// Step and value, in the order of the file. A value that is not finite was written as `null`.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// The last finite value.
    pub fn last(&self) -> Option<f64> {
        self.finite().next_back().map(|(_, value)| value)
    }

    /// The points whose value is finite.
    pub fn finite(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> {
        self.points
            .iter()
            .copied()
            .filter(|(_, value)| value.is_finite())
    }

    /// The series with at most about `2 * buckets` points for drawing.
    pub fn thinned(&self, buckets: usize) -> Thinned {
        if self.points.is_sorted_by(|a, b| a.0 <= b.0) {
            return thin(&self.points, buckets);
        }
        // Steps that were repeated, of a file that was not cut for it.
        let mut points = self.points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        thin(&points, buckets)
    }
}

/// A series as it is drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thinned {
    /// All points; or of each bucket its lowest, its highest, and the first that is not finite. The first and the last
    /// point are always kept, so that there are at most `3 * buckets + 2`.
    pub extremes: Vec<(f64, f64)>,
    /// The mean step and value of each bucket's finite points, if `extremes` are not all points.
    pub means: Vec<(f64, f64)>,
}

fn thin(points: &[(f64, f64)], buckets: usize) -> Thinned {
    let buckets = buckets.max(1);
    if points.len() <= 2 * buckets {
        return Thinned {
            extremes: points.to_vec(),
            means: Vec::new(),
        };
    }
    let mut thinned = Thinned::default();
    for bucket in 0..buckets {
        let start = bucket * points.len() / buckets;
        let end = (bucket + 1) * points.len() / buckets;
        let mut kept = [None; 5];
        kept[3] = (bucket == 0).then_some(start);
        kept[4] = (bucket + 1 == buckets).then_some(end - 1);
        let [lowest, highest, gap, ..] = &mut kept;
        let (mut step_sum, mut value_sum, mut count) = (0.0, 0.0, 0.0);
        for (index, &(step, value)) in points.iter().enumerate().take(end).skip(start) {
            if !value.is_finite() {
                gap.get_or_insert(index);
                continue;
            }
            if lowest.is_none_or(|at: usize| value < points[at].1) {
                *lowest = Some(index);
            }
            if highest.is_none_or(|at: usize| value > points[at].1) {
                *highest = Some(index);
            }
            step_sum += step;
            value_sum += value;
            count += 1.0;
        }
        let mut kept: Vec<usize> = kept.into_iter().flatten().collect();
        kept.sort_unstable();
        kept.dedup();
        thinned
            .extremes
            .extend(kept.iter().map(|&index| points[index]));
        if count > 0.0 {
            thinned.means.push((step_sum / count, value_sum / count));
        }
    }
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are the same in every run.
    fn noise(count: usize, seed: u64) -> Vec<(f64, f64)> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..count)
            .map(|step| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (step as f64, (state >> 11) as f64 / (1u64 << 53) as f64)
            })
            .collect()
    }

    #[test]
    fn extremes_ends_order_and_bound_hold() {
        for seed in 1..40 {
            let count = 1 + (seed as usize * 977) % 9000;
            let mut points = noise(count, seed);
            points[count / 2].1 = 50.0;
            points[count / 3].1 = -50.0;
            for buckets in [1, 7, 100] {
                let thinned = thin(&points, buckets);
                let kept = &thinned.extremes;
                assert!(kept.len() <= 3 * buckets + 2);
                assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
                assert_eq!(kept.first(), points.first());
                assert_eq!(kept.last(), points.last());
                let extreme = |of: &[(f64, f64)], pick: fn(f64, f64) -> f64| {
                    of.iter().map(|point| point.1).reduce(pick)
                };
                assert_eq!(extreme(kept, f64::max), extreme(&points, f64::max));
                assert_eq!(extreme(kept, f64::min), extreme(&points, f64::min));
                assert!(thinned.means.len() <= buckets);
            }
        }
    }

    #[test]
    fn short_series_stay_as_they_are() {
        let points = noise(200, 3);
        let thinned = thin(&points, 100);
        assert_eq!(thinned.extremes, points);
        assert!(thinned.means.is_empty());
        assert_eq!(thin(&[], 0), Thinned::default());
    }

    #[test]
    fn repeated_steps_are_put_in_order() {
        let series = Series {
            key: String::new(),
            points: vec![(1.0, 0.0), (2.0, 0.0), (1.0, 5.0)],
        };
        let steps: Vec<f64> = series
            .thinned(9)
            .extremes
            .iter()
            .map(|point| point.0)
            .collect();
        assert_eq!(steps, [1.0, 1.0, 2.0]);
    }

    #[test]
    fn means_are_of_the_finite_points_and_gaps_stay() {
        let mut points: Vec<(f64, f64)> = (0..100).map(|step| (step as f64, 2.0)).collect();
        points[55].1 = f64::NAN;
        let thinned = thin(&points, 10);
        assert!(thinned.means.iter().all(|mean| mean.1 == 2.0));
        assert_eq!(thinned.means.len(), 10);
        assert_eq!(
            thinned
                .extremes
                .iter()
                .filter(|point| point.1.is_nan())
                .count(),
            1
        );
        let nothing: Vec<(f64, f64)> = (0..9).map(|step| (step as f64, f64::NAN)).collect();
        assert!(thin(&nothing, 2).means.is_empty());
    }
}
