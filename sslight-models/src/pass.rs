//! What a forward pass is told beside its images.

use crate::nn::BatchMode;
use crate::nn::drop_path::DropPath;

/// How a backbone is to be run.
///
/// A [`BatchMode`] alone is a pass without stochastic depth.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    /// Which statistics normalise a batch; vision transformers have none.
    pub mode: BatchMode,
    /// Stochastic depth of vision transformers, for the student in training; convolutional networks have none.
    pub drop_path: Option<DropPath<'a>>,
}

impl From<BatchMode> for Pass<'_> {
    fn from(mode: BatchMode) -> Self {
        Self {
            mode,
            drop_path: None,
        }
    }
}

impl<'a> Pass<'a> {
    /// The same pass with stochastic depth.
    pub fn with_drop_path(self, drop_path: DropPath<'a>) -> Self {
        Self {
            drop_path: Some(drop_path),
            ..self
        }
    }
}
