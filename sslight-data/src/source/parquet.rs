//! Parquet files as the Hugging Face hub holds image sets: a struct of bytes and path, and a column of labels.
//!
//! A picture can only be read with its neighbours, so rows are read in blocks, and training shuffles the images of many
//! blocks at a time ([`super::Locality`]).

mod columns;
mod labels;
mod shared;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::iter::repeat_n;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::blocks::{BlockCache, Locality, SHUFFLE_BYTES};
use super::names::Names;
use super::packed::KEPT_OPEN;
use super::{ImageSource, Stored, files_in_words, guarded, in_classes, out_of_range};
use crate::progress::Work;
use crate::text::printable;
use crate::{DataError, decode};
use columns::Columns;
use labels::Labels;
use shared::Shared;

/// First and last bytes of a file.
pub(super) const MAGIC: [u8; 4] = *b"PAR1";
/// How much is read and held.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockSizes {
    /// Rows that are read at a time have about this many bytes.
    block: u64,
    /// Blocks that are shuffled together have about this many.
    together: u64,
}

impl Default for BlockSizes {
    fn default() -> Self {
        Self {
            block: 32 << 20,
            together: SHUFFLE_BYTES,
        }
    }
}

/// Blocks beyond those that are shuffled together: workers at the seam read the next ones.
const AHEAD: usize = 4;
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
    /// Blocks that were read, for tests.
    reads: AtomicUsize,
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
    pub(super) fn open(
        paths: &[PathBuf],
        with_labels: bool,
        sizes: BlockSizes,
    ) -> Result<Self, DataError> {
        let mut source = Self {
            files: Vec::new(),
            blocks: Vec::new(),
            names: Names::default(),
            labels: Vec::new(),
            class_names: Vec::new(),
            cache: BlockCache::new(1),
            together: 1,
            reads: AtomicUsize::new(0),
        };
        let mut labels = Labels::default();
        let mut bytes = 0;
        let work = Work::begin("looking through Parquet files", "files", Some(paths.len()));
        for path in paths {
            work.add(1);
            bytes += guarded(path, || source.add(path, with_labels, sizes, &mut labels))?;
        }
        if labels.some && labels.missing.is_some() {
            let (path, other) = (labels.missing.unwrap_or_default(), &paths[0]);
            return Err(refuse(
                &path,
                format!(
                    "has no column of labels, and others as {} have",
                    other.display()
                ),
                "give files of one data set, or use_labels=false",
            ));
        }
        if labels.some {
            source.class_names = labels.finish(&mut source.labels);
        } else {
            source.labels.clear();
        }
        let mean = (bytes / source.blocks.len().max(1) as u64).max(1);
        let together = usize::try_from(sizes.together / mean).unwrap_or(usize::MAX);
        source.together = together.clamp(2, source.blocks.len().max(2));
        source.cache = BlockCache::new(source.together + AHEAD);
        Ok(source)
    }

    /// Adds a file and tells how many bytes its images have.
    fn add(
        &mut self,
        path: &Path,
        with_labels: bool,
        sizes: BlockSizes,
        labels: &mut Labels,
    ) -> Result<u64, DataError> {
        let failed = |source| DataError::Read {
            path: path.into(),
            source,
        };
        let damaged = damaged(path);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let shared = Shared {
            path: path.into(),
            file: (self.files.len() < KEPT_OPEN).then(|| Arc::new(file)),
            length,
        };
        let reader = SerializedFileReader::new(shared).map_err(&damaged)?;
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
            let per_block = rows_per_block(rows, image_bytes, sizes.block);
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

/// Rows that have about `block` bytes.
fn rows_per_block(rows: usize, bytes: u64, block: u64) -> usize {
    let blocks = usize::try_from(bytes / block + 1).unwrap_or(usize::MAX);
    rows.div_ceil(blocks).max(1)
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
                    "{}: the row has no label, and others have one; add its label, leave the row out, or give use_labels=false",
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
            self.reads.fetch_add(1, Ordering::Relaxed);
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
