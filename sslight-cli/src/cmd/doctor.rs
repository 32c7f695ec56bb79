//! `sslight doctor`: what this build and machine have, and what a run will take. It says only what it measured
//! or read; what it cannot know is reported as unknown.

mod run;
mod trial;

use std::fs;

use serde::Serialize;
use sslight_core::config::resolve;
use sslight_core::run::Memory;

use crate::args::DoctorArgs;
use crate::backend::{EngineState, engine_states};
use crate::exit::{CliError, Outcome};
use crate::ui;
use run::RunReport;

#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    revision: Option<&'static str>,
    features: Vec<&'static str>,
    debug_assertions: bool,
    cpu: Option<String>,
    threads: Option<usize>,
    simd: Vec<&'static str>,
    memory_bytes: Option<u64>,
    memory_available_bytes: Option<u64>,
    backends: Vec<EngineState>,
    run: Option<RunReport>,
}

/// Prints the report; a configuration that cannot run is an error.
pub fn run(args: &DoctorArgs) -> Result<Outcome, CliError> {
    let run = if args.words.is_empty() {
        None
    } else {
        let resolved = resolve(&args.words)?;
        let mut run = run::report(&resolved)?;
        if !args.no_trial {
            run.try_out(&resolved, args)?;
        }
        Some(run)
    };
    let memory = Memory::now();
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        revision: option_env!("SSLIGHT_REVISION"),
        features: features(),
        debug_assertions: cfg!(debug_assertions),
        cpu: cpu(),
        threads: std::thread::available_parallelism().ok().map(usize::from),
        simd: simd(),
        memory_bytes: memory.total,
        memory_available_bytes: memory.available,
        backends: engine_states(),
        run,
    };
    ui::show(args.output.json, &report, || text(&report))?;
    if report.run.as_ref().is_none_or(RunReport::can_run) {
        ui::hint(ui::Done::Examined { words: &args.words });
    }
    Ok(Outcome::Done)
}

fn text(report: &Report) -> String {
    let unknown = || "unknown".to_owned();
    let mut lines = vec![
        ("version", report.version.to_owned()),
        (
            "revision",
            report.revision.map_or_else(unknown, str::to_owned),
        ),
        ("features", listed(&report.features)),
        (
            "build",
            if report.debug_assertions {
                "with debug assertions, slow"
            } else {
                "optimised"
            }
            .to_owned(),
        ),
        ("cpu", report.cpu.clone().unwrap_or_else(unknown)),
        (
            "threads",
            report
                .threads
                .map_or_else(unknown, |threads| threads.to_string()),
        ),
        ("simd", listed(&report.simd)),
        ("memory", report.memory_bytes.map_or_else(unknown, bytes)),
        (
            "memory available",
            report.memory_available_bytes.map_or_else(unknown, bytes),
        ),
    ];
    for engine in &report.backends {
        let state = match (engine.built, engine.usable) {
            (true, true) => format!("usable: {}", engine.detail),
            (true, false) => format!("built, but does not work here: {}", engine.detail),
            (false, _) => format!("not in this build; {}", engine.detail),
        };
        lines.push((engine.name, state));
    }
    lines.extend(report.run.iter().flat_map(RunReport::lines));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text: String = lines
        .iter()
        .map(|(name, value)| format!("{name:width$}  {value}\n"))
        .collect();
    for warning in report.run.iter().flat_map(|run| &run.warnings) {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

fn listed(words: &[&str]) -> String {
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

fn bytes(count: u64) -> String {
    let mib = count as f64 / (1 << 20) as f64;
    if mib >= 1024.0 {
        format!("{:.1} GiB", mib / 1024.0)
    } else {
        format!("{mib:.1} MiB")
    }
}

fn features() -> Vec<&'static str> {
    vec![
        #[cfg(feature = "cuda")]
        "cuda",
        #[cfg(feature = "wgpu")]
        "wgpu",
    ]
}

/// The processor's name, where the system tells it.
fn cpu() -> Option<String> {
    field(&fs::read_to_string("/proc/cpuinfo").ok()?, "model name")
}

/// The first value of a `name: value` line.
fn field(text: &str, name: &str) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

/// The vector instructions of this processor that matter to the CPU engines.
#[cfg(target_arch = "x86_64")]
fn simd() -> Vec<&'static str> {
    let found = [
        ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        ("avx", std::arch::is_x86_feature_detected!("avx")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    found
        .iter()
        .filter(|(_, has)| *has)
        .map(|(name, _)| *name)
        .collect()
}

#[cfg(target_arch = "aarch64")]
fn simd() -> Vec<&'static str> {
    // Part of the architecture's baseline.
    vec!["neon"]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn simd() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "MemTotal:       24605276 kB\nMemTotalX: 1 kB\nmodel name\t: A CPU @ 2 GHz\n";
        assert_eq!(field(text, "MemTotal").as_deref(), Some("24605276 kB"));
        assert_eq!(field(text, "model name").as_deref(), Some("A CPU @ 2 GHz"));
        assert_eq!(field(text, "Mem"), None);
    }

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        assert_eq!(bytes(512 << 20), "512.0 MiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
    }
}
