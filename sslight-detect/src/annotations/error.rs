//! What can be wrong with annotations.

use std::io;
use std::path::PathBuf;

use sslight_data::text::{one_line, shown};

/// Any failure to read, measure or write annotations. The message is one sentence: where, what, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnotationError {
    /// The operating system refused a file or folder.
    #[error(
        "{}: cannot be read: {}; check that it exists and that you may read it",
        shown(path),
        one_line(source)
    )]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error(
        "{}: cannot be written: {}; check the folder and the space on its disk",
        shown(path),
        one_line(source)
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither COCO's JSON nor a folder of VOC's XML.
    #[error(
        "{}: no annotations of a known kind; give a COCO .json file, a folder with one, or a folder of Pascal VOC .xml files",
        shown(path)
    )]
    UnknownKind {
        /// The path as given.
        path: PathBuf,
    },
    /// Several annotation files where one is meant.
    #[error(
        "{}: holds {count} .json files, of which one is {}; give the path of the one that is meant",
        shown(path),
        shown(first)
    )]
    Ambiguous {
        /// The folder.
        path: PathBuf,
        /// How many there are.
        count: usize,
        /// One of them.
        first: PathBuf,
    },
    /// The folder of the images was not given and is in none of the usual places.
    #[error(
        "{}: its image {} is in none of {}; give the folder of the images",
        shown(path),
        shown(first),
        one_line(looked_in)
    )]
    NoImageFolder {
        /// The annotation file.
        path: PathBuf,
        /// File name of its first image.
        first: PathBuf,
        /// The folders that were looked in.
        looked_in: String,
    },
    /// The file is no JSON, ends too early, or an entry is not as COCO has it.
    #[error(
        "{}: line {line}, column {column}: {}; repair the file or fetch it again",
        shown(path),
        one_line(reason)
    )]
    Json {
        /// The annotation file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// VOC annotations that cannot be read.
    #[error(
        "{}: {}; repair or remove that annotation",
        shown(folder),
        one_line(reason)
    )]
    Voc {
        /// The folder of the data set.
        folder: PathBuf,
        /// The file and what is wrong with it.
        reason: String,
    },
    /// No category, so that nothing could be found.
    #[error(
        "{}: lists no categories; give annotations with at least one",
        shown(path)
    )]
    NoClasses {
        /// The annotation file.
        path: PathBuf,
    },
    /// No image.
    #[error("{}: lists no images; give annotations of at least one", shown(path))]
    NoImages {
        /// The annotation file.
        path: PathBuf,
    },
    /// Two entries of one kind share an id. An annotation without an id counts as 0.
    #[error("{}: two {kind} have the id {id}; give each its own", shown(path))]
    DuplicateId {
        /// The annotation file.
        path: PathBuf,
        /// `images`, `categories` or `annotations`.
        kind: &'static str,
        /// The id.
        id: u64,
    },
    /// An annotation refers to an entry that is not there.
    #[error(
        "{}: annotation {annotation} is of {kind} {id}, which does not exist (the nearest is {nearest}); correct its {kind}_id or add the {kind}",
        shown(path)
    )]
    Dangling {
        /// The annotation file.
        path: PathBuf,
        /// Id of the annotation.
        annotation: u64,
        /// `image` or `category`.
        kind: &'static str,
        /// The id that is referred to.
        id: u64,
        /// The existing id that is nearest to it.
        nearest: u64,
    },
    /// A run-length code that is none.
    #[error(
        "{}: annotation {annotation} of image {image}: broken run-length code: {}; repair the mask or remove the annotation",
        shown(path),
        one_line(reason)
    )]
    BrokenMask {
        /// The annotation file.
        path: PathBuf,
        /// Id of the annotation.
        annotation: u64,
        /// Id of its image.
        image: u64,
        /// What is wrong.
        reason: String,
    },
    /// A run-length code for an image of another size.
    #[error("{}: annotation {annotation}: its run-length code is for {}x{} pixels, but image {image} has {}x{}; repair the mask or remove the annotation", shown(path), mask.0, mask.1, size.0, size.1)]
    MaskSize {
        /// The annotation file.
        path: PathBuf,
        /// Id of the annotation.
        annotation: u64,
        /// Id of its image.
        image: u64,
        /// Width and height of the mask.
        mask: (u32, u32),
        /// Width and height of the image.
        size: (u32, u32),
    },
    /// An image entry without a file name.
    #[error("{}: image {image} has no file_name; add it", shown(path))]
    NoFileName {
        /// The annotation file.
        path: PathBuf,
        /// Id of the image.
        image: u64,
    },
    /// Images that are not on the disk.
    #[error(
        "{}: {missing} of {total} images are not there, the first is {}; fetch them, or give the folder that holds them",
        shown(path),
        shown(first)
    )]
    MissingImages {
        /// The annotation file.
        path: PathBuf,
        /// How many there are not.
        missing: usize,
        /// How many there should be.
        total: usize,
        /// The first of them.
        first: PathBuf,
    },
    /// The size of an image is neither in its annotations nor to be had from the file.
    #[error(
        "{}: has no size in its annotations, and its own cannot be read: {}; add width and height, or replace the file",
        shown(path),
        one_line(reason)
    )]
    Header {
        /// The image.
        path: PathBuf,
        /// What the codec said.
        reason: String,
    },
    /// Detections that do not fit the annotations.
    #[error(
        "detection {index}: {}; detections must be of the images and classes of the set that they are compared with",
        one_line(reason)
    )]
    Detection {
        /// Position among the detections.
        index: usize,
        /// What does not fit.
        reason: String,
    },
    /// A detection with a number that is none.
    #[error(
        "detection {index}: its {what} is not finite ({value}); leave the detection out, and look where the number is from (a network that diverged gives such)"
    )]
    NotFinite {
        /// Position among the detections.
        index: usize,
        /// `score` or `box`.
        what: &'static str,
        /// The number.
        value: f32,
    },
    /// Objects of a class that another set does not have.
    #[error(
        "class {}: there are {objects} objects of it, but no class of this name in the set whose classes are used ({}); rename the category, or remove its annotations",
        one_line(class),
        one_line(nearest)
    )]
    UnknownClass {
        /// The name.
        class: String,
        /// How many objects there are.
        objects: usize,
        /// The nearest names, in words.
        nearest: String,
    },
    /// A list of images with one that is not annotated.
    #[error(
        "{}: lists {}, of which there is no annotation in {}; correct the list or add the annotation",
        shown(path),
        one_line(image),
        shown(folder)
    )]
    NotListed {
        /// The list.
        path: PathBuf,
        /// The first such name.
        image: String,
        /// The folder of the data set.
        folder: PathBuf,
    },
    /// The measure could not be computed.
    #[error("average precision: {}; check scores and masks", one_line(reason))]
    Measure {
        /// What `hotcoco` said.
        reason: String,
    },
}
