//! A part of a Pascal VOC data set: the images that a file of `ImageSets/Main` lists.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::open::open_voc;
use super::{AnnotationError, DetectionSet};

/// Opens the data set that a list lies in, with the listed images alone and all classes. A line is the name of an image without its
/// ending; as in the lists of single classes, `-1` after it says that the class is not on it, and the image is left out.
///
/// # Errors
/// If the list cannot be read, is in no folder of a data set, names an image that is not annotated or none at all, and as
/// [`DetectionSet::open_voc`].
pub(super) fn open(list: &Path, images: Option<&Path>) -> Result<DetectionSet, AnnotationError> {
    let read = |source| AnnotationError::Read {
        path: list.to_owned(),
        source,
    };
    // The folders above `train.txt` alone cannot be told from its name.
    let place = fs::canonicalize(list).map_err(read)?;
    // `ImageSets/Main/train.txt`, or somewhat nearer.
    let above = place.ancestors().skip(1).take(3);
    let folder = above
        .map(Path::to_owned)
        .find(|folder: &PathBuf| folder.join("Annotations").is_dir());
    let Some(folder) = folder else {
        return Err(AnnotationError::UnknownKind {
            path: list.to_owned(),
        });
    };
    let text = fs::read_to_string(list).map_err(read)?;
    let listed: Vec<&str> = text.lines().filter_map(name).collect();
    let mut set = open_voc(&folder, images)?;
    let stem = |path: &Path| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    let there: HashSet<String> = set.images.iter().filter_map(|i| stem(&i.path)).collect();
    if let Some(missing) = listed.iter().find(|name| !there.contains(**name)) {
        return Err(AnnotationError::NotListed {
            path: list.to_owned(),
            image: (*missing).to_owned(),
            folder,
        });
    }
    let listed: HashSet<&str> = listed.into_iter().collect();
    set.images
        .retain(|image| stem(&image.path).is_some_and(|stem| listed.contains(&*stem)));
    if set.images.is_empty() {
        return Err(AnnotationError::NoImages {
            path: list.to_owned(),
        });
    }
    Ok(set)
}

/// The image of a line; `None` of an empty one, and of one that says that its class is not there.
fn name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    (words.next() != Some("-1")).then_some(name)
}
