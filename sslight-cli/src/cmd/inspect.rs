//! `sslight inspect`: what a file of weights, a run or a checkpoint holds.

use std::collections::BTreeMap;

use sslight_core::exchange::{
    FileReport, FolderReport, Inspected, TensorLine, features_of, inspect,
};

use crate::args::InspectArgs;
use crate::backend::Host;
use crate::cmd::wanted::wanted;
use crate::exit::{CliError, Outcome};
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Tensors up to which each is shown.
const SHOWN: usize = 40;

/// The keys of the verb.
pub const KEYS: &[VerbKey] = &[
    VerbKey {
        name: "role",
        values: "student|teacher",
        default: "the student if there is one",
        help: "Which network of a checkpoint that has several",
    },
    VerbKey {
        name: "backbone",
        values: "one of `sslight list backbones`",
        default: "detected",
        help: "The network in a file",
    },
    VerbKey {
        name: "small_input",
        values: "true|false",
        default: "detected",
        help: "Whether it is the variant for images of 64 pixels and less; the tensors of mobilenet_v2 do not tell",
    },
    VerbKey {
        name: "features",
        values: "path",
        default: "none",
        help: "A safetensors file with a tensor input [n, 3, h, w]: write what the network makes of it instead, to compare \
               a conversion with the program that the weights come from",
    },
    VerbKey {
        name: "out",
        values: "path",
        default: "none",
        help: "Where features go: a safetensors file with a tensor features [n, dim]",
    },
    VerbKey {
        name: "overwrite",
        values: "true|false",
        default: "false",
        help: "Whether a file that is there is replaced",
    },
];

/// Says what is there, or writes features.
pub fn run(args: &InspectArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::parse(KEYS, &args.words)?;
    let wanted = wanted(&words)?;
    let device = Default::default();
    match (words.path("features")?, words.path("out")?) {
        (Some(images), Some(out)) => {
            let overwrite = words.flag("overwrite")?.unwrap_or(false);
            let files = [images.as_path(), out.as_path()];
            let report = features_of::<Host>(&args.path, &wanted, files, overwrite, &device)?;
            if args.output.json {
                ui::say_json(&report)?;
            } else {
                ui::say(&format!(
                    "{}: {} features of {} images by {}",
                    report.path.display(),
                    report.dim,
                    report.images,
                    report.backbone
                ));
            }
        }
        (None, None) => {
            let inspected = inspect::<Host>(&args.path, &wanted, &device)?;
            if args.output.json {
                ui::say_json(&inspected)?;
            } else {
                ui::say(&match &inspected {
                    Inspected::File(file) => of_file(file, args.all),
                    Inspected::Folder(folder) => of_folder(folder, args.all),
                });
            }
        }
        _ => {
            return Err(CliError::Usage(
                "command line: features=FILE and out=FILE belong together; give both or none"
                    .to_owned(),
            ));
        }
    }
    Ok(Outcome::Done)
}

fn of_file(file: &FileReport, all: bool) -> String {
    let part = file.part.as_ref().map(|part| format!(", its {part}"));
    let mut lines = vec![
        format!(
            "{}: {}{}, {} bytes",
            file.path.display(),
            file.format,
            part.unwrap_or_default(),
            ui::grouped(file.bytes)
        ),
        format!("sha256 {}", file.sha256),
    ];
    if let Some(network) = &file.network {
        let small = if network.small_input {
            ", for small images"
        } else {
            ""
        };
        lines.push(format!(
            "backbone {} ({}{small}), names {}*: {} tensors, {} parameters; beside it {} of heads, {} of other parts",
            network.backbone,
            network.role,
            network.prefix,
            network.tensors,
            ui::grouped(network.parameters),
            network.heads,
            network.others
        ));
    }
    if let Some(why) = &file.no_network {
        lines.push(format!("no whole backbone: {why}"));
    }
    if let Some(seconds) = file.load_seconds {
        lines.push(format!("loaded in {seconds:.3} s"));
    }
    let texts = file.metadata.iter();
    lines.extend(texts.map(|(key, value)| format!("{key} = {value}")));
    lines.push(totals(&file.tensors, file.numbers));
    lines.extend(tensor_lines(&file.tensors, all));
    lines.join("\n")
}

fn of_folder(folder: &FolderReport, all: bool) -> String {
    let small = if folder.small_input {
        ", for small images"
    } else {
        ""
    };
    let mut lines = vec![format!(
        "{}: {} on {}{small}, networks: {}",
        folder.path.display(),
        folder.method,
        folder.backbone,
        folder.roles.join(", ")
    )];
    for checkpoint in &folder.checkpoints {
        let state = checkpoint.problem.as_deref().unwrap_or("whole");
        lines.push(format!("checkpoint of step {}: {state}", checkpoint.step));
    }
    lines.push(format!(
        "step {}, {} epochs completed:",
        folder.step, folder.epoch
    ));
    for (name, bytes) in &folder.files {
        let bytes = ui::grouped(usize::try_from(*bytes).unwrap_or(usize::MAX));
        lines.push(format!("  {name}  {bytes} bytes"));
    }
    lines.push(totals(&folder.tensors, folder.numbers));
    lines.extend(tensor_lines(&folder.tensors, all));
    lines.join("\n")
}

fn totals(tensors: &[TensorLine], numbers: usize) -> String {
    let bytes = tensors.iter().map(|tensor| tensor.bytes);
    let bytes = bytes.fold(0, usize::saturating_add);
    format!(
        "{} tensors, {} numbers, {} bytes",
        tensors.len(),
        ui::grouped(numbers),
        ui::grouped(bytes)
    )
}

/// A line a tensor, or for long lists a line for those that share the first parts of their names.
fn tensor_lines(tensors: &[TensorLine], all: bool) -> Vec<String> {
    if all || tensors.len() <= SHOWN {
        let width = tensors.iter().map(|t| t.name.len()).max().unwrap_or(0);
        let line = |tensor: &TensorLine| {
            let dtype = tensor.dtype.as_deref().unwrap_or("not handled");
            format!(
                "  {:width$}  {dtype}  {:?}  {} bytes",
                tensor.name,
                tensor.shape,
                ui::grouped(tensor.bytes)
            )
        };
        return tensors.iter().map(line).collect();
    }
    let mut lines = vec!["  (groups; --all lists every tensor)".to_owned()];
    for (group, (count, bytes)) in groups(tensors) {
        let bytes = ui::grouped(bytes);
        lines.push(format!("  {group}  {count} tensors, {bytes} bytes"));
    }
    lines
}

/// Tensors by the first parts of their names, as many parts as keep the list short.
fn groups(tensors: &[TensorLine]) -> BTreeMap<String, (usize, usize)> {
    let at = |parts: usize| {
        let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for tensor in tensors {
            let first: Vec<&str> = tensor.name.split('.').take(parts).collect();
            let more = tensor.name.split('.').count() > parts;
            let name = format!("{}{}", first.join("."), if more { ".*" } else { "" });
            let group = groups.entry(name).or_default();
            *group = (group.0 + 1, group.1.saturating_add(tensor.bytes));
        }
        groups
    };
    let mut parts = 1;
    let mut groups = at(parts);
    // Deep names begin with parts that all share.
    while groups.len() < SHOWN / 4 && parts < 8 {
        parts += 1;
        let finer = at(parts);
        if finer.len() > SHOWN {
            break;
        }
        groups = finer;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: String) -> TensorLine {
        TensorLine {
            name,
            shape: vec![2],
            dtype: Some("F32".to_owned()),
            bytes: 8,
        }
    }

    #[test]
    fn a_long_list_is_grouped_by_the_parts_that_tell_apart() {
        let blocks = (0..12).flat_map(|block| {
            (0..4).map(move |part| tensor(format!("module.student.blocks.{block}.p{part}")))
        });
        let mut tensors: Vec<TensorLine> = blocks.collect();
        tensors.push(tensor("module.student.norm".to_owned()));
        let lines = tensor_lines(&tensors, false);
        assert_eq!(lines.len(), 1 + 12 + 1, "{lines:?}");
        assert_eq!(lines[1], "  module.student.blocks.0.*  4 tensors, 32 bytes");
        assert!(lines.contains(&"  module.student.norm  1 tensors, 8 bytes".to_owned()));
        assert_eq!(tensor_lines(&tensors, true).len(), tensors.len());
    }
}
