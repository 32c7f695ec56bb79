use super::super::testing::{assert_gradient, draw, scalar, tensor, values};
use sslight_models::params::constant;

use super::*;
use crate::loss::PairWeights;

const TEMPS: Temps = Temps {
    student: 0.1,
    teacher: 0.05,
};

fn soft(row: &[f64]) -> Vec<f64> {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = row.iter().map(|v| (v - max).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|e| e / sum).collect()
}

/// The definition, pair by pair: mean over global-global and global-local pairs.
fn by_definition(
    student: &[f64],
    teacher: &[f64],
    center: &[f64],
    b: usize,
    views: usize,
) -> [f64; 2] {
    let k = center.len();
    let mut sums = [0.0; 2];
    let mut pairs = [0; 2];
    for i in 0..2 {
        for v in (0..views).filter(|v| *v != i) {
            let mut term = 0.0;
            for n in 0..b {
                let centred: Vec<f64> = (0..k)
                    .map(|j| (teacher[(i * b + n) * k + j] - center[j]) / TEMPS.teacher)
                    .collect();
                let logits: Vec<f64> = (0..k)
                    .map(|j| student[(v * b + n) * k + j] / TEMPS.student)
                    .collect();
                let (q, p) = (soft(&centred), soft(&logits));
                term -= q.iter().zip(&p).map(|(q, p)| q * p.ln()).sum::<f64>();
            }
            let kind = usize::from(v >= 2);
            sums[kind] += term / b as f64;
            pairs[kind] += 1;
        }
    }
    [0, 1].map(|kind| sums[kind] / f64::from(pairs[kind].max(1)))
}

#[test]
fn terms_equal_the_definition_pair_by_pair() {
    // f32 sums of at most 5 classes and 12 rows at logits of 10: relative error of about 1e-6.
    const TOLERANCE: f64 = 1e-5;
    for b in 1..=3 {
        for locals in 0..=3 {
            for k in 2..=5 {
                let seed = (b * 100 + locals * 10 + k) as u64;
                let views = 2 + locals;
                let student = draw(seed, views * b, k, 1.0);
                let teacher = draw(seed + 1000, 2 * b, k, 1.0);
                let center = draw(seed + 2000, 1, k, 0.3);
                let terms = dino_terms(
                    tensor(&student, views * b),
                    tensor(&teacher, 2 * b),
                    tensor(&center, 1),
                    TEMPS,
                );
                let [gg, gl] = by_definition(&student, &teacher, &center, b, views);
                let got = scalar(terms.global);
                assert!(
                    (got - gg).abs() <= TOLERANCE * gg,
                    "gg: got {got}, want {gg}"
                );
                assert_eq!(terms.local.is_some(), locals > 0);
                if let Some(local) = terms.local {
                    let got = scalar(local);
                    assert!(
                        (got - gl).abs() <= TOLERANCE * gl,
                        "gl: got {got}, want {gl}"
                    );
                }
            }
        }
    }
}

#[test]
fn uniform_logits_give_ln_k() {
    let k = 7;
    let terms = dino_terms(
        tensor(&vec![0.3; 4 * 2 * k], 8),
        tensor(&vec![-0.2; 2 * 2 * k], 4),
        tensor(&vec![0.0; k], 1),
        TEMPS,
    );
    let weights = PairWeights {
        alpha: 0.4,
        beta: 0.6,
        global_only: false,
    };
    let loss = scalar(weights.combine(&terms));
    assert!((loss - (k as f64).ln()).abs() < 1e-6, "{loss}");
}

#[test]
fn logits_of_plus_and_minus_a_hundred_give_a_finite_and_right_loss() {
    // Teacher and student agree on class 0 with certainty in view 0 and 1; the local view is certain
    // of class 1, which costs (100 - -100) / tau_s.
    let certain = [100.0, -100.0];
    let wrong = [-100.0, 100.0];
    let student: Vec<f64> = [certain, certain, wrong].concat();
    let teacher: Vec<f64> = [certain, certain].concat();
    let terms = dino_terms(
        tensor(&student, 3),
        tensor(&teacher, 2),
        tensor(&[0.0, 0.0], 1),
        TEMPS,
    );
    assert!(scalar(terms.global).abs() < 1e-6);
    let local = terms.local.map(scalar);
    assert_eq!(local, Some(2000.0));
}

#[test]
fn the_gradient_equals_finite_differences_and_none_reaches_the_teacher() {
    let (b, k, rows) = (2, 4, 8);
    let student = draw(5, rows, k, 0.3);
    let teacher = draw(6, 2 * b, k, 0.3);
    let center = draw(7, 1, k, 0.1);
    let weights = PairWeights {
        alpha: 0.4,
        beta: 0.6,
        global_only: false,
    };
    let student_tensor = tensor(&student, rows).require_grad();
    let teacher_tensor = tensor(&teacher, 2 * b).require_grad();
    let terms = dino_terms(
        student_tensor.clone(),
        constant(teacher_tensor.clone()),
        tensor(&center, 1),
        TEMPS,
    );
    let grads = weights.combine(&terms).backward();
    assert!(teacher_tensor.grad(&grads).is_none());
    assert_gradient(&student_tensor, &grads, &student, |student| {
        let [gg, gl] = by_definition(student, &teacher, &center, b, rows / b);
        0.4 * gg + 0.6 * gl
    });
}

#[test]
fn the_centre_moves_by_the_mean_of_the_teachers_rows() {
    let center = update_center(
        tensor(&[1.0, -1.0], 1),
        tensor(&[0.0, 2.0, 4.0, 6.0], 2),
        0.9,
    );
    let got = values(center);
    assert!(
        (got[0] - (0.9 + 0.2)).abs() < 1e-6 && (got[1] - (-0.9 + 0.4)).abs() < 1e-6,
        "{got:?}"
    );
}

#[test]
#[should_panic(expected = "views [5, 2] do not fit targets [4, 2]")]
fn rows_of_another_batch_are_refused() {
    dino_terms(
        tensor(&[0.0; 10], 5),
        tensor(&[0.0; 8], 4),
        tensor(&[0.0; 2], 1),
        TEMPS,
    );
}
