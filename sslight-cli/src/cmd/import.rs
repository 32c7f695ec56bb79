//! `sslight import`: other people's weights as a file of ours.

use sslight_core::exchange::{ImportOptions, ImportReport, import};

use crate::args::ImportArgs;
use crate::backend::Host;
use crate::cmd::wanted::wanted;
use crate::exit::{CliError, Outcome};
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// The keys of the verb.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "out",
        values: "path",
        default: "beside the file, named by backbone and role",
        help: "The file to write",
    },
    VerbKey {
        name: "role",
        values: "student|teacher",
        default: "the student if there is one",
        help: "Which network of a checkpoint that has several",
    },
    VerbKey {
        name: "backbone",
        values: "one of `sslight list backbones`",
        default: "the one that fits as a whole",
        help: "The network",
    },
    VerbKey {
        name: "small_input",
        values: "true|false",
        default: "detected",
        help: "Whether it is the variant for images of 64 pixels and less; the tensors of mobilenet_v2 do not tell",
    },
    VerbKey {
        name: "partial",
        values: "true|false",
        default: "false",
        help: "Whether tensors may be missing, left over or of another shape; only those that fit are written",
    },
    VerbKey {
        name: "overwrite",
        values: "true|false",
        default: "false",
        help: "Whether a file that is there is replaced",
    },
];

/// Writes the backbone of the file and says what became of every tensor.
pub fn run(args: &ImportArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::parse(KEYS, &args.words)?;
    let options = ImportOptions {
        wanted: wanted(&words)?,
        out: words.path("out")?,
        overwrite: words.flag("overwrite")?.unwrap_or(false),
    };
    let report = import::<Host>(&args.file, &options, &Default::default())?;
    if args.output.json {
        ui::say_json(&report)?;
    } else {
        ui::say(&text(&report));
    }
    match report.out {
        Some(file) => {
            ui::hint(ui::Done::Imported { file: &file });
            Ok(Outcome::Done)
        }
        None => Err(CliError::NotImported {
            path: report.path,
            backbone: report.backbone,
        }),
    }
}

fn text(report: &ImportReport) -> String {
    let part = report.part.as_ref().map(|part| format!(", its {part}"));
    let mut lines = vec![
        format!(
            "{}: {}{}",
            report.path.display(),
            report.format,
            part.unwrap_or_default()
        ),
        format!("sha256 {}", report.sha256),
        format!(
            "{} {}{}, names {}*",
            report.backbone,
            report.role,
            if report.small_input {
                ", for small images"
            } else {
                ""
            },
            report.prefix
        ),
        format!("matched       {}", report.matched.len()),
    ];
    for (what, names) in [
        ("missing", &report.missing),
        ("unexpected", &report.unexpected),
    ] {
        lines.push(format!("{what:12}  {}", names.len()));
        lines.extend(names.iter().map(|name| format!("  {name}")));
    }
    lines.push(format!("other shape   {}", report.mismatched.len()));
    for (name, expected, found) in &report.mismatched {
        lines.push(format!("  {name}: expected {expected:?}, found {found:?}"));
    }
    for (what, names) in [("heads", &report.heads), ("other parts", &report.others)] {
        let what = format!("left out, {what}");
        lines.push(format!("{what}: {}", names.len()));
        lines.extend(names.iter().map(|name| format!("  {name}")));
    }
    if let (Some(out), Some(sha256)) = (&report.out, &report.out_sha256) {
        lines.push(format!("written to {} (sha256 {sha256})", out.display()));
    }
    lines.join("\n")
}
