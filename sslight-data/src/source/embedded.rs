//! The sample built into the program: 4,000 training and 1,000 validation images of Fashion-MNIST.

use std::sync::OnceLock;

use super::idx::{IdxImages, decompress, parse_images, parse_labels};
use super::{ImageSource, Split, Stored, out_of_range};
use crate::DataError;

/// Class names of Fashion-MNIST by label.
const CLASS_NAMES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Compressed images and labels of one split, unpacked at the first use.
struct Sample {
    images: &'static [u8],
    labels: &'static [u8],
    unpacked: OnceLock<IdxImages>,
}

static TRAIN: Sample = Sample {
    images: include_bytes!("../../assets/fashion-mnist/train-images-idx3-ubyte.gz"),
    labels: include_bytes!("../../assets/fashion-mnist/train-labels-idx1-ubyte.gz"),
    unpacked: OnceLock::new(),
};

static VALIDATION: Sample = Sample {
    images: include_bytes!("../../assets/fashion-mnist/t10k-images-idx3-ubyte.gz"),
    labels: include_bytes!("../../assets/fashion-mnist/t10k-labels-idx1-ubyte.gz"),
    unpacked: OnceLock::new(),
};

impl Sample {
    fn unpack(&self, name: &str) -> Result<&IdxImages, DataError> {
        if let Some(images) = self.unpacked.get() {
            return Ok(images);
        }
        let labels = parse_labels(&decompress(self.labels, name)?, name)?;
        let images = parse_images(decompress(self.images, name)?, Some(labels), name)?;
        Ok(self.unpacked.get_or_init(|| images))
    }
}

/// The embedded sample: the first 400 training and 100 test images of each class of Fashion-MNIST
/// (Copyright (c) 2017 Zalando SE, MIT licence) in the order of the original files, 28x28 gray.
pub struct EmbeddedSource {
    split: Split,
    images: &'static IdxImages,
    class_names: Vec<String>,
}

impl EmbeddedSource {
    /// Unpacks the sample, once in the life of the program.
    ///
    /// # Errors
    /// Only if the program file is damaged.
    pub fn new(split: Split) -> Result<Self, DataError> {
        let images = match split {
            Split::Train => TRAIN.unpack("embedded training images")?,
            Split::Validation => VALIDATION.unpack("embedded validation images")?,
        };
        Ok(Self {
            split,
            images,
            class_names: CLASS_NAMES.map(String::from).to_vec(),
        })
    }
}

impl ImageSource for EmbeddedSource {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        let image = self.images.image(index);
        image
            .map(Stored::Pixels)
            .ok_or_else(|| out_of_range(self, index))
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.images.label(index)
    }

    fn name(&self, index: usize) -> String {
        format!("embedded {} image {index}", self.split)
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn describe(&self) -> String {
        format!(
            "embedded Fashion-MNIST sample, {} split: {} images of 28x28 pixels in 10 classes",
            self.split,
            self.len()
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_splits_are_balanced_over_ten_classes() {
        for (split, of_each) in [(Split::Train, 400), (Split::Validation, 100)] {
            let source = EmbeddedSource::new(split).unwrap();
            let mut counts = [0; 10];
            for index in 0..source.len() {
                counts[source.label(index).unwrap()] += 1;
            }
            assert_eq!(counts, [of_each; 10]);
        }
    }

    #[test]
    fn images_are_gray_and_not_empty() {
        let source = EmbeddedSource::new(Split::Train).unwrap();
        let image = source.image(0).unwrap();
        assert_eq!((image.width, image.height), (28, 28));
        assert!(
            image
                .pixels
                .as_chunks::<3>()
                .0
                .iter()
                .all(|p| p[0] == p[1] && p[1] == p[2])
        );
        assert!(image.pixels.iter().any(|&v| v > 200));
        // The first training image of the original file is an ankle boot.
        assert_eq!(source.class_names()[source.label(0).unwrap()], "Ankle boot");
    }

    #[test]
    fn an_index_beyond_the_end_is_an_error() {
        let source = EmbeddedSource::new(Split::Validation).unwrap();
        let message = source.image(1000).unwrap_err().to_string();
        assert!(
            message.contains("image 1000") && message.contains("there are 1000"),
            "{message}"
        );
    }
}
