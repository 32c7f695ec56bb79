//! Lists of image files: `path`, `path,label`, or `index,label,wnid,filename` as the paper's subsets.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::names::{Names, as_bytes, as_path};
use super::packed::{class_names, classes_of};
use super::{ImageSource, Stored, in_classes, out_of_range};
use crate::text::printable;
use crate::{DataError, decode};

/// Endings of list files, in lower case.
pub(super) const EXTENSIONS: [&str; 4] = ["txt", "csv", "tsv", "lst"];
const NO_LABEL: u32 = u32::MAX;

/// The images of a list, in its order.
pub(super) struct ListSource {
    path: PathBuf,
    /// Where relative paths start.
    folder: PathBuf,
    /// Paths as the list has them; relative ones start at the folder of the list.
    files: Names,
    labels: Vec<u32>,
    class_names: Vec<String>,
}

/// One line.
struct Row {
    file: PathBuf,
    label: Option<String>,
    line: u64,
}

impl ListSource {
    /// Reads a list: a file a line, alone or before its label; or a position, a label, a folder and a file in it, and
    /// then the folder is the label. All lines have the same columns, separated by commas or tabs; a path with commas
    /// stands in quotes. A first line `path,label` (or the like) is passed over, and so are empty lines and those that
    /// begin with `#`. Whether the files are there is found out when they are read.
    ///
    /// # Errors
    /// If it cannot be read, has other columns, labels for some files only, or the same file twice.
    pub(super) fn open(path: &Path, with_labels: bool) -> Result<Self, DataError> {
        let bytes = std::fs::read(path).map_err(|source| DataError::Read {
            path: path.into(),
            source,
        })?;
        let rows = rows(&bytes, path)?;
        let refuse = |line: u64, reason: String| refuse(path, line, reason);
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut seen: HashMap<&Path, u64> = HashMap::with_capacity(rows.len());
        let mut files = Names::default();
        let (mut labels, mut found) = (Vec::new(), Vec::new());
        let mut places: HashMap<&str, u32> = HashMap::new();
        for row in &rows {
            if let Some(first) = seen.insert(&row.file, row.line) {
                let reason = format!("{} stands in line {first} as well", row.file.display());
                return Err(refuse(row.line, reason));
            }
            files.push(&as_bytes(row.file.as_os_str()));
            let label = row.label.as_deref().filter(|_| with_labels);
            labels.push(label.map_or(NO_LABEL, |label| {
                *places.entry(label).or_insert_with(|| {
                    found.push(label.to_owned());
                    found.len() as u32 - 1
                })
            }));
        }
        if rows.is_empty() {
            return Err(refuse(1, "the list names no image".into()));
        }
        let class_names = class_names(found.iter().map(String::as_str));
        let classes = classes_of(&found, &class_names);
        for label in &mut labels {
            let class = classes.get(*label as usize);
            *label = class.map_or(NO_LABEL, |&class| class as u32);
        }
        let mut source = Self {
            path: path.into(),
            folder: folder.into(),
            files,
            labels,
            class_names,
        };
        // A list of the paper tells folder and file; both are below `train` in the folder of the list, or beside it.
        let first = source.file(0).unwrap_or_default();
        if !first.is_file() && folder.join("train").join(source.relative(0)).is_file() {
            source.folder = folder.join("train");
        }
        Ok(source)
    }

    fn relative(&self, index: usize) -> PathBuf {
        as_path(self.files.get(index)).into_owned()
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        (index < self.files.len()).then(|| self.folder.join(self.relative(index)))
    }
}

fn refuse(path: &Path, line: u64, reason: String) -> DataError {
    DataError::Container {
        name: format!("{} line {line}", path.display()),
        reason,
        remedy: "a line is `path`, `path,label` or `index,label,wnid,filename`, the same for all lines",
    }
}

/// The lines of a list, checked for their columns.
fn rows(bytes: &[u8], path: &Path) -> Result<Vec<Row>, DataError> {
    let first_line = bytes.split(|&byte| byte == b'\n').next().unwrap_or(bytes);
    let delimiter = if first_line.contains(&b'\t') {
        b'\t'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let mut rows: Vec<Row> = Vec::new();
    let mut columns = None;
    for record in reader.byte_records() {
        let record = record.map_err(|error| refuse(path, 1, error.to_string()))?;
        let line = record.position().map_or(0, |start| line_of(bytes, start));
        let cells: Vec<&[u8]> = record.iter().collect();
        if rows.is_empty() && columns.is_none() && is_heading(&cells) {
            continue;
        }
        let expected = *columns.get_or_insert(cells.len());
        if cells.len() != expected {
            let reason = format!(
                "{} columns, and the lines before have {expected}",
                cells.len()
            );
            return Err(refuse(path, line, reason));
        }
        let label = |cell: &[u8]| match cell.is_empty() {
            true => Err(refuse(path, line, "the label is empty".into())),
            false => Ok(Some(printable(cell))),
        };
        let (file, label) = match cells[..] {
            [file] => (as_path(file).into_owned(), None),
            [file, name] => (as_path(file).into_owned(), label(name)?),
            [_, _, folder, file] => (as_path(folder).join(as_path(file)), label(folder)?),
            _ => {
                let reason = format!("{} columns are not 1, 2 or 4", cells.len());
                return Err(refuse(path, line, reason));
            }
        };
        if file.as_os_str().is_empty() {
            return Err(refuse(path, line, "the path is empty".into()));
        }
        rows.push(Row { file, label, line });
    }
    Ok(rows)
}

/// The number of the line of a record: where the reader says that it starts, empty lines and comments may stand before it.
fn line_of(bytes: &[u8], start: &csv::Position) -> u64 {
    let mut line = start.line();
    let mut rest = usize::try_from(start.byte())
        .ok()
        .and_then(|at| bytes.get(at..))
        .unwrap_or_default();
    while let Some(first @ (b'\r' | b'\n' | b'#')) = rest.first() {
        let skipped = match first {
            b'#' => rest
                .iter()
                .position(|&byte| byte == b'\n')
                .unwrap_or(rest.len()),
            _ => 1,
        };
        line += u64::from(*first == b'\n');
        rest = &rest[skipped..];
    }
    line
}

fn is_heading(cells: &[&[u8]]) -> bool {
    const PATHS: [&[u8]; 6] = [
        b"path",
        b"file",
        b"filename",
        b"file_name",
        b"image",
        b"image_path",
    ];
    match cells {
        [path] | [path, _] => PATHS.iter().any(|known| path.eq_ignore_ascii_case(known)),
        [index, .., path] => {
            index.eq_ignore_ascii_case(b"index")
                && PATHS.iter().any(|known| path.eq_ignore_ascii_case(known))
        }
        [] => false,
    }
}

impl ImageSource for ListSource {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        let path = self.file(index).ok_or_else(|| out_of_range(self, index))?;
        decode::read_bytes(&path).map(Stored::Encoded)
    }

    fn label(&self, index: usize) -> Option<usize> {
        let label = *self.labels.get(index)?;
        (label != NO_LABEL).then_some(label as usize)
    }

    fn name(&self, index: usize) -> String {
        match self.file(index) {
            Some(path) => printable(&as_bytes(path.as_os_str())),
            None => format!("{} image {index}", self.path.display()),
        }
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn describe(&self) -> String {
        let labels = in_classes(&self.class_names);
        let (path, images) = (self.path.display(), self.len());
        format!("list {path}: {images} images, {labels}")
    }
}
