//! Whether a configuration fits its data: what can only be judged when images and labels have been counted.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Method, Problem, Problems, ResolvedConfig, RunConfig, auto};

/// What a configuration has to know of its training images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFacts {
    /// How many there are.
    pub images: usize,
    /// How many classes they have; 0 without labels.
    pub classes: usize,
}

impl RunConfig {
    /// Keys whose values shape tensors and follow from the data, with those values.
    pub(crate) fn sizes_for(&self, data: DataFacts) -> Vec<(&'static str, String)> {
        let images = data.images;
        let mut sizes = match self.method {
            Method::Dino => vec![("dino.out_dim", self.dino_out_dim(images).to_string())],
            Method::Swav => vec![
                ("swav.prototypes", self.swav_prototypes(images).to_string()),
                (
                    "swav.queue_length",
                    self.swav_queue_length(images).to_string(),
                ),
            ],
            Method::Moco => vec![(
                "moco.queue_length",
                self.moco_queue_length(images).to_string(),
            )],
            Method::Simclr | Method::Supervised => Vec::new(),
        };
        if self.probe || self.method == Method::Supervised {
            sizes.push(("data", format!("of {} classes", data.classes)));
        }
        sizes
    }
}

impl ResolvedConfig {
    /// Judges the configuration against its data; returns what is allowed but probably not meant.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with every key that does not fit.
    pub fn fit(&self, data: DataFacts) -> Result<Vec<String>, ConfigError> {
        let mut problems = Vec::new();
        self.labels(data, &mut problems);
        self.sizes(data, &mut problems);
        if problems.is_empty() {
            Ok(self.cautions(data))
        } else {
            Err(Problems(problems).into())
        }
    }

    fn out_of_range(&self, key: &'static str, value: String, allowed: String) -> Problem {
        Problem::OutOfRange {
            key,
            value,
            allowed,
            origin: self.provenance.of(key).clone(),
        }
    }

    fn labels(&self, data: DataFacts, problems: &mut Vec<Problem>) {
        const LABELS: &str = "labels are one folder of images for each class";
        if data.classes > 0 {
            return;
        }
        if self.config.method == Method::Supervised {
            let others: Vec<&str> = Method::all()
                .iter()
                .filter(|method| **method != Method::Supervised)
                .map(|method| method.word())
                .collect();
            let allowed = format!(
                "one of {} for images without labels; {LABELS}",
                others.join(", ")
            );
            problems.push(self.out_of_range("method", Method::Supervised.to_string(), allowed));
        }
        if self.config.probe {
            let allowed = format!("false for images without labels; {LABELS}");
            problems.push(self.out_of_range("probe", "true".to_owned(), allowed));
        }
    }

    fn sizes(&self, data: DataFacts, problems: &mut Vec<Problem>) {
        let config = &self.config;
        let images = data.images;
        let mut at_most = |key, stated: Option<usize>, auto: usize| {
            if let Some(value) = stated.filter(|value| *value > images) {
                let allowed = format!(
                    "at most {images}, the number of training images; auto would be {auto}"
                );
                problems.push(self.out_of_range(key, value.to_string(), allowed));
            }
        };
        match config.method {
            Method::Swav => {
                let swav = &config.swav;
                let prototypes = auto::swav_prototypes(images);
                at_most("swav.prototypes", swav.prototypes, prototypes);
                let queue = auto::swav_queue(images);
                at_most("swav.queue_length", swav.queue_length, queue);
            }
            Method::Moco => {
                let queue = auto::moco_queue(images, config.batch_size);
                at_most("moco.queue_length", config.moco.queue_length, queue);
            }
            _ => {}
        }
    }

    fn cautions(&self, data: DataFacts) -> Vec<String> {
        let mut found = Vec::new();
        let config = &self.config;
        if let (Method::Moco, Some(length)) = (config.method, config.moco.queue_length)
            && length > data.images / 2
        {
            found.push(format!(
                "moco.queue_length = {length} is more than half of the {} training images, so that many queries \
                 will be told from keys of their own image; moco.queue_length = {} would not",
                data.images,
                auto::moco_queue(data.images, config.batch_size)
            ));
        }
        found
    }
}
