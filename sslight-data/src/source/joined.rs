//! Several sources as one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::packed::{class_names, classes_of};
use super::{ImageSource, Locality, Stored, in_classes, out_of_range};
use crate::{DataError, Image};

/// The images of several sources, one after the other. Classes of the same name are one class. If a source has no labels,
/// none has.
pub(super) struct Joined {
    parts: Vec<Part>,
    class_names: Vec<String>,
}

struct Part {
    source: Arc<dyn ImageSource>,
    /// Index of its first image.
    start: usize,
    /// The class of each of its classes.
    classes: Vec<usize>,
}

impl Joined {
    pub(super) fn new(sources: Vec<Arc<dyn ImageSource>>) -> Self {
        let labelled = sources
            .iter()
            .all(|source| !source.class_names().is_empty());
        Self::with_labels(sources, labelled)
    }

    /// A source whose labels do not count.
    pub(super) fn unlabelled(source: Arc<dyn ImageSource>) -> Self {
        Self::with_labels(vec![source], false)
    }

    /// A source whose classes have the numbers of these names; `None` if one of its classes is not among them.
    pub(super) fn with_classes(source: &Arc<dyn ImageSource>, names: &[String]) -> Option<Self> {
        let classes = classes_of(source.class_names(), names);
        (classes.len() == source.class_names().len()).then(|| Self {
            parts: vec![Part {
                source: Arc::clone(source),
                start: 0,
                classes,
            }],
            class_names: names.to_vec(),
        })
    }

    fn with_labels(sources: Vec<Arc<dyn ImageSource>>, labelled: bool) -> Self {
        let all = sources.iter().flat_map(|source| source.class_names());
        let all: BTreeSet<&str> = all.map(String::as_str).collect();
        let class_names = match labelled {
            true => class_names(all.into_iter()),
            false => Vec::new(),
        };
        let mut start = 0;
        let parts = sources.into_iter().map(|source| {
            let begins = start;
            start += source.len();
            Part {
                classes: classes_of(source.class_names(), &class_names),
                start: begins,
                source,
            }
        });
        Self {
            parts: parts.collect(),
            class_names,
        }
    }

    /// The part of an image and the index in it.
    fn find(&self, index: usize) -> Option<(&Part, usize)> {
        let part = self.parts.partition_point(|part| part.start <= index);
        let part = &self.parts[part.checked_sub(1)?];
        let place = index - part.start;
        (place < part.source.len()).then_some((part, place))
    }
}

impl ImageSource for Joined {
    fn len(&self) -> usize {
        self.parts
            .last()
            .map_or(0, |last| last.start + last.source.len())
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        let (part, place) = self.find(index).ok_or_else(|| out_of_range(self, index))?;
        part.source.stored(place)
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        let (part, place) = self.find(index).ok_or_else(|| out_of_range(self, index))?;
        part.source.image(place)
    }

    fn label(&self, index: usize) -> Option<usize> {
        let (part, place) = self.find(index)?;
        part.classes.get(part.source.label(place)?).copied()
    }

    fn name(&self, index: usize) -> String {
        match self.find(index) {
            Some((part, place)) => part.source.name(place),
            None => format!("image {index}"),
        }
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn describe(&self) -> String {
        if let [part] = self.parts.as_slice() {
            let labels = match self.class_names.len() {
                0 if !part.source.class_names().is_empty() => ", labels not used",
                _ => "",
            };
            return format!("{}{labels}", part.source.describe());
        }
        let parts: Vec<String> = self.parts.iter().map(|p| p.source.describe()).collect();
        let labels = in_classes(&self.class_names);
        let (images, parts) = (self.len(), parts.join(" + "));
        format!("{images} images, {labels}, of: {parts}")
    }

    fn locality(&self) -> Option<Locality> {
        let localities: Vec<_> = self.parts.iter().map(|p| p.source.locality()).collect();
        if localities.iter().all(Option::is_none) {
            return None;
        }
        // Images of the parts without blocks are spread over as many blocks as the others have.
        // All blocks of a window may be of one part, whose memory is for its own number of blocks.
        let together = localities
            .iter()
            .flatten()
            .map(|locality| locality.together);
        let together = together.min().unwrap_or(1);
        let blocks = |locality: &Locality| locality.block_of.iter().max().map_or(0, |&b| b + 1);
        let all: u32 = localities.iter().flatten().map(blocks).sum();
        let (mut block_of, mut before) = (Vec::with_capacity(self.len()), 0);
        for (part, locality) in self.parts.iter().zip(localities) {
            match locality {
                Some(locality) => {
                    let own = blocks(&locality);
                    block_of.extend(locality.block_of.iter().map(|block| before + block));
                    before += own;
                }
                None => block_of.extend((0..part.source.len()).map(|i| i as u32 % all.max(1))),
            }
        }
        Some(Locality { block_of, together })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::source::{open, with_classes};
    use crate::{Split, with_options};

    #[test]
    fn classes_get_the_numbers_of_the_same_names_or_stay() {
        let source = open("embedded", Split::Validation).unwrap();
        let mut names = source.class_names().to_vec();
        names.reverse();
        names.push("another".to_owned());
        let renumbered = with_classes(source.clone(), &names);
        assert_eq!(renumbered.class_names(), names);
        for index in 0..source.len() {
            let name = &source.class_names()[source.label(index).unwrap()];
            assert_eq!(&names[renumbered.label(index).unwrap()], name);
        }
        assert_eq!(renumbered.describe(), source.describe());
        assert_eq!(renumbered.image(7).unwrap(), source.image(7).unwrap());
        names.remove(0);
        assert_eq!(
            with_classes(source.clone(), &names).class_names(),
            source.class_names()
        );
        assert_eq!(
            with_classes(source.clone(), &[]).class_names(),
            source.class_names()
        );
        // What options ask for beside images changes no class.
        let same = with_options(source.clone(), &Default::default());
        assert_eq!(same.class_names(), source.class_names());
    }
}
