//! HDF5 files with a group a class and a data set of encoded bytes an image, as the paper's code has them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hdf5_pure::{Dataset, File, FileAccessProperties, Group, Layout, MetadataCacheConfig};

use super::index_cache::IndexCache;
use super::packed::{Labels, PackedFile, PackedIndex, PackedSource, look_through};
use crate::DataError;
use crate::progress::Work;

const KIND: &str = "hdf5";
/// First bytes of a file.
pub(super) const MAGIC: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
const REMEDY: &str = "write a group a class and in it, for each image, a data set of the bytes of its file, without chunks or filters";

/// Opens files in the order given. Within a file, images are ordered by class and name, which is the order that the
/// numbers of the paper's lists refer to. Data sets beside groups, or a file without groups, are images without labels.
///
/// # Errors
/// If a file cannot be read, is damaged or laid out otherwise, or there is no image.
pub(super) fn open(
    paths: &[PathBuf],
    labels: bool,
    cache: &IndexCache,
) -> Result<PackedSource, DataError> {
    let mut files = Vec::with_capacity(paths.len());
    let work = Work::begin("looking through HDF5 files", "files", Some(paths.len()));
    for path in paths {
        let mut index = look_through(path, KIND, cache, index)?;
        if !labels {
            index.forget_labels();
        }
        files.push(PackedFile {
            path: path.clone(),
            bytes: path.clone(),
            index,
        });
        work.add(1);
    }
    Ok(PackedSource::new("HDF5 file", files, Labels::Folders))
}

/// Looks through a file.
///
/// # Errors
/// If it is damaged, laid out otherwise or without any image.
pub(super) fn index(path: &Path) -> Result<PackedIndex, DataError> {
    let refuse = |reason: String, remedy| DataError::Container {
        name: path.display().to_string(),
        reason,
        remedy,
    };
    let damaged = |error: hdf5_pure::Error| {
        refuse(
            format!("cannot be read as HDF5 ({error})"),
            "fetch or write it again",
        )
    };
    // Opening a group walks the links of its parents, which the cache spares.
    let access = FileAccessProperties::new().with_metadata_cache(MetadataCacheConfig::new(8 << 20));
    let file = File::open_streaming_with_options(path, access).map_err(damaged)?;
    let length = std::fs::metadata(path)
        .map_err(|source| DataError::Read {
            path: path.into(),
            source,
        })?
        .len();
    let root = file.root();
    let mut classes = root.groups().map_err(damaged)?;
    classes.sort();
    let mut index = PackedIndex::default();
    let mut known = BTreeMap::new();
    if classes.is_empty() {
        add(&mut index, &root, "", length).map_err(damaged)?;
    } else {
        let beside = root.datasets().map_err(damaged)?;
        index.left_out = beside.len();
    }
    let what = format!("looking through {}", path.display());
    let work = Work::begin(what, "classes", Some(classes.len()));
    for class in &classes {
        work.add(1);
        let group = root.group(class).map_err(damaged)?;
        let before = index.len();
        add(&mut index, &group, class, length).map_err(damaged)?;
        let label = index.label_of(class, &mut known);
        for place in before..index.len() {
            index.set_label(place, label);
        }
    }
    if index.len() == 0 {
        return Err(refuse("holds no image".into(), REMEDY));
    }
    Ok(index)
}

/// Adds the data sets of a group by their names.
fn add(
    index: &mut PackedIndex,
    group: &Group,
    class: &str,
    file_length: u64,
) -> Result<(), hdf5_pure::Error> {
    let mut sets: Vec<(String, Dataset)> = group.iter_datasets()?.collect();
    sets.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, set) in sets {
        let name = match class {
            "" => name,
            class => format!("{class}/{name}"),
        };
        match range(&set, file_length) {
            Ok((offset, length)) => index.push(name.as_bytes(), offset, length),
            Err(reason) => index.push_fault(name.as_bytes(), format!("{name}: {reason}; {REMEDY}")),
        }
    }
    Ok(())
}

/// Where the bytes of a data set are.
fn range(set: &Dataset, file_length: u64) -> Result<(u64, u64), String> {
    let damaged = |error: hdf5_pure::Error| format!("damaged ({error})");
    let size = set.element_size().map_err(damaged)?;
    let shape = set.shape().map_err(damaged)?;
    if size != 1 || shape.iter().filter(|&&side| side != 1).count() > 1 {
        return Err(format!(
            "a data set of shape {shape:?} with {size} bytes a value, not the bytes of an image file"
        ));
    }
    match set.layout().map_err(damaged)? {
        Layout::Contiguous {
            address: Some(offset),
            size,
        } if offset
            .checked_add(size)
            .is_some_and(|end| end <= file_length) =>
        {
            Ok((offset, size))
        }
        Layout::Contiguous { address: None, .. } => Err("never written".into()),
        Layout::Contiguous { .. } => {
            Err("cut off: its bytes lie beyond the end of the file".into())
        }
        _ => Err("stored in chunks, with filters or beside its data".into()),
    }
}
