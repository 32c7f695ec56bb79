//! Optimizers and moving averages.

use super::*;

/// An update of parameters, which no gradient goes through.
#[derive(Debug, Clone, Copy)]
pub struct Update {
    pub len: usize,
    pub rule: Rule,
}

/// What an update does.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    AdamW(AdamWStep),
    Momentum(MomentumStep),
    Average(f64),
}

impl Operation for Update {
    /// No gradient flows.
    fn units(&self) -> [f64; 2] {
        [2.5, 0.0]
    }

    fn operands(&self) -> Vec<Operand> {
        let len = &[self.len];
        let mut operands = vec![given("param", len, UNIT), given("grad", len, UNIT)];
        match self.rule {
            Rule::AdamW(_) => {
                operands.push(given("first", len, UNIT));
                operands.push(given("second", len, [0.0, 1.0]));
            }
            Rule::Momentum(_) => operands.push(given("velocity", len, UNIT)),
            Rule::Average(_) => {}
        }
        operands
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        let number = N::constant;
        let (params, grads) = (&operands[0], &operands[1]);
        match self.rule {
            Rule::AdamW(step) => {
                let [beta1, beta2] = step.betas;
                let mut outputs = vec![Vec::new(), Vec::new(), Vec::new()];
                for at in 0..self.len {
                    let (param, grad) = (params[at], grads[at]);
                    let first = operands[2][at] * number(beta1) + grad * number(1.0 - beta1);
                    let second =
                        operands[3][at] * number(beta2) + grad * grad * number(1.0 - beta2);
                    let correct = |beta: f64| number(1.0 - beta.powi(step.updates as i32));
                    let denominator = second.over(correct(beta2)).sqrt() + number(step.eps);
                    let change = first.over(correct(beta1)).over(denominator);
                    let kept = param * number(1.0 - step.lr * step.weight_decay);
                    outputs[0].push(kept - change * number(step.lr));
                    outputs[1].push(first);
                    outputs[2].push(second);
                }
                outputs
            }
            Rule::Momentum(step) => {
                let decayed: Vec<N> = (0..self.len)
                    .map(|at| grads[at] + params[at] * number(step.weight_decay))
                    .collect();
                let norm = |values: &[N]| N::sum(values.iter().map(|v| *v * *v)).sqrt();
                let ratio = match step.trust {
                    Some(trust) => (number(trust) * norm(params)).over(norm(&decayed)),
                    None => number(1.0),
                };
                let mut outputs = vec![Vec::new(), Vec::new()];
                for at in 0..self.len {
                    let direction = decayed[at] * ratio;
                    let velocity = operands[2][at] * number(step.momentum) + direction;
                    let change = if step.nesterov {
                        direction + velocity * number(step.momentum)
                    } else {
                        velocity
                    };
                    outputs[0].push(params[at] - change * number(step.lr));
                    outputs[1].push(velocity);
                }
                outputs
            }
            Rule::Average(momentum) => {
                let pairs = params.iter().zip(grads);
                let average = pairs.map(|(target, source)| {
                    *target * number(momentum) + *source * number(1.0 - momentum)
                });
                vec![average.collect()]
            }
        }
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let (param, grad) = (operands[0].clone(), operands[1].clone());
        match self.rule {
            Rule::AdamW(step) => {
                let moments = [operands[2].clone(), operands[3].clone()];
                let (param, [first, second]) =
                    kernels::adamw_step(param, grad, Some(moments), step);
                vec![param, first, second]
            }
            Rule::Momentum(step) => {
                let velocity = Some(operands[2].clone());
                let (param, velocity) = kernels::momentum_step(param, grad, velocity, step);
                vec![param, velocity]
            }
            Rule::Average(momentum) => vec![kernels::moving_average(param, grad, momentum)],
        }
    }
}
