//! `sslight bench ops`: single operations, beside what the machine could do.

use serde::Serialize;
use sslight_core::config::{BackendChoice, resolve};
use sslight_core::run::{OperationCase, Roofline, bench_operations};

use crate::args::BenchOpsArgs;
use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    backend: String,
    /// Of f32 matrix products in caches, all threads.
    machine_gflops: f64,
    /// Of a copy in memory, reading and writing, all threads.
    machine_gigabytes_per_s: f64,
    operations: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    operation: String,
    kernel: &'static str,
    seconds: f64,
    gflops: f64,
    /// Of what has to be read and written, each once.
    gigabytes_per_s: f64,
    /// The least time by the limits of the machine, divided by the measured one.
    share_of_roofline: f64,
}

impl From<&OperationCase> for Line {
    fn from(of: &OperationCase) -> Self {
        Self {
            operation: of.case.clone(),
            kernel: of.kernel,
            seconds: of.seconds,
            gflops: of.flops / of.seconds / 1e9,
            gigabytes_per_s: of.bytes / of.seconds / 1e9,
            share_of_roofline: of.floor / of.seconds,
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!(
            "this machine, measured: {:.0} GFLOP/s in matrix products, {:.1} GB/s in a copy\n",
            self.machine_gflops, self.machine_gigabytes_per_s
        );
        let mut last = "";
        for line in &self.operations {
            if line.operation != last {
                text.push_str(&format!("{}\n", line.operation));
                last = &line.operation;
            }
            text.push_str(&format!(
                "  {:<39}  {:>8.3} ms  {:>6.1} GFLOP/s  {:>5.1} GB/s  {:>4.0} % of the roofline\n",
                line.kernel,
                1e3 * line.seconds,
                line.gflops,
                line.gigabytes_per_s,
                100.0 * line.share_of_roofline
            ));
        }
        text.push_str(
            "more than 100 %: fewer multiplications than a plain product (Winograd), or operands that caches hold\n",
        );
        text
    }
}

pub(super) fn run(args: &BenchOpsArgs) -> Result<Outcome, CliError> {
    let resolved = resolve(&args.words)?;
    let engine = match resolved.config.backend {
        BackendChoice::Auto => backend::Engine::Flex,
        choice => backend::choose(choice)?,
    };
    if !matches!(engine, backend::Engine::Flex | backend::Engine::Ndarray) {
        return Err(CliError::Usage(format!(
            "bench ops measures the kernels of the CPU engines, and {} has none; say backend=flex or backend=ndarray",
            engine.choice()
        )));
    }
    let machine = Roofline::measure();
    let operations = with_engine!(engine, |B, device| bench_operations::<B>(
        &device,
        machine,
        &args.filter,
        args.tries
    ));
    if operations.is_empty() {
        return Err(CliError::Usage(format!(
            "bench ops: no operation contains {:?}; without --filter all are measured",
            args.filter
        )));
    }
    let report = Report {
        backend: engine.choice().to_string(),
        machine_gflops: machine.flops / 1e9,
        machine_gigabytes_per_s: machine.bytes / 1e9,
        operations: operations.iter().map(Line::from).collect(),
    };
    ui::show(args.output.json, &report, || report.text())?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_named_once_above_its_kernels() {
        let of = |kernel, seconds| OperationCase {
            case: "1x1 convolution, 16 -> 96, 112 px".to_owned(),
            kernel,
            seconds,
            flops: 1e8,
            bytes: 2e7,
            floor: 1e-3,
        };
        let operations = [of("forward", 2e-3), of("backward", 4e-3)];
        let report = Report {
            backend: "flex".to_owned(),
            machine_gflops: 371.4,
            machine_gigabytes_per_s: 25.96,
            operations: operations.iter().map(Line::from).collect(),
        };
        assert_eq!(
            report.text(),
            "this machine, measured: 371 GFLOP/s in matrix products, 26.0 GB/s in a copy\n\
             1x1 convolution, 16 -> 96, 112 px\n  \
             forward                                     2.000 ms    50.0 GFLOP/s   10.0 GB/s    50 % of the roofline\n  \
             backward                                    4.000 ms    25.0 GFLOP/s    5.0 GB/s    25 % of the roofline\n\
             more than 100 %: fewer multiplications than a plain product (Winograd), or operands that caches hold\n"
        );
    }
}
