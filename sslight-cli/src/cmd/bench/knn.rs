//! `sslight bench knn`: an exact search among random features.

use burn::tensor::backend::AutodiffBackend;
use serde::Serialize;
use sslight_core::config::resolve;
use sslight_core::run::{KnnSizes, bench_knn};

use crate::args::BenchKnnArgs;
use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// What `--json` prints; the time is the median over the searches.
#[derive(Debug, Serialize)]
struct Report {
    backend: String,
    queries: usize,
    bank: usize,
    dim: usize,
    k: usize,
    tries: usize,
    seconds: f64,
    /// Of the products of vectors, over the whole search.
    gflops: f64,
}

/// Measures searches of the given sizes.
pub fn run(args: &BenchKnnArgs) -> Result<Outcome, CliError> {
    let resolved = resolve(&args.words)?;
    let engine = backend::choose(resolved.config.backend)?;
    let sizes = KnnSizes {
        queries: args.queries,
        bank: args.bank,
        dim: args.dim,
        k: args.k,
    };
    let mut times = with_engine!(engine, |B, device| {
        bench_knn::<<B as AutodiffBackend>::InnerBackend>(sizes, args.tries, &device)
    });
    times.sort_by(f64::total_cmp);
    let seconds = times.get(times.len() / 2).copied().unwrap_or_default();
    let operations = 2.0 * args.queries as f64 * args.bank as f64 * args.dim as f64;
    let report = Report {
        backend: engine.choice().to_string(),
        queries: args.queries,
        bank: args.bank,
        dim: args.dim,
        k: args.k,
        tries: args.tries,
        seconds,
        gflops: operations / seconds / 1e9,
    };
    ui::show(args.output.json, &report, || {
        format!(
            "{} nearest of {} queries among {} x {} features on {}: {seconds:.3} s, {:.1} GFLOP/s (median of {})",
            report.k,
            report.queries,
            report.bank,
            report.dim,
            report.backend,
            report.gflops,
            report.tries
        )
    })?;
    Ok(Outcome::Done)
}
