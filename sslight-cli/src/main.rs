//! `sslight`: self-supervised pre-training of small networks, from the command line.
//!
//! This crate parses words, picks the engine and calls `sslight-core`; it contains no science.

// The types of the GPU back ends, with fusion and autodiff around them, nest deeper than the default of 128.
#![recursion_limit = "256"]

mod args;
mod backend;
mod cmd;
mod exit;
mod help;
mod shown;
mod subject;
mod train;
mod ui;
mod verb_keys;

use std::process::ExitCode;

use args::Verb;

fn main() -> ExitCode {
    sslight_models::backend::memory::keep_freed();
    sslight_models::backend::threads::join_kernels();
    let verb = args::parse(std::env::args_os());
    if let Ok(verb) = &verb {
        ui::set_output(verb.output());
        ui::show_work();
    }
    let outcome = verb.and_then(|verb| match verb {
        Verb::Pretrain(args) => cmd::pretrain::run(&args),
        Verb::Watch(args) => cmd::watch::run(&args),
        Verb::Sweep(args) => cmd::sweep::run(&args),
        Verb::Knn(args) => cmd::knn::run(&args),
        Verb::Probe(args) => cmd::evaluation::probe(&args),
        Verb::Finetune(args) => cmd::evaluation::finetune(&args),
        Verb::Detect(args) => cmd::detect::run(&args.verb),
        Verb::Report(args) => cmd::report::run(&args),
        Verb::Results(args) => cmd::results::run(&args),
        Verb::Export(args) => cmd::export::run(&args),
        Verb::Import(args) => cmd::import::run(&args),
        Verb::Inspect(args) => cmd::inspect::run(&args),
        Verb::Embed(args) => cmd::embed::run(&args),
        Verb::Neighbours(args) => cmd::neighbours::run(&args),
        Verb::Project(args) => cmd::project::run(&args),
        Verb::Attention(args) => cmd::attention::run(&args),
        Verb::Classify(args) => cmd::classify::run(&args),
        Verb::Views(args) => cmd::views::run(&args.verb),
        Verb::Selftest(args) => cmd::selftest::run(&args),
        Verb::List(args) => cmd::list::run(&args),
        Verb::Bench(args) => cmd::bench::run(&args.verb),
        Verb::Doctor(args) => cmd::doctor::run(&args),
        Verb::Completions(args) => cmd::completions::run(&args),
        Verb::Man(args) => cmd::man::run(&args),
    });
    exit::report(outcome)
}
