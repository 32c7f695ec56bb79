//! Gradients while other threads go back over tapes of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use burn::backend::Autodiff;
use burn::tensor::{Device, Tensor};
use burn_flex::Flex;
use sslight_kernels::cat;

type B = Autodiff<Flex>;

/// Runs `work` while another thread makes one small backward pass after the other, at whose ends burn clears all tapes
/// of the process of what no tensor holds.
fn beside_other_tapes(work: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also set if `work` panics, or the scope would wait for ever.
        let _end = SetOnDrop(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let leaf = Tensor::<B, 1>::ones([1], &Device::<B>::default()).require_grad();
                let gradients = (leaf.clone() * 2.0).sum().backward();
                assert!(leaf.grad(&gradients).is_some());
            }
        });
        work();
    });
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn joined_tensors_stay_on_the_tape_of_a_second_pass() {
    beside_other_tapes(|| {
        let leaf = Tensor::<B, 1>::ones([1 << 18], &Device::<B>::default()).require_grad();
        for pass in 0..100 {
            // From the second pass on, the tape itself does not hold the leaf.
            let joined = cat(vec![leaf.clone() * 2.0, leaf.clone() * 3.0], 0);
            let gradients = joined.sum().backward();
            let gradient = leaf.grad(&gradients).map(|grad| grad.into_data());
            let all_five =
                gradient.is_some_and(|grad| grad.iter::<f32>().all(|value| value == 5.0));
            assert!(all_five, "pass {pass}");
        }
    });
}
