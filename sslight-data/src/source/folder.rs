//! A folder tree of image files, with classes as its first level if it has one.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::index_cache::{IndexCache, Stamp, WORTH_KEEPING};
use super::names::{Names, as_bytes, as_path};
use super::{ImageSource, Split, Stored, out_of_range};
use crate::progress::Work;
use crate::text::printable;
use crate::{DataError, decode};

/// File name endings that count as images, in lower case.
pub const EXTENSIONS: [&str; 9] = [
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "ppm", "pgm", "pnm",
];

const TRAIN_FOLDERS: [&str; 1] = ["train"];
const VALIDATION_FOLDERS: [&str; 3] = ["val", "validation", "test"];

/// How a folder of images is read.
#[derive(Clone, Debug)]
pub(super) struct FolderRules {
    /// Whether folders at the top are classes; otherwise all images count, without labels.
    pub(super) labels: bool,
    pub(super) cache: IndexCache,
}

/// Images in a folder and below. Names that begin with a dot are passed over. Symbolic links are
/// followed, each folder once within a class.
///
/// Folders at the top that hold images are the classes: class ids are the ranks of their names, images
/// are ordered by class and then by path, both in string order. Images beside class folders do not
/// count. A folder without such subfolders has no labels.
pub struct FolderSource {
    root: PathBuf,
    /// Folders that hold images, relative to the root.
    folders: Names,
    files: Names,
    /// For each image the place of its folder.
    folder_of: Vec<u32>,
    /// For each image its class; empty without labels.
    class_of: Vec<u32>,
    class_names: Vec<String>,
    /// Images at the top that were left out in favour of class folders.
    beside_classes: usize,
}

impl FolderSource {
    /// Lists a folder, or its subfolder of the split if it is divided (`train`; `val`, `validation` or
    /// `test`). Both parts of a divided folder share one list of classes.
    ///
    /// # Errors
    /// If a folder cannot be listed, holds no image, or is divided and lacks the split.
    pub(super) fn open(
        folder: &Path,
        split: Split,
        rules: &FolderRules,
    ) -> Result<Self, DataError> {
        let Some(part) = part(folder, split)? else {
            return Self::list(folder, BTreeSet::new(), rules);
        };
        let other = split_folder(folder, split.other());
        let shared = match other {
            Some(other) if rules.labels => class_folders(&other, rules)?,
            _ => BTreeSet::new(),
        };
        Self::list(&part, shared, rules)
    }

    /// Lists a folder; `shared` are class names that another split has.
    fn list(root: &Path, shared: BTreeSet<String>, rules: &FolderRules) -> Result<Self, DataError> {
        let mut walk = Walk::new(root, rules);
        let mut found = Found::default();
        let mut top = None;
        if !rules.labels {
            walk.tree(b"", &mut found, 0)?;
        } else {
            let top = top.insert(walk.listing(b"")?);
            for folder in each(&top.folders) {
                let class = u32::try_from(found.tops.len()).unwrap_or(u32::MAX);
                let before = found.files.len();
                walk.tree(folder, &mut found, class)?;
                if found.files.len() > before {
                    found.tops.push(printable(folder));
                }
            }
        }
        let has_classes = !found.tops.is_empty();
        let at_top = top.as_ref().map_or(0, |top| each(&top.images).count());
        if let (Some(top), false) = (&top, has_classes) {
            found.add(b"", &top.images, 0);
        }
        if found.files.len() == 0 {
            return Err(DataError::NoImages {
                path: root.into(),
                looked_for: EXTENSIONS.map(|e| format!(".{e}")).join(", "),
                other_files: walk.other_files,
            });
        }
        walk.keep(top, found.files.len());
        let mut class_names = shared;
        class_names.extend(found.tops.iter().cloned());
        let class_names: Vec<String> = match has_classes {
            true => class_names.into_iter().collect(),
            false => Vec::new(),
        };
        let (folders, files, folder_of, class_of) = found.sort(&class_names);
        Ok(Self {
            root: root.into(),
            folders,
            files,
            folder_of,
            class_of,
            class_names,
            beside_classes: if has_classes { at_top } else { 0 },
        })
    }

    /// The path of an image.
    fn path(&self, index: usize) -> Option<PathBuf> {
        let folder = self.folders.get(*self.folder_of.get(index)? as usize);
        let folder = self.root.join(as_path(folder));
        Some(folder.join(as_path(self.files.get(index))))
    }
}

/// The images of a walk, in the order in which they were met.
#[derive(Default)]
struct Found {
    folders: Names,
    files: Names,
    folder_of: Vec<u32>,
    /// For each image the place in `tops` of the folder at the top under which it is.
    top_of: Vec<u32>,
    /// Names of the folders at the top that hold images.
    tops: Vec<String>,
}

impl Found {
    fn add(&mut self, folder: &[u8], images: &[u8], top: u32) {
        if images.is_empty() {
            return;
        }
        let folder = u32::try_from(self.folders.push(folder)).unwrap_or(u32::MAX);
        for image in each(images) {
            self.files.push(image);
            self.folder_of.push(folder);
            self.top_of.push(top);
        }
    }

    /// Folders; and file names, folders and classes of all images, by class and then by path.
    fn sort(self, class_names: &[String]) -> (Names, Names, Vec<u32>, Vec<u32>) {
        let ranks: Vec<u32> = self
            .tops
            .iter()
            .map(|name| class_names.binary_search(name).unwrap_or_default() as u32)
            .collect();
        let rank = |image: usize| ranks.get(self.top_of[image] as usize).copied();
        let mut order: Vec<u32> = (0..self.files.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| {
            let (a, b) = (a as usize, b as usize);
            rank(a).cmp(&rank(b)).then_with(|| self.compare(a, b))
        });
        let order = || order.iter().map(|&image| image as usize);
        let classes = order().filter_map(rank).collect();
        // Folders were walked in the order of their names, so that this is the usual case, and saves a second copy of all.
        if order().is_sorted() {
            return (self.folders, self.files, self.folder_of, classes);
        }
        let files = self.files.ordered(order());
        let folder_of = order().map(|image| self.folder_of[image]).collect();
        (self.folders, files, folder_of, classes)
    }

    /// String order of whole paths, so that the order does not depend on the file system.
    fn compare(&self, a: usize, b: usize) -> Ordering {
        let (name_a, name_b) = (self.files.get(a), self.files.get(b));
        if self.folder_of[a] == self.folder_of[b] {
            return name_a.cmp(name_b);
        }
        let whole = |image: usize, name| {
            let folder = self.folders.get(self.folder_of[image] as usize);
            let slash: &[u8] = if folder.is_empty() { b"" } else { b"/" };
            folder.iter().chain(slash).chain(name)
        };
        whole(a, name_a).cmp(whole(b, name_b))
    }
}

/// The names of the folders of a split.
pub(super) fn split_names(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &TRAIN_FOLDERS,
        Split::Validation => &VALIDATION_FOLDERS,
    }
}

fn split_folder(folder: &Path, split: Split) -> Option<PathBuf> {
    let candidates = split_names(split).iter().map(|name| folder.join(name));
    candidates.into_iter().find(|path| path.is_dir())
}

/// The subfolder of a split if a folder is divided into splits, `None` if it is not.
///
/// # Errors
/// If it is divided and lacks the split.
pub(super) fn part(folder: &Path, split: Split) -> Result<Option<PathBuf>, DataError> {
    if !is_divided(folder) {
        return Ok(None);
    }
    let part = split_folder(folder, split);
    part.map(Some).ok_or_else(|| DataError::SplitMissing {
        path: folder.into(),
        split: split.name(),
        looked_for: split_names(split).join(", "),
    })
}

/// Whether a folder consists of splits: it has both of them, or one of them and no other subfolder.
/// A folder `train` among others may be a class (of vehicles), and so may `test`.
fn is_divided(folder: &Path) -> bool {
    let has = |split| split_folder(folder, split).is_some();
    let (train, validation) = (has(Split::Train), has(Split::Validation));
    if train && validation {
        return true;
    }
    if !train && !validation {
        return false;
    }
    Listing::read(folder, None, &work(folder)).is_ok_and(|top| {
        let mut folders = each(&top.folders);
        top.images.is_empty()
            && folders.next().is_some_and(|only| only != b"test")
            && folders.next().is_none()
    })
}

/// Whether a divided folder has the split.
pub(super) fn has_split(folder: &Path, split: Split) -> bool {
    is_divided(folder) && split_folder(folder, split).is_some()
}

/// Names of the first-level folders that hold an image.
fn class_folders(root: &Path, rules: &FolderRules) -> Result<BTreeSet<String>, DataError> {
    let mut walk = Walk::new(root, rules);
    walk.first_only = true;
    let mut names = BTreeSet::new();
    for folder in each(&walk.listing(b"")?.folders) {
        let mut found = Found::default();
        walk.tree(folder, &mut found, 0)?;
        if found.files.len() > 0 {
            names.insert(printable(folder));
        }
    }
    Ok(names)
}

/// Whether images lie directly in a folder.
pub(super) fn holds_images(folder: &Path) -> bool {
    Listing::read(folder, None, &work(folder)).is_ok_and(|listing| !listing.images.is_empty())
}

/// The listing of a folder, for whoever shows progress.
fn work(folder: &Path) -> Work {
    let folder = printable(folder.as_os_str().as_encoded_bytes());
    Work::begin(format!("listing {folder}"), "files", None)
}

/// What a folder holds. Names stand one behind the other, each followed by a zero, which no file name can hold.
#[derive(Clone, Serialize, Deserialize)]
struct Listing {
    /// When it was like this; `None` if that is too recent to be sure.
    stamp: Option<Stamp>,
    images: Vec<u8>,
    folders: Vec<u8>,
    other_files: usize,
}

/// The names of a list that [`Listing`] holds.
fn each(names: &[u8]) -> impl Iterator<Item = &[u8]> {
    let names = names.strip_suffix(&[0]).unwrap_or(names);
    names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
}

impl Listing {
    fn read(path: &Path, stamp: Option<Stamp>, work: &Work) -> Result<Self, DataError> {
        let failed = |source| DataError::Read {
            path: path.into(),
            source,
        };
        let entries = fs::read_dir(path).map_err(failed)?;
        let listed: Result<Vec<DirEntry>, _> = entries.inspect(|_| work.add(1)).collect();
        let mut listed = listed.map_err(failed)?;
        // The order decides which of several links to one folder is followed.
        listed.sort_by_cached_key(DirEntry::file_name);
        let mut listing = Self {
            stamp,
            images: Vec::new(),
            folders: Vec::new(),
            other_files: 0,
        };
        for entry in listed {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let mut kind = entry.file_type().map_err(failed)?;
            if kind.is_symlink() {
                match fs::metadata(entry.path()) {
                    Ok(target) => kind = target.file_type(),
                    // A dangling link; if it is named as an image, decoding will report it. What it leads to may come back
                    // while the folder stays as it is.
                    Err(_) => listing.stamp = None,
                }
            }
            let list = if kind.is_dir() {
                &mut listing.folders
            } else if is_image_name(&name) {
                &mut listing.images
            } else {
                listing.other_files += 1;
                continue;
            };
            list.extend_from_slice(&as_bytes(&name));
            list.push(0);
        }
        Ok(listing)
    }
}

/// The kind of the cache's entries.
const CACHE_KIND: &str = "folder";

/// A walk through folders, which are listed anew only if they have changed since the last one.
struct Walk<'a> {
    root: &'a Path,
    rules: &'a FolderRules,
    /// Listings of an earlier run by path relative to the root.
    known: HashMap<Vec<u8>, Listing>,
    /// Listings of this run.
    listed: Vec<(Vec<u8>, Listing)>,
    /// Whether a folder had to be listed anew.
    changed: bool,
    other_files: usize,
    now: SystemTime,
    /// Stop a tree at its first image.
    first_only: bool,
    work: Work,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Path, rules: &'a FolderRules) -> Self {
        let known: Option<Vec<(Vec<u8>, Listing)>> = rules.cache.load(CACHE_KIND, root);
        Self {
            root,
            rules,
            known: known.unwrap_or_default().into_iter().collect(),
            listed: Vec::new(),
            changed: false,
            other_files: 0,
            now: SystemTime::now(),
            first_only: false,
            work: work(root),
        }
    }

    /// All images below a folder, each folder of it once.
    fn tree(&mut self, folder: &[u8], found: &mut Found, top: u32) -> Result<(), DataError> {
        // Real paths: links may form loops.
        let mut entered = HashSet::new();
        let mut folders = vec![folder.to_vec()];
        while let Some(folder) = folders.pop() {
            let path = self.root.join(as_path(&folder));
            let real = path
                .canonicalize()
                .map_err(|source| DataError::Read { path, source })?;
            if !entered.insert(real) {
                continue;
            }
            let listing = self.listing(&folder)?;
            found.add(&folder, &listing.images, top);
            if self.first_only && !listing.images.is_empty() {
                return Ok(());
            }
            let slash: &[u8] = if folder.is_empty() { b"" } else { b"/" };
            let inside = each(&listing.folders).map(|name| [&folder, slash, name].concat());
            // Taken from the end, so in the order of their names.
            let mut inside: Vec<Vec<u8>> = inside.collect();
            inside.reverse();
            folders.append(&mut inside);
            self.listed.push((folder, listing));
        }
        Ok(())
    }

    /// What a folder holds now.
    fn listing(&mut self, folder: &[u8]) -> Result<Listing, DataError> {
        let path = self.root.join(as_path(folder));
        let metadata = fs::metadata(&path).map_err(|source| DataError::Read {
            path: path.clone(),
            source,
        })?;
        let stamp = Stamp::of(&metadata, self.now);
        let listing = match self.known.remove(folder) {
            Some(known) if stamp.is_some() && known.stamp == stamp => known,
            _ => {
                self.changed = true;
                Listing::read(&path, stamp, &self.work)?
            }
        };
        self.other_files += listing.other_files;
        Ok(listing)
    }

    /// Keeps the listings for the next run if they are many and anything is new.
    fn keep(mut self, top: Option<Listing>, images: usize) {
        let gone = !self.known.is_empty();
        if images < WORTH_KEEPING || !(self.changed || gone) {
            return;
        }
        self.listed.extend(top.map(|top| (Vec::new(), top)));
        self.rules.cache.store(CACHE_KIND, self.root, &self.listed);
    }
}

/// Whether a file is an image by its name.
pub(crate) fn is_image_name(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

impl ImageSource for FolderSource {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        let path = self.path(index).ok_or_else(|| out_of_range(self, index))?;
        decode::read_bytes(&path).map(Stored::Encoded)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.class_of.get(index).map(|&class| class as usize)
    }

    fn name(&self, index: usize) -> String {
        match self.path(index) {
            Some(path) => printable(&as_bytes(path.as_os_str())),
            None => format!("{} image {index}", self.root.display()),
        }
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn describe(&self) -> String {
        let root = self.root.display();
        let images = self.len();
        let classes = self.class_names.len();
        match (classes, self.beside_classes) {
            (0, _) => format!("folder {root}: {images} images, no labels"),
            (_, 0) => format!("folder {root}: {images} images in {classes} classes"),
            (_, beside) => format!(
                "folder {root}: {images} images in {classes} classes ({beside} images beside the class folders left out)"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
