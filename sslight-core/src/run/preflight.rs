//! What can be refused before the first of many runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use sslight_data::ImageSource;

use super::{Evaluator, RunError, check_classes, loader, open_both};
use crate::config::{DataFacts, ResolvedConfig, RunConfig};

type Source = Arc<dyn ImageSource>;

/// Looks at the data of several runs as each of them will, and opens none twice.
#[derive(Default)]
pub struct Preflight {
    /// Training and validation images by the keys that decide which they are.
    sources: BTreeMap<String, (Source, Option<Source>)>,
}

/// What is known of a run before its first step.
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    /// What is known of its images.
    pub data: DataFacts,
    /// Whether there will be a kNN score.
    pub is_scored: bool,
}

/// What decides which images a run has.
fn data_key(config: &RunConfig) -> String {
    format!(
        "{:?}",
        (
            (&config.data, &config.val_data, config.use_labels),
            (config.holdout_per_class, config.holdout_fraction),
            (config.holdout_seed, config.train_fraction),
            super::open_options(config),
        )
    )
}

impl Preflight {
    /// Judges a configuration against its data.
    ///
    /// # Errors
    /// What a run of it would be refused for before its first step, its folder and `init` aside.
    pub fn check(&mut self, resolved: &ResolvedConfig) -> Result<Outlook, RunError> {
        resolved.require_data()?;
        let config = &resolved.config;
        let key = data_key(config);
        let (train, validation) = match self.sources.get(&key) {
            Some(both) => both.clone(),
            None => open_both(config)?,
        };
        let both = (Arc::clone(&train), validation.clone());
        self.sources.insert(key, both);
        let facts = DataFacts {
            images: train.len(),
            classes: train.class_names().len(),
        };
        check_classes(config, &*train, validation.as_deref())?;
        let evaluator = Evaluator::new(config, &train, validation.as_ref());
        loader(config, train)?;
        resolved.fit(facts)?;
        Ok(Outlook {
            data: facts,
            is_scored: evaluator.protocol().is_some(),
        })
    }
}
