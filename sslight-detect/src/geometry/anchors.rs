//! Anchors: the boxes that a region proposal network moves (Ren et al., 2015, section 3.1.1).

use super::BoundingBox;

/// The anchors of one cell of a feature map, around the origin.
#[derive(Debug, Clone, PartialEq)]
pub struct AnchorCell {
    boxes: Vec<BoundingBox>,
    stride: f32,
}

impl AnchorCell {
    /// Anchors of areas `size^2` and of ratios height / width, all ratios of a size before the next size, for a map whose
    /// cells are `stride` pixels apart.
    pub fn new(stride: usize, sizes: &[f32], ratios: &[f32]) -> Self {
        let boxes = sizes.iter().flat_map(|size| {
            ratios.iter().map(move |ratio| {
                // Rounded once, so that anchors, and ties of their overlaps, are the same bits as the reference's.
                let (size, root) = (f64::from(*size), f64::from(*ratio).sqrt());
                let (x, y) = ((size / root / 2.0) as f32, (size * root / 2.0) as f32);
                BoundingBox::new(-x, -y, x, y)
            })
        });
        Self {
            boxes: boxes.collect(),
            stride: stride as f32,
        }
    }

    /// Anchors of a cell.
    pub fn len(&self) -> usize {
        self.boxes.len()
    }

    /// Whether a cell has none.
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    /// All anchors of a map of `height` times `width` cells: row by row, the anchors of a cell together. That of cell 0 is
    /// centred at the corner of the image, not at the cell's middle (the reference's offset of 0).
    pub fn grid(&self, height: usize, width: usize) -> Vec<BoundingBox> {
        let cells = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let anchors = cells.flat_map(|(x, y)| {
            let (x, y) = (x as f32 * self.stride, y as f32 * self.stride);
            let shifted = move |of: &BoundingBox| {
                BoundingBox::new(of.x0 + x, of.y0 + y, of.x1 + x, of.y1 + y)
            };
            self.boxes.iter().map(shifted)
        });
        anchors.collect()
    }
}
