//! The hand-over type to training: the views of one batch in host memory.

/// Views of one batch that share a size: a run of consecutive views of the recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewGroup {
    /// Side of the square views in pixels.
    pub size: usize,
    /// Number of views of each image in this group.
    pub views: usize,
    /// Samples, `[views * batch, 3, size, size]`, view-major: all images of the group's first view, then all
    /// images of its second one, and so on.
    pub pixels: Pixels,
}

/// What the samples of a batch are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SampleType {
    /// Normalised floats.
    #[default]
    F32,
    /// 8-bit samples as they are, in a quarter of the memory. Whoever takes them has to normalise them.
    U8,
}

/// Samples of views.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// Normalised samples.
    F32(Vec<f32>),
    /// 8-bit samples, not normalised.
    U8(Vec<u8>),
}

impl Pixels {
    /// So many samples, all zero.
    pub(crate) fn zeros(samples: SampleType, length: usize) -> Self {
        match samples {
            SampleType::F32 => Self::F32(vec![0.0; length]),
            SampleType::U8 => Self::U8(vec![0; length]),
        }
    }

    /// So many samples of the same type, all zero.
    pub(crate) fn zeros_alike(&self, length: usize) -> Self {
        let samples = match self {
            Self::F32(_) => SampleType::F32,
            Self::U8(_) => SampleType::U8,
        };
        Self::zeros(samples, length)
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(samples) => samples.len(),
            Self::U8(samples) => samples.len(),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Floats: normalised samples as they are, 8-bit ones as whole numbers.
    pub fn into_f32(self) -> Vec<f32> {
        match self {
            Self::F32(samples) => samples,
            Self::U8(samples) => samples.into_iter().map(f32::from).collect(),
        }
    }

    /// Without the rows of `length` samples for which `kept` is false; it is used again and again.
    pub(crate) fn keeping(self, length: usize, kept: &[bool]) -> Self {
        if !kept.contains(&false) {
            return self;
        }
        match self {
            Self::F32(samples) => Self::F32(keep(&samples, length, kept)),
            Self::U8(samples) => Self::U8(keep(&samples, length, kept)),
        }
    }
}

fn keep<T: Copy>(samples: &[T], length: usize, kept: &[bool]) -> Vec<T> {
    let rows = samples.chunks_exact(length).zip(kept.iter().cycle());
    let rows = rows.filter(|(_, kept)| **kept);
    rows.flat_map(|(row, _)| row).copied().collect()
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
    /// Channel means in units of full scale by which samples are normalised, or have to be.
    pub mean: [f32; 3],
    /// Channel standard deviations likewise.
    pub std: [f32; 3],
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
