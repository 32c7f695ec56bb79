//! Which object each pixel of a scene belongs to.

use super::garment::Cutout;

/// The owners of all pixels of a scene, later objects over earlier ones.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    side: usize,
    /// The object that each pixel belongs to, row by row.
    owners: Vec<Option<usize>>,
    /// Pixels of each object, hidden or not, and those that are visible.
    areas: Vec<(usize, usize)>,
}

/// Where a cut-out lies: its left upper corner, which may be outside the scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corner {
    pub left: isize,
    pub top: isize,
}

/// Pixels that a mask covers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Visible {
    /// Column by column from the left, each from the top, 0 or 1.
    pub columns: Vec<u8>,
    /// First and last column, first and last row.
    pub bounds: [usize; 4],
    pub area: usize,
}

impl Layers {
    pub(super) fn new(side: usize) -> Self {
        Self {
            side,
            owners: vec![None; side * side],
            areas: Vec::new(),
        }
    }

    /// Number of objects.
    pub(super) fn len(&self) -> usize {
        self.areas.len()
    }

    /// Lays a cut-out over what is there, unless more than `occlusion` of it or of another object would be hidden then. Gives the
    /// pixels of the scene that it covers with those of the cut-out, `None` if it was not laid.
    pub(super) fn lay(
        &mut self,
        cutout: &Cutout,
        corner: Corner,
        occlusion: f64,
    ) -> Option<Vec<(usize, f32)>> {
        let covered = self.covered(cutout, corner);
        let mut areas = self.areas.clone();
        for &(at, _) in &covered {
            if let Some(owner) = self.owners[at] {
                areas[owner].1 -= 1;
            }
        }
        areas.push((cutout.area(), covered.len()));
        let visible_enough = |&(all, visible): &(usize, usize)| {
            visible > 0 && (all - visible) as f64 <= occlusion * all as f64
        };
        if !areas.iter().all(visible_enough) {
            return None;
        }
        for &(at, _) in &covered {
            self.owners[at] = Some(self.areas.len());
        }
        self.areas = areas;
        Some(covered)
    }

    fn covered(&self, cutout: &Cutout, corner: Corner) -> Vec<(usize, f32)> {
        let inside = |start: isize, offset: usize| {
            let place = usize::try_from(start.saturating_add_unsigned(offset)).ok()?;
            (place < self.side).then_some(place)
        };
        let mut covered = Vec::new();
        for (at, shade) in cutout.pixels.iter().enumerate() {
            let place = inside(corner.left, at % cutout.width)
                .zip(inside(corner.top, at / cutout.width))
                .map(|(x, y)| y * self.side + x);
            covered.extend(place.zip(*shade));
        }
        covered
    }

    /// The visible pixels of every object, in the order in which they were laid.
    pub(super) fn visible(&self) -> Vec<Visible> {
        let empty = Visible {
            columns: vec![0; self.owners.len()],
            bounds: [usize::MAX, 0, usize::MAX, 0],
            area: 0,
        };
        let mut all = vec![empty; self.areas.len()];
        for (at, owner) in self.owners.iter().enumerate() {
            let Some(owner) = owner else { continue };
            let (x, y) = (at % self.side, at / self.side);
            let object = &mut all[*owner];
            object.columns[x * self.side + y] = 1;
            object.area += 1;
            let [left, right, top, bottom] = object.bounds;
            object.bounds = [left.min(x), right.max(x), top.min(y), bottom.max(y)];
        }
        all
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn square(side: usize) -> Cutout {
        Cutout {
            width: side,
            height: side,
            pixels: vec![Some(0.5); side * side],
        }
    }

    fn at(left: isize, top: isize) -> Corner {
        Corner { left, top }
    }

    #[test]
    fn a_later_object_hides_an_earlier_one_up_to_the_share_that_is_allowed() {
        let mut layers = Layers::new(20);
        layers.lay(&square(10), at(0, 0), 0.4).unwrap();
        let before = layers.clone();
        // Half of the first would be hidden.
        assert!(layers.lay(&square(10), at(5, 0), 0.4).is_none());
        assert_eq!(
            (layers.owners.clone(), layers.areas.clone()),
            (before.owners, before.areas)
        );
        let covered = layers.lay(&square(10), at(6, 0), 0.4).unwrap();
        assert_eq!(covered.len(), 100);
        // What is hidden already counts.
        assert!(layers.lay(&square(1), at(0, 0), 0.4).is_none());
        let [first, second] = &layers.visible()[..] else {
            panic!("{}", layers.len());
        };
        assert_eq!((first.area, first.bounds), (60, [0, 5, 0, 9]));
        assert_eq!((second.area, second.bounds), (100, [6, 15, 0, 9]));
        assert!((0..400).all(|at| first.columns[at] + second.columns[at] <= 1));
        // Columns come first: the pixel (6, 0) is the second object's.
        assert_eq!((second.columns[6 * 20], second.columns[6]), (1, 0));
    }

    #[test]
    fn the_border_hides_too() {
        let mut layers = Layers::new(20);
        assert!(layers.lay(&square(10), at(-5, 3), 0.4).is_none());
        let covered = layers.lay(&square(10), at(-4, 3), 0.4).unwrap();
        assert_eq!(covered.len(), 60);
        assert_eq!(covered[0], (3 * 20, 0.5));
        assert!(layers.lay(&square(10), at(14, 14), 0.4).is_none());
        assert!(layers.lay(&square(10), at(isize::MAX, 0), 1.0).is_none());
        assert!(layers.lay(&Cutout::default(), at(0, 0), 1.0).is_none());
    }
}
