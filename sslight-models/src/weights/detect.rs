//! Which backbone the tensors of a file are.

use super::{Import, WeightsError, WeightsFile};
use crate::backend::Backend;
use crate::nn::ParamInit;
use crate::{Backbone, BackboneKind};

/// Candidates that a message names.
const CANDIDATES_NAMED: usize = 3;
/// The entry of a file's metadata that tells the variants of a network apart whose tensors are the same.
const SMALL_INPUT: &str = "small_input";

/// A backbone that a file may hold.
#[derive(Debug, Clone)]
pub struct Candidate<'f> {
    /// The network.
    pub kind: BackboneKind,
    /// Whether it is the variant for small images. The tensors of MobileNetV2 do not tell; then it is what the file
    /// says of itself, or the full-size variant.
    pub small_input: bool,
    /// How the file fits.
    pub import: Import<'f>,
}

/// A network whose values are zeros or ones, for its names and shapes or to be loaded into: drawing values takes
/// longer than reading them.
///
/// # Errors
/// None at present, see [`BackboneKind::init`].
pub fn empty_backbone<B: Backend>(
    kind: BackboneKind,
    small_input: bool,
    device: &B::Device,
) -> Result<Backbone<B>, crate::UnavailableBackbone> {
    kind.init(small_input, &mut ParamInit::zeros(device))
}

/// The backbone of a file: of all networks, or of those of `kind` and `small_input` where they are given, the one of
/// which every tensor is there and nothing is left over but heads and other parts.
///
/// Where `kind` is given the file need not fit; the report of the [import](Candidate::import) says how it does.
///
/// # Errors
/// [`WeightsError::Unrecognised`] with the nearest networks if none fits; errors of [`Import::of`] if the network is
/// given.
pub fn detect<'f, B: Backend>(
    file: &'f WeightsFile<'f>,
    kind: Option<BackboneKind>,
    small_input: Option<bool>,
    device: &B::Device,
) -> Result<Candidate<'f>, WeightsError> {
    let told = file.metadata().get(SMALL_INPUT).map(|word| word == "true");
    let variants = match small_input {
        Some(given) => vec![given],
        None => vec![told.unwrap_or(false), !told.unwrap_or(false)],
    };
    let kinds = BackboneKind::all().filter(|known| kind.is_none_or(|kind| kind == *known));
    let mut candidates = Vec::new();
    let mut refused = None;
    for kind in kinds {
        for small_input in &variants {
            let Ok(network) = empty_backbone::<B>(kind, *small_input, device) else {
                continue;
            };
            match Import::of(&network, kind, file) {
                Ok(import) => {
                    let candidate = Candidate {
                        kind,
                        small_input: *small_input,
                        import,
                    };
                    if candidate.import.report.is_complete() {
                        return Ok(candidate);
                    }
                    candidates.push(candidate);
                }
                // That only another role is there says more than that other networks are not.
                Err(error) => {
                    refused = match refused {
                        Some(told @ WeightsError::NoRole { .. }) => Some(told),
                        _ => Some(error),
                    }
                }
            }
        }
    }
    // A stable order: of equally good ones the first.
    candidates.sort_by(|a, b| b.share().total_cmp(&a.share()));
    match (kind, candidates.is_empty(), refused) {
        (Some(_), false, _) => Ok(candidates.swap_remove(0)),
        (Some(_), true, Some(error)) | (None, true, Some(error @ WeightsError::NoRole { .. })) => {
            Err(error)
        }
        _ => Err(WeightsError::Unrecognised {
            candidates: named(&candidates),
        }),
    }
}

impl Candidate<'_> {
    /// The share of tensors that fit among all that should, or that are there beside them.
    fn share(&self) -> f64 {
        let report = &self.import.report;
        let others = report.missing.len() + report.unexpected.len() + report.mismatched.len();
        report.matched as f64 / (report.matched + others).max(1) as f64
    }
}

fn named(candidates: &[Candidate<'_>]) -> String {
    if candidates.is_empty() {
        return "none of its names is one of torchvision's or timm's".to_string();
    }
    let named = candidates.iter().take(CANDIDATES_NAMED);
    let named: Vec<String> = named
        .map(|candidate| {
            let variant = if candidate.small_input {
                " for small images"
            } else {
                ""
            };
            let Candidate { kind, import, .. } = candidate;
            format!("{kind}{variant} ({})", import.report)
        })
        .collect();
    format!("the nearest are {}", named.join("; "))
}
