//! Parquet files as the Hugging Face hub holds image sets: a struct of bytes and path, and a column of labels.
//!
//! A picture can only be read with its neighbours, so rows are read in blocks, and training shuffles the images of many
//! blocks at a time ([`super::Locality`]).

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::iter::repeat_n;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::blocks::{BlockCache, Locality, SHUFFLE_BYTES};
use super::names::{Names, printable};
use super::packed::{class_names, classes_of, read_at};
use super::{ImageSource, Stored, files_in_words, guarded, in_classes, out_of_range};
use crate::{DataError, decode};

/// First and last bytes of a file.
pub(super) const MAGIC: [u8; 4] = *b"PAR1";
/// Rows that are read at a time have about this many bytes.
const BLOCK_BYTES: u64 = 32 << 20;
/// Blocks beyond those that are shuffled together: workers at the seam read the next ones.
const AHEAD: usize = 4;
/// Names of the column of images, the first that is there.
const IMAGE_COLUMNS: [&str; 7] = ["image", "img", "jpg", "png", "picture", "photo", "bytes"];
/// Names of the column of labels, the first that is there.
const LABEL_COLUMNS: [&str; 7] = [
    "label",
    "labels",
    "fine_label",
    "cls",
    "class",
    "target",
    "class_id",
];
const NO_LABEL: u32 = u32::MAX;

/// The images of Parquet files, one file after the other.
pub(super) struct ParquetSource {
    files: Vec<OpenFile>,
    blocks: Vec<Block>,
    /// File names as the data set has them; empty where it has none.
    names: Names,
    /// For each image its class; empty without labels.
    labels: Vec<u32>,
    class_names: Vec<String>,
    cache: BlockCache<Vec<Option<ByteArray>>>,
    together: usize,
}

struct OpenFile {
    path: PathBuf,
    reader: SerializedFileReader<Shared>,
    image_column: usize,
}

/// Rows that are read together.
struct Block {
    file: usize,
    group: usize,
    /// Rows within the row group.
    rows: Range<usize>,
    /// Index of the first image.
    start: usize,
}

/// A file that many threads read: the crate's own reader of files moves the one cursor that they share.
struct Shared {
    file: Arc<File>,
    length: u64,
}

/// Reads on from a place.
struct ReadFrom {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        read_at(&self.file, &mut buffer[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Length for Shared {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Shared {
    type T = BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        // Headers of pages are what is read like this.
        const HEADER: usize = 4096;
        let from = ReadFrom {
            file: Arc::clone(&self.file),
            at: start,
            end: self.length,
        };
        Ok(BufReader::with_capacity(HEADER, from))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes are needed from {start} on, and the file has {}",
                self.length
            )));
        }
        let mut bytes = vec![0; length];
        read_at(&self.file, &mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// What is wrong with a file.
fn refuse(path: &Path, reason: String, remedy: &'static str) -> DataError {
    DataError::Container {
        name: path.display().to_string(),
        reason,
        remedy,
    }
}

fn damaged(path: &Path) -> impl Fn(ParquetError) -> DataError {
    move |error| {
        refuse(
            path,
            format!("cannot be read as Parquet ({error})"),
            "fetch it again",
        )
    }
}

impl ParquetSource {
    /// Opens files in the order given, with the labels of their label column, whose class names the hub keeps beside
    /// the schema.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged, or has no column of images or one of labels that are no classes.
    pub(super) fn open(paths: &[PathBuf], with_labels: bool) -> Result<Self, DataError> {
        let mut source = Self {
            files: Vec::new(),
            blocks: Vec::new(),
            names: Names::default(),
            labels: Vec::new(),
            class_names: Vec::new(),
            cache: BlockCache::new(1),
            together: 1,
        };
        let mut labels = Labels::default();
        let mut bytes = 0;
        for path in paths {
            bytes += guarded(path, || source.add(path, with_labels, &mut labels))?;
        }
        if labels.some && labels.missing.is_some() {
            let (path, other) = (labels.missing.unwrap_or_default(), &paths[0]);
            return Err(refuse(
                &path,
                format!(
                    "has no column of labels, and others as {} have",
                    other.display()
                ),
                "give files of one data set, or labels=false",
            ));
        }
        if labels.some {
            source.class_names = labels.finish(&mut source.labels);
        } else {
            source.labels.clear();
        }
        let mean = (bytes / source.blocks.len().max(1) as u64).max(1);
        let together = usize::try_from(SHUFFLE_BYTES / mean).unwrap_or(usize::MAX);
        source.together = together.clamp(2, source.blocks.len().max(2));
        source.cache = BlockCache::new(source.together + AHEAD);
        Ok(source)
    }

    /// Adds a file and tells how many bytes its images have.
    fn add(
        &mut self,
        path: &Path,
        with_labels: bool,
        labels: &mut Labels,
    ) -> Result<u64, DataError> {
        let failed = |source| DataError::Read {
            path: path.into(),
            source,
        };
        let damaged = damaged(path);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let file = Arc::new(file);
        let reader = SerializedFileReader::new(Shared { file, length }).map_err(&damaged)?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let columns = Columns::find(&schema, path, with_labels)?;
        let label_column = columns.label;
        if label_column.is_none() && labels.missing.is_none() {
            labels.missing = Some(path.into());
        }
        let start = self.len();
        let number = self.files.len();
        let mut bytes = 0;
        for group in 0..reader.num_row_groups() {
            let rows = reader.metadata().row_group(group);
            let image_bytes = rows.column(columns.image).uncompressed_size().max(0) as u64;
            let rows = u64::try_from(rows.num_rows()).unwrap_or(u64::MAX);
            // No image has less than a byte.
            if rows > length {
                let reason =
                    format!("row group {group} has {rows} rows in a file of {length} bytes");
                return Err(refuse(path, reason, "fetch it again"));
            }
            let rows = rows as usize;
            let first = self.len();
            let names = match columns.path {
                Some(column) => read_column::<ByteArrayType>(&reader, group, column, 0..rows)
                    .map_err(&damaged)?,
                None => vec![None; rows],
            };
            for name in &names {
                self.names.push(name.as_ref().map_or(b"", ByteArray::data));
            }
            if names.len() != rows {
                let reason = format!("row group {group} has {} of {rows} rows", names.len());
                return Err(refuse(path, reason, "fetch it again"));
            }
            if let Some(column) = label_column {
                labels.read(&reader, group, column, path, &mut self.labels)?;
                labels.some = true;
                if self.labels.len() != self.names.len() {
                    let reason = format!("row group {group} has other labels than images");
                    return Err(refuse(path, reason, "fetch it again"));
                }
            }
            self.labels.resize(self.names.len(), NO_LABEL);
            let per_block = rows_per_block(rows, image_bytes);
            for row in (0..rows).step_by(per_block) {
                self.blocks.push(Block {
                    file: number,
                    group,
                    rows: row..rows.min(row + per_block),
                    start: first + row,
                });
            }
            bytes += image_bytes;
        }
        if self.len() == start {
            return Err(refuse(path, "holds no rows".into(), "leave it out"));
        }
        if label_column.is_some() {
            labels.take_class_names(&reader, columns.label_name.as_deref().unwrap_or_default());
        }
        self.files.push(OpenFile {
            path: path.into(),
            reader,
            image_column: columns.image,
        });
        Ok(bytes)
    }

    fn block(&self, index: usize) -> Option<usize> {
        if index >= self.len() {
            return None;
        }
        let block = self.blocks.partition_point(|block| block.start <= index);
        block.checked_sub(1)
    }
}

/// Rows that have about [`BLOCK_BYTES`].
fn rows_per_block(rows: usize, bytes: u64) -> usize {
    let blocks = usize::try_from(bytes / BLOCK_BYTES + 1).unwrap_or(usize::MAX);
    rows.div_ceil(blocks).max(1)
}

/// Columns of a file by their places.
struct Columns {
    image: usize,
    path: Option<usize>,
    label: Option<usize>,
    label_name: Option<String>,
}

impl Columns {
    fn find(schema: &SchemaDescriptor, file: &Path, with_labels: bool) -> Result<Self, DataError> {
        let columns = schema.columns();
        let name = |column: &ColumnDescriptor| column.path().parts().join(".");
        let place = |wanted: &str| columns.iter().position(|column| name(column) == wanted);
        let is_bytes = |place: &usize| {
            let column = &columns[*place];
            column.physical_type() == Physical::BYTE_ARRAY && column.max_rep_level() == 0
        };
        // A struct of bytes and path, or bytes without a struct.
        let inside = |known: &&str| place(&format!("{known}.bytes")).filter(is_bytes);
        let plain = |known: &&str| {
            let place = place(known).filter(is_bytes)?;
            (!is_text(&columns[place])).then_some(place)
        };
        let image = IMAGE_COLUMNS
            .iter()
            .find_map(inside)
            .or_else(|| IMAGE_COLUMNS.iter().find_map(plain));
        let Some(image) = image else {
            let names: Vec<String> = columns.iter().map(|column| name(column)).collect();
            return Err(refuse(
                file,
                format!(
                    "no column of encoded images: looked for {} (bytes, or a struct with bytes), found {}",
                    IMAGE_COLUMNS.join(", "),
                    names.join(", ")
                ),
                "rename the column of images",
            ));
        };
        let parts = columns[image].path().parts();
        let beside = format!("{}.path", parts[0]);
        let path = place(&beside).filter(|place| parts.len() > 1 && is_bytes(place));
        let label = LABEL_COLUMNS.iter().find_map(|known| place(known));
        let label = label.filter(|_| with_labels);
        if let Some(label) = label {
            let column = &columns[label];
            let fits = matches!(
                column.physical_type(),
                Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY
            );
            if !fits || column.max_rep_level() > 0 {
                return Err(refuse(
                    file,
                    format!(
                        "column {} holds {:?}{}, not one class a row",
                        name(column),
                        column.physical_type(),
                        if column.max_rep_level() > 0 {
                            " lists"
                        } else {
                            ""
                        }
                    ),
                    "write class numbers or names there, or give labels=false",
                ));
            }
        }
        Ok(Self {
            image,
            path,
            label,
            label_name: label.map(|label| name(&columns[label])),
        })
    }
}

fn is_text(column: &ColumnDescriptor) -> bool {
    column.logical_type_ref() == Some(&LogicalType::String)
        || column.converted_type() == ConvertedType::UTF8
}

/// Labels while files are read: numbers stand for names in `found` until all are known.
#[derive(Default)]
struct Labels {
    found: Vec<String>,
    places: HashMap<String, u32>,
    /// Class names by number as the hub keeps them.
    class_names: Vec<String>,
    some: bool,
    /// The first file without a column of labels.
    missing: Option<PathBuf>,
}

impl Labels {
    fn read(
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
    fn take_class_names(&mut self, reader: &SerializedFileReader<Shared>, column: &str) {
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
    fn finish(self, labels: &mut [u32]) -> Vec<String> {
        let numbers = class_names(self.found.iter().map(String::as_str));
        // Names of the hub are for numbers; a number beyond them would have none.
        let named = numbers.len() <= self.class_names.len()
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

/// Rows of a column of a row group; `None` where there is no value.
fn read_column<T: DataType>(
    reader: &SerializedFileReader<Shared>,
    group: usize,
    column: usize,
    rows: Range<usize>,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let group = reader.get_row_group(group)?;
    let most = group
        .metadata()
        .column(column)
        .column_descr()
        .max_def_level();
    let values = group.get_column_reader(column)?;
    let mut values: ColumnReaderImpl<T> = get_typed_column_reader(values);
    values.skip_records(rows.start)?;
    let (mut found, mut levels) = (Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows.len() {
        let (records, ..) =
            values.read_records(rows.len() - read, Some(&mut levels), None, &mut found)?;
        if records == 0 {
            break;
        }
        read += records;
    }
    if most == 0 {
        return Ok(found.into_iter().map(Some).collect());
    }
    let mut found = found.into_iter();
    let value = |level: i16| if level == most { found.next() } else { None };
    Ok(levels.into_iter().map(value).collect())
}

impl ImageSource for ParquetSource {
    fn len(&self) -> usize {
        self.names.len()
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        let number = self.block(index).ok_or_else(|| out_of_range(self, index))?;
        if !self.class_names.is_empty() && self.label(index).is_none() {
            return Err(DataError::Unusable {
                reason: format!(
                    "{}: the row has no label, and others have one; add its label, or leave the row out",
                    self.name(index)
                ),
            });
        }
        let Block {
            file,
            group,
            ref rows,
            start,
        } = self.blocks[number];
        let file = &self.files[file];
        let block = self.cache.get(number, || {
            let column = file.image_column;
            guarded(&file.path, || {
                read_column::<ByteArrayType>(&file.reader, group, column, rows.clone())
                    .map_err(damaged(&file.path))
            })
        })?;
        match block.get(index - start) {
            Some(Some(bytes)) => {
                decode::check_encoded(bytes.len() as u64, || self.name(index))?;
                Ok(Stored::Encoded(bytes.data().to_vec()))
            }
            _ => Err(DataError::Unusable {
                reason: format!(
                    "{}: the row has no bytes of an image; write the images into the file, or leave the row out",
                    self.name(index)
                ),
            }),
        }
    }

    fn label(&self, index: usize) -> Option<usize> {
        let label = *self.labels.get(index)?;
        (label != NO_LABEL).then_some(label as usize)
    }

    fn name(&self, index: usize) -> String {
        let Some(block) = self.block(index).map(|block| &self.blocks[block]) else {
            return format!("Parquet image {index}");
        };
        let path = self.files[block.file].path.display();
        match self.names.get(index) {
            b"" => {
                let first = self.blocks.iter().find(|first| first.file == block.file);
                let row = index - first.map_or(0, |first| first.start);
                format!("{path} row {row}")
            }
            name => format!("{path}/{}", printable(name)),
        }
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn describe(&self) -> String {
        let paths = self.files.iter().map(|file| file.path.as_path());
        let files = files_in_words("Parquet file", paths);
        let labels = in_classes(&self.class_names);
        let shuffled = match self.blocks.len() {
            blocks if blocks <= self.together => String::new(),
            blocks => format!(", shuffled {} of {blocks} blocks at a time", self.together),
        };
        format!("{files}: {} images, {labels}{shuffled}", self.len())
    }

    fn locality(&self) -> Option<Locality> {
        if self.blocks.len() <= self.together {
            return None;
        }
        let rows = |(number, block): (usize, &Block)| repeat_n(number as u32, block.rows.len());
        Some(Locality {
            block_of: self.blocks.iter().enumerate().flat_map(rows).collect(),
            together: self.together,
        })
    }
}
