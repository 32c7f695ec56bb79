//! How the process gets its memory.

/// Keeps freed memory for the next tensors instead of giving it back to the system, and asks for huge pages, where the C
/// library and the system can (glibc on Linux).
///
/// A training step frees and allocates tensors of many megabytes. By default glibc maps each anew, and the system then
/// clears it page by page: a quarter of a step of MobileNetV2. And a kernel that takes one channel of all images goes to
/// another page of 4 KiB with each small map, whose address the processor has to look up first: 4 % of a step.
///
/// To be called once, before tensors are made. The peak of memory stays about the same; the process just does not
/// shrink.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const NEVER: libc::c_int = -1;
        const STEP: libc::c_int = 64 << 20;
        // SAFETY: `mallopt` only sets parameters of the allocator, under its own lock. These are documented ones: no
        // block is mapped by itself, the heap is not trimmed, and it grows by 64 MiB.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, NEVER);
            libc::mallopt(libc::M_TOP_PAD, STEP);
        }
        advise_huge_pages();
    }
}

/// Grows the heap by half of the machine's memory, untouched, and asks the system to back that part with huge pages.
///
/// Untouched memory costs nothing, and the heap is never trimmed, so that tensors come to lie there. Where the system
/// refuses the size or the advice, all stays as it was, only slower.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn advise_huge_pages() {
    /// Of x86-64 and of most others. Where it is larger, the system rounds.
    const HUGE: usize = 2 << 20;
    // SAFETY: `sysconf` reads two numbers.
    let [pages, page] = unsafe {
        [
            libc::sysconf(libc::_SC_PHYS_PAGES),
            libc::sysconf(libc::_SC_PAGESIZE),
        ]
    };
    let (Ok(pages), Ok(page)) = (usize::try_from(pages), usize::try_from(page)) else {
        return;
    };
    let len = pages / 2 * page;
    // SAFETY: the block is allocated and freed here and never read or written. The advice changes no contents, and covers
    // whole huge pages within the block, so that it concerns no memory of others; it stays with the addresses when the
    // block is free, which is what it is for.
    unsafe {
        let block = libc::malloc(len);
        if !block.is_null() {
            let start = block as usize;
            let (first, end) = (start.next_multiple_of(HUGE), (start + len) / HUGE * HUGE);
            if first < end {
                let first = block.cast::<u8>().add(first - start);
                libc::madvise(first.cast(), end - (first as usize), libc::MADV_HUGEPAGE);
            }
            libc::free(block);
        }
    }
}
