//! DINO's last layer, and the loss over views.

use super::*;

/// Weight normalisation.
#[derive(Debug, Clone, Copy)]
pub struct WeightNorm {
    pub outputs: usize,
    pub inputs: usize,
}

impl Operation for WeightNorm {
    fn units(&self) -> [f64; 2] {
        [1.4, 0.7]
    }

    fn operands(&self) -> Vec<Operand> {
        vec![
            operand("direction", &[self.outputs, self.inputs], UNEVEN),
            operand("length", &[self.outputs], [0.5, 2.0]),
        ]
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        let mut weight = Vec::new();
        for (row, length) in operands[0].chunks(self.inputs).zip(&operands[1]) {
            let norm = N::sum(row.iter().map(|value| *value * *value)).sqrt();
            weight.extend(row.iter().map(|value| value.over(norm) * *length));
        }
        vec![weight]
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let direction = shaped(&operands[0], [self.outputs, self.inputs]);
        let length = shaped(&operands[1], [self.outputs, 1]);
        vec![flat(kernels::weight_norm(direction, length))]
    }
}

/// Cross entropies of views with the targets of other views.
#[derive(Debug, Clone, Copy)]
pub struct CrossView {
    pub batch: usize,
    pub views: usize,
    pub outputs: usize,
    pub temperature: f64,
}

impl Operation for CrossView {
    fn units(&self) -> [f64; 2] {
        [2.6, 0.4]
    }

    fn operands(&self) -> Vec<Operand> {
        vec![
            operand("logits", &[self.views, self.batch, self.outputs], UNIT),
            given("targets", &[2, self.batch, self.outputs], [0.0, 1.0]),
        ]
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        let scale = N::constant(1.0 / self.temperature);
        let mut losses = Vec::new();
        for view in 0..self.views {
            for sample in 0..self.batch {
                let start = (view * self.batch + sample) * self.outputs;
                let logits: Vec<N> = operands[0][start..][..self.outputs]
                    .iter()
                    .map(|logit| *logit * scale)
                    .collect();
                let (exponentials, largest) = exponentials(&logits);
                let total = N::sum(exponentials).ln();
                let mut loss = N::zero();
                for target_view in (0..2).filter(|target| *target != view) {
                    let start = (target_view * self.batch + sample) * self.outputs;
                    let targets = &operands[1][start..][..self.outputs];
                    for (logit, target) in logits.iter().zip(targets) {
                        loss = loss + *target * (total - (*logit - largest));
                    }
                }
                losses.push(loss);
            }
        }
        vec![losses]
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let logits = shaped(&operands[0], [self.views * self.batch, self.outputs]);
        let targets = shaped(&operands[1], [2 * self.batch, self.outputs]);
        vec![kernels::cross_view_entropy(
            logits,
            targets,
            self.temperature,
        )]
    }
}
