//! From a path to a set: which kind of annotations it holds.

use std::fs;
use std::path::{Path, PathBuf};

use hotcoco::Dataset;
use hotcoco::convert::{ConvertError, voc_to_coco};
use sslight_data::text::shown;

use super::build::build;
use super::{AnnotationError, DetectionSet, find, listed};

impl DetectionSet {
    /// Opens annotations and finds out what they are:
    ///
    /// * a `.json` file: COCO's;
    /// * a folder with a folder `Annotations`, or with `.xml` files: Pascal VOC's;
    /// * a folder with one `.json` file: COCO's, with the images beside it;
    /// * a `.txt` file, as those in `ImageSets/Main` of a Pascal VOC data set: the images that it lists of the data set that it
    ///   lies in.
    ///
    /// Without `images`, they are looked for in the usual places beside the annotations.
    ///
    /// # Errors
    /// If it is none of these, and as [`Self::open_coco`] and [`Self::open_voc`].
    pub fn open(annotations: &Path, images: Option<&Path>) -> Result<Self, AnnotationError> {
        let read = |source| AnnotationError::Read {
            path: annotations.to_owned(),
            source,
        };
        let json = if fs::metadata(annotations).map_err(read)?.is_dir() {
            let files = files_of(annotations)?;
            let with = |ending: &str| -> Vec<&PathBuf> {
                files.iter().filter(|path| ends(path, ending)).collect()
            };
            if annotations.join("Annotations").is_dir() || !with("xml").is_empty() {
                return open_voc(annotations, images);
            }
            match with("json")[..] {
                [] => {
                    return Err(AnnotationError::UnknownKind {
                        path: annotations.to_owned(),
                    });
                }
                [one] => one.clone(),
                [first, ..] => {
                    return Err(AnnotationError::Ambiguous {
                        path: annotations.to_owned(),
                        count: with("json").len(),
                        first: first.clone(),
                    });
                }
            }
        } else if ends(annotations, "txt") {
            return listed::open(annotations, images);
        } else if ends(annotations, "xml") {
            return Err(AnnotationError::UnknownKind {
                path: annotations.to_owned(),
            });
        } else {
            annotations.to_owned()
        };
        open_coco(&json, images)
    }

    /// Opens a COCO annotation file whose images lie in the folder `images`.
    ///
    /// Boxes are clipped to their image, annotations without a box of positive area are left out, and masks without a polygon of
    /// three points are not used; [`DetectionSet::repairs`] counts them. Sizes that the file does not tell are read from the images.
    ///
    /// # Errors
    /// If the file cannot be read or is no COCO JSON (numbers that are not finite are no JSON), lists no images or categories, if
    /// ids are given twice or refer to nothing, a run-length code is broken or of another size than its image, or images are
    /// missing on the disk.
    pub fn open_coco(json: &Path, images: &Path) -> Result<Self, AnnotationError> {
        open_coco(json, Some(images))
    }

    /// Opens a Pascal VOC data set: `.xml` files in the folder `Annotations` or in this one, images in `JPEGImages`, `images` or
    /// beside the annotations. What is marked difficult becomes a crowd; there are no masks.
    ///
    /// # Errors
    /// If an annotation is no VOC XML, and as [`Self::open_coco`].
    pub fn open_voc(folder: &Path) -> Result<Self, AnnotationError> {
        open_voc(folder, None)
    }
}

fn open_coco(json: &Path, images: Option<&Path>) -> Result<DetectionSet, AnnotationError> {
    let bytes = fs::read(json).map_err(|source| AnnotationError::Read {
        path: json.to_owned(),
        source,
    })?;
    // Not `COCO::new`, which reads what is no JSON as something else and tells so on the terminal.
    let dataset: Dataset =
        serde_json::from_slice(&bytes).map_err(|error| AnnotationError::Json {
            path: json.to_owned(),
            line: error.line(),
            column: error.column(),
            reason: without_place(&error),
        })?;
    drop(bytes);
    build(json, dataset, |first| match images {
        Some(folder) => Ok(folder.to_owned()),
        None => find::images_of_coco(json, first),
    })
}

pub(super) fn open_voc(
    folder: &Path,
    images: Option<&Path>,
) -> Result<DetectionSet, AnnotationError> {
    refuse_capitals(folder)?;
    let dataset = voc_to_coco(folder).map_err(|error| match error {
        ConvertError::Io(source) => AnnotationError::Read {
            path: folder.to_owned(),
            source,
        },
        error => AnnotationError::Voc {
            folder: folder.to_owned(),
            reason: error.to_string(),
        },
    })?;
    build(folder, dataset, |first| match images {
        Some(folder) => Ok(folder.to_owned()),
        None => find::images_of_voc(folder, first),
    })
}

/// Whether the name of a file ends in `.ending`, in small letters or capitals.
fn ends(path: &Path, ending: &str) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// `hotcoco` passes over annotations with a name in capitals without a word.
///
/// # Errors
/// If there is one.
fn refuse_capitals(folder: &Path) -> Result<(), AnnotationError> {
    let below = folder.join("Annotations");
    let annotations = if below.is_dir() { &below } else { folder };
    let files = files_of(annotations)?;
    let in_capitals =
        |path: &&PathBuf| ends(path, "xml") && path.extension().is_none_or(|e| e != "xml");
    match files.iter().find(in_capitals) {
        None => Ok(()),
        Some(file) => Err(AnnotationError::Voc {
            folder: folder.to_owned(),
            reason: format!(
                "{} has its ending in capitals, which is read as .xml alone",
                shown(file)
            ),
        }),
    }
}

/// What is wrong, without the place, which the message names first.
fn without_place(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    said.strip_suffix(&place).unwrap_or(&said).to_owned()
}

/// The files of a folder, by name.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, AnnotationError> {
    let read = |source| AnnotationError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        files.push(entry.map_err(read)?.path());
    }
    files.sort();
    Ok(files)
}
