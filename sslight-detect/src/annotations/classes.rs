//! Classes of one set in another: a detector answers with indices of the classes that it was trained on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::{AnnotationError, Class, DetectionSet};

/// How many names an error suggests.
const SUGGESTED: usize = 3;

impl DetectionSet {
    /// The set with the classes of another one, in its order: an object of a class has the index of the class of the same name
    /// there. So a detector that was trained on `other` is measured on this set, whichever numbers the two files give their
    /// categories.
    ///
    /// Classes keep the ids of this set's own file, by which [`super::evaluate`] and [`super::write_results`] name them. A class that
    /// the file does not have gets no id, and a class of the file that `other` does not have is dropped if nothing is annotated as
    /// one. Of several classes with one name, the first is the first of `other`, and so on.
    ///
    /// # Errors
    /// If an image of this set has objects, crowds included, of a class that `other` does not have.
    pub fn with_classes_of(self, other: &Self) -> Result<Self, AnnotationError> {
        let names = other.classes.iter().map(|class| class.name.clone());
        self.with_class_names(&names.collect::<Vec<_>>())
    }

    /// As [`with_classes_of`](Self::with_classes_of), with the names of the classes.
    ///
    /// # Errors
    /// As there.
    pub fn with_class_names(mut self, names: &[String]) -> Result<Self, AnnotationError> {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, name) in names.iter().enumerate() {
            places.entry(name).or_default().push(place);
        }
        let counts = self.objects_of_categories();
        let mut classes: Vec<Class> = names
            .iter()
            .map(|name| Class {
                id: None,
                name: name.clone(),
            })
            .collect();
        let mut met: HashMap<&str, usize> = HashMap::new();
        let mut renumbered = Vec::with_capacity(self.classes.len());
        for class in &self.classes {
            let nth = met.entry(&class.name).or_default();
            let place = places.get(&*class.name).and_then(|places| places.get(*nth));
            *nth += 1;
            let objects = class.id.and_then(|id| counts.get(&id).copied());
            match (place, objects) {
                (Some(&place), _) => classes[place].id = class.id,
                (None, None) => {}
                (None, Some(objects)) => {
                    return Err(AnnotationError::UnknownClass {
                        class: class.name.clone(),
                        objects,
                        nearest: nearest(&class.name, names),
                    });
                }
            }
            renumbered.push(place.copied());
        }
        for image in &mut self.images {
            // No object is of a class without a place: each is counted above.
            image.objects.retain_mut(|object| {
                let place = renumbered.get(object.class).copied().flatten();
                object.class = place.unwrap_or(object.class);
                place.is_some()
            });
        }
        self.classes = classes;
        Ok(self)
    }

    /// How many annotations the images of the set have of each category, those included that no object was made of: they are to be
    /// found all the same.
    fn objects_of_categories(&self) -> BTreeMap<u64, usize> {
        let images: HashSet<u64> = self.images.iter().map(|image| image.id).collect();
        let mut counts = BTreeMap::new();
        for annotation in &self.truth.dataset.annotations {
            if images.contains(&annotation.image_id) {
                *counts.entry(annotation.category_id).or_default() += 1;
            }
        }
        counts
    }
}

/// The names that are most like a word, as the end of a sentence.
fn nearest(word: &str, names: &[String]) -> String {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_by_key(|name| Reverse((1e6 * likeness(word, name)) as u64));
    names.dedup();
    names.truncate(SUGGESTED);
    match names.is_empty() {
        true => "which has none".to_owned(),
        false => format!("the nearest are {}", names.join(", ")),
    }
}

/// How alike two names are whatever their capitals, 0 to 1.
fn likeness(a: &str, b: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(&a.to_lowercase(), &b.to_lowercase())
}
