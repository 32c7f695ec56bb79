//! Features of images put to use: written to a file, searched for neighbours, projected to a plane; and what a vision
//! transformer looks at.
//!
//! [`Network`] is a backbone with its weights and engine, [`Images`] are what it is shown, `extract`
//! streams the one through the other.

mod attention;
mod error;
mod export;
mod extract;
mod images;
mod neighbours;
mod network;
mod project;
mod protocol;
mod scatter;
mod sheet;
mod table;

pub use attention::{AttentionSettings, AttentionSheets, attention_sheets};
pub use error::EmbedError;
pub use export::{ExportSettings, Exported, export};
pub use extract::{Extracted, Hooks};
pub use images::Images;
pub use neighbours::{Neighbour, NeighbourSettings, NeighbourSheet, Queries, Row, neighbour_sheet};
pub use network::Network;
pub use project::{ProjectSettings, Projected, Projection, project};
pub use protocol::Protocol;
pub use table::Format;

use std::path::Path;

/// Refuses a path at which there is something already, unless it may be replaced.
fn refuse_existing(path: &Path, overwrite: bool) -> Result<(), EmbedError> {
    if !overwrite && path.exists() {
        return Err(EmbedError::Exists { path: path.into() });
    }
    if path.is_dir() {
        return Err(EmbedError::IsFolder { path: path.into() });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
