//! Tells the program which revision it was built from, where that is known.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The log of HEAD grows with every commit and checkout; it is missing before the first commit.
    let log = "../.git/logs/HEAD";
    if Path::new("../.git").exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "--verify", "--quiet", "HEAD"])
        .output();
    if let Ok(output) = output
        && output.status.success()
        && let Ok(revision) = String::from_utf8(output.stdout)
    {
        println!("cargo::rustc-env=SSLIGHT_REVISION={}", revision.trim());
    }
}
