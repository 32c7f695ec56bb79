//! Loops that are compiled for the instruction sets of the machine.
//!
//! A build for x86-64 assumes SSE2 alone. The loops of [`crate::ops`] are plain ones over integers and single operations of
//! floats, which give the same bits whatever the width of vectors.

/// A loop to be compiled for each instruction set.
pub(crate) trait Loop {
    /// What the loop returns.
    type Output;

    /// The loop. It must be `#[inline(always)]`, else it is not compiled for the wider set. `FUSED` is whether the set multiplies and
    /// adds in one instruction: [`f32::mul_add`] is slow elsewhere.
    fn run<const FUSED: bool>(self) -> Self::Output;
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
                self.0.run::<true>()
            }
        }

        if let Some(avx512) = pulp::x86::V4::try_new() {
            return avx512.vectorize(Call(work));
        }
        if let Some(avx2) = pulp::x86::V3::try_new() {
            return avx2.vectorize(Call(work));
        }
    }
    work.run::<{ cfg!(target_arch = "aarch64") }>()
}

/// `a / b` to the nearest, where `reciprocal` is 1 / b to the nearest or almost so. A fused multiplication and addition gives what is
/// left of the division without an error, so that the quotient can be corrected. Not for results that are subnormal or infinite.
#[inline(always)]
pub(crate) fn quotient(a: f32, b: f32, reciprocal: f32) -> f32 {
    let estimate = a * reciprocal;
    let rest = estimate.mul_add(-b, a);
    rest.mul_add(reciprocal, estimate)
}
