//! Other people's weights as a file of ours.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sslight_models::backend::Backend;
use sslight_models::params::NamedTensor;
use sslight_models::weights::{
    Candidate, Import, Role, WeightsError, WeightsFile, detect, to_safetensors,
};

use super::export::metadata;
use super::source::{Facts, Source, Wanted};
use super::{ExchangeError, publish, refuse_existing, sha256};
use crate::fsio::WithPath;

/// What to read and where to write it.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// What is wanted of the file.
    pub wanted: Wanted,
    /// The file; `None` names one beside the source.
    pub out: Option<PathBuf>,
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
}

/// What became of each tensor of a file.
#[derive(Debug, Clone, Serialize)]
pub struct ImportReport {
    /// The file that was read.
    pub path: PathBuf,
    /// Its format.
    pub format: String,
    /// The key of a checkpoint under which the tensors are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Its checksum.
    pub sha256: String,
    /// The backbone.
    pub backbone: String,
    /// Whether it is the variant for small images.
    pub small_input: bool,
    /// Whose network it is.
    pub role: String,
    /// What stands before the backbone's names.
    pub prefix: String,
    /// Names, in torchvision's or timm's form, of the tensors that fit.
    pub matched: Vec<String>,
    /// Names that the backbone has and the file lacks.
    pub missing: Vec<String>,
    /// Names under the prefix that the backbone lacks.
    pub unexpected: Vec<String>,
    /// Names whose shapes differ: expected and found.
    pub mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Names of a head, which are left out.
    pub heads: Vec<String>,
    /// Names of other parts, which are left out.
    pub others: Vec<String>,
    /// Whether every tensor of the backbone is there and nothing is unexpected.
    pub complete: bool,
    /// The file that was written; absent if the weights do not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    /// Its checksum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_sha256: Option<String>,
}

/// Reads a file of weights and writes the backbone in it under our names. If it does not fit, and that is not asked
/// for, nothing is written and the report says so.
///
/// # Errors
/// If the file cannot be read or holds no backbone that is known, or the file to be written is there already.
pub fn import<B: Backend>(
    path: &Path,
    options: &ImportOptions,
    device: &B::Device,
) -> Result<ImportReport, ExchangeError> {
    if let Some(out) = &options.out {
        refuse_existing(out, options.overwrite)?;
    }
    let bytes = std::fs::read(path).on(path, "read")?;
    let in_file = |source: WeightsError| ExchangeError::Weights {
        path: path.to_path_buf(),
        source,
    };
    let wanted = &options.wanted;
    let file = WeightsFile::open_for(&bytes, wanted.role).map_err(in_file)?;
    let found = detect::<B>(&file, wanted.backbone, wanted.small_input, device).map_err(in_file)?;
    let mut report = report_of(path, &file, &found, sha256(&bytes));
    if !(report.complete || wanted.partial && !report.matched.is_empty()) {
        return Ok(report);
    }
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| default_file(path, &found));
    refuse_existing(&out, options.overwrite)?;
    let source = Source {
        path: path.to_path_buf(),
        run: None,
        sha256: report.sha256.clone(),
        kind: found.kind,
        small_input: found.small_input,
        role: found.import.role,
        backbone: tensors(&found.import, wanted.partial).map_err(in_file)?,
        head: Vec::new(),
        facts: Facts::of_metadata(file.metadata()),
    };
    let written = to_safetensors(&source.backbone, metadata(&source)).map_err(in_file)?;
    publish(&out, &written, options.overwrite)?;
    report.out_sha256 = Some(sha256(&written));
    report.out = Some(out);
    Ok(report)
}

/// The tensors that fit, in the order of the file.
pub(super) fn tensors(
    import: &Import<'_>,
    partial: bool,
) -> Result<Vec<NamedTensor>, WeightsError> {
    let mut weights = import.weights(partial)?;
    let tensors = import.names().filter_map(|name| {
        let (shape, values) = weights.remove(name)?;
        Some(NamedTensor {
            name: name.to_string(),
            shape,
            values,
        })
    });
    Ok(tensors.collect())
}

fn report_of(
    path: &Path,
    file: &WeightsFile<'_>,
    found: &Candidate<'_>,
    sha256: String,
) -> ImportReport {
    let import = &found.import;
    ImportReport {
        path: path.to_path_buf(),
        format: file.format().to_string(),
        part: file.part().map(str::to_string),
        sha256,
        backbone: found.kind.to_string(),
        small_input: found.small_input,
        role: import.role.to_string(),
        prefix: import.prefix.clone(),
        matched: import.names().map(str::to_string).collect(),
        missing: import.report.missing.clone(),
        unexpected: import.report.unexpected.clone(),
        mismatched: import.report.mismatched.clone(),
        heads: import.head.clone(),
        others: import.elsewhere.clone(),
        complete: import.report.is_complete(),
        out: None,
        out_sha256: None,
    }
}

/// A name beside the source that says what is in the file.
fn default_file(path: &Path, found: &Candidate<'_>) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    let role = match found.import.role {
        Role::Student => String::new(),
        Role::Teacher => format!("-{}", Role::Teacher),
    };
    path.with_file_name(format!("{stem}-{}{role}.safetensors", found.kind))
}
