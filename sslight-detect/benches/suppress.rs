//! Suppression among 2,000 boxes: `cargo bench -p sslight-detect --bench suppress`. Each line gives the median over a hundred passes,
//! and the largest.

use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_detect::geometry::{BoundingBox, suppress_by_class};

const BOXES: usize = 2000;
const PASSES: usize = 100;

fn main() {
    println!(
        "{:32} {:>6} {:>10} {:>10}",
        "boxes", "kept", "median ms", "most ms"
    );
    // Proposals lie in heaps; boxes that nothing suppresses are the most work.
    for (name, heaps) in [
        ("in 50 heaps", 50),
        ("in 500 heaps", 500),
        ("each elsewhere", BOXES),
    ] {
        let (boxes, scores) = boxes(heaps);
        let classes = vec![0; BOXES];
        let mut kept = 0;
        let mut times: Vec<f64> = (0..PASSES)
            .map(|_| {
                let start = Instant::now();
                kept = suppress_by_class(&boxes, &scores, &classes, 0.7).len();
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "{name:32} {kept:6} {:10.3} {:10.3}",
            times[PASSES / 2],
            times[PASSES - 1]
        );
    }
}

/// Boxes around as many places on an image, apart from each other if every one has its own.
fn boxes(heaps: usize) -> (Vec<BoundingBox>, Vec<f32>) {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let boxes = (0..BOXES).map(|at| {
        let heap = at % heaps;
        let (x, y) = ((heap % 50 * 26) as f32, (heap / 50 * 20) as f32);
        let mut near = || random.random_range(-3.0..3.0f32);
        BoundingBox::new(x + near(), y + near(), x + 24.0 + near(), y + 18.0 + near())
    });
    let boxes = boxes.collect();
    let scores = (0..BOXES).map(|_| random.random_range(0.0..1.0)).collect();
    (boxes, scores)
}
