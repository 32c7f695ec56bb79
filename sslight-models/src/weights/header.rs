//! The header of a safetensors file, checked before anything trusts it, with words for what is wrong.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use thiserror::Error;

use super::shown::shown;

/// Bytes of the number that a file starts with, the length of its header.
const LENGTH: usize = 8;
/// Dimensions of a tensor at most, those of PyTorch.
const MAX_DIMS: usize = 64;
const METADATA: &str = "__metadata__";

/// Why the header of a safetensors file is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// The file ends within its header.
    #[error("it states a header of {stated} bytes, and {there} follow")]
    Length {
        /// Bytes of the header.
        stated: u64,
        /// Bytes that are there.
        there: usize,
    },
    /// The header is not JSON, or JSON of something else.
    #[error("its header is no list of tensors: {0}")]
    Json(String),
    /// Two tensors have one name.
    #[error("two tensors are named {0}")]
    Twice(String),
    /// What is said of a tensor cannot be.
    #[error("tensor {name}: {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// There are more or fewer values than the header says.
    #[error("its tensors have {stated} bytes of values, and {there} are there")]
    Values {
        /// Bytes of all tensors.
        stated: usize,
        /// Bytes behind the header.
        there: usize,
    },
}

/// What a header says of a tensor.
#[derive(serde::Deserialize)]
struct Described {
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// The tensors of a header in its order, names that are there twice included.
struct Tensors(Vec<(String, Described)>);

impl<'de> Deserialize<'de> for Tensors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Tensors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensors, A::Error> {
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Tensors(tensors))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Checks that the header is whole, that names are there once, and that values follow each other without a gap up to
/// the end of the file.
///
/// # Errors
/// See [`HeaderError`].
pub(super) fn check(file: &[u8]) -> Result<(), HeaderError> {
    let (length, rest) = file
        .split_first_chunk::<LENGTH>()
        .unwrap_or((&[0; LENGTH], &[]));
    let stated = u64::from_le_bytes(*length);
    let parts = usize::try_from(stated)
        .ok()
        .and_then(|stated| rest.split_at_checked(stated));
    let (header, values) = parts.ok_or(HeaderError::Length {
        stated,
        there: rest.len(),
    })?;
    let Tensors(mut tensors) = serde_json::from_slice(header)
        .map_err(|error| HeaderError::Json(shown(&error.to_string())))?;

    let mut names = HashSet::new();
    if let Some((name, _)) = tensors
        .iter()
        .find(|(name, _)| !names.insert(name.as_str()))
    {
        return Err(HeaderError::Twice(shown(name)));
    }
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let mut end = 0;
    for (name, tensor) in &tensors {
        let problem = |problem: String| HeaderError::Tensor {
            name: shown(name),
            problem,
        };
        let [start, stop] = tensor.data_offsets;
        if start != end || stop < start {
            let expected = format!("its values are at bytes {start} to {stop}, expected at {end}");
            return Err(problem(expected));
        }
        if stop > values.len() {
            let there = values.len();
            return Err(problem(format!("its values end at byte {stop} of {there}")));
        }
        if tensor.shape.len() > MAX_DIMS {
            return Err(problem(format!("{} dimensions", tensor.shape.len())));
        }
        let count = tensor
            .shape
            .iter()
            .try_fold(1_usize, |n, side| n.checked_mul(*side));
        // An element has 4 bits at least.
        if count.is_none_or(|count| count / 2 > stop - start) {
            let bytes = stop - start;
            return Err(problem(format!(
                "a shape of {:?} in {bytes} bytes",
                tensor.shape
            )));
        }
        end = stop;
    }
    if end != values.len() {
        return Err(HeaderError::Values {
            stated: end,
            there: values.len(),
        });
    }
    Ok(())
}
