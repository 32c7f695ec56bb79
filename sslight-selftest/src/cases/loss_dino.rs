//! `loss.dino`: several steps of the loss with its moving centre, and the student's gradient.

use burn::tensor::Tensor;
use serde::Deserialize;
use sslight_core::loss::PairWeights;
use sslight_core::loss::dino::{Temps, dino_terms, update_center};
use sslight_core::schedule::teacher_temp;
use sslight_models::backend::AutodiffBackend;
use sslight_models::params::host_values;

use super::{CaseContext, put, scalar};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

#[derive(Deserialize)]
struct Params {
    batch: usize,
    out_dim: usize,
    globals: usize,
    locals: usize,
    lambdas: [f64; 2],
    global_only: bool,
    student_temp: f64,
    warmup_teacher_temp: f64,
    teacher_temp: f64,
    warmup_teacher_temp_epochs: usize,
    center_momentum: f64,
    epoch_of_step: Vec<usize>,
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let p: Params = context.params()?;
    let [alpha, beta] = p.lambdas;
    let weights = PairWeights {
        alpha,
        beta,
        global_only: p.global_only,
    };
    let rows = (p.globals + p.locals) * p.batch;
    let steps = p.epoch_of_step.len();

    let mut center = Tensor::<B, 2>::zeros([1, p.out_dim], device);
    let (mut losses, mut globals, mut locals) = (Vec::new(), Vec::new(), Vec::new());
    let (mut temps, mut centers, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
    for (step, &epoch) in p.epoch_of_step.iter().enumerate() {
        let student: Tensor<B, 2> = context.tensor(&format!("student.step{step}"), device)?;
        let student = student.require_grad();
        let teacher: Tensor<B, 2> = context.tensor(&format!("teacher.step{step}"), device)?;
        let temp = teacher_temp(
            p.warmup_teacher_temp,
            p.teacher_temp,
            p.warmup_teacher_temp_epochs,
            epoch,
        );
        let terms = dino_terms(
            student.clone(),
            teacher.clone(),
            center.clone(),
            Temps {
                student: p.student_temp,
                teacher: temp,
            },
        );
        let loss = weights.combine(&terms);
        losses.push(scalar(loss.clone()));
        globals.push(scalar(terms.global));
        locals.extend(terms.local.map(scalar));
        let gradient = student
            .grad(&loss.backward())
            .ok_or_else(|| CaseError::failed("the student got no gradient"))?;
        gradients.extend(host_values(gradient));
        center = update_center(center, teacher, p.center_momentum);
        centers.extend(host_values(center.clone()));
        temps.push(temp);
    }

    let mut outputs = Outputs::new();
    for (name, values) in [
        ("loss", losses),
        ("loss_gg", globals),
        ("loss_gl", locals),
        ("teacher_temp", temps),
    ] {
        put(&mut outputs, name, HostTensor::f64([values.len()], values));
    }
    put(
        &mut outputs,
        "center",
        HostTensor::f32([steps, p.out_dim], centers),
    );
    let shape = [steps, rows, p.out_dim];
    put(
        &mut outputs,
        "grad_student",
        HostTensor::f32(shape, gradients),
    );
    Ok(outputs)
}
