//! The images that a network is shown: a split of the data, some of it, or single files.

use std::path::PathBuf;
use std::sync::Arc;

use sslight_data::{DataError, ImageSource, Split, Stored, decode, with_options};

use super::EmbedError;
use crate::config::RunConfig;
use crate::run;

/// Some images of a source, in order.
#[derive(Clone)]
pub struct Images {
    /// Where they are.
    pub source: Arc<dyn ImageSource>,
    /// Which of them.
    pub indices: Vec<usize>,
}

impl Images {
    /// All images of a split of the configuration's data.
    ///
    /// # Errors
    /// If the data cannot be opened or lack the split.
    pub fn of_split(config: &RunConfig, split: Split) -> Result<Self, EmbedError> {
        let source = match split {
            Split::Train => run::open_train(config)?,
            Split::Validation => {
                run::open_validation(config)?.ok_or_else(|| EmbedError::NoValidation {
                    data: config.data.clone(),
                })?
            }
        };
        Ok(Self::all(source))
    }

    /// Image files, wherever they are; without labels, decoded as the configuration says.
    pub fn of_files(config: &RunConfig, paths: Vec<PathBuf>) -> Self {
        let options = run::open_options(config);
        Self::all(with_options(Arc::new(Files(paths)), &options))
    }

    /// All images of a source.
    pub fn all(source: Arc<dyn ImageSource>) -> Self {
        Self {
            indices: (0..source.len()).collect(),
            source,
        }
    }

    /// At most `most` of them, evenly over the set (whose order often is by class).
    pub fn spread(mut self, most: usize) -> Self {
        let len = self.indices.len();
        if most < len {
            self.indices = (0..most).map(|i| self.indices[i * len / most]).collect();
        }
        self
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Whether they have classes.
    pub fn labelled(&self) -> bool {
        !self.source.class_names().is_empty()
    }

    /// The name of the class of the image with this index in the source.
    pub fn class(&self, index: usize) -> Option<&str> {
        let label = self.source.label(index)?;
        self.source.class_names().get(label).map(String::as_str)
    }
}

/// Image files by their paths.
struct Files(Vec<PathBuf>);

impl ImageSource for Files {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        let path = self.0.get(index).ok_or(DataError::IndexOutOfRange {
            source_name: self.describe(),
            index,
            len: self.0.len(),
        })?;
        decode::read_bytes(path).map(Stored::Encoded)
    }

    fn label(&self, _index: usize) -> Option<usize> {
        None
    }

    fn name(&self, index: usize) -> String {
        let path = self.0.get(index);
        path.map_or_else(String::new, |path| path.display().to_string())
    }

    fn class_names(&self) -> &[String] {
        &[]
    }

    fn describe(&self) -> String {
        match self.0.len() {
            1 => self.name(0),
            count => format!("{count} image files"),
        }
    }
}
