//! What is drawn of an object.

use hotcoco::Rle;

use crate::annotations::{Class, Detection, DetectionSet};
use crate::geometry::BoundingBox;

/// An object as it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Its box in pixels of the image; it may reach outside. A box without area, or of numbers that are not finite, is not drawn.
    pub bounds: BoundingBox,
    /// Index of its class, which decides its colour.
    pub class: usize,
    /// What it is called.
    pub name: String,
    /// How sure a detector was; `None` of what is annotated.
    pub score: Option<f32>,
    /// Its pixels; a mask of another size than the image is not drawn.
    pub mask: Option<Rle>,
}

/// What was found on an image, of detections of many images, from a score on.
pub fn found(
    detections: &[Detection],
    image: usize,
    classes: &[Class],
    least_score: f32,
) -> Vec<Drawn> {
    let of_image = detections
        .iter()
        .filter(|found| found.image == image && found.score >= least_score);
    of_image
        .map(|found| Drawn {
            bounds: found.bounds,
            class: found.class,
            // A detector of more classes than the set has can still be looked at.
            name: match classes.get(found.class) {
                Some(class) => class.name.clone(),
                None => format!("class {}", found.class),
            },
            score: Some(found.score),
            mask: found.mask.clone(),
        })
        .collect()
}

/// What is annotated on an image of a set; nothing if there is no such image. Groups are named as such.
pub fn annotated(set: &DetectionSet, image: usize) -> Vec<Drawn> {
    let Some(image) = set.images.get(image) else {
        return Vec::new();
    };
    let sides = u32::try_from(image.height)
        .ok()
        .zip(u32::try_from(image.width).ok());
    let mut all = Vec::with_capacity(image.objects.len());
    for object in &image.objects {
        let class = set.classes.get(object.class);
        let name = class.map_or("", |class| &*class.name);
        let mask = set.segmentation(object).zip(sides);
        all.push(Drawn {
            bounds: object.bounds,
            class: object.class,
            name: match object.crowd {
                true => format!("{name} (group)"),
                false => name.to_owned(),
            },
            score: None,
            // Broken codes were refused when the set was opened.
            mask: mask.and_then(|(code, (height, width))| code.to_rle(height, width).ok()),
        });
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::scenes::{SceneConfig, compose};

    #[test]
    fn detections_and_annotations_become_what_is_drawn() {
        let bounds = BoundingBox::new(1.0, 2.0, 30.0, 40.0);
        let of = |image: usize, class: usize, score: f32| Detection {
            image,
            class,
            score,
            bounds,
            mask: None,
        };
        let classes = [Class {
            id: Some(7),
            name: "dog".into(),
        }];
        let detections = [of(0, 0, 0.9), of(1, 0, 0.9), of(0, 0, 0.2), of(0, 3, 0.6)];
        let all = found(&detections, 0, &classes, 0.5);
        let names: Vec<&str> = all.iter().map(|drawn| &*drawn.name).collect();
        assert_eq!(names, ["dog", "class 3"]);
        assert_eq!(all[0].score, Some(0.9));

        let folder = tempfile::tempdir().unwrap();
        let config = SceneConfig {
            images: 2,
            seed: 5,
            ..SceneConfig::default()
        };
        compose(&config, &folder.path().join("s")).unwrap();
        let set = DetectionSet::open(&folder.path().join("s"), None).unwrap();
        let all = annotated(&set, 1);
        assert_eq!(all.len(), set.images[1].objects.len());
        assert!(
            all.iter()
                .all(|drawn| drawn.mask.is_some() && drawn.score.is_none())
        );
        assert_eq!(all[0].name, set.classes[all[0].class].name);
        assert!(annotated(&set, 2).is_empty());
    }
}
