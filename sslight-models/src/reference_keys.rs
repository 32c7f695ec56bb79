//! Names and shapes of the reference's complete models, for the tests of this crate.

use std::path::Path;

use burn::module::Module;
use serde_json::Value;

use crate::backend::Backend;
use crate::weights::named_tensors;

/// Name and shape of a tensor.
pub(crate) type Key = (String, Vec<usize>);

/// The tensors of `model` under `prefix` in the reference's order, the prefix taken off. Counters of batches,
/// which our batch normalisation does not keep, are left out.
pub(crate) fn reference_keys(model: &str, prefix: &str) -> Vec<Key> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/state_dict_keys.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: cannot read: {error}", path.display()));
    let models: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{}: no JSON: {error}", path.display()));
    let all: Vec<Key> = serde_json::from_value(models[model]["state_dict"].clone())
        .unwrap_or_else(|error| panic!("{model}: no list of names and shapes: {error}"));
    let keys: Vec<Key> = all
        .into_iter()
        .filter_map(|(name, shape)| Some((name.strip_prefix(prefix)?.to_string(), shape)))
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .collect();
    assert!(!keys.is_empty(), "{model} has no tensors under {prefix}");
    keys
}

/// The tensors of one of our modules, in its order.
pub(crate) fn keys_of<B: Backend, M: Module<B>>(module: &M) -> Vec<Key> {
    named_tensors(module)
        .into_iter()
        .map(|tensor| (tensor.name, tensor.shape))
        .collect()
}
