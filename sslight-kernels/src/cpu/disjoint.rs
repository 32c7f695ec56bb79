//! Writing one channel of every image from one task.

use std::marker::PhantomData;
use std::ops::Range;

/// A mutable slice that tasks share, each writing ranges that no other task touches.
///
/// Channels of `[b, c, h, w]` are strided over the images, which no safe split of a slice expresses.
pub(crate) struct Disjoint<'a> {
    start: *mut f32,
    len: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: the pointer is only dereferenced in `range`, whose caller promises that no two live ranges
// overlap; f32 may be written from any thread.
unsafe impl Sync for Disjoint<'_> {}

impl<'a> Disjoint<'a> {
    /// Takes the slice for as long as ranges of it are handed out.
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            owner: PhantomData,
        }
    }

    /// The given part of the slice.
    ///
    /// # Panics
    /// If the range is not inside the slice.
    ///
    /// # Safety
    /// While the returned slice lives, no overlapping range may be asked for, by this thread or another.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn range(&self, range: Range<usize>) -> &mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: the range is inside the slice that `new` borrowed mutably, and by the contract of
        // this function no other reference to it lives.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
