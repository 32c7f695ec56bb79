//! Encoded pictures as ranges of bytes of a few large files: tar archives and HDF5.
//!
//! The files are looked through once; after that any picture is one read. What was found in large files is kept in
//! `index_cache` until they change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::index_cache::{IndexCache, Stamp, WORTH_KEEPING};
use super::names::Names;
use super::{ImageSource, Stored, files_in_words, guarded, in_classes, out_of_range};
use crate::text::printable;
use crate::{DataError, decode};

/// Files that are kept open; each one beyond is opened for every picture, since systems allow about a thousand.
pub(super) const KEPT_OPEN: usize = 256;

/// The label of a picture that has none.
const NO_LABEL: u32 = u32::MAX;

/// The pictures of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackedIndex {
    names: Names,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
    /// For each picture the place of its label in `label_names`.
    labels: Vec<u32>,
    label_names: Vec<String>,
    /// Why a picture cannot be read, by its place.
    faults: BTreeMap<usize, String>,
    /// Images that are beside a picture and do not count.
    pub(super) left_out: usize,
}

impl PackedIndex {
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    pub(super) fn name(&self, place: usize) -> &[u8] {
        self.names.get(place)
    }

    fn label(&self, place: usize) -> Option<usize> {
        let label = *self.labels.get(place)?;
        (label != NO_LABEL).then_some(label as usize)
    }

    /// Whether any picture has a label.
    pub(super) fn is_labelled(&self) -> bool {
        !self.label_names.is_empty()
    }

    /// Adds a picture.
    pub(super) fn push(&mut self, name: &[u8], offset: u64, length: u64) {
        self.names.push(name);
        self.offsets.push(offset);
        self.lengths.push(length);
        self.labels.push(NO_LABEL);
    }

    /// Adds a picture that cannot be read.
    pub(super) fn push_fault(&mut self, name: &[u8], fault: String) {
        self.faults.insert(self.len(), fault);
        self.push(name, 0, 0);
    }

    /// The number that stands for the name of a label in this file.
    pub(super) fn label_of(&mut self, name: &str, known: &mut BTreeMap<String, u32>) -> u32 {
        if let Some(&label) = known.get(name) {
            return label;
        }
        let label = self.label_names.len() as u32;
        self.label_names.push(name.to_owned());
        known.insert(name.to_owned(), label);
        label
    }

    /// Labels a picture with what [`Self::label_of`] gave.
    pub(super) fn set_label(&mut self, place: usize, label: u32) {
        if let Some(entry) = self.labels.get_mut(place) {
            *entry = label;
        }
    }

    /// Leaves all pictures without labels.
    pub(super) fn forget_labels(&mut self) {
        self.labels.fill(NO_LABEL);
        self.label_names.clear();
    }

    /// The pictures at the given places, in their order.
    pub(super) fn ordered(&self, places: &[usize]) -> Self {
        let faults = places
            .iter()
            .enumerate()
            .filter_map(|(new, old)| Some((new, self.faults.get(old)?.clone())));
        Self {
            names: self.names.ordered(places.iter().copied()),
            offsets: places.iter().map(|&place| self.offsets[place]).collect(),
            lengths: places.iter().map(|&place| self.lengths[place]).collect(),
            labels: places.iter().map(|&place| self.labels[place]).collect(),
            label_names: self.label_names.clone(),
            faults: faults.collect(),
            left_out: self.left_out,
        }
    }
}

/// One file and what it holds.
pub(super) struct PackedFile {
    /// The file as the user knows it.
    pub(super) path: PathBuf,
    /// Where its bytes are: another place if it had to be unpacked.
    pub(super) bytes: PathBuf,
    pub(super) index: PackedIndex,
}

/// Looks through a file, or takes what is known of it from an earlier run.
pub(super) fn look_through(
    path: &Path,
    kind: &str,
    cache: &IndexCache,
    read: impl FnOnce(&Path) -> Result<PackedIndex, DataError>,
) -> Result<PackedIndex, DataError> {
    let metadata = std::fs::metadata(path).map_err(|source| DataError::Read {
        path: path.into(),
        source,
    })?;
    let stamp = Stamp::of(&metadata, SystemTime::now());
    if let Some((kept, index)) = cache.load::<(Stamp, PackedIndex)>(kind, path)
        && Some(kept) == stamp
    {
        return Ok(index);
    }
    let index = guarded(path, || read(path))?;
    if let Some(stamp) = stamp
        && index.len() >= WORTH_KEEPING
    {
        cache.store(kind, path, &(stamp, &index));
    }
    Ok(index)
}

/// What labels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    /// Numbers or names that someone wrote down.
    Written,
    /// Names of folders or groups, which are in the order of text, numbers or not.
    Folders,
}

/// The pictures of several files, one file after the other.
pub(super) struct PackedSource {
    /// What the files are, as `tar archive`.
    what: &'static str,
    files: Vec<OpenFile>,
    class_names: Vec<String>,
}

struct OpenFile {
    file: PackedFile,
    /// Index of its first picture.
    start: usize,
    /// The class of each of its labels.
    classes: Vec<usize>,
    handle: OnceLock<File>,
}

impl PackedSource {
    /// Joins files. With any label in them, a picture without one counts as unreadable.
    pub(super) fn new(what: &'static str, files: Vec<PackedFile>, labels: Labels) -> Self {
        let found = files.iter().flat_map(|file| &file.index.label_names);
        let found = found.map(String::as_str);
        let class_names = match labels {
            Labels::Written => class_names(found),
            Labels::Folders => {
                let names: BTreeSet<&str> = found.collect();
                names.into_iter().map(str::to_owned).collect()
            }
        };
        let mut start = 0;
        let files = files.into_iter().map(|mut file| {
            if !class_names.is_empty() {
                require_labels(&mut file);
            }
            let classes = classes_of(&file.index.label_names, &class_names);
            let begins = start;
            start += file.index.len();
            OpenFile {
                file,
                start: begins,
                classes,
                handle: OnceLock::new(),
            }
        });
        Self {
            what,
            files: files.collect(),
            class_names,
        }
    }

    /// The file of an image and its place in it.
    fn find(&self, index: usize) -> Option<(usize, usize)> {
        let file = self.files.partition_point(|file| file.start <= index);
        let file = file.checked_sub(1)?;
        let place = index - self.files[file].start;
        (place < self.files[file].file.index.len()).then_some((file, place))
    }
}

/// Pictures without a label cannot be read.
fn require_labels(file: &mut PackedFile) {
    let path = printable(file.path.as_os_str().as_encoded_bytes());
    let index = &mut file.index;
    for place in 0..index.len() {
        if index.label(place).is_none() {
            let name = printable(index.name(place));
            index.faults.entry(place).or_insert_with(|| {
                format!("{path}: {name} has no label, and others have one; add its label, leave the image out, or give use_labels=false")
            });
        }
    }
}

/// Class names of labels: sorted as numbers up to the largest if all of them are such, otherwise as text.
pub(super) fn class_names<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<String> {
    /// More classes than any labels in use have; a larger number is no class but some identifier.
    const MOST: usize = 1 << 20;
    let labels: BTreeSet<&str> = labels.collect();
    let numbers: Option<Vec<usize>> = labels
        .iter()
        .map(|label| {
            let number: usize = label.parse().ok()?;
            (number.to_string() == **label && number < MOST).then_some(number)
        })
        .collect();
    match numbers {
        Some(numbers) => {
            let classes = numbers.into_iter().max().map_or(0, |last| last + 1);
            (0..classes).map(|class| class.to_string()).collect()
        }
        None => labels.into_iter().map(str::to_owned).collect(),
    }
}

/// The class of each label; all of them are classes.
pub(super) fn classes_of(labels: &[String], class_names: &[String]) -> Vec<usize> {
    let places = class_names.iter().enumerate();
    let places: HashMap<&str, usize> = places.map(|(at, name)| (name.as_str(), at)).collect();
    let place = |label: &String| places.get(label.as_str()).copied();
    labels.iter().filter_map(place).collect()
}

impl OpenFile {
    fn read(&self, place: usize, keep_open: bool) -> Result<Vec<u8>, DataError> {
        let index = &self.file.index;
        let name = || {
            let path = printable(self.file.path.as_os_str().as_encoded_bytes());
            format!("{path}: {}", printable(index.name(place)))
        };
        if let Some(fault) = index.faults.get(&place) {
            return Err(DataError::Unusable {
                reason: fault.clone(),
            });
        }
        let (offset, length) = (index.offsets[place], index.lengths[place]);
        decode::check_encoded(length, name)?;
        let failed = |source| DataError::Read {
            path: self.file.path.clone(),
            source,
        };
        let mut bytes = vec![0; length as usize];
        if keep_open && let Some(file) = self.handle.get() {
            read_at(file, &mut bytes, offset).map_err(failed)?;
            return Ok(bytes);
        }
        let file = File::open(&self.file.bytes).map_err(failed)?;
        read_at(&file, &mut bytes, offset).map_err(failed)?;
        if keep_open {
            // Another thread may have been first; its handle is as good.
            let _ = self.handle.set(file);
        }
        Ok(bytes)
    }
}

/// Reads bytes from a place, whatever other threads do with the file.
#[cfg(unix)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Reads bytes from a place, whatever other threads do with the file.
#[cfg(windows)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let at = offset + done as u64;
        match std::os::windows::fs::FileExt::seek_read(file, &mut bytes[done..], at)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(())
}

impl ImageSource for PackedSource {
    fn len(&self) -> usize {
        self.files
            .last()
            .map_or(0, |last| last.start + last.file.index.len())
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        let (file, place) = self.find(index).ok_or_else(|| out_of_range(self, index))?;
        let bytes = self.files[file].read(place, file < KEPT_OPEN)?;
        Ok(Stored::Encoded(bytes))
    }

    fn label(&self, index: usize) -> Option<usize> {
        let (file, place) = self.find(index)?;
        let file = &self.files[file];
        file.classes.get(file.file.index.label(place)?).copied()
    }

    fn name(&self, index: usize) -> String {
        let Some((file, place)) = self.find(index) else {
            return format!("{} image {index}", self.what);
        };
        let file = &self.files[file].file;
        let path = printable(file.path.as_os_str().as_encoded_bytes());
        format!("{path}/{}", printable(file.index.name(place)))
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn describe(&self) -> String {
        let paths = self.files.iter().map(|file| file.file.path.as_path());
        let files = files_in_words(self.what, paths);
        let labels = in_classes(&self.class_names);
        let mut text = format!("{files}: {} images, {labels}", self.len());
        let left_out: usize = self.files.iter().map(|f| f.file.index.left_out).sum();
        if left_out > 0 {
            text += &format!(" ({left_out} images beside them left out)");
        }
        let unpacked = self.files.iter().find(|f| f.file.bytes != f.file.path);
        if let Some(folder) = unpacked.and_then(|file| file.file.bytes.parent()) {
            text += &format!(", unpacked in {}", folder.display());
        }
        text
    }
}
