//! `manifest.json`: the list of cases with their parameters, inputs, outputs and tolerances.
//!
//! Field meanings are those of the README beside the fixtures. Fields that only inform
//! (`f32_dev`, `max_abs`, `rtol_per_step` ...) are not read, and kinds are plain strings, so a
//! manifest with kinds that this build does not know still loads.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::SelftestError;

/// The manifest format this build reads.
const FORMAT: u64 = 1;

/// A fixture folder's table of contents.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    /// Version of the layout.
    pub format: u64,
    /// Every case, in the order in which they are run.
    pub cases: Vec<Case>,
}

/// One case: inputs, what is done with them (by `kind` and `params`), and the numbers expected.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// Unique name; also the prefix of its keys in the value formula.
    pub name: String,
    /// What the case exercises, for example `loss.dino`.
    pub kind: String,
    /// File of the stored tensors, relative to the folder.
    pub file: String,
    /// Parameters of the kind; each kind reads them into its own type.
    #[serde(default)]
    pub params: serde_json::Value,
    /// Tensors that go in.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// Tensors that must come out.
    #[serde(default)]
    pub outputs: Vec<Output>,
    /// Tolerance of the case as a whole; only a statistical `rule` is taken from it.
    #[serde(default)]
    pub tolerance: CaseTolerance,
}

/// The case-wide tolerance entry.
#[derive(Debug, Default, Deserialize)]
pub struct CaseTolerance {
    /// A rule in words. Statistical kinds carry one; they are compared by [`Output::columns`].
    #[serde(default)]
    pub rule: Option<String>,
}

/// One input: regenerated (`role`), stored with the case (`tensor`), or a picture (`file` + `tensor`).
#[derive(Debug, Deserialize)]
pub struct Input {
    /// Name within the case.
    pub name: String,
    /// Extents; absent for pictures, whose file knows.
    #[serde(default)]
    pub shape: Vec<usize>,
    /// Role in the value formula.
    #[serde(default)]
    pub role: Option<crate::formula::Role>,
    /// Another file than the case's own.
    #[serde(default)]
    pub file: Option<String>,
    /// Name of the stored tensor.
    #[serde(default)]
    pub tensor: Option<String>,
}

/// One expected tensor and how closely it must be met.
#[derive(Debug, Deserialize)]
pub struct Output {
    /// Name of the tensor in the case's file.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// Element type: `U8`, `I64`, `F32` or `F64`.
    pub dtype: String,
    /// Relative tolerance of an element.
    #[serde(default)]
    pub rtol: f64,
    /// Absolute tolerance of an element.
    #[serde(default)]
    pub atol: f64,
    /// `elementwise` when each element has its own absolute tolerance, stored as `<name>#atol`.
    #[serde(default)]
    pub tol: Option<String>,
    /// Limit of the relative L2 distance, in addition to the limits of the elements.
    #[serde(default)]
    pub rel_l2: Option<f64>,
    /// What each entry along the last axis stands for.
    #[serde(default)]
    pub index: Option<Vec<String>>,
    /// Name of the output whose `index` holds for this one too.
    #[serde(default)]
    pub index_of: Option<String>,
    /// Meaning of the last axis of a statistics table.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
}

impl Manifest {
    /// Reads `dir/manifest.json`.
    ///
    /// # Errors
    /// When the file is missing, is not JSON of the known shape, or has another format version.
    pub fn read(dir: &Path) -> Result<Self, SelftestError> {
        let path = Self::path(dir);
        let text = std::fs::read_to_string(&path).map_err(|source| SelftestError::Manifest {
            path: path.clone(),
            source,
        })?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|source| SelftestError::Format {
                path: path.clone(),
                source,
            })?;
        if manifest.format != FORMAT {
            return Err(SelftestError::Version {
                path,
                got: manifest.format,
                expected: FORMAT,
            });
        }
        Ok(manifest)
    }

    /// Where the manifest of a folder lies.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join("manifest.json")
    }
}

impl Case {
    /// The output of that name.
    pub fn output(&self, name: &str) -> Option<&Output> {
        self.outputs.iter().find(|output| output.name == name)
    }

    /// What the entries along the last axis of output `name` stand for, following `index_of`.
    pub fn index(&self, name: &str) -> Option<&[String]> {
        let output = self.output(name)?;
        match (&output.index, &output.index_of) {
            (Some(index), _) => Some(index),
            (None, Some(other)) => self.output(other)?.index.as_deref(),
            (None, None) => None,
        }
    }
}
