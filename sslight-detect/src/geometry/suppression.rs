//! Non-maximum suppression.

use super::BoundingBox;

/// The boxes that stay when each suppresses those of lower score that overlap it by an intersection over union of more
/// than `threshold`: indices, by descending score; of equal scores the first counts as higher, and a score that is no number
/// as the lowest.
///
/// # Panics
/// If there is not one score a box.
pub fn suppress(boxes: &[BoundingBox], scores: &[f32], threshold: f32) -> Vec<usize> {
    let order = by_score(boxes.len(), scores);
    let kept = keep(&Columns::of(boxes, &order), threshold);
    kept.into_iter().map(|rank| order[rank]).collect()
}

/// [`suppress`] among boxes of the same class, those of all classes by descending score.
///
/// # Panics
/// If there is not one score and one class a box.
pub fn suppress_by_class(
    boxes: &[BoundingBox],
    scores: &[f32],
    classes: &[usize],
    threshold: f32,
) -> Vec<usize> {
    assert_eq!(boxes.len(), classes.len(), "one class a box");
    let order = by_score(boxes.len(), scores);
    // Ranks by class, and within a class in their order: classes never meet.
    let mut ranks: Vec<usize> = (0..order.len()).collect();
    ranks.sort_by_key(|rank| classes[order[*rank]]);
    let mut kept: Vec<usize> = Vec::new();
    for ranks in ranks.chunk_by(|one, next| classes[order[*one]] == classes[order[*next]]) {
        let of_class: Vec<usize> = ranks.iter().map(|rank| order[*rank]).collect();
        let stay = keep(&Columns::of(boxes, &of_class), threshold);
        kept.extend(stay.into_iter().map(|at| ranks[at]));
    }
    kept.sort_unstable();
    kept.into_iter().map(|rank| order[rank]).collect()
}

fn by_score(boxes: usize, scores: &[f32]) -> Vec<usize> {
    assert_eq!(boxes, scores.len(), "one score a box");
    let key = |at: usize| match scores[at] {
        score if score.is_nan() => f32::NEG_INFINITY,
        score => score,
    };
    let mut order: Vec<usize> = (0..boxes).collect();
    order.sort_by(|left, right| key(*right).total_cmp(&key(*left)));
    order
}

/// Corners and areas in columns, so that a box meets all others in one loop of vectors.
struct Columns {
    x0: Vec<f32>,
    y0: Vec<f32>,
    x1: Vec<f32>,
    y1: Vec<f32>,
    area: Vec<f32>,
}

impl Columns {
    fn of(boxes: &[BoundingBox], order: &[usize]) -> Self {
        let column =
            |value: fn(BoundingBox) -> f32| order.iter().map(|at| value(boxes[*at])).collect();
        Self {
            x0: column(|of| of.x0),
            y0: column(|of| of.y0),
            x1: column(|of| of.x1),
            y1: column(|of| of.y1),
            area: column(BoundingBox::area),
        }
    }
}

/// The places of the boxes that stay.
fn keep(columns: &Columns, threshold: f32) -> Vec<usize> {
    let count = columns.area.len();
    let mut suppressed = vec![false; count];
    let mut kept = Vec::new();
    for rank in 0..count {
        if !suppressed[rank] {
            kept.push(rank);
            suppress_later(columns, rank, threshold, &mut suppressed);
        }
    }
    kept
}

/// Marks each later box that overlaps that of `rank` by more than `threshold`.
fn suppress_later(columns: &Columns, rank: usize, threshold: f32, suppressed: &mut [bool]) {
    let (x0, y0) = (columns.x0[rank], columns.y0[rank]);
    let (x1, y1) = (columns.x1[rank], columns.y1[rank]);
    let area = columns.area[rank];
    let later = rank + 1..;
    let corners = columns.x0[later.clone()]
        .iter()
        .zip(&columns.y0[later.clone()])
        .zip(&columns.x1[later.clone()])
        .zip(&columns.y1[later.clone()])
        .zip(&columns.area[later.clone()]);
    for (mark, ((((ox0, oy0), ox1), oy1), other)) in suppressed[later].iter_mut().zip(corners) {
        let width = (if *ox1 < x1 { *ox1 } else { x1 }) - (if *ox0 > x0 { *ox0 } else { x0 });
        let height = (if *oy1 < y1 { *oy1 } else { y1 }) - (if *oy0 > y0 { *oy0 } else { y0 });
        let width = if width > 0.0 { width } else { 0.0 };
        let height = if height > 0.0 { height } else { 0.0 };
        let intersection = width * height;
        *mark |= intersection / (area + other - intersection) > threshold;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_that_is_no_number_is_the_lowest() {
        let boxes = [BoundingBox::new(0.0, 0.0, 4.0, 4.0); 2];
        assert_eq!(suppress(&boxes, &[f32::NAN, -1.0], 0.5), [1]);
    }

    #[test]
    fn classes_do_not_suppress_each_other() {
        let boxes = [BoundingBox::new(0.0, 0.0, 4.0, 4.0); 3];
        let kept = suppress_by_class(&boxes, &[0.1, 0.3, 0.2], &[1, 0, 1], 0.5);
        assert_eq!(kept, [1, 2]);
    }

    #[test]
    fn nothing_stays_of_nothing() {
        assert!(suppress(&[], &[], 0.5).is_empty());
    }
}
