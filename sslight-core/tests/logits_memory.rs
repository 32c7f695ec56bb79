//! How often DINO's loss holds its logits, measured by the allocator. A binary of its own, so that nothing else
//! allocates.

use burn::backend::Autodiff;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use peak_alloc::PeakAlloc;
use sslight_core::loss::dino::{dino_targets, terms_of_targets, update_center};
use sslight_core::loss::{PairWeights, target_stats};

type B = Autodiff<Flex>;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const OUTPUTS: usize = 65_536;
const BATCH: usize = 4;
const VIEWS: usize = 8;

fn logits(rows: usize) -> Tensor<B, 2> {
    let values: Vec<f32> = (0..rows * OUTPUTS)
        .map(|i| ((i * 31) % 1009) as f32 * 1e-3)
        .collect();
    Tensor::from_data(
        TensorData::new(values, [rows, OUTPUTS]),
        &Default::default(),
    )
}

#[test]
fn dino_with_65536_outputs_holds_no_more_than_three_copies_of_the_students_logits() {
    let copy = VIEWS * BATCH * OUTPUTS * size_of::<f32>();
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();

    let student = logits(VIEWS * BATCH).require_grad();
    let teacher = logits(2 * BATCH);
    let center = Tensor::zeros([1, OUTPUTS], &Default::default());
    let targets = dino_targets(teacher.clone(), center.clone(), 0.04);
    let stats = target_stats(targets.clone());
    let terms = terms_of_targets(student.clone(), targets, 0.1);
    let weights = PairWeights {
        alpha: 0.3,
        beta: 0.7,
        global_only: false,
    };
    let grads = weights.combine(&terms).backward();
    let center = update_center(center, teacher, 0.9);

    let copies = (ALLOCATOR.peak_usage() - before) as f64 / copy as f64;
    assert!(student.grad(&grads).is_some() && stats.outputs == OUTPUTS);
    assert_eq!(center.dims(), [1, OUTPUTS]);
    // The logits and their gradient at least.
    assert!((2.0..=3.0).contains(&copies), "{copies} copies");
}
