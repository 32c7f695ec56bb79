//! What can be refused before the first of many runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sslight_data::ImageSource;

use super::{RunError, loader, open_train, open_validation};
use crate::config::{DataFacts, ResolvedConfig};

/// Looks at the data of several runs as each of them will, and opens none twice.
#[derive(Default)]
pub struct Preflight {
    train: BTreeMap<String, Arc<dyn ImageSource>>,
    /// Training and validation data of which the latter has been opened.
    validation: BTreeSet<(String, Option<String>)>,
}

impl Preflight {
    /// Judges a configuration against its data.
    ///
    /// # Errors
    /// What a run of it would be refused for before its first step, its folder aside.
    pub fn check(&mut self, resolved: &ResolvedConfig) -> Result<DataFacts, RunError> {
        resolved.require_data()?;
        let config = &resolved.config;
        let train = match self.train.get(&config.data) {
            Some(source) => Arc::clone(source),
            None => open_train(config)?,
        };
        self.train.insert(config.data.clone(), Arc::clone(&train));
        let key = (config.data.clone(), config.val_data.clone());
        if self.validation.insert(key) {
            open_validation(config)?;
        }
        let facts = DataFacts {
            images: train.len(),
            classes: train.class_names().len(),
        };
        loader(config, train)?;
        resolved.fit(facts)?;
        Ok(facts)
    }
}
