//! A network as a file for other programs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use sslight_models::backend::Backend;
use sslight_models::nn::pos_embed;
use sslight_models::onnx::{OPSET, OnnxBackbone};
use sslight_models::params::NamedTensor;
use sslight_models::weights::{Precision, StoredTensor, WeightsError, stored_to_safetensors};

use super::snippet::{Library, Snippet};
use super::source::{Source, Wanted};
use super::{ExchangeError, publish, refuse_existing, sha256};

/// Image size where nothing says another: that of ImageNet's networks.
const DEFAULT_PX: usize = 224;
/// The same for the variants for small images.
const DEFAULT_SMALL_PX: usize = 32;
/// The largest image size that is taken for no mistake.
const LARGEST_INPUT: usize = 4096;
/// The tensor of a vision transformer whose shape follows from the image size.
const POSITIONS: &str = "pos_embed";

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Tensors by name.
    Safetensors,
    /// A model for inference.
    Onnx,
}

impl ExportFormat {
    /// The words for them.
    pub const WORDS: [&'static str; 2] = ["safetensors", "onnx"];
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
        })
    }
}

impl FromStr for ExportFormat {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let all = [Self::Safetensors, Self::Onnx];
        let known = all.into_iter().find(|known| known.to_string() == word);
        known.ok_or_else(|| format!("no format is called `{word}`"))
    }
}

/// How to write it.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// What is wanted of the source.
    pub wanted: Wanted,
    /// The file; `None` names one beside the source.
    pub out: Option<PathBuf>,
    /// The format.
    pub format: ExportFormat,
    /// Element type of the weights.
    pub precision: Precision,
    /// Side of the images in pixels; `None` keeps the positional embeddings of a file, and is what the source is
    /// evaluated at for a model.
    pub input_px: Option<usize>,
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
}

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct Exported {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub format: String,
    /// The backbone.
    pub backbone: String,
    /// Whether it is the variant for small images.
    pub small_input: bool,
    /// Which network.
    pub role: String,
    /// Tensors of the file; of a model those of its backbone.
    pub tensors: usize,
    /// Numbers that training moves, without running statistics.
    pub parameters: usize,
    /// Its length.
    pub bytes: usize,
    /// Its checksum.
    pub sha256: String,
    /// Python that loads it.
    pub snippet: String,
}

/// Writes the network of a run, a checkpoint or a file.
///
/// # Errors
/// If the source cannot be read, what is wanted is not in it, or the file is there already.
pub fn export<B: Backend>(
    path: &Path,
    options: &ExportOptions,
    device: &B::Device,
) -> Result<Exported, ExchangeError> {
    refuse_useless_keys(options)?;
    if let Some(px) = options.input_px.filter(|px| *px > LARGEST_INPUT) {
        let most = LARGEST_INPUT;
        return Err(ExchangeError::TooLarge { px, most });
    }
    if let Some(out) = &options.out {
        refuse_existing(out, options.overwrite)?;
    }
    let mut source = Source::read::<B>(path, &options.wanted, device)?;
    let out = match &options.out {
        Some(out) => out.clone(),
        None => default_file(&source, options),
    };
    refuse_existing(&out, options.overwrite)?;
    if options.wanted.head && source.head.is_empty() {
        return Err(ExchangeError::NoHead { path: source.path });
    }
    let (bytes, tensors) = match options.format {
        ExportFormat::Safetensors => {
            if let Some(px) = options.input_px {
                resize_positions(&mut source, px)?;
            }
            safetensors(&source, options.precision)?
        }
        ExportFormat::Onnx => (onnx(&source, options.input_px)?, source.backbone.len()),
    };
    publish(&out, &bytes, options.overwrite)?;
    let snippet = Snippet {
        kind: source.kind,
        small_input: source.small_input,
        grid: grid(&source),
        head: !source.head.is_empty(),
        file: &out,
    };
    Ok(Exported {
        format: options.format.to_string(),
        backbone: source.kind.to_string(),
        small_input: source.small_input,
        role: source.role.to_string(),
        tensors,
        parameters: parameters(&source.backbone) + parameters(&source.head),
        bytes: bytes.len(),
        sha256: sha256(&bytes),
        snippet: match options.format {
            ExportFormat::Safetensors => snippet.safetensors(),
            ExportFormat::Onnx => snippet.onnx(),
        },
        path: out,
    })
}

fn refuse_useless_keys(options: &ExportOptions) -> Result<(), ExchangeError> {
    if options.format == ExportFormat::Onnx {
        if options.wanted.head {
            return Err(ExchangeError::PlainOnnx { key: "head" });
        }
        if options.precision != Precision::F32 {
            return Err(ExchangeError::PlainOnnx { key: "dtype" });
        }
    }
    Ok(())
}

/// A name beside the source that says what is in the file.
fn default_file(source: &Source, options: &ExportOptions) -> PathBuf {
    let Source { kind, role, .. } = source;
    let mut name = match &source.run {
        Some(_) => match source.facts.step {
            Some(step) => format!("{kind}-{role}-step-{step}"),
            None => format!("{kind}-{role}"),
        },
        None => {
            let stem = source.path.file_stem().unwrap_or_default();
            format!("{}-{kind}-{role}", stem.to_string_lossy())
        }
    };
    if options.wanted.head {
        name.push_str("-head");
    }
    name.push_str(&format!("-{}.{}", options.precision, options.format));
    match &source.run {
        Some(run) => run.join(name),
        None => source.path.with_file_name(name),
    }
}

fn safetensors(source: &Source, precision: Precision) -> Result<(Vec<u8>, usize), ExchangeError> {
    let mut metadata = metadata(source);
    metadata.insert("dtype".to_string(), precision.to_string());
    let convert = || {
        let mut stored = Vec::new();
        for tensor in source.backbone.iter().chain(&source.head) {
            stored.push(StoredTensor::floats(tensor, precision)?);
            stored.extend(StoredTensor::counter_of(tensor));
        }
        Ok((stored_to_safetensors(&stored, metadata)?, stored.len()))
    };
    convert().map_err(|error: WeightsError| ExchangeError::Weights {
        path: source.path.clone(),
        source: error,
    })
}

fn onnx(source: &Source, input_px: Option<usize>) -> Result<Vec<u8>, ExchangeError> {
    let default = if source.small_input {
        DEFAULT_SMALL_PX
    } else {
        DEFAULT_PX
    };
    let px = input_px.or(source.facts.input_px).unwrap_or(default);
    let model = OnnxBackbone {
        kind: source.kind,
        small_input: source.small_input,
        px,
        tensors: &source.backbone,
    };
    let mut metadata = metadata(source);
    metadata.insert("input_size".to_string(), px.to_string());
    metadata.insert("opset".to_string(), OPSET.to_string());
    metadata.insert("dtype".to_string(), Precision::F32.to_string());
    let bytes = model.to_bytes(&metadata);
    bytes.map_err(|error| ExchangeError::Onnx {
        path: source.path.clone(),
        source: error,
    })
}

/// What a file says of itself.
pub(super) fn metadata(source: &Source) -> BTreeMap<String, String> {
    let mut metadata = source.facts.to_metadata();
    let library = Library::of(source.kind);
    for (key, value) in [
        ("format", "pt".to_string()),
        ("backbone", source.kind.to_string()),
        ("small_input", source.small_input.to_string()),
        ("role", source.role.to_string()),
        ("names", library.to_string()),
        ("sslight", env!("CARGO_PKG_VERSION").to_string()),
        ("source_sha256", source.sha256.clone()),
    ] {
        metadata.insert(key.to_string(), value);
    }
    metadata
}

/// Makes the positional embeddings those of another image size.
fn resize_positions(source: &mut Source, px: usize) -> Result<(), ExchangeError> {
    let kind = source.kind;
    let patch_px = kind.patch_size(source.small_input);
    let table = source.backbone.iter_mut().find(|t| t.name == POSITIONS);
    let (Some(patch_px), Some(table)) = (patch_px, table) else {
        return Err(ExchangeError::NoSize { px, kind });
    };
    let side = px / patch_px;
    if side == 0 {
        return Err(ExchangeError::TooSmall { px, patch_px });
    }
    let dim = kind.features_dim();
    table.values = pos_embed::resize_values(&table.values, dim, [side, side]);
    table.shape = vec![1, side * side + 1, dim];
    source.facts.input_px = Some(px);
    Ok(())
}

/// Patches along a side of the image, for a vision transformer.
fn grid(source: &Source) -> Option<usize> {
    let table = source.backbone.iter().find(|t| t.name == POSITIONS)?;
    Some(table.shape.get(1)?.saturating_sub(1).isqrt())
}

fn parameters(tensors: &[NamedTensor]) -> usize {
    let trained = tensors
        .iter()
        .filter(|tensor| !sslight_models::params::is_buffer(&tensor.name));
    trained.map(|tensor| tensor.values.len()).sum()
}
