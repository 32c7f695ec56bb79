//! Where the images of an annotation file are.

use std::path::{Path, PathBuf};

use super::AnnotationError;
use sslight_data::text::shown;

/// The folder of the images of a COCO file, whose first image is called `first`: the folder of the file, `images` in it, or, as COCO
/// itself lies on disks (`annotations/instances_val2017.json` beside `val2017`), a folder named by the end of the file's name.
///
/// # Errors
/// If the image is in none of them.
pub(super) fn images_of_coco(json: &Path, first: &Path) -> Result<PathBuf, AnnotationError> {
    let folder = json.parent().unwrap_or(Path::new(""));
    let mut candidates = vec![folder.to_owned(), folder.join("images")];
    let stem = json.file_stem().and_then(|stem| stem.to_str());
    let split = stem.and_then(|stem| stem.rsplit('_').next());
    if let Some(split) = split {
        // Not `folder.parent()`, which `annotations` alone has none of.
        let above = folder.join("..");
        candidates.push(folder.join(split));
        candidates.push(above.join(split));
        candidates.push(above.join("images").join(split));
        candidates.push(above.join("images"));
    }
    first_with(candidates, first).map_err(|looked_in| AnnotationError::NoImageFolder {
        path: json.to_owned(),
        first: first.to_owned(),
        looked_in,
    })
}

/// The folder of the images of a VOC data set: beside the annotations, or in one of the usual folders.
///
/// # Errors
/// If the image is in none of them.
pub(super) fn images_of_voc(folder: &Path, first: &Path) -> Result<PathBuf, AnnotationError> {
    let names = ["JPEGImages", "images", "Images", "Annotations"];
    let mut candidates: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    candidates.push(folder.to_owned());
    candidates.extend(["JPEGImages", "images"].map(|name| folder.join("..").join(name)));
    first_with(candidates, first).map_err(|looked_in| AnnotationError::NoImageFolder {
        path: folder.to_owned(),
        first: first.to_owned(),
        looked_in,
    })
}

/// The first of the folders that holds the file, or all of them as a text.
fn first_with(candidates: Vec<PathBuf>, file: &Path) -> Result<PathBuf, String> {
    let found = candidates
        .iter()
        .find(|folder| folder.join(file).is_file())
        .cloned();
    found.ok_or_else(|| {
        let shown: Vec<String> = candidates.iter().map(|folder| shown(folder)).collect();
        shown.join(", ")
    })
}
