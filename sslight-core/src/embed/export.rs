//! Features of images as a file.

use std::path::Path;

use super::extract::extract;
use super::table::{self, Format, Rows};
use super::{EmbedError, Extracted, Hooks, Images, Network, Protocol, refuse_existing};
use crate::config::RunConfig;

/// Where the features go.
#[derive(Debug, Clone, Copy)]
pub struct ExportSettings<'a> {
    /// The file.
    pub out: &'a Path,
    /// Its kind.
    pub format: Format,
    /// Whether a file that is there may be replaced.
    pub overwrite: bool,
}

/// How it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The images.
    pub extracted: Extracted,
    /// How the features came about.
    pub protocol: Protocol,
}

/// Writes one row an image: its name, its class if it has one, its features. The file appears when it is complete.
///
/// Memory holds the features of some batches, whatever the number of images, and for safetensors the names.
///
/// # Errors
/// If the file is there and may not be replaced, if it cannot be written, and as [`Images`] and network fail.
pub fn export(
    config: &RunConfig,
    network: &Network,
    images: &Images,
    protocol: Protocol,
    settings: ExportSettings<'_>,
    hooks: &mut Hooks<'_>,
) -> Result<Exported, EmbedError> {
    refuse_existing(settings.out, settings.overwrite)?;
    let head = table::Head {
        out: settings.out,
        dim: network.dim(),
        class_names: images.source.class_names(),
        protocol: &protocol,
    };
    let mut table = table::create(settings.format, head)?;
    let extracted = extract(config, network, images, hooks, |indices, features| {
        let names: Vec<String> = indices
            .iter()
            .map(|index| images.source.name(*index))
            .collect();
        let labels: Vec<Option<usize>> = indices
            .iter()
            .map(|index| images.source.label(*index))
            .collect();
        table.write(&Rows {
            names: &names,
            labels: &labels,
            features,
        })
    })?;
    table.publish()?;
    Ok(Exported {
        extracted,
        protocol,
    })
}
