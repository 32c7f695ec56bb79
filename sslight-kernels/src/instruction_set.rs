//! Which instruction set the kernels use, and how tests limit it.
//!
//! Kernels are compiled for several instruction sets and take the widest that the machine has. [`limit`] keeps them from
//! the wider ones, so that each can be tested on one machine; it is global to the process.
//!
//! Matrix products are those of the `gemm` crate, which chooses by itself and is not affected.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that kernels are compiled for, narrower ones being less than wider ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// What every processor of the target has: SSE2 on x86-64, NEON on AArch64.
    Baseline,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512, F, BW, CD, DQ and VL.
    Avx512,
}

/// The widest set that kernels may use.
static LIMIT: AtomicU8 = AtomicU8::new(InstructionSet::Avx512 as u8);

/// Keeps kernels that start from now on, on whatever thread, from sets wider than this one.
///
/// A limit that the machine does not have leaves the widest that it has.
pub fn limit(set: InstructionSet) {
    LIMIT.store(set as u8, Ordering::Relaxed);
}

/// The instruction sets that this machine has, from the narrowest to the widest.
pub fn available() -> Vec<InstructionSet> {
    let wider = [
        (InstructionSet::Avx2, has_avx2()),
        (InstructionSet::Avx512, has_avx512()),
    ];
    let wider = wider.into_iter().filter(|(_, has)| *has);
    std::iter::once(InstructionSet::Baseline)
        .chain(wider.map(|(set, _)| set))
        .collect()
}

/// The instruction set that a kernel would use now.
pub fn in_use() -> InstructionSet {
    if allows(InstructionSet::Avx512) && has_avx512() {
        InstructionSet::Avx512
    } else if allows(InstructionSet::Avx2) && has_avx2() {
        InstructionSet::Avx2
    } else {
        InstructionSet::Baseline
    }
}

/// Whether the limit is not below this set.
#[inline(always)]
pub(crate) fn allows(set: InstructionSet) -> bool {
    LIMIT.load(Ordering::Relaxed) >= set as u8
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    pulp::x86::V3::is_available()
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    pulp::x86::V4::is_available()
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}
