//! Scenes as a folder: images and COCO's annotations.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hotcoco::mask::rle_to_string;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use serde::Serialize;
use serde_json::Value;
use sslight_data::Image;
use sslight_data::progress::Work;

use super::{Composer, SceneConfig, SceneError};

/// The file of the annotations, and the folder of the images.
const ANNOTATIONS: &str = "annotations.json";
const IMAGES: &str = "images";

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SceneSummary {
    /// Number of scenes.
    pub images: usize,
    /// Number of objects on all of them.
    pub objects: usize,
    /// Names of the classes, each with its number of objects.
    pub classes: Vec<(String, usize)>,
    /// Whether the folder held these scenes before.
    pub found: bool,
}

#[derive(Serialize)]
struct File {
    info: Info,
    images: Vec<ImageLine>,
    categories: Vec<CategoryLine>,
    annotations: Vec<AnnotationLine>,
}

#[derive(Serialize)]
struct Info {
    description: String,
}

#[derive(Serialize)]
struct ImageLine {
    id: u64,
    file_name: String,
    width: usize,
    height: usize,
}

#[derive(Serialize)]
struct CategoryLine {
    id: u64,
    name: String,
}

#[derive(Serialize)]
struct AnnotationLine {
    id: u64,
    image_id: u64,
    category_id: u64,
    bbox: [f32; 4],
    area: usize,
    iscrowd: u8,
    segmentation: Code,
    /// Where the garment is from; no part of COCO's format, whose readers leave it alone.
    garment: String,
}

/// A compressed run-length code.
#[derive(Serialize)]
struct Code {
    size: [u32; 2],
    counts: String,
}

/// Writes scenes into `folder`: `images/000001.png` and so on, and `annotations.json` in COCO's format with masks as compressed
/// run-length codes. The same settings write the same bytes. The folder is whole or not there; one that holds the scenes of the
/// same settings already is left as it is.
///
/// # Errors
/// If a setting is outside its range, the folder holds anything else, or cannot be written.
pub fn compose(config: &SceneConfig, folder: &Path) -> Result<SceneSummary, SceneError> {
    let composer = Composer::new(config)?;
    if let Some(found) = occupant(folder)? {
        let there = summary_of(config, &composer, folder);
        return there.ok_or_else(|| SceneError::Occupied {
            folder: folder.to_owned(),
            found,
        });
    }
    let draft = draft_of(folder)?;
    let written = write(config, &composer, &draft).and_then(|summary| {
        // An empty folder in its place would keep some systems from renaming.
        match fs::remove_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::rename(&draft, folder),
        }
        .map_err(|source| not_written(folder, source))?;
        Ok(summary)
    });
    written.inspect_err(|_| {
        // The error that counts is the one above.
        let _ = fs::remove_dir_all(&draft);
    })
}

/// Something that is in the folder, or the path itself if it is no folder; `None` if nothing is there.
fn occupant(folder: &Path) -> Result<Option<PathBuf>, SceneError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(None),
            Some(Ok(entry)) => Ok(Some(entry.path())),
            Some(Err(source)) => Err(not_written(folder, source)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Some(folder.to_owned())),
        Err(source) => Err(not_written(folder, source)),
    }
}

/// What the folder holds, if that is the scenes of these settings.
fn summary_of(config: &SceneConfig, composer: &Composer, folder: &Path) -> Option<SceneSummary> {
    let text = fs::read(folder.join(ANNOTATIONS)).ok()?;
    let file: Value = serde_json::from_slice(&text).ok()?;
    if file["info"]["description"].as_str()? != description(config) {
        return None;
    }
    let mut counts = vec![0; composer.classes().len()];
    for annotation in file["annotations"].as_array()? {
        let id = usize::try_from(annotation["category_id"].as_u64()?).ok()?;
        *counts.get_mut(id.checked_sub(1)?)? += 1;
    }
    let images = file["images"].as_array()?.len();
    let there = |index: usize| folder.join(IMAGES).join(file_name(index)).is_file();
    let whole = images == config.images && (0..images).all(there);
    whole.then(|| summary(images, composer, &counts, true))
}

/// The folder beside `folder` in which it is made.
fn draft_of(folder: &Path) -> Result<PathBuf, SceneError> {
    let Some(name) = folder.file_name() else {
        return Err(SceneError::NoName {
            folder: folder.to_owned(),
        });
    };
    let mut draft = OsString::from(".");
    draft.push(name);
    draft.push(format!(".partial-{}", std::process::id()));
    Ok(folder.with_file_name(draft))
}

fn write(
    config: &SceneConfig,
    composer: &Composer,
    draft: &Path,
) -> Result<SceneSummary, SceneError> {
    // Of a process of the same number that was killed.
    let _ = fs::remove_dir_all(draft);
    let images = draft.join(IMAGES);
    fs::create_dir_all(&images).map_err(|source| not_written(&images, source))?;
    let work = Work::begin("composing scenes", "images", Some(config.images));
    let mut file = File {
        info: Info {
            description: description(config),
        },
        images: Vec::with_capacity(config.images),
        categories: categories(composer),
        annotations: Vec::new(),
    };
    let mut counts = vec![0; composer.classes().len()];
    for index in 0..config.images {
        let scene = composer.scene(index)?;
        let path = images.join(file_name(index));
        fs::write(&path, png(&scene.image, index)?).map_err(|source| not_written(&path, source))?;
        file.images.push(ImageLine {
            id: index as u64 + 1,
            file_name: file_name(index),
            width: scene.image.width,
            height: scene.image.height,
        });
        for object in &scene.objects {
            counts[object.class] += 1;
            file.annotations.push(AnnotationLine {
                id: file.annotations.len() as u64 + 1,
                image_id: index as u64 + 1,
                category_id: object.class as u64 + 1,
                bbox: object.bounds.to_xywh(),
                area: object.area,
                iscrowd: 0,
                segmentation: Code {
                    size: [object.mask.h, object.mask.w],
                    counts: rle_to_string(&object.mask),
                },
                garment: composer.garment_name(object.garment),
            });
        }
        work.add(1);
    }
    let path = draft.join(ANNOTATIONS);
    let text = serde_json::to_vec(&file).map_err(|error| not_written(&path, error.into()))?;
    fs::write(&path, text).map_err(|source| not_written(&path, source))?;
    Ok(summary(config.images, composer, &counts, false))
}

fn categories(composer: &Composer) -> Vec<CategoryLine> {
    let named = (1..).zip(composer.classes());
    named
        .map(|(id, name)| CategoryLine {
            id,
            name: name.clone(),
        })
        .collect()
}

fn summary(images: usize, composer: &Composer, counts: &[usize], found: bool) -> SceneSummary {
    SceneSummary {
        images,
        objects: counts.iter().sum(),
        classes: composer
            .classes()
            .iter()
            .cloned()
            .zip(counts.iter().copied())
            .collect(),
        found,
    }
}

/// By which a folder is known to hold the scenes of some settings. INVARIANT: the number grows whenever the same settings give other
/// scenes.
fn description(config: &SceneConfig) -> String {
    format!("sslight scenes, version 1: {}", config.told())
}

fn file_name(index: usize) -> String {
    format!("{:06}.png", index + 1)
}

/// The content of a PNG file.
fn png(image: &Image, index: usize) -> Result<Vec<u8>, SceneError> {
    let mut bytes = Vec::new();
    let (width, height) = (image.width as u32, image.height as u32);
    PngEncoder::new(&mut bytes)
        .write_image(&image.pixels, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| SceneError::Encode {
            index,
            reason: error.to_string(),
        })?;
    Ok(bytes)
}

fn not_written(path: &Path, source: io::Error) -> SceneError {
    SceneError::Write {
        path: path.to_owned(),
        source,
    }
}
