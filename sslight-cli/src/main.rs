//! `sslight`: self-supervised pre-training of small networks, from the command line.
//!
//! This crate parses words, picks the engine and calls `sslight-core`; it contains no science.

// The types of the GPU back ends, with fusion and autodiff around them, nest deeper than the default of 128.
#![recursion_limit = "256"]

mod args;
mod backend;
mod cmd;
mod exit;
mod subject;
mod train;
mod ui;

use std::process::ExitCode;

use args::Verb;

fn main() -> ExitCode {
    sslight_models::backend::memory::keep_freed();
    sslight_models::backend::threads::join_kernels();
    let outcome = args::parse(std::env::args_os()).and_then(|verb| match verb {
        Verb::Pretrain(args) => cmd::pretrain::run(&args),
        Verb::Sweep(args) => cmd::sweep::run(&args),
        Verb::Knn(args) => cmd::knn::run(&args),
        Verb::Classify(args) => cmd::classify::run(&args),
        Verb::Selftest(args) => cmd::selftest::run(&args),
        Verb::List(args) => cmd::list::run(&args),
        Verb::Bench(args) => cmd::bench::run(&args.verb),
        Verb::Doctor(args) => cmd::doctor::run(&args),
    });
    exit::report(outcome)
}
