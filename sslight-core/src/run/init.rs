//! `init=PATH`: a new run whose backbones start from the weights of a file instead of random ones.

use std::path::{Path, PathBuf};

use burn::module::Module;
use serde_json::Map;
use sha2::{Digest, Sha256};
use sslight_models::backend::Backend;
use sslight_models::weights::{Import, WeightMap, WeightsFile, WeightsFormat, assign};
use sslight_models::{Backbone, BackboneKind};

use super::RunError;
use super::assemble;
use super::session::BACKBONE_FILE;
use crate::config::RunConfig;
use crate::fsio::WithPath;
use crate::observe::{HealthEvent, Level, Notice, RunEvent};

/// The field in which every network of every method holds its backbone, as part of parameter names.
const BACKBONE: &str = "backbone.";
/// Hexadecimal digits of a checksum that are told.
const CHECKSUM_DIGITS: usize = 12;

/// Weights that were read for a run's backbones, and what is to be told of them.
#[derive(Debug)]
pub struct InitialWeights {
    path: PathBuf,
    format: WeightsFormat,
    part: Option<&'static str>,
    checksum: String,
    import: Import,
    weights: WeightMap,
}

impl InitialWeights {
    /// Reads the weights that `init` names for `backbone`; `None` if the key is not set.
    ///
    /// # Errors
    /// If the file cannot be read, or does not fit and `init_partial` is off.
    pub fn read<B: Backend>(
        config: &RunConfig,
        backbone: &Backbone<B>,
    ) -> Result<Option<Self>, RunError> {
        if config.init.is_empty() {
            return Ok(None);
        }
        let path = weights_file(Path::new(&config.init));
        let bytes = std::fs::read(&path).on(&path, "read the weights of init")?;
        let refused = |source| RunError::Init {
            path: path.clone(),
            source,
        };
        let file = WeightsFile::open(&bytes).map_err(refused)?;
        let kind = BackboneKind::from(config.backbone);
        let import = Import::of(backbone, kind, &file).map_err(refused)?;
        let weights = import
            .weights(&file, config.init_partial)
            .map_err(refused)?;
        let mut checksum = format!("{:x}", Sha256::digest(&bytes));
        checksum.truncate(CHECKSUM_DIGITS);
        Ok(Some(Self {
            format: file.format(),
            part: file.part(),
            path,
            checksum,
            import,
            weights,
        }))
    }

    /// `method` with these weights in every backbone: the one that learns, and its moving average, which starts
    /// equal to it.
    pub fn apply<B: Backend, M: Module<B>>(&self, method: M) -> M {
        assign(method, &self.weights, backbone_part)
    }

    /// What was loaded and what was not, in one sentence.
    pub fn describe(&self) -> String {
        let Self { path, import, .. } = self;
        let part = self.part.map(|part| format!(", its {part}"));
        format!(
            "init: {import}; from {} ({}{}, sha256 {})",
            path.display(),
            self.format,
            part.unwrap_or_default(),
            self.checksum
        )
    }

    /// The events that tell of it: one for the metrics, one for the reader.
    pub fn events(&self) -> [RunEvent; 2] {
        let report = &self.import.report;
        let mut details = Map::new();
        for (name, text) in [
            ("path", self.path.display().to_string()),
            ("format", self.format.to_string()),
            ("sha256", self.checksum.clone()),
            ("prefix", self.import.prefix.clone()),
        ] {
            details.insert(name.into(), text.into());
        }
        for (name, count) in [
            ("matched", report.matched),
            ("missing", report.missing.len()),
            ("unexpected", report.unexpected.len()),
            ("mismatched", report.mismatched.len()),
            (
                "left_out",
                self.import.head.len() + self.import.elsewhere.len(),
            ),
        ] {
            details.insert(name.into(), count.into());
        }
        let level = if report.is_complete() {
            Level::Info
        } else {
            Level::Warning
        };
        let event = HealthEvent {
            step: 0,
            name: "weights_loaded".into(),
            details,
        };
        let notice = Notice {
            level,
            text: self.describe(),
        };
        [RunEvent::Event(event), RunEvent::Notice(notice)]
    }
}

/// Checks that the weights that `init` names can be read and fit, without a run; what they are, `None` if the key
/// is not set.
///
/// # Errors
/// As a run would end with.
pub fn check_init<B: Backend>(
    config: &RunConfig,
    device: &B::Device,
) -> Result<Option<String>, RunError> {
    if config.init.is_empty() {
        return Ok(None);
    }
    let backbone = assemble::backbone::<B>(config, device)?;
    let weights = InitialWeights::read(config, &backbone)?;
    Ok(weights.map(|weights| weights.describe()))
}

/// The file of weights at a path: a run folder or one of its checkpoints has one, any other path is the file.
fn weights_file(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(BACKBONE_FILE)
    } else {
        path.to_owned()
    }
}

/// The name within a backbone of a method's tensor, if it is in one.
fn backbone_part(name: &str) -> Option<&str> {
    match name.split_once(BACKBONE)? {
        ("", part) => Some(part),
        (before, part) => before.ends_with('.').then_some(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backbones_are_found_by_the_field_that_holds_them() {
        for (name, part) in [
            ("student.backbone.bn1.weight", Some("bn1.weight")),
            ("backbone.bn1.weight", Some("bn1.weight")),
            ("student.head.mlp.0.weight", None),
            ("mybackbone.bn1.weight", None),
            ("center", None),
        ] {
            assert_eq!(backbone_part(name), part, "{name}");
        }
    }
}
