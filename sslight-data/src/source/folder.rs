//! A folder tree of image files, with classes as its first level if it has one.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use super::{ImageSource, Split, out_of_range};
use crate::{DataError, Image, decode};

/// File name endings that count as images, in lower case.
pub const EXTENSIONS: [&str; 5] = ["jpg", "jpeg", "png", "bmp", "webp"];

const TRAIN_FOLDERS: [&str; 1] = ["train"];
const VALIDATION_FOLDERS: [&str; 3] = ["val", "validation", "test"];

/// One image file.
struct Entry {
    /// Path relative to the root of the source.
    path: PathBuf,
    class: Option<usize>,
}

/// Images in a folder and below. Names that begin with a dot are passed over. Symbolic links are
/// followed, each folder once.
///
/// Folders at the top that hold images are the classes: class ids are the ranks of their names, images
/// are ordered by class and then by path, both in string order. Images beside class folders do not
/// count. A folder without such subfolders has no labels.
pub struct FolderSource {
    root: PathBuf,
    entries: Vec<Entry>,
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
    pub fn open(folder: &Path, split: Split) -> Result<Self, DataError> {
        if !is_divided(folder) {
            return Self::list(folder, BTreeSet::new());
        }
        let part = split_folder(folder, split).ok_or_else(|| DataError::SplitMissing {
            path: folder.into(),
            split: split.name(),
            looked_for: split_names(split).join(", "),
        })?;
        let other = match split {
            Split::Train => Split::Validation,
            Split::Validation => Split::Train,
        };
        let shared = match split_folder(folder, other) {
            Some(other) => class_folders(&other)?,
            None => BTreeSet::new(),
        };
        Self::list(&part, shared)
    }

    /// Lists a folder; `shared` are class names that another split has.
    fn list(root: &Path, shared: BTreeSet<String>) -> Result<Self, DataError> {
        let mut walk = Walk::default();
        let mut files = walk.folder(root, Path::new(""))?;
        let beside = files.len();
        let mut classes = Vec::new();
        for folder in std::mem::take(&mut walk.folders) {
            let found = walk.tree(root, &folder)?;
            if !found.is_empty() {
                classes.push((folder.to_string_lossy().into_owned(), found));
            }
        }
        if files.is_empty() && classes.is_empty() {
            return Err(DataError::NoImages {
                path: root.into(),
                looked_for: EXTENSIONS.map(|e| format!(".{e}")).join(", "),
                other_files: walk.other_files,
            });
        }
        if classes.is_empty() {
            sort(&mut files);
            return Ok(Self {
                root: root.into(),
                entries: files
                    .into_iter()
                    .map(|path| Entry { path, class: None })
                    .collect(),
                class_names: Vec::new(),
                beside_classes: 0,
            });
        }
        let mut class_names = shared;
        class_names.extend(classes.iter().map(|(name, _)| name.clone()));
        let class_names: Vec<String> = class_names.into_iter().collect();
        classes.sort_by(|a, b| a.0.cmp(&b.0));
        let mut entries = Vec::new();
        for (name, mut files) in classes {
            let class = class_names.binary_search(&name).ok();
            sort(&mut files);
            entries.extend(files.into_iter().map(|path| Entry { path, class }));
        }
        Ok(Self {
            root: root.into(),
            entries,
            class_names,
            beside_classes: beside,
        })
    }
}

/// String order of whole paths, so that the order does not depend on the file system.
fn sort(files: &mut [PathBuf]) {
    files.sort_by_cached_key(|path| path.to_string_lossy().into_owned());
}

fn split_names(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &TRAIN_FOLDERS,
        Split::Validation => &VALIDATION_FOLDERS,
    }
}

fn split_folder(folder: &Path, split: Split) -> Option<PathBuf> {
    let candidates = split_names(split).iter().map(|name| folder.join(name));
    candidates.into_iter().find(|path| path.is_dir())
}

/// Whether a folder consists of splits: it has both of them, or one of them and no other subfolder.
/// A folder `train` among others may be a class (of vehicles), and so may `test`.
fn is_divided(folder: &Path) -> bool {
    let has = |split| split_folder(folder, split).is_some();
    let (train, validation) = (has(Split::Train), has(Split::Validation));
    if train && validation {
        return true;
    }
    let mut walk = Walk::default();
    (train || validation)
        && walk
            .folder(folder, Path::new(""))
            .is_ok_and(|images| images.is_empty())
        && matches!(walk.folders.as_slice(), [only] if only != Path::new("test"))
}

/// Whether a divided folder has the split.
pub(super) fn has_split(folder: &Path, split: Split) -> bool {
    is_divided(folder) && split_folder(folder, split).is_some()
}

/// Names of the first-level folders that hold an image.
fn class_folders(root: &Path) -> Result<BTreeSet<String>, DataError> {
    let mut walk = Walk {
        first_only: true,
        ..Walk::default()
    };
    walk.folder(root, Path::new(""))?;
    let mut names = BTreeSet::new();
    for folder in std::mem::take(&mut walk.folders) {
        if !walk.tree(root, &folder)?.is_empty() {
            names.insert(folder.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// State of a walk through folders.
#[derive(Default)]
struct Walk {
    /// Folders met and not yet entered, relative to the root.
    folders: Vec<PathBuf>,
    /// Files that are no images.
    other_files: usize,
    /// Real paths of the folders entered below one top-level folder: links may form loops.
    entered: HashSet<PathBuf>,
    /// Stop a tree at its first image.
    first_only: bool,
}

impl Walk {
    /// Images of a folder and everything below it.
    fn tree(&mut self, root: &Path, folder: &Path) -> Result<Vec<PathBuf>, DataError> {
        self.entered.clear();
        self.folders = vec![folder.into()];
        let mut files = Vec::new();
        while let Some(folder) = self.folders.pop() {
            let path = root.join(&folder);
            let real = path
                .canonicalize()
                .map_err(|source| DataError::Read { path, source })?;
            if !self.entered.insert(real) {
                continue;
            }
            files.extend(self.folder(root, &folder)?);
            if self.first_only && !files.is_empty() {
                break;
            }
        }
        Ok(files)
    }

    /// Images directly in a folder, as paths relative to the root; its subfolders are noted.
    fn folder(&mut self, root: &Path, folder: &Path) -> Result<Vec<PathBuf>, DataError> {
        let path = root.join(folder);
        let failed = |source| DataError::Read {
            path: path.clone(),
            source,
        };
        let listed: Result<Vec<DirEntry>, _> = fs::read_dir(&path).map_err(failed)?.collect();
        let mut listed = listed.map_err(failed)?;
        // The order decides which of several links to one folder is followed. Folders are popped from the end.
        listed.sort_by_cached_key(|entry| std::cmp::Reverse(entry.file_name()));
        let mut files = Vec::new();
        for entry in listed {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let mut kind = entry.file_type().map_err(failed)?;
            if kind.is_symlink() {
                // A dangling link keeps its kind; if it is named as an image, decoding will report it.
                kind = fs::metadata(entry.path()).map_or(kind, |target| target.file_type());
            }
            if kind.is_dir() {
                self.folders.push(folder.join(name));
            } else if is_image_name(Path::new(&name)) {
                files.push(folder.join(name));
            } else {
                self.other_files += 1;
            }
        }
        Ok(files)
    }
}

fn is_image_name(name: &Path) -> bool {
    let extension = name.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

impl ImageSource for FolderSource {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        let entry = self
            .entries
            .get(index)
            .ok_or_else(|| out_of_range(self, index))?;
        decode::read(&self.root.join(&entry.path))
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.entries.get(index)?.class
    }

    fn name(&self, index: usize) -> String {
        match self.entries.get(index) {
            Some(entry) => self.root.join(&entry.path).display().to_string(),
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
