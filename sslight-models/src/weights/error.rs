//! Why weights were not loaded.

use safetensors::SafeTensorError;
use thiserror::Error;

use super::header::HeaderError;
use super::pytorch::PytorchError;
use super::report::first_names;
use super::shown::shown;
use super::{LoadReport, Precision, Role};
use crate::BackboneKind;

/// Why weights were not loaded. Nothing has changed then.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The bytes are of no format that is read.
    #[error(
        "neither a safetensors file nor one of torch.save; give weights in one of these two formats"
    )]
    UnknownFormat,
    /// The bytes are no whole safetensors file.
    #[error("not a readable safetensors file ({}); it is damaged or cut off, get it again", shown(&.0.to_string()))]
    Safetensors(#[from] SafeTensorError),
    /// The header of a safetensors file says what cannot be.
    #[error("not a readable safetensors file ({0}); it is damaged or cut off, get it again")]
    Header(#[from] HeaderError),
    /// Values of a safetensors file have changed since it was written.
    #[error(
        "damaged: the checksum of its values is not the one that it states; export it again or use another copy"
    )]
    Checksum,
    /// The file of `torch.save` cannot be read.
    #[error(transparent)]
    Pytorch(#[from] PytorchError),
    /// The file holds no tensors by name.
    #[error(
        "no state_dict: it holds {found}; save the model's state_dict() alone with torch.save and give that file"
    )]
    NoStateDict {
        /// What is there, in words.
        found: String,
    },
    /// A name that no tensor of a network has.
    #[error(
        "a tensor's name has {length} bytes, more than the {limit} that are read; the file is damaged, get it again"
    )]
    LongName {
        /// Its bytes.
        length: usize,
        /// Bytes at most.
        limit: usize,
    },
    /// An element type that is not handled.
    #[error("tensor {} has element type {element}; convert it to F32", shown(name))]
    ElementType {
        /// The tensor.
        name: String,
        /// What the file says.
        element: String,
    },
    /// A value that the wanted element type cannot hold.
    #[error(
        "tensor {name} has the value {value}, which {precision} cannot hold; write it as bf16 or f32"
    )]
    OutOfRange {
        /// The tensor.
        name: String,
        /// The value.
        value: f32,
        /// The element type.
        precision: Precision,
    },
    /// The network of a role is asked for, and the file has only others.
    #[error("it holds no {role} of {kind}; leave role out, or give a checkpoint that has one")]
    NoRole {
        /// The role.
        role: Role,
        /// The network.
        kind: BackboneKind,
    },
    /// No network is the one of the file.
    #[error(
        "the weights are of no backbone that is known: {candidates}; name the nearest with backbone=NAME and partial=true, or give another file"
    )]
    Unrecognised {
        /// The nearest ones, in words.
        candidates: String,
    },
    /// Names or shapes do not fit the network.
    #[error("the weights do not fit the network: {0}")]
    Mismatch(LoadReport),
    /// Not one name is one of the network.
    #[error(
        "no tensor has the name of one of {kind} in torchvision's or timm's names (the first here are {}); choose the \
         backbone that the file was made for",
        first_names(names)
    )]
    NothingFits {
        /// The network.
        kind: BackboneKind,
        /// The first names of the file.
        names: Vec<String>,
    },
    /// Two tensors under different names are the same one of the network.
    #[error(
        "{} and {} are both {} of {kind}; give a file with one of the two", shown(&names[0]), shown(&names[1]), shown(ours)
    )]
    Ambiguous {
        /// The network.
        kind: BackboneKind,
        /// Its name for them.
        ours: String,
        /// Their names in the file.
        names: [String; 2],
    },
    /// No layer beside the backbone is a linear classifier of its features.
    #[error(
        "no linear classifier of {features_dim} features (of a head are: {}); give a supervised checkpoint with \
         classifier.*, fc.* or head.*",
        if heads.is_empty() { "none".to_string() } else { first_names(heads) }
    )]
    NoClassifier {
        /// Length of a feature vector.
        features_dim: usize,
        /// Names of heads beside the backbone.
        heads: Vec<String>,
    },
    /// Some of the tensors fit the network, but not all.
    #[error("does not fit {kind}: {report}{}", positions(report))]
    Incomplete {
        /// The network.
        kind: BackboneKind,
        /// What fits and what does not.
        report: LoadReport,
    },
}

/// What a positional table of another size means; nothing if there is none.
fn positions(report: &LoadReport) -> String {
    let grid = |shape: &[usize]| shape.get(1).map(|rows| rows.saturating_sub(1).isqrt());
    let table = report
        .mismatched
        .iter()
        .find(|(name, ..)| name == "pos_embed");
    match table.map(|(_, expected, found)| (grid(expected), grid(found))) {
        Some((Some(expected), Some(found))) => format!(
            "; pos_embed is for {found} x {found} patches, the network's for {expected} x {expected}, and is not resized"
        ),
        _ => String::new(),
    }
}
