//! Loops that are compiled for the instruction sets of the machine.
//!
//! A build for x86-64 assumes SSE2 alone. The loops of [`crate::ops`] are plain ones over integers and single operations of
//! floats, which give the same bits whatever the width of vectors.

/// A loop to be compiled for each instruction set.
pub(crate) trait Loop {
    /// What the loop returns.
    type Output;

    /// The loop. It must be `#[inline(always)]`, else it is not compiled for the wider set.
    fn run(self) -> Self::Output;
}

/// Runs a loop with the widest vectors that the machine has.
#[inline]
pub(crate) fn dispatch<L: Loop>(work: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    {
        struct Call<L>(L);

        impl<L: Loop> pulp::NullaryFnOnce for Call<L> {
            type Output = L::Output;

            #[inline(always)]
            fn call(self) -> L::Output {
                self.0.run()
            }
        }

        if let Some(avx512) = pulp::x86::V4::try_new() {
            return avx512.vectorize(Call(work));
        }
        if let Some(avx2) = pulp::x86::V3::try_new() {
            return avx2.vectorize(Call(work));
        }
    }
    work.run()
}
