//! The hand-over type to training: normalised views of one batch in host memory.

/// Views of one batch that share a size: a run of consecutive views of the recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewGroup {
    /// Side of the square views in pixels.
    pub size: usize,
    /// Number of views of each image in this group.
    pub views: usize,
    /// Normalised samples, `[views * batch, 3, size, size]`, view-major: all images of the group's first
    /// view, then all images of its second one, and so on.
    pub pixels: Vec<f32>,
}

/// One batch in host memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostBatch {
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// Step within the epoch, counted from 0.
    pub step_in_epoch: usize,
    /// For each row of a view, the index in its source of the image that is shown.
    pub indices: Vec<usize>,
    /// For each row of a view, its class; `None` if the source has no labels.
    pub labels: Option<Vec<i64>>,
    /// Groups in the order of the recipe (global views first).
    pub groups: Vec<ViewGroup>,
}

impl HostBatch {
    /// Number of images in the batch, which is the number of rows of each view.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether the batch holds no image.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}
