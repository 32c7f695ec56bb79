//! Tar archives: WebDataset shards and packed folders of images.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::folder::is_image_name;
use super::index_cache::IndexCache;
use super::names::as_path;
use super::packed::{Labels, PackedFile, PackedIndex, PackedSource, look_through, read_at};
use super::{ImageSource, OpenOptions, Split, unpack};
use crate::DataError;
use crate::progress::Work;
use crate::text::printable;

const KIND: &str = "tar";
const FETCH_AGAIN: &str = "fetch or pack it again";
const BLOCK: u64 = 512;
/// Members that hold labels are small; larger ones are not looked into.
const LARGEST_LABEL: u64 = 1 << 20;
/// Keys of a sample's JSON that hold its class, the first one that is there.
const JSON_LABELS: [&str; 4] = ["label", "cls", "class", "class_id"];

/// Opens archives, compressed or not, in the order given.
///
/// Members whose names differ only behind the first dot are one sample of a WebDataset: an image, and its label in
/// `.cls` or under `label`, `cls`, `class` or `class_id` of `.json`. If no sample has a label, and the images lie in
/// folders, the archives are taken for a packed folder: what all paths begin with is passed over, `train` and `val`
/// (`validation`, `test`) divide it, and the next folder is the class.
///
/// # Errors
/// If an archive cannot be read or unpacked, is damaged or holds a name twice, or there is no image.
pub(super) fn open(
    paths: &[PathBuf],
    split: Split,
    options: &OpenOptions,
) -> Result<PackedSource, DataError> {
    let mut files = look_at(paths, options)?;
    let mut labels = Labels::Written;
    if !files.iter().any(|file| file.index.is_labelled()) {
        as_packed_folder(&mut files, split);
        labels = Labels::Folders;
    }
    if !options.labels {
        files.iter_mut().for_each(|file| file.index.forget_labels());
    }
    let source = PackedSource::new("tar archive", files, labels);
    if source.is_empty() {
        let first = paths.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
        return Err(DataError::Container {
            name: first.display().to_string(),
            reason: format!(
                "no member is an image by its name ({})",
                super::folder::EXTENSIONS.join(", ")
            ),
            remedy: "give archives that hold image files themselves",
        });
    }
    Ok(source)
}

/// Unpacks archives and looks through them.
fn look_at(paths: &[PathBuf], options: &OpenOptions) -> Result<Vec<PackedFile>, DataError> {
    let cache = IndexCache::in_folder(&options.cache_folder);
    let unpacked = options.cache_folder.join("unpacked");
    let look = |path: &PathBuf| {
        let bytes = unpack::unpacked(path, &unpacked)?;
        let index = look_through(&bytes, KIND, &cache, |bytes| {
            let file = File::open(bytes).map_err(|source| DataError::Read {
                path: bytes.into(),
                source,
            })?;
            index(file, &path.display().to_string())
        })?;
        Ok(PackedFile {
            path: path.clone(),
            bytes,
            index,
        })
    };
    let work = Work::begin("looking through archives", "archives", Some(paths.len()));
    let each = paths.iter().map(look);
    each.inspect(|_| work.add(1)).collect()
}

/// Whether archives are a packed folder that is divided and has the split.
pub(super) fn has_split(paths: &[PathBuf], split: Split, options: &OpenOptions) -> bool {
    look_at(paths, options).is_ok_and(|files| {
        let labelled = files.iter().any(|file| file.index.is_labelled());
        !labelled && Layout::of(&files).is_some_and(|layout| layout.divided && layout.has(split))
    })
}

/// One sample while its members are read.
#[derive(Default)]
struct Sample {
    key: Vec<u8>,
    /// Ending, full name, offset and length of each image.
    images: Vec<(Vec<u8>, Vec<u8>, u64, u64)>,
    /// An image that is stored in another way than as its bytes.
    elsewhere: Option<Vec<u8>>,
    label: Option<String>,
    endings: Vec<Vec<u8>>,
}

/// Looks through an archive.
///
/// # Errors
/// If it is damaged, cut off or holds a name twice.
pub(super) fn index(file: File, name: &str) -> Result<PackedIndex, DataError> {
    let refuse = |reason: String| DataError::Container {
        name: name.to_owned(),
        reason,
        remedy: FETCH_AGAIN,
    };
    let damaged = |error: std::io::Error| refuse(format!("damaged archive ({error})"));
    let length = file.metadata().map_err(damaged)?.len();
    let again = file.try_clone().map_err(damaged)?;
    let mut archive = tar::Archive::new(file);
    let mut index = PackedIndex::default();
    let (mut known_labels, mut keys) = (BTreeMap::new(), HashSet::new());
    // Members of one sample stand together in a WebDataset. In a packed folder, names may begin alike anywhere.
    let (mut repeated, mut is_web_dataset) = (None, false);
    let mut sample = Sample::default();
    let mut end = 0;
    let work = Work::begin(format!("looking through {name}"), "files", None);
    for entry in archive.entries_with_seek().map_err(damaged)? {
        work.add(1);
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path_bytes().into_owned();
        let kind = entry.header().entry_type();
        let offset = entry.raw_file_position();
        let size = match kind.is_gnu_sparse() {
            // With its gaps it is larger than what is stored.
            true => entry.header().entry_size().map_err(damaged)?,
            false => entry.size(),
        };
        end = offset.saturating_add(size.div_ceil(BLOCK).saturating_mul(BLOCK));
        if offset.saturating_add(size) > length {
            return Err(refuse(format!(
                "cut off: {} needs {size} bytes from {offset} on, and the file has {length}",
                printable(&path)
            )));
        }
        let Some((key, ending)) = key_and_ending(&path) else {
            continue;
        };
        let is_image = is_image_name(as_path(&path).file_name().unwrap_or(OsStr::new("")));
        // Directories and headers of the format; but an image that is stored in another way is not passed over.
        if !kind.is_file() && !is_image {
            continue;
        }
        if key != sample.key {
            let done = std::mem::replace(
                &mut sample,
                Sample {
                    key: key.to_vec(),
                    ..Sample::default()
                },
            );
            done.add_to(&mut index, &mut known_labels, name);
            if !keys.insert(key.to_vec()) {
                repeated.get_or_insert_with(|| key.to_vec());
            }
        }
        if sample.endings.iter().any(|known| known == ending) {
            return Err(refuse(format!("{} stands in it twice", printable(&path))));
        }
        sample.endings.push(ending.to_vec());
        if is_image && !kind.is_file() {
            sample.elsewhere = Some(path);
        } else if is_image {
            let ending = ending.to_vec();
            sample.images.push((ending, path, offset, size));
        } else if size <= LARGEST_LABEL && (ending == b"cls" || ending == b"json") {
            is_web_dataset = true;
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(damaged)?;
            let label = match ending {
                b"cls" => text_label(&content),
                _ => json_label(&content),
            };
            // The plain label is the one that a WebDataset names its class by.
            if ending == b"cls" || sample.label.is_none() {
                sample.label = label.or(sample.label.take());
            }
        }
    }
    sample.add_to(&mut index, &mut known_labels, name);
    if let Some(key) = repeated {
        let mut names = HashSet::new();
        let twice = (0..index.len()).find(|&place| !names.insert(index.name(place)));
        let what = match twice {
            Some(place) => printable(index.name(place)),
            None => printable(&key),
        };
        if twice.is_some() || is_web_dataset {
            return Err(refuse(format!(
                "{what} stands in it twice, with others between"
            )));
        }
    }
    let mut mark = [0; BLOCK as usize];
    if read_at(&again, &mut mark, end).is_err() || mark.iter().any(|&byte| byte != 0) {
        return Err(refuse(
            "cut off: the end mark of an archive is missing".into(),
        ));
    }
    Ok(index)
}

impl Sample {
    fn add_to(
        self,
        index: &mut PackedIndex,
        known_labels: &mut BTreeMap<String, u32>,
        archive: &str,
    ) {
        let label = self.label.map(|label| index.label_of(&label, known_labels));
        if self.images.is_empty() {
            if let Some(path) = &self.elsewhere {
                let name = printable(path);
                index.push_fault(
                    path,
                    format!(
                        "{archive}: {name} is a link or stored with gaps; pack the files that links lead to, without gaps"
                    ),
                );
                if let Some(label) = label {
                    index.set_label(index.len() - 1, label);
                }
            } else if let Some(label) = label {
                let name = printable(&self.key);
                let others: Vec<String> = self.endings.iter().map(|e| printable(e)).collect();
                index.push_fault(
                    &self.key,
                    format!(
                        "{archive}: {name} has no image, only {}; add the image, or leave the sample out",
                        others.join(", ")
                    ),
                );
                index.set_label(index.len() - 1, label);
            }
            return;
        }
        // Beside `a.jpg`, `a.mask.png` is no picture to learn from.
        let is_plain = |ending: &[u8]| !ending.contains(&b'.');
        let any_plain = self.images.iter().any(|(ending, ..)| is_plain(ending));
        for (ending, path, offset, length) in &self.images {
            if any_plain && !is_plain(ending) {
                index.left_out += 1;
                continue;
            }
            index.push(path, *offset, *length);
            if let Some(label) = label {
                index.set_label(index.len() - 1, label);
            }
        }
    }
}

/// The parts of a path before and behind the first dot of its file name; `None` for hidden files and folders.
fn key_and_ending(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let mut parts = path.split(|&byte| byte == b'/');
    if parts.any(|part| part.starts_with(b".") && part != b"." && part != b"..") {
        return None;
    }
    let start = path
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |at| at + 1);
    let dot = start + path[start..].iter().position(|&byte| byte == b'.')?;
    (dot > start).then(|| (&path[..dot], &path[dot + 1..]))
}

fn text_label(content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok()?.trim();
    (!text.is_empty() && !text.contains('\n')).then(|| text.to_owned())
}

fn json_label(content: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(content).ok()?;
    let label = JSON_LABELS.iter().find_map(|key| json.get(key))?;
    match label {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

/// How the images of a packed folder lie in it.
struct Layout {
    /// Folders that all paths begin with.
    depth: usize,
    /// Names of the folders below them; `None` stands for images beside these.
    tops: HashSet<Option<Vec<u8>>>,
    /// Whether these are the splits.
    divided: bool,
}

/// The folders of a path.
fn folders(path: &[u8]) -> Vec<&[u8]> {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let mut parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    parts.pop();
    parts
}

fn is_split(name: &[u8], split: Split) -> bool {
    let mut known = super::folder::split_names(split).iter();
    known.any(|known| known.as_bytes() == name)
}

impl Layout {
    /// `None` without any image.
    fn of(files: &[PackedFile]) -> Option<Self> {
        let all = || {
            files.iter().flat_map(|file| {
                let index = &file.index;
                (0..index.len()).map(|place| index.name(place))
            })
        };
        let mut shared = folders(all().next()?);
        for name in all() {
            let same = shared.iter().zip(folders(name));
            let same = same.take_while(|(a, b)| *a == b).count();
            shared.truncate(same);
        }
        let depth = shared.len();
        let top = |name| folders(name).get(depth).map(|top| top.to_vec());
        let mut layout = Self {
            depth,
            tops: all().map(top).collect(),
            divided: false,
        };
        let any = |top: &Option<Vec<u8>>| {
            let is = |split| top.as_deref().is_some_and(|name| is_split(name, split));
            is(Split::Train) || is(Split::Validation)
        };
        layout.divided = layout.has(Split::Train)
            && layout.has(Split::Validation)
            && layout.tops.iter().all(any);
        Some(layout)
    }

    fn has(&self, split: Split) -> bool {
        self.tops.iter().flatten().any(|name| is_split(name, split))
    }
}

/// Takes the folders of unlabelled archives for their classes, if all images lie in such.
fn as_packed_folder(files: &mut [PackedFile], split: Split) {
    let Some(layout) = Layout::of(files) else {
        return;
    };
    if layout.divided {
        for file in files.iter_mut() {
            let top = |place: usize| folders(file.index.name(place)).get(layout.depth).copied();
            let mine = |&place: &usize| top(place).is_some_and(|top| is_split(top, split));
            let places: Vec<usize> = (0..file.index.len()).filter(mine).collect();
            file.index = file.index.ordered(&places);
        }
    }
    let class_depth = layout.depth + usize::from(layout.divided);
    let class = |index: &PackedIndex, place: usize| {
        let class = folders(index.name(place)).get(class_depth).copied();
        class.map(printable)
    };
    let all_in_folders = files.iter().all(|file| {
        let mut places = 0..file.index.len();
        places.all(|place| class(&file.index, place).is_some())
    });
    if !all_in_folders {
        return;
    }
    for file in files {
        let mut known = BTreeMap::new();
        for place in 0..file.index.len() {
            if let Some(class) = class(&file.index, place) {
                let label = file.index.label_of(&class, &mut known);
                file.index.set_label(place, label);
            }
        }
    }
}
