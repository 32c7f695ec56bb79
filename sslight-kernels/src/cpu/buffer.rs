//! Memory for results.

/// A vector of `len` values that are about to be written, all of them; until then they are whatever lies there.
///
/// Zeroing what is then overwritten would cost most element-wise kernels a third of their time.
#[allow(clippy::uninit_vec)]
pub(super) fn unset(len: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    // SAFETY: the capacity is `len`. The callers of this module write every value before any is read, and every
    // pattern of bits is an f32, so that not even a mistake could read anything that is not one.
    unsafe { values.set_len(len) };
    values
}
