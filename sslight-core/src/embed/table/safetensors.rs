//! Features as a safetensors file. Its head has the number of images in it, which is known only at the end, so that the
//! features go to a file of their own first.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{EmbedError, Head, Rows, Writer};
use crate::fsio::{Draft, WithPath};

/// The longest head that the safetensors library reads.
const LONGEST_HEAD: usize = 100_000_000;
/// Where the data begin is a multiple of this.
const ALIGNMENT: usize = 8;
/// The label of an image without one, among others that have them.
const NO_LABEL: i64 = -1;

pub(super) struct Safetensors<'a> {
    head: Head<'a>,
    features: Draft,
    names: Vec<String>,
    labels: Vec<i64>,
}

impl<'a> Safetensors<'a> {
    pub(super) fn create(head: Head<'a>) -> Result<Self, EmbedError> {
        let mut name = head.out.file_name().unwrap_or_default().to_os_string();
        name.push(".features");
        Ok(Self {
            head,
            features: Draft::create(&head.out.with_file_name(name))?,
            names: Vec::new(),
            labels: Vec::new(),
        })
    }

    /// The length of what follows, and the description of the data: labels first, so that both tensors are aligned.
    fn description(&self) -> Result<Vec<u8>, EmbedError> {
        let images = self.names.len();
        let labelled = !self.head.class_names.is_empty();
        let labels = if labelled { 8 * images } else { 0 };
        let features = 4 * images * self.head.dim;
        let mut metadata: Map<String, Value> = self
            .head
            .metadata()
            .into_iter()
            .map(|(key, json)| (key.to_owned(), json.into()))
            .collect();
        metadata.insert("names".to_owned(), super::json(&self.names).into());
        let mut description = Map::new();
        description.insert("__metadata__".to_owned(), metadata.into());
        if labelled {
            let entry = json!({"dtype": "I64", "shape": [images], "data_offsets": [0, labels]});
            description.insert("labels".to_owned(), entry);
        }
        description.insert(
            "features".to_owned(),
            json!({
                "dtype": "F32",
                "shape": [images, self.head.dim],
                "data_offsets": [labels, labels + features],
            }),
        );
        let mut text = Value::from(description).to_string();
        while !text.len().is_multiple_of(ALIGNMENT) {
            text.push(' ');
        }
        if text.len() > LONGEST_HEAD {
            return Err(EmbedError::TooManyNames {
                path: self.head.out.into(),
                images,
                bytes: text.len(),
                limit: LONGEST_HEAD,
            });
        }
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        if labelled {
            bytes.extend(self.labels.iter().flat_map(|label| label.to_le_bytes()));
        }
        Ok(bytes)
    }
}

impl Writer for Safetensors<'_> {
    fn rows(&mut self, rows: &Rows<'_>) -> io::Result<()> {
        self.names.extend_from_slice(rows.names);
        let labels = rows.labels.iter();
        self.labels
            .extend(labels.map(|label| label.map_or(NO_LABEL, |label| label as i64)));
        for value in rows.features {
            self.features.write_all(&value.to_le_bytes())?;
        }
        Ok(())
    }

    fn publish(mut self: Box<Self>) -> Result<(), EmbedError> {
        let description = self.description()?;
        let mut draft = Draft::create(self.head.out)?;
        let mut copy = || {
            draft.write_all(&description)?;
            io::copy(&mut self.features.written()?, &mut draft)
        };
        copy().on(self.head.out, "write")?;
        Ok(draft.publish()?)
    }
}
