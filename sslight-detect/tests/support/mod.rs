//! Golden files and the comparison with them.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

/// A file of `tests/golden`.
pub struct Golden {
    bytes: Vec<u8>,
}

impl Golden {
    pub fn open(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(name);
        Self {
            bytes: fs::read(path).unwrap(),
        }
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).unwrap()
    }

    pub fn names(&self) -> Vec<String> {
        self.file().names().into_iter().map(String::from).collect()
    }

    pub fn metadata(&self, key: &str) -> String {
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes).unwrap();
        metadata.metadata().as_ref().unwrap()[key].clone()
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.file().tensor(name).unwrap().shape().to_vec()
    }

    pub fn values(&self, name: &str) -> Vec<f64> {
        let file = self.file();
        let view = file.tensor(name).unwrap();
        let data = view.data();
        match view.dtype() {
            Dtype::F32 => data
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f64::from(f32::from_le_bytes(*bytes)))
                .collect(),
            Dtype::F64 => data
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f64::from_le_bytes(*bytes))
                .collect(),
            Dtype::I64 => data
                .as_chunks()
                .0
                .iter()
                .map(|bytes| i64::from_le_bytes(*bytes) as f64)
                .collect(),
            other => panic!("{name} has {other:?}"),
        }
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.values(name)
            .iter()
            .map(|value| *value as f32)
            .collect()
    }

    pub fn indices(&self, name: &str) -> Vec<usize> {
        self.values(name)
            .iter()
            .map(|value| *value as usize)
            .collect()
    }
}

/// Differences of at most `tolerance` times the largest magnitude that is wanted.
#[track_caller]
pub fn assert_close(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want
        .iter()
        .fold(0.0f64, |most, value| most.max(value.abs()));
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        let difference = (f64::from(*got) - want).abs();
        assert!(
            difference <= tolerance * largest,
            "{what}[{at}] is {got}, not {want} (largest {largest})"
        );
    }
}
