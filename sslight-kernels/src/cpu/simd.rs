//! Run-time choice of the instruction set.
//!
//! A build for x86-64 assumes SSE2 alone. Kernels are plain loops that the compiler vectorises; this
//! module compiles them again for AVX2 with FMA and for AVX-512 and picks at run time.

#[cfg(target_arch = "x86_64")]
use crate::instruction_set::{InstructionSet, allows};

/// A loop to be compiled for each instruction set.
pub(crate) trait Kernel {
    /// What the loop returns.
    type Output;

    /// The loop. It must be `#[inline(always)]`, else it is not compiled for the wider set.
    ///
    /// `FMA` says whether [`mul_add`] is one instruction.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// Runs the loop with the widest instruction set that the machine has and the limit allows.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        struct Call<K>(K);

        impl<K: Kernel> pulp::NullaryFnOnce for Call<K> {
            type Output = K::Output;

            #[inline(always)]
            fn call(self) -> K::Output {
                self.0.run::<true>()
            }
        }

        if allows(InstructionSet::Avx512)
            && let Some(avx512) = pulp::x86::V4::try_new()
        {
            return avx512.vectorize(Call(kernel));
        }
        if allows(InstructionSet::Avx2)
            && let Some(avx2) = pulp::x86::V3::try_new()
        {
            return avx2.vectorize(Call(kernel));
        }
    }
    kernel.run::<{ cfg!(target_arch = "aarch64") }>()
}

/// What [`dispatch`] picks, for loops that are written with vectors.
#[inline]
pub(crate) fn arch() -> pulp::Arch {
    #[cfg(target_arch = "x86_64")]
    {
        if allows(InstructionSet::Avx512)
            && let Some(avx512) = pulp::x86::V4::try_new()
        {
            return pulp::Arch::V4(avx512);
        }
        if allows(InstructionSet::Avx2)
            && let Some(avx2) = pulp::x86::V3::try_new()
        {
            return pulp::Arch::V3(avx2);
        }
        pulp::Arch::Scalar
    }
    #[cfg(not(target_arch = "x86_64"))]
    pulp::Arch::new()
}

/// Runs a loop that is written with vectors; without wide ones in the machine these are arrays of as many values.
#[inline]
pub(crate) fn dispatch_vectors<K: pulp::WithSimd>(kernel: K) -> K::Output {
    match arch() {
        pulp::Arch::Scalar => kernel.with_simd(pulp::Scalar512b),
        arch => arch.dispatch(kernel),
    }
}

/// `a * b + c`, rounded once where that costs one instruction.
#[inline(always)]
pub(crate) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// The sum of all lanes, by halves: one after the other they would wait for each other.
#[inline(always)]
pub(crate) fn sum_of_lanes<const LANES: usize>(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}
