//! In a process of its own: what kernels took is counted for the whole process.

use burn::backend::Autodiff;
use burn_flex::Flex;
use sslight_core::run::{Roofline, bench_operations};

#[test]
fn measures_forward_and_backward_of_what_is_asked_for() {
    let machine = Roofline {
        flops: 1e11,
        bytes: 1e10,
    };
    let measured = bench_operations::<Autodiff<Flex>>(&Default::default(), machine, "attention", 1);
    let kernels: Vec<&str> = measured.iter().map(|of| of.kernel).collect();
    assert_eq!(kernels, ["attention backward", "attention forward"]);
    // scores and mixing: two products of 197 x 197 x 64 for each head and image
    let flops = 2.0 * 2.0 * (197 * 197 * 64 * 3 * 8) as f64;
    assert_eq!(measured[1].flops, flops);
    // queries, keys and values, one value for parameters, and the mixed values
    assert_eq!(measured[1].bytes, (4 * (8 * 197 * 192 * 4 + 1)) as f64);
    assert!(measured.iter().all(|of| of.seconds > 0.0 && of.floor > 0.0));
}
