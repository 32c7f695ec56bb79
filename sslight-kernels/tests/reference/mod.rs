//! References for the kernels: naive loops in f64, forward only, and how kernels are compared with them.

// Each test program uses a part of it.
#![allow(dead_code, unused_imports)]

pub mod number;
pub mod operations;

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::backend::Autodiff;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_kernels::instruction_set::{InstructionSet, available, limit};
use sslight_kernels::{AutodiffBackend, Backend};

use number::{Bound, Kinks, Number};
use operations::Operation;

/// The step of central differences. Their error, of about its square, and the rounding of f64 divided by it are both far
/// below the rounding of f32.
const STEP: f64 = 1e-5;

/// The limit of the instruction set is global: who changes it holds this.
static LEVEL: Mutex<()> = Mutex::new(());

/// The instruction set is limited while this lives.
struct Limited(MutexGuard<'static, ()>);

impl Drop for Limited {
    fn drop(&mut self) {
        limit(InstructionSet::Avx512);
    }
}

/// Runs `work` with each instruction set that the machine has.
pub fn at_each_level(
    mut work: impl FnMut(InstructionSet) -> Result<(), String>,
) -> Result<(), String> {
    let _limited = Limited(LEVEL.lock().unwrap_or_else(PoisonError::into_inner));
    for level in available() {
        limit(level);
        work(level)?;
    }
    Ok(())
}

fn tensor<B: Backend>(values: &[f32]) -> Tensor<B, 1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, &Default::default())
}

fn host<B: Backend>(tensor: Tensor<B, 1>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The outputs, without a tape.
pub fn outputs<B: Backend>(operation: &impl Operation, values: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let operands: Vec<Tensor<B, 1>> = values.iter().map(|values| tensor(values)).collect();
    operation.call(&operands).into_iter().map(host).collect()
}

/// The outputs with a tape, and the gradients of `sum(weights * first output)` for the differentiable operands.
pub fn gradients<B: AutodiffBackend>(
    operation: &impl Operation,
    values: &[Vec<f32>],
    weights: &[f32],
) -> [Vec<Vec<f32>>; 2] {
    let about = operation.operands();
    let operands: Vec<Tensor<B, 1>> = values
        .iter()
        .zip(&about)
        .map(|(values, about)| tensor(values).set_require_grad(about.differentiable))
        .collect();
    let outputs = operation.call(&operands);
    let loss = (outputs[0].clone() * tensor(weights)).sum();
    let grads = loss.backward();
    let of_operand = |operand: &Tensor<B, 1>| {
        let grad = operand.grad(&grads);
        grad.map(host::<B::InnerBackend>)
    };
    let tracked = operands.iter().zip(&about);
    let tracked = tracked.filter(|(_, about)| about.differentiable);
    // A missing gradient has no values.
    let found = tracked.map(|(operand, _)| of_operand(operand).unwrap_or_default());
    let found = found.collect();
    [outputs.into_iter().map(host).collect(), found]
}

pub fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub fn draw(random: &mut ChaCha8Rng, len: usize, [low, high]: [f32; 2]) -> Vec<f32> {
    (0..len).map(|_| random.random_range(low..high)).collect()
}

/// Values for the operands.
pub fn draw_operands(random: &mut ChaCha8Rng, operation: &impl Operation) -> Vec<Vec<f32>> {
    let operands = operation.operands().into_iter();
    operands
        .map(|operand| draw(random, operand.len, operand.range))
        .collect()
}

/// Values so far from every kink that f32 falls on the same side, with the choices that the formula makes there and what
/// it gives.
struct Centre {
    values: Vec<Vec<f32>>,
    kinks: Kinks,
    outputs: Vec<Vec<Bound>>,
    /// What the rounding of each output is relative to.
    masses: Vec<Vec<f64>>,
}

impl Centre {
    fn draw(random: &mut ChaCha8Rng, operation: &impl Operation) -> Result<Self, String> {
        const TRIES: usize = 100;
        for _ in 0..TRIES {
            let values = draw_operands(random, operation);
            let mut kinks = Kinks::default();
            let outputs = operation.formula(&bounds(&values, None), &mut kinks);
            if kinks.ambiguous == 0 {
                let masses = outputs.iter();
                let masses = masses.map(|output| output.iter().map(|y| y.mass()).collect());
                let mut masses: Vec<Vec<f64>> = masses.collect();
                masses[0] = operation.shared(std::mem::take(&mut masses[0]));
                return Ok(Self {
                    values,
                    kinks,
                    outputs,
                    masses,
                });
            }
        }
        Err(format!("no values far from kinks in {TRIES} tries"))
    }
}

/// Operands with the magnitudes of a direction of one of them.
fn bounds(values: &[Vec<f32>], direction: Option<&Direction>) -> Vec<Vec<Bound>> {
    let at = |operand: usize, index: usize| match direction {
        Some(direction) if direction.operand == operand => f64::from(direction.values[index]),
        _ => 0.0,
    };
    let operand = |(operand, values): (usize, &Vec<f32>)| {
        let values = values.iter().enumerate();
        values
            .map(|(index, value)| Bound::operand(f64::from(*value), at(operand, index)))
            .collect()
    };
    values.iter().enumerate().map(operand).collect()
}

/// A direction of one operand, with the derivative along it.
struct Direction {
    operand: usize,
    /// Which of the differentiable operands it is.
    gradient: usize,
    name: &'static str,
    values: Vec<f32>,
    derivative: f64,
    /// What the derivative in f32 may be off by for each unit.
    unit: f64,
    /// The rounding of the difference itself, in f64.
    noise: f64,
}

impl Direction {
    /// Fills in the derivative of `sum(weights * first output)`.
    fn differentiate(&mut self, operation: &impl Operation, centre: &mut Centre, weights: &[f32]) {
        let mut shifted = |step: f64| {
            let mut operands: Vec<Vec<f64>> = centre
                .values
                .iter()
                .map(|values| values.iter().map(|value| f64::from(*value)).collect())
                .collect();
            for (value, change) in operands[self.operand].iter_mut().zip(&self.values) {
                *value += step * f64::from(*change);
            }
            centre.kinks.replay();
            operation
                .formula(&operands, &mut centre.kinks)
                .swap_remove(0)
        };
        let (above, below) = (shifted(STEP), shifted(-STEP));
        centre.kinks.replay();
        let operands = bounds(&centre.values, Some(self));
        let reach = operation
            .formula(&operands, &mut centre.kinks)
            .swap_remove(0);
        for (index, weight) in weights.iter().enumerate() {
            let weight = f64::from(*weight);
            self.derivative += weight * (above[index] - below[index]) / (2.0 * STEP);
            self.unit += weight.abs() * reach[index].slope() * f64::from(f32::EPSILON);
            if reach[index].slope() > 0.0 {
                self.noise += 4.0 * weight.abs() * reach[index].mass() * f64::EPSILON / STEP;
            }
        }
    }
}

/// For each differentiable operand a direction of all values, and one of a single value, at an end half of the time.
fn directions(random: &mut ChaCha8Rng, operation: &impl Operation) -> Vec<Direction> {
    let mut directions = Vec::new();
    let operands = operation.operands();
    let differentiable = operands
        .iter()
        .enumerate()
        .filter(|(_, o)| o.differentiable);
    for (gradient, (operand, about)) in differentiable.enumerate() {
        let mut single = vec![0.0; about.len];
        let at = match random.random_range(0..4) {
            0 => 0,
            1 => about.len - 1,
            _ => random.random_range(0..about.len),
        };
        single[at] = 1.0;
        let all = draw(random, about.len, [-1.0, 1.0]);
        directions.extend([all, single].map(|values| Direction {
            operand,
            gradient,
            name: about.name,
            values,
            derivative: 0.0,
            unit: 0.0,
            noise: 0.0,
        }));
    }
    directions
}

/// The largest errors in units, forward and of derivatives.
#[derive(Debug, Default, Clone, Copy)]
pub struct Errors(pub [f64; 2]);

impl Errors {
    fn take(
        &mut self,
        pass: usize,
        units: f64,
        allowed: f64,
        what: impl FnOnce() -> String,
    ) -> Result<(), String> {
        // Not-a-number is no number of units.
        if units.is_nan() || units > allowed {
            return Err(format!("{}: off by {units:.2} units", what()));
        }
        self.0[pass] = self.0[pass].max(units);
        Ok(())
    }

    pub fn join(&mut self, other: Self) {
        for (largest, other) in self.0.iter_mut().zip(other.0) {
            *largest = largest.max(other);
        }
    }
}

/// Compares outputs and gradients with the reference, on each engine at each instruction set.
pub fn check(operation: &impl Operation, seed: u64) -> Result<Errors, String> {
    let mut random = random(seed);
    let mut centre = Centre::draw(&mut random, operation)?;
    let weights = draw(&mut random, centre.outputs[0].len(), [-1.0, 1.0]);
    let mut directions = directions(&mut random, operation);
    for direction in &mut directions {
        direction.differentiate(operation, &mut centre, &weights);
    }
    let mut errors = Errors::default();
    at_each_level(|level| {
        let mut compare = |engine: &str, got: [Vec<Vec<f32>>; 2]| {
            let what = format!("{engine}, {level:?}");
            let [outputs, gradients] = got;
            compare_outputs(operation, &mut errors, &what, &centre, &outputs)?;
            compare_gradients(operation, &mut errors, &what, &directions, &gradients)
        };
        let values = &centre.values;
        compare("flex", [outputs::<Flex>(operation, values), Vec::new()])?;
        compare(
            "ndarray",
            [outputs::<NdArray<f32>>(operation, values), Vec::new()],
        )?;
        if directions.is_empty() {
            return Ok(());
        }
        let got = gradients::<Autodiff<Flex>>(operation, values, &weights);
        compare("flex with a tape", got)?;
        let got = gradients::<Autodiff<NdArray<f32>>>(operation, values, &weights);
        compare("ndarray with a tape", got)
    })?;
    Ok(errors)
}

fn compare_outputs(
    operation: &impl Operation,
    errors: &mut Errors,
    what: &str,
    centre: &Centre,
    outputs: &[Vec<f32>],
) -> Result<(), String> {
    if outputs.len() != centre.outputs.len() {
        return Err(format!("{what}: {} outputs", outputs.len()));
    }
    for (output, (got, want)) in outputs.iter().zip(&centre.outputs).enumerate() {
        if got.len() != want.len() {
            return Err(format!("{what}: output {output} has {} values", got.len()));
        }
        for (index, (got, want)) in got.iter().zip(want).enumerate() {
            let difference = (f64::from(*got) - want.value()).abs();
            // What has no mass is to be met exactly.
            let exact = difference == 0.0;
            let units = match operation.is_exact() {
                _ if exact => 0.0,
                true => f64::INFINITY,
                false => difference / (centre.masses[output][index] * f64::from(f32::EPSILON)),
            };
            errors.take(0, units, operation.units()[0], || {
                let want = want.value();
                format!("{what}: output {output}[{index}] is {got}, not {want}")
            })?;
        }
    }
    Ok(())
}

fn compare_gradients(
    operation: &impl Operation,
    errors: &mut Errors,
    what: &str,
    directions: &[Direction],
    gradients: &[Vec<f32>],
) -> Result<(), String> {
    if gradients.is_empty() {
        return Ok(());
    }
    for direction in directions {
        let gradient = &gradients[direction.gradient];
        if gradient.len() != direction.values.len() {
            let len = gradient.len();
            return Err(format!(
                "{what}: {} has a gradient of {len}",
                direction.name
            ));
        }
        let terms = gradient.iter().zip(&direction.values);
        let got: f64 = terms.map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
        let difference = (got - direction.derivative).abs();
        let units = if difference <= direction.noise {
            0.0
        } else {
            (difference - direction.noise) / direction.unit
        };
        errors.take(1, units, operation.units()[1], || {
            let Direction {
                name, derivative, ..
            } = direction;
            format!("{what}: along {name} it grows by {got}, not {derivative}")
        })?;
    }
    Ok(())
}

/// Puts not-a-number in each operand in turn: what depends on it by the formula is not-a-number.
pub fn check_not_a_number(operation: &impl Operation, seed: u64) -> Result<(), String> {
    let mut random = random(seed);
    let values = draw_operands(&mut random, operation);
    for operand in 0..values.len() {
        let mut values = values.clone();
        let at = random.random_range(0..values[operand].len());
        values[operand][at] = f32::NAN;
        let operands: Vec<Vec<f64>> = values
            .iter()
            .map(|values| values.iter().map(|value| f64::from(*value)).collect())
            .collect();
        let want = operation.formula(&operands, &mut Kinks::default());
        let name = operation.operands()[operand].name;
        let compare = |what: String, got: Vec<Vec<f32>>| {
            for (output, (got, want)) in got.iter().zip(&want).enumerate() {
                for (index, (got, want)) in got.iter().zip(want).enumerate() {
                    let differs = got.is_nan() != want.is_nan();
                    if differs && (want.is_nan() || !operation.may_spread()) {
                        return Err(format!(
                            "{what}, {name}[{at}] not-a-number: output {output}[{index}] is {got}, not {want}"
                        ));
                    }
                }
            }
            Ok(())
        };
        at_each_level(|level| {
            let got = outputs::<Flex>(operation, &values);
            compare(format!("flex, {level:?}"), got)?;
            let got = outputs::<NdArray<f32>>(operation, &values);
            compare(format!("ndarray, {level:?}"), got)?;
            let differentiable = operation.operands().iter().any(|o| o.differentiable);
            if !differentiable {
                return Ok(());
            }
            let weights = vec![1.0; want[0].len()];
            let [got, _] = gradients::<Autodiff<Flex>>(operation, &values, &weights);
            compare(format!("flex with a tape, {level:?}"), got)?;
            let [got, _] = gradients::<Autodiff<NdArray<f32>>>(operation, &values, &weights);
            compare(format!("ndarray with a tape, {level:?}"), got)
        })?;
    }
    Ok(())
}

/// Outputs and gradients, bit for bit, on one thread, two and three.
pub fn check_threads(operation: &impl Operation, seed: u64) {
    let mut random = random(seed);
    let values = draw_operands(&mut random, operation);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.unwrap_or_else(|error| panic!("no threads: {error}"));
        pool.install(|| {
            let mut all = outputs::<Flex>(operation, &values);
            all.extend(outputs::<NdArray<f32>>(operation, &values));
            if operation.operands().iter().any(|o| o.differentiable) {
                let weights = draw(
                    &mut super::reference::random(seed + 1),
                    all[0].len(),
                    [-1.0, 1.0],
                );
                all.extend(gradients::<Autodiff<Flex>>(operation, &values, &weights).concat());
            }
            let bits = all
                .iter()
                .map(|values| values.iter().map(|v| v.to_bits()).collect());
            bits.collect::<Vec<Vec<u32>>>()
        })
    };
    let _level = LEVEL.lock().unwrap_or_else(PoisonError::into_inner);
    let one = run(1);
    for threads in [2, 3] {
        for (index, (one, many)) in one.iter().zip(run(threads)).enumerate() {
            assert!(
                *one == many,
                "{operation:?}: {threads} threads change result {index}"
            );
        }
    }
}
