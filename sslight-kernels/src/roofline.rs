//! What the machine can do: the two limits that no kernel passes.

use std::time::Instant;

use rayon::prelude::*;

use crate::cpu::machine;

/// Side of the matrices that are multiplied; the three of a thread stay in its caches.
const SIDE: usize = 256;
/// Products of one measurement, a thread.
const PRODUCTS: usize = 40;
/// Values of each of the two vectors that are copied: half a gigabyte together, more than caches hold.
const COPIED: usize = 1 << 26;
/// Values that a thread copies at a time.
const PIECE: usize = 1 << 16;
/// Measurements, of which the best counts.
const TRIES: usize = 5;

/// The limits of this machine, all threads together, as measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roofline {
    /// Floating-point operations a second in f32 matrix products, a multiply-add being two.
    pub flops: f64,
    /// Bytes a second from and to memory, of a copy: what is read and what is written.
    pub bytes: f64,
}

impl Roofline {
    /// Measures the machine; takes a second or two and half a gigabyte.
    pub fn measure() -> Self {
        let threads = rayon::current_num_threads();
        let products = 2.0 * (SIDE.pow(3) * PRODUCTS * threads) as f64;
        let flops = products / best(|| machine::multiply(threads, SIDE, PRODUCTS));
        let from = vec![1.0f32; COPIED];
        let mut to = vec![0.0f32; COPIED];
        let copied = 2.0 * size_of_val(&from[..]) as f64;
        let seconds = best(|| {
            to.par_chunks_mut(PIECE)
                .zip(from.par_chunks(PIECE))
                .for_each(|(to, from)| to.copy_from_slice(from));
        });
        Self {
            flops,
            bytes: copied / seconds,
        }
    }

    /// The seconds that so many operations on so much memory take at least.
    pub fn floor(&self, flops: f64, bytes: f64) -> f64 {
        (flops / self.flops).max(bytes / self.bytes)
    }
}

/// The shortest of a few times, in seconds.
fn best(mut run: impl FnMut()) -> f64 {
    let times = (0..TRIES).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tighter_limit_is_the_floor() {
        let machine = Roofline {
            flops: 100.0,
            bytes: 10.0,
        };
        assert_eq!(machine.floor(200.0, 10.0), 2.0);
        assert_eq!(machine.floor(200.0, 40.0), 4.0);
        assert_eq!(machine.floor(0.0, 5.0), 0.5);
    }
}
