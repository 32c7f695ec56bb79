//! How the process gets its memory.

/// Keeps freed memory for the next tensors instead of giving it back to the system, where the C library can (glibc).
///
/// A training step frees and allocates tensors of many megabytes. By default glibc maps each anew, and the system then
/// clears it page by page: a quarter of a step of MobileNetV2. To be called once, before tensors are made; the peak of
/// memory stays about the same, the process just does not shrink.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const NEVER: libc::c_int = libc::c_int::MAX;
        const STEP: libc::c_int = 64 << 20;
        // SAFETY: `mallopt` only sets parameters of the allocator, under its own lock. These are documented ones: no
        // block is mapped by itself, the heap is not trimmed, and it grows by 64 MiB.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, NEVER);
            libc::mallopt(libc::M_TOP_PAD, STEP);
        }
    }
}
