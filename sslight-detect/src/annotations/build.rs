//! Checks everything that an annotation file says, and makes a set of it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotcoco::{Annotation, COCO, Category, Dataset, Rle, Segmentation};

use super::AnnotationError;
use super::header::size_of;
use super::repairs::Repairs;
use super::set::{Class, DetectionImage, DetectionSet, Object};
use crate::geometry::BoundingBox;

/// Makes a set of what was read from `source`. `folder_of` tells the folder of the images from the file name of the first of them.
///
/// # Errors
/// As [`DetectionSet::open_coco`].
pub(super) fn build(
    source: &Path,
    mut dataset: Dataset,
    folder_of: impl FnOnce(&Path) -> Result<PathBuf, AnnotationError>,
) -> Result<DetectionSet, AnnotationError> {
    let classes = classes(source, &mut dataset.categories)?;
    let mut images = images(source, &mut dataset, folder_of)?;
    check_ids(source, &dataset)?;

    // From here on nothing is written, so that positions of annotations hold.
    let mut truth = COCO::from_dataset(dataset);
    truth.fill_missing_areas();
    let class_of: HashMap<u64, usize> = (0..)
        .zip(&classes)
        .filter_map(|(i, class)| Some((class.id?, i)))
        .collect();
    let place_of: HashMap<u64, usize> =
        (0..).zip(&images).map(|(i, image)| (image.id, i)).collect();
    let mut repairs = Repairs::default();
    for (position, annotation) in truth.dataset.annotations.iter().enumerate() {
        // Both are there: `check_ids`.
        let place = place_of.get(&annotation.image_id);
        let Some((&place, &class)) = place.zip(class_of.get(&annotation.category_id)) else {
            continue;
        };
        let image = &mut images[place];
        let has_mask = check_mask(source, annotation, image)?;
        let Some(bounds) = bounds(annotation, image, &mut repairs) else {
            repairs.left_out.add(annotation.id);
            continue;
        };
        if annotation.segmentation.is_some() && !has_mask {
            repairs.without_mask.add(annotation.id);
        }
        image.objects.push(Object {
            id: annotation.id,
            bounds,
            class,
            crowd: annotation.iscrowd,
            area: annotation.area.unwrap_or_else(|| f64::from(bounds.area())),
            has_mask,
            annotation: position,
        });
    }
    Ok(DetectionSet {
        images,
        classes,
        repairs,
        truth: Arc::new(truth),
    })
}

/// The categories ordered by id, each with a name.
fn classes(source: &Path, categories: &mut [Category]) -> Result<Vec<Class>, AnnotationError> {
    if categories.is_empty() {
        return Err(AnnotationError::NoClasses {
            path: source.to_owned(),
        });
    }
    categories.sort_by_key(|category| category.id);
    for category in categories.iter_mut() {
        if category.name.is_empty() {
            category.name = COCO::placeholder_cat_name(category.id);
        }
    }
    let classes = categories.iter().map(|category| Class {
        id: Some(category.id),
        name: category.name.clone(),
    });
    Ok(classes.collect())
}

/// The images ordered by id, without objects. Writes the sizes that the file does not tell into the data set.
fn images(
    source: &Path,
    dataset: &mut Dataset,
    folder_of: impl FnOnce(&Path) -> Result<PathBuf, AnnotationError>,
) -> Result<Vec<DetectionImage>, AnnotationError> {
    dataset.images.sort_by_key(|image| image.id);
    let nameless = dataset.images.iter().find(|i| i.file_name.is_empty());
    if let Some(image) = nameless {
        return Err(AnnotationError::NoFileName {
            path: source.to_owned(),
            image: image.id,
        });
    }
    let first = dataset.images.first();
    let Some(first) = first.map(|image| PathBuf::from(&image.file_name)) else {
        return Err(AnnotationError::NoImages {
            path: source.to_owned(),
        });
    };
    let folder = folder_of(&first)?;
    let paths: Vec<PathBuf> = dataset
        .images
        .iter()
        .map(|image| folder.join(&image.file_name))
        .collect();
    let missing: Vec<&PathBuf> = paths.iter().filter(|path| !path.is_file()).collect();
    if let Some(first) = missing.first() {
        return Err(AnnotationError::MissingImages {
            path: source.to_owned(),
            missing: missing.len(),
            total: paths.len(),
            first: (*first).clone(),
        });
    }
    let mut images = Vec::with_capacity(paths.len());
    for (image, path) in dataset.images.iter_mut().zip(paths) {
        if image.width == 0 || image.height == 0 {
            (image.width, image.height) = size_of(&path)?;
        }
        images.push(DetectionImage {
            id: image.id,
            path,
            width: image.width as usize,
            height: image.height as usize,
            objects: Vec::new(),
        });
    }
    Ok(images)
}

/// Every id is given once, and every annotation is of an image and of a category.
fn check_ids(source: &Path, dataset: &Dataset) -> Result<(), AnnotationError> {
    let images = unique(source, "images", dataset.images.iter().map(|i| i.id))?;
    let categories = unique(
        source,
        "categories",
        dataset.categories.iter().map(|c| c.id),
    )?;
    unique(
        source,
        "annotations",
        dataset.annotations.iter().map(|a| a.id),
    )?;
    for annotation in &dataset.annotations {
        let referred = [
            ("image", annotation.image_id, &images),
            ("category", annotation.category_id, &categories),
        ];
        for (kind, id, known) in referred {
            if !known.contains(&id) {
                return Err(AnnotationError::Dangling {
                    path: source.to_owned(),
                    annotation: annotation.id,
                    kind,
                    id,
                    nearest: nearest(id, known),
                });
            }
        }
    }
    Ok(())
}

fn unique(
    source: &Path,
    kind: &'static str,
    ids: impl Iterator<Item = u64>,
) -> Result<BTreeSet<u64>, AnnotationError> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(AnnotationError::DuplicateId {
                path: source.to_owned(),
                kind,
                id,
            });
        }
    }
    Ok(seen)
}

/// The known id that is nearest; of two, the lower one.
fn nearest(id: u64, known: &BTreeSet<u64>) -> u64 {
    let below = known.range(..id).next_back();
    let above = known.range(id..).next();
    let both = below.into_iter().chain(above);
    both.min_by_key(|known| known.abs_diff(id))
        .copied()
        .unwrap_or(id)
}

/// The box of an annotation, clipped to its image; `None` without one of positive area.
fn bounds(
    annotation: &Annotation,
    image: &DetectionImage,
    repairs: &mut Repairs,
) -> Option<BoundingBox> {
    let [x, y, width, height] = annotation.bbox?;
    let given = [x, y, x + width, y + height];
    // In the precision of the file, so that no box is outside by rounding alone.
    let (right, bottom) = (image.width as f64, image.height as f64);
    let [x0, y0, x1, y1] = given.map(|corner| corner as f32);
    let exact = BoundingBox::new(x0, y0, x1, y1);
    if !exact.is_proper() {
        return None;
    }
    let clipped = exact.clipped(image.width as f32, image.height as f32);
    if !clipped.is_proper() {
        return None;
    }
    if given[0] < 0.0 || given[1] < 0.0 || given[2] > right || given[3] > bottom {
        repairs.clipped.add(annotation.id);
    }
    Some(clipped)
}

/// Whether an annotation has a mask that can be used.
///
/// # Errors
/// If it is a run-length code that is broken or of another size than the image.
fn check_mask(
    source: &Path,
    annotation: &Annotation,
    image: &DetectionImage,
) -> Result<bool, AnnotationError> {
    let Some(segmentation) = &annotation.segmentation else {
        return Ok(false);
    };
    let Some(code) = segmentation.rle_ref() else {
        let polygons = segmentation.polygons();
        return Ok(polygons.is_some_and(|polygons| polygons.iter().any(|p| is_polygon(p))));
    };
    let (Segmentation::CompressedRle { size, .. } | Segmentation::UncompressedRle { size, .. }) =
        segmentation
    else {
        return Ok(false);
    };
    let (mask, of_image) = (
        (size[1], size[0]),
        (image.width as u32, image.height as u32),
    );
    if mask != of_image {
        return Err(AnnotationError::MaskSize {
            path: source.to_owned(),
            annotation: annotation.id,
            image: image.id,
            mask,
            size: of_image,
        });
    }
    // `Rle::new` also refuses a code that ends before the image does.
    let whole = code
        .to_rle()
        .and_then(|rle| Rle::new(rle.h, rle.w, rle.counts));
    whole.map_err(|error| AnnotationError::BrokenMask {
        path: source.to_owned(),
        annotation: annotation.id,
        image: image.id,
        reason: error.to_string(),
    })?;
    Ok(true)
}

/// Whether a list of coordinates is a polygon: three or more finite points.
pub(crate) fn is_polygon(coordinates: &[f64]) -> bool {
    coordinates.len() >= 6
        && coordinates.len().is_multiple_of(2)
        && coordinates.iter().all(|c| c.is_finite())
}
