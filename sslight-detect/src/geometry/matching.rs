//! Which object an anchor or proposal stands for.

use super::BoundingBox;

/// What a box is an example of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Of the object of this index.
    Object(usize),
    /// Of nothing.
    Background,
    /// Of neither: it overlaps too much for the one and too little for the other.
    Ignored,
}

/// What becomes of objects that no box overlaps enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LowQuality {
    /// The boxes that overlap them most, ties included, stand for the objects that they themselves overlap most (Ren et
    /// al., 2015, section 3.1.2). An object that no box overlaps gets none.
    Kept,
    /// Nothing stands for them.
    Dropped,
}

/// Gives each box the object that it overlaps most, if its intersection over union is large enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matcher {
    /// Boxes with less are background.
    pub background_below: f32,
    /// Boxes with at least this stand for an object.
    pub object_from: f32,
    /// Objects that are left over.
    pub low_quality: LowQuality,
}

impl Matcher {
    /// That of the region proposal network.
    pub const ANCHORS: Self = Self {
        background_below: 0.3,
        object_from: 0.7,
        low_quality: LowQuality::Kept,
    };
    /// That of the heads.
    pub const PROPOSALS: Self = Self {
        background_below: 0.5,
        object_from: 0.5,
        low_quality: LowQuality::Dropped,
    };

    /// A label for each of `boxes`; all are background without `objects`.
    pub fn labels(self, boxes: &[BoundingBox], objects: &[BoundingBox]) -> Vec<Label> {
        if objects.is_empty() {
            return vec![Label::Background; boxes.len()];
        }
        let best: Vec<(usize, f32)> = boxes.iter().map(|of| best_object(*of, objects)).collect();
        let mut labels: Vec<Label> = best
            .iter()
            .map(|(object, iou)| match *iou {
                iou if iou >= self.object_from => Label::Object(*object),
                iou if iou < self.background_below => Label::Background,
                _ => Label::Ignored,
            })
            .collect();
        if self.low_quality == LowQuality::Kept {
            for object in objects {
                keep_the_best(&mut labels, &best, boxes, *object);
            }
        }
        labels
    }
}

/// The object that a box overlaps most, the first of several, and by how much.
fn best_object(of: BoundingBox, objects: &[BoundingBox]) -> (usize, f32) {
    let mut best = (0, 0.0);
    for (index, object) in objects.iter().enumerate() {
        let iou = of.iou(*object);
        if iou > best.1 {
            best = (index, iou);
        }
    }
    best
}

fn keep_the_best(
    labels: &mut [Label],
    best: &[(usize, f32)],
    boxes: &[BoundingBox],
    object: BoundingBox,
) {
    let most = boxes
        .iter()
        .fold(0.0f32, |most, of| most.max(of.iou(object)));
    if most > 0.0 {
        for (at, of) in boxes.iter().enumerate() {
            if of.iou(object) == most {
                labels[at] = Label::Object(best[at].0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: BoundingBox = BoundingBox::new(0.0, 0.0, 10.0, 10.0);

    /// `SQUARE` moved right, with an IoU of (10 - by) / (10 + by).
    fn moved(by: f32) -> BoundingBox {
        BoundingBox::new(by, 0.0, 10.0 + by, 10.0)
    }

    #[test]
    fn the_overlap_decides() {
        let boxes = [SQUARE, moved(4.0), moved(6.0), moved(20.0)];
        let labels = Matcher::ANCHORS.labels(&boxes, &[SQUARE]);
        use Label::*;
        assert_eq!(labels, [Object(0), Ignored, Background, Background]);
        let labels = Matcher::PROPOSALS.labels(&boxes, &[SQUARE]);
        assert_eq!(labels, [Object(0), Background, Background, Background]);
    }

    #[test]
    fn an_object_that_is_overlapped_little_keeps_its_best_boxes_and_ties() {
        let boxes = [moved(7.0), moved(-7.0), moved(8.0)];
        let labels = Matcher::ANCHORS.labels(&boxes, &[SQUARE]);
        use Label::*;
        assert_eq!(labels, [Object(0), Object(0), Background]);
    }

    #[test]
    fn a_best_box_stands_for_the_object_that_it_overlaps_most() {
        // The one box is the best that both objects have.
        let objects = [moved(7.0), moved(1.0)];
        let labels = Matcher::ANCHORS.labels(&[SQUARE], &objects);
        assert_eq!(labels, [Label::Object(1)]);
    }

    #[test]
    fn an_object_outside_everything_makes_no_box_positive() {
        let labels = Matcher::ANCHORS.labels(&[SQUARE, moved(3.0)], &[moved(100.0)]);
        assert_eq!(labels, [Label::Background; 2]);
    }

    #[test]
    fn without_objects_all_is_background() {
        let labels = Matcher::PROPOSALS.labels(&[SQUARE], &[]);
        assert_eq!(labels, [Label::Background]);
    }
}
