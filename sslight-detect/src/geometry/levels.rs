//! Which level of a feature pyramid a region is read from (Lin et al., 2017, eq. 1).

use super::BoundingBox;

/// Side of a region that belongs to the canonical level, in pixels.
const CANONICAL_SIDE: f32 = 224.0;
/// Level of such a region: P4, whose stride is 16.
const CANONICAL_LEVEL: f32 = 4.0;
/// Keeps the logarithm of an empty box finite.
const EPSILON: f32 = 1e-8;

/// The levels that regions are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelAssignment {
    /// The finest, as the logarithm of its stride to the base of 2.
    pub finest: usize,
    /// The coarsest.
    pub coarsest: usize,
}

impl LevelAssignment {
    /// `floor(4 + log2(sqrt(area) / 224))`, within the levels that there are; counted from the finest.
    pub fn level(self, of: BoundingBox) -> usize {
        let side = of.area().max(0.0).sqrt();
        let level = (CANONICAL_LEVEL + (side / CANONICAL_SIDE + EPSILON).log2()).floor();
        let (finest, coarsest) = (self.finest as f32, self.coarsest as f32);
        (level.clamp(finest, coarsest) - finest) as usize
    }
}
