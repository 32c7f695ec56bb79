//! What a detector finds on images without annotations, as files: a picture each, and COCO's result file.

use std::path::{Path, PathBuf};

use hotcoco::mask::rle_to_string;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use serde::Serialize;
use sslight_core::fsio::{WithPath, replace};
use sslight_data::Image;
use sslight_models::backend::Backend;

use super::saved::{FoundObject, SavedDetector};
use super::{DetectError, Use};
use crate::drawing::{Drawn, draw_enlarged};

/// The file of results in the folder of predictions.
pub const RESULTS_JSON: &str = "detections.json";
/// The file that says which image has which id there.
pub const IMAGES_JSON: &str = "images.json";

/// Pictures have a longer side of this many pixels, as far as their pixels become squares of whole numbers of them.
const LEAST_SIDE: usize = 512;
/// And no larger squares than of this many.
const MOST_ZOOM: usize = 4;

/// Looks at images and writes down what is on them.
pub struct Predictor<'a, B: Backend> {
    detector: &'a SavedDetector<B>,
    how: Use,
    out: PathBuf,
    lines: Vec<Line>,
    images: Vec<ImageLine>,
    /// Names of pictures that are taken.
    taken: Vec<String>,
}

/// What was found on an image.
#[derive(Debug, Clone, Serialize)]
pub struct Prediction {
    /// The image.
    pub image: String,
    /// Its picture with boxes and masks.
    pub picture: PathBuf,
    /// The objects, the surest first.
    pub objects: Vec<PredictedObject>,
}

/// An object in words.
#[derive(Debug, Clone, Serialize)]
pub struct PredictedObject {
    /// Its class.
    pub name: String,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// Left, top, width and height in pixels.
    pub bbox: [f32; 4],
}

/// A line of COCO's result file. Names are added for readers who have no annotations to look ids up in.
#[derive(Serialize)]
struct Line {
    image_id: u64,
    file_name: String,
    category_id: u64,
    category: String,
    bbox: [f32; 4],
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    segmentation: Option<Code>,
}

/// An image as COCO's annotations list it.
#[derive(Serialize)]
struct ImageLine {
    id: u64,
    file_name: String,
    width: usize,
    height: usize,
}

#[derive(Serialize)]
struct Code {
    size: [u32; 2],
    counts: String,
}

impl<'a, B: Backend> Predictor<'a, B> {
    /// Puts files into the folder `out`, which is made.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(detector: &'a SavedDetector<B>, how: Use, out: &Path) -> Result<Self, DetectError> {
        std::fs::create_dir_all(out).on(out, "create")?;
        Ok(Self {
            detector,
            how,
            out: out.to_owned(),
            lines: Vec::new(),
            images: Vec::new(),
            taken: Vec::new(),
        })
    }

    /// Looks at an image and draws what is found.
    ///
    /// # Errors
    /// If the picture cannot be written.
    pub fn look(&mut self, name: &str, image: &Image) -> Result<Prediction, DetectError> {
        let objects = self
            .detector
            .look(image, &self.how.loading, self.how.limits)?;
        let id = self.images.len() as u64 + 1;
        self.images.push(ImageLine {
            id,
            file_name: name.to_owned(),
            width: image.width,
            height: image.height,
        });
        let name_of = |object: &FoundObject| {
            let name = self.detector.classes.get(object.class);
            name.cloned().unwrap_or_default()
        };
        let drawn: Vec<Drawn> = objects
            .iter()
            .map(|object| Drawn {
                bounds: object.bounds,
                class: object.class,
                name: name_of(object),
                score: Some(object.score),
                mask: object.mask.clone(),
            })
            .collect();
        let told = objects
            .iter()
            .map(|object| PredictedObject {
                name: name_of(object),
                score: object.score,
                bbox: object.bounds.to_xywh(),
            })
            .collect();
        let lines: Vec<Line> = objects
            .iter()
            .map(|object| Line {
                image_id: id,
                file_name: name.to_owned(),
                category_id: self
                    .detector
                    .category_ids
                    .get(object.class)
                    .copied()
                    .unwrap_or(0),
                category: name_of(object),
                bbox: object.bounds.to_xywh(),
                score: object.score,
                segmentation: object.mask.as_ref().map(|mask| Code {
                    size: [mask.h, mask.w],
                    counts: rle_to_string(mask),
                }),
            })
            .collect();
        self.lines.extend(lines);
        let file = self.free_name(name);
        let picture = self.out.join(file);
        // On a small image the names would hide what they name.
        let zoom = (LEAST_SIDE / image.width.max(image.height).max(1)).clamp(1, MOST_ZOOM);
        let drawing = draw_enlarged(image, &drawn, zoom);
        replace(&picture, &png(&drawing, &picture)?)?;
        Ok(Prediction {
            image: name.to_owned(),
            picture,
            objects: told,
        })
    }

    /// Writes the file of results, whose path it gives, and beside it the list of the images.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> Result<PathBuf, DetectError> {
        let write =
            |name: &str, text: serde_json::Result<Vec<u8>>| -> Result<PathBuf, DetectError> {
                let path = self.out.join(name);
                let text = text.map_err(std::io::Error::other).on(&path, "write")?;
                replace(&path, &text)?;
                Ok(path)
            };
        write(IMAGES_JSON, serde_json::to_vec(&self.images))?;
        write(RESULTS_JSON, serde_json::to_vec(&self.lines))
    }

    /// The name of an image's picture: its own, and a number if two images in different folders share it.
    fn free_name(&mut self, image: &str) -> String {
        let stem = Path::new(image)
            .file_stem()
            .map_or("image".into(), |stem| stem.to_string_lossy().into_owned());
        let mut name = format!("{stem}.png");
        let mut number = 2;
        while self.taken.contains(&name) {
            name = format!("{stem}-{number}.png");
            number += 1;
        }
        self.taken.push(name.clone());
        name
    }
}

fn png(image: &Image, path: &Path) -> Result<Vec<u8>, DetectError> {
    let mut bytes = Vec::new();
    let (width, height) = (image.width as u32, image.height as u32);
    let written = PngEncoder::new(&mut bytes).write_image(
        &image.pixels,
        width,
        height,
        ExtendedColorType::Rgb8,
    );
    written.map_err(std::io::Error::other).on(path, "write")?;
    Ok(bytes)
}
