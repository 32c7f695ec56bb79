//! Axis-aligned boxes.

/// A box by its left upper and right lower corner, in pixels of some image; pixel `i` covers `[i, i + 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BoundingBox {
    /// Left.
    pub x0: f32,
    /// Top.
    pub y0: f32,
    /// Right.
    pub x1: f32,
    /// Bottom.
    pub y1: f32,
}

impl BoundingBox {
    /// A box by its corners.
    pub const fn new(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// A box as COCO writes it: left, top, width, height.
    pub fn from_xywh([x, y, width, height]: [f32; 4]) -> Self {
        Self::new(x, y, x + width, y + height)
    }

    /// Left, top, width, height, as COCO writes it.
    pub fn to_xywh(self) -> [f32; 4] {
        [self.x0, self.y0, self.width(), self.height()]
    }

    /// Width; negative if the corners are swapped.
    pub fn width(self) -> f32 {
        self.x1 - self.x0
    }

    /// Height; negative if the corners are swapped.
    pub fn height(self) -> f32 {
        self.y1 - self.y0
    }

    /// Area in square pixels.
    pub fn area(self) -> f32 {
        self.width() * self.height()
    }

    /// Whether it has any area, and finite corners.
    pub fn is_proper(self) -> bool {
        let corners = [self.x0, self.y0, self.x1, self.y1];
        corners.iter().all(|corner| corner.is_finite()) && self.x1 > self.x0 && self.y1 > self.y0
    }

    /// What of it lies in an image of `width` and `height`.
    pub fn clipped(self, width: f32, height: f32) -> Self {
        Self {
            x0: self.x0.clamp(0.0, width),
            y0: self.y0.clamp(0.0, height),
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
        }
    }

    /// The box in an image whose sides are `x` and `y` times as long.
    pub fn scaled(self, x: f32, y: f32) -> Self {
        Self::new(self.x0 * x, self.y0 * y, self.x1 * x, self.y1 * y)
    }

    /// The box in the mirror image of an image of `width`.
    pub fn mirrored(self, width: f32) -> Self {
        Self::new(width - self.x1, self.y0, width - self.x0, self.y1)
    }

    /// The area that both boxes cover.
    pub fn intersection(self, other: Self) -> f32 {
        let width = self.x1.min(other.x1) - self.x0.max(other.x0);
        let height = self.y1.min(other.y1) - self.y0.max(other.y0);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union; 0 if neither has any area.
    pub fn iou(self, other: Self) -> f32 {
        let intersection = self.intersection(other);
        let union = self.area() + other.area() - intersection;
        if union > 0.0 {
            intersection / union
        } else {
            0.0
        }
    }
}
