//! Features as an Apache Parquet file.

use std::io;
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::ColumnPath;

use super::{EmbedError, Head, Rows, Writer};
use crate::fsio::{Draft, WithPath};

/// A list has three levels: whether it is there, its items, whether an item is there.
const SCHEMA: &str = "message features {
    required binary path (string);
    optional int64 label;
    optional binary class (string);
    required group features (list) { repeated group list { required float element; } }
}";
/// The column of the numbers.
const FEATURES: [&str; 3] = ["features", "list", "element"];
/// Images of a row group, which is held in memory: small enough for that, and large enough that readers do not spend
/// their time on heads of groups.
const GROUP: usize = 1024;

pub(super) struct Parquet<'a> {
    head: Head<'a>,
    writer: SerializedFileWriter<Draft>,
    names: Vec<ByteArray>,
    labels: Vec<Option<usize>>,
    features: Vec<f32>,
}

fn to_io(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

impl<'a> Parquet<'a> {
    pub(super) fn create(head: Head<'a>) -> Result<Self, EmbedError> {
        let draft = Draft::create(head.out)?;
        let told = head.metadata().into_iter();
        let told = told.map(|(key, json)| KeyValue::new(format!("sslight.{key}"), json));
        let numbers = ColumnPath::from(FEATURES.map(str::to_owned).to_vec());
        let properties = WriterProperties::builder()
            .set_created_by(concat!("sslight ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::UNCOMPRESSED)
            // No two features are equal, and nobody searches for one.
            .set_column_dictionary_enabled(numbers.clone(), false)
            .set_column_statistics_enabled(numbers, EnabledStatistics::None)
            .set_key_value_metadata(Some(told.collect()))
            .build();
        let writer = parse_message_type(SCHEMA)
            .and_then(|schema| {
                SerializedFileWriter::new(draft, Arc::new(schema), Arc::new(properties))
            })
            .map_err(to_io)
            .on(head.out, "write")?;
        Ok(Self {
            head,
            writer,
            names: Vec::new(),
            labels: Vec::new(),
            features: Vec::new(),
        })
    }

    /// Writes the rows that are held as a row group.
    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.names.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        if let Some(mut column) = group.next_column()? {
            let typed = column.typed::<ByteArrayType>();
            typed.write_batch(&self.names, None, None)?;
            column.close()?;
        }
        let there = |there: bool| i16::from(there);
        if let Some(mut column) = group.next_column()? {
            let labels: Vec<i64> = self.labels.iter().flatten().map(|l| *l as i64).collect();
            let levels: Vec<i16> = self.labels.iter().map(|l| there(l.is_some())).collect();
            let typed = column.typed::<Int64Type>();
            typed.write_batch(&labels, Some(&levels), None)?;
            column.close()?;
        }
        if let Some(mut column) = group.next_column()? {
            let of = |label: &Option<usize>| self.head.class(*label).map(ByteArray::from);
            let classes: Vec<Option<ByteArray>> = self.labels.iter().map(of).collect();
            let levels: Vec<i16> = classes.iter().map(|c| there(c.is_some())).collect();
            let classes: Vec<ByteArray> = classes.into_iter().flatten().collect();
            let typed = column.typed::<ByteArrayType>();
            typed.write_batch(&classes, Some(&levels), None)?;
            column.close()?;
        }
        if let Some(mut column) = group.next_column()? {
            let count = self.features.len();
            // The first number of a list opens it, the others go on with it.
            let goes_on = |index: usize| !index.is_multiple_of(self.head.dim);
            let repeats: Vec<i16> = (0..count).map(|index| there(goes_on(index))).collect();
            let typed = column.typed::<FloatType>();
            typed.write_batch(&self.features, Some(&vec![1; count]), Some(&repeats))?;
            column.close()?;
        }
        group.close()?;
        self.names.clear();
        self.labels.clear();
        self.features.clear();
        Ok(())
    }
}

impl Writer for Parquet<'_> {
    fn rows(&mut self, rows: &Rows<'_>) -> io::Result<()> {
        let names = rows.names.iter().map(|name| ByteArray::from(name.as_str()));
        self.names.extend(names);
        self.labels.extend_from_slice(rows.labels);
        self.features.extend_from_slice(rows.features);
        if self.names.len() >= GROUP {
            self.flush().map_err(to_io)?;
        }
        Ok(())
    }

    fn publish(mut self: Box<Self>) -> Result<(), EmbedError> {
        let out = self.head.out;
        let draft = self
            .flush()
            .and_then(|()| self.writer.into_inner())
            .map_err(to_io)
            .on(out, "write")?;
        Ok(draft.publish()?)
    }
}
