//! Views of storages: which elements a tensor has, in which order.

use super::PytorchError;
use super::pickle::TensorRef;
use crate::weights::shown::shown;

/// Elements of a tensor that is larger than its storage (an expanded one) at most.
const MAX_EXPANDED: usize = 1 << 24;

/// The elements of a tensor, all of them inside its storage.
#[derive(Debug)]
pub(super) struct Plan<'t> {
    shape: &'t [usize],
    strides: &'t [usize],
    first: usize,
    count: usize,
    width: usize,
}

/// Checks a tensor against its storage; `key` is for messages.
pub(super) fn plan<'t>(tensor: &'t TensorRef, key: &str) -> Result<Plan<'t>, PytorchError> {
    let refused = |problem| PytorchError::Layout {
        key: shown(key),
        shape: tensor.shape.clone(),
        problem,
    };
    let beyond = "it reaches beyond the record; the file is damaged, get it again";
    let (start, visible) = tensor.storage.visible;
    let count = tensor
        .shape
        .iter()
        .try_fold(1_usize, |count, side| count.checked_mul(*side))
        .ok_or_else(|| refused(beyond))?;
    if count > visible.max(MAX_EXPANDED) {
        return Err(refused(
            "it is an expanded view, far larger than its record; save it with .contiguous()",
        ));
    }
    if count > 0 {
        let mut steps = tensor.shape.iter().zip(&tensor.strides);
        let last = steps.try_fold(tensor.offset, |last, (side, stride)| {
            last.checked_add((side - 1).checked_mul(*stride)?)
        });
        if last.is_none_or(|last| last >= visible) {
            return Err(refused(beyond));
        }
    }
    Ok(Plan {
        shape: &tensor.shape,
        strides: &tensor.strides,
        // Not beyond the storage where there are elements, and not used where there are none.
        first: start.saturating_add(tensor.offset),
        count,
        width: tensor.storage.element.size(),
    })
}

impl Plan<'_> {
    /// The elements in row-major order, out of the whole record.
    pub(super) fn gather(&self, record: &[u8]) -> Vec<u8> {
        let element = |place: usize| {
            let bytes = record.get(place * self.width..(place + 1) * self.width);
            bytes.unwrap_or_default()
        };
        if self.count == 0 {
            return Vec::new();
        }
        if self.is_contiguous() {
            let bytes = record.get(self.first * self.width..(self.first + self.count) * self.width);
            return bytes.unwrap_or_default().to_vec();
        }
        let mut gathered = Vec::with_capacity(self.count * self.width);
        let mut index = vec![0; self.shape.len()];
        let mut place = self.first;
        for _ in 0..self.count {
            gathered.extend_from_slice(element(place));
            // Counts the index up, the last dimension first.
            for axis in (0..index.len()).rev() {
                if index[axis] + 1 < self.shape[axis] {
                    index[axis] += 1;
                    place += self.strides[axis];
                    break;
                }
                // Back from the last element, so that it is never beyond: a side of 1 may have any stride.
                place -= self.strides[axis] * index[axis];
                index[axis] = 0;
            }
        }
        gathered
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape
            .iter()
            .zip(self.strides)
            .rev()
            .all(|(side, stride)| {
                let fits = *side == 1 || *stride == expected;
                expected *= side;
                fits
            })
    }
}
