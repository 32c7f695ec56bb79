//! Boxes relative to other boxes (Girshick et al., 2014, appendix C).

use super::BoundingBox;

/// Sides grow by no more than this in one decoding, lest their exponentials overflow.
const MOST_GROWTH: f32 = 1000.0 / 16.0;

/// Codes a box as shift and growth of a reference box, `(w_x dx / width, w_y dy / height, w_w ln(width' / width),
/// w_h ln(height' / height))`, where the shifts are those of the centres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxCoder {
    weights: [f32; 4],
}

impl BoxCoder {
    /// That of proposals, relative to anchors.
    pub const PROPOSALS: Self = Self { weights: [1.0; 4] };
    /// That of detections, relative to proposals.
    pub const DETECTIONS: Self = Self {
        weights: [10.0, 10.0, 5.0, 5.0],
    };

    /// The code of `target` relative to `reference`; both have an area.
    pub fn encode(self, reference: BoundingBox, target: BoundingBox) -> [f32; 4] {
        let [from_x, from_y, from_width, from_height] = centre_and_sides(reference);
        let [to_x, to_y, to_width, to_height] = centre_and_sides(target);
        let [x, y, width, height] = self.weights;
        [
            x * (to_x - from_x) / from_width,
            y * (to_y - from_y) / from_height,
            width * (to_width / from_width).ln(),
            height * (to_height / from_height).ln(),
        ]
    }

    /// The box that `code` says, relative to `reference`.
    pub fn decode(self, reference: BoundingBox, code: [f32; 4]) -> BoundingBox {
        let [from_x, from_y, from_width, from_height] = centre_and_sides(reference);
        let [dx, dy, dw, dh] = std::array::from_fn(|at| code[at] / self.weights[at]);
        let most = MOST_GROWTH.ln();
        let (x, y) = (dx * from_width + from_x, dy * from_height + from_y);
        let width = dw.min(most).exp() * from_width;
        let height = dh.min(most).exp() * from_height;
        BoundingBox::new(
            x - 0.5 * width,
            y - 0.5 * height,
            x + 0.5 * width,
            y + 0.5 * height,
        )
    }
}

fn centre_and_sides(of: BoundingBox) -> [f32; 4] {
    let (width, height) = (of.width(), of.height());
    [of.x0 + 0.5 * width, of.y0 + 0.5 * height, width, height]
}
