//! `sslight export`: a network as a file that other programs load.

use sslight_core::exchange::{ExportFormat, ExportOptions, Exported, export};
use sslight_models::weights::Precision;

use crate::args::ExportArgs;
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
        default: "beside the source, named by backbone, role and dtype",
        help: "The file to write",
    },
    VerbKey {
        name: "role",
        values: "student|teacher",
        default: "student",
        help: "Which network. The student (MoCo's query encoder) is what runs score and write as backbone.safetensors, so \
               that a score stands for the exported file; the teacher (MoCo's key encoder) is its moving average, which \
               DINO and MoCo have",
    },
    VerbKey {
        name: "head",
        values: "true|false",
        default: "false",
        help: "Whether the head is written too, as head.*",
    },
    VerbKey {
        name: "dtype",
        values: "f32|f16|bf16",
        default: "f32",
        help: "Element type of the weights",
    },
    VerbKey {
        name: "format",
        values: "safetensors|onnx",
        default: "safetensors",
        help: "Tensors in the names of torchvision (MobileNetV2, ResNets) or timm (ViT), or an ONNX model that maps \
               normalised images [batch, 3, h, w] to features",
    },
    VerbKey {
        name: "input_size",
        values: "an integer of at least 1",
        default: "of ONNX: that of the evaluation; else as in the weights",
        help: "Side of the images in pixels that positional embeddings and the input of a model are made for",
    },
    VerbKey {
        name: "backbone",
        values: "one of `sslight list backbones`",
        default: "detected",
        help: "The network in a file of weights",
    },
    VerbKey {
        name: "small_input",
        values: "true|false",
        default: "detected",
        help: "Whether it is the variant for images of 64 pixels and less; the tensors of mobilenet_v2 do not tell",
    },
    VerbKey {
        name: "overwrite",
        values: "true|false",
        default: "false",
        help: "Whether a file that is there is replaced",
    },
];

/// Writes the file and says how it is loaded.
pub fn run(args: &ExportArgs) -> Result<Outcome, CliError> {
    let words = VerbWords::parse(KEYS, &args.words)?;
    let options = ExportOptions {
        wanted: wanted(&words)?,
        out: words.path("out")?,
        format: words
            .word("format", &ExportFormat::WORDS)?
            .unwrap_or(ExportFormat::Safetensors),
        precision: words
            .word("dtype", &Precision::WORDS)?
            .unwrap_or(Precision::F32),
        input_px: words.at_least("input_size", 1)?,
        overwrite: words.flag("overwrite")?.unwrap_or(false),
    };
    let exported = export::<Host>(&args.weights, &options, &Default::default())?;
    if args.output.json {
        ui::say_json(&exported)?;
    } else {
        ui::say(&text(&exported));
    }
    Ok(Outcome::Done)
}

fn text(exported: &Exported) -> String {
    let small = if exported.small_input {
        ", for small images"
    } else {
        ""
    };
    format!(
        "{}\n{} {}{small}: {} tensors, {} parameters, {} bytes\nsha256 {}\n\n{}",
        exported.path.display(),
        exported.backbone,
        exported.role,
        exported.tensors,
        ui::grouped(exported.parameters),
        ui::grouped(exported.bytes),
        exported.sha256,
        exported.snippet
    )
}
