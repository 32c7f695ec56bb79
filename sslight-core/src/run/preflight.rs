//! What can be refused before the first of many runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use sslight_data::ImageSource;

use super::{Evaluator, RunError, check_classes, loader, open_train, open_validation};
use crate::config::{DataFacts, ResolvedConfig};

type Source = Arc<dyn ImageSource>;

/// Looks at the data of several runs as each of them will, and opens none twice.
#[derive(Default)]
pub struct Preflight {
    train: BTreeMap<String, Source>,
    /// By training and validation data.
    validation: BTreeMap<(String, Option<String>), Option<Source>>,
}

/// What is known of a run before its first step.
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    /// What is known of its images.
    pub data: DataFacts,
    /// Whether there will be a kNN score.
    pub is_scored: bool,
}

impl Preflight {
    /// Judges a configuration against its data.
    ///
    /// # Errors
    /// What a run of it would be refused for before its first step, its folder and `init` aside.
    pub fn check(&mut self, resolved: &ResolvedConfig) -> Result<Outlook, RunError> {
        resolved.require_data()?;
        let config = &resolved.config;
        let train = match self.train.get(&config.data) {
            Some(source) => Arc::clone(source),
            None => open_train(config)?,
        };
        self.train.insert(config.data.clone(), Arc::clone(&train));
        let key = (config.data.clone(), config.val_data.clone());
        let validation = match self.validation.get(&key) {
            Some(source) => source.clone(),
            None => open_validation(config)?,
        };
        self.validation.insert(key, validation.clone());
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
