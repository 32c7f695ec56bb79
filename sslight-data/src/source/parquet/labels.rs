//! From a column of labels to classes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use parquet::basic::Type as Physical;
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::shared::Shared;
use super::{NO_LABEL, damaged, read_column};
use crate::DataError;
use crate::source::packed::{class_names, classes_of};
use crate::text::printable;

/// Labels while files are read: numbers stand for names in `found` until all are known.
#[derive(Default)]
pub(super) struct Labels {
    found: Vec<String>,
    places: HashMap<String, u32>,
    /// Class names by number as the hub keeps them.
    class_names: Vec<String>,
    pub(super) some: bool,
    /// The first file without a column of labels.
    pub(super) missing: Option<PathBuf>,
}

impl Labels {
    pub(super) fn read(
        &mut self,
        reader: &SerializedFileReader<Shared>,
        group: usize,
        column: usize,
        path: &Path,
        labels: &mut Vec<u32>,
    ) -> Result<(), DataError> {
        let damaged = damaged(path);
        let rows = usize::try_from(reader.metadata().row_group(group).num_rows());
        let rows = 0..rows.unwrap_or_default();
        let schema = reader.metadata().file_metadata().schema_descr();
        let texts: Vec<Option<String>> = match schema.column(column).physical_type() {
            Physical::INT32 => texts(read_column::<Int32Type>(reader, group, column, rows)),
            Physical::INT64 => texts(read_column::<Int64Type>(reader, group, column, rows)),
            _ => read_column::<ByteArrayType>(reader, group, column, rows).map(|values| {
                let text = |value: ByteArray| printable(value.data());
                values.into_iter().map(|value| value.map(text)).collect()
            }),
        }
        .map_err(damaged)?;
        for text in texts {
            labels.push(match text {
                // The hub's mark of test images.
                Some(text) if text == "-1" => NO_LABEL,
                Some(text) => self.place(text),
                None => NO_LABEL,
            });
        }
        Ok(())
    }

    fn place(&mut self, text: String) -> u32 {
        if let Some(&place) = self.places.get(&text) {
            return place;
        }
        let place = self.found.len() as u32;
        self.found.push(text.clone());
        self.places.insert(text, place);
        place
    }

    /// Reads the class names that the hub writes beside the schema.
    pub(super) fn take_class_names(&mut self, reader: &SerializedFileReader<Shared>, column: &str) {
        let pairs = reader.metadata().file_metadata().key_value_metadata();
        let pairs = pairs.map_or(&[][..], Vec::as_slice);
        let Some(text) = pairs
            .iter()
            .find(|pair| pair.key == "huggingface")
            .and_then(|pair| pair.value.as_deref())
        else {
            return;
        };
        let Ok(json) = serde_json::from_str::<serde_json::Value>(text) else {
            return;
        };
        let names = &json["info"]["features"][column]["names"];
        let names = names.as_array().map_or(&[][..], Vec::as_slice);
        let names = names.iter().filter_map(|name| name.as_str());
        let names: Vec<String> = names.map(str::to_owned).collect();
        if self.class_names.is_empty() {
            self.class_names = names;
        }
    }

    /// Turns numbers of names into classes; gives the names of these.
    pub(super) fn finish(self, labels: &mut [u32]) -> Vec<String> {
        let numbers = class_names(self.found.iter().map(String::as_str));
        // Names of the hub are for numbers; a number beyond them would have none.
        let named = !self.found.is_empty()
            && numbers.len() <= self.class_names.len()
            && self.found.iter().all(|label| label.parse::<u32>().is_ok());
        let classes = classes_of(&self.found, &numbers);
        for label in labels {
            let class = classes.get(*label as usize).copied();
            *label = class.map_or(NO_LABEL, |class| class as u32);
        }
        if named { self.class_names } else { numbers }
    }
}

fn texts<T: ToString>(
    values: Result<Vec<Option<T>>, ParquetError>,
) -> Result<Vec<Option<String>>, ParquetError> {
    let text = |value: Option<T>| value.map(|value| value.to_string());
    Ok(values?.into_iter().map(text).collect())
}
