//! Some of the images of a source, as a source: few labels for semi-supervised training.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::{ImageSource, Locality, Stored, out_of_range};
use crate::rng::{Draws, Purpose};
use crate::{DataError, Image};

/// Names that a message lists.
const NAMES_SHOWN: usize = 3;

/// How many images are held out of the training images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HoldOut {
    /// So many of each class: the paper holds out 50 of each class of ImageNet.
    PerClass(usize),
    /// This share of each class, rounded.
    Share(f64),
}

/// Images of another source, with its labels and classes.
pub struct Subset {
    source: Arc<dyn ImageSource>,
    indices: Vec<usize>,
}

impl Subset {
    /// A share of the images of each class, drawn once by `seed`: `share` of the class, rounded, at least one. They
    /// keep the order of the source. Images without a label are left out; without any labels, all images are one class.
    /// `setting` is the name of the share, for messages.
    ///
    /// # Errors
    /// [`DataError::Setting`] if the share is not above 0 and at most 1, or nothing has a label.
    pub fn share_of_classes(
        source: Arc<dyn ImageSource>,
        share: f64,
        seed: u64,
        setting: &str,
    ) -> Result<Self, DataError> {
        let refuse = |expected, got| {
            Err(DataError::Setting {
                setting: setting.into(),
                expected,
                got,
            })
        };
        if !(share > 0.0 && share <= 1.0) {
            return refuse("a share above 0 and at most 1", share.to_string());
        }
        let labelled = !source.class_names().is_empty();
        let mut classes: Vec<Vec<usize>> = vec![Vec::new(); source.class_names().len().max(1)];
        for index in 0..source.len() {
            let class = if labelled {
                source.label(index)
            } else {
                Some(0)
            };
            if let Some(members) = class.and_then(|class| classes.get_mut(class)) {
                members.push(index);
            }
        }
        let mut indices = Vec::new();
        for (class, mut members) in classes.into_iter().enumerate() {
            let count = (members.len() as f64 * share).round().max(1.0) as usize;
            Draws::new(seed, 0, class as u64, 0, Purpose::Subset).shuffle(&mut members);
            members.truncate(count);
            indices.extend(members);
        }
        if indices.is_empty() {
            return refuse("a share of labelled images", "images without labels".into());
        }
        indices.sort_unstable();
        Ok(Self { source, indices })
    }

    /// Divides a source: some images of each class to measure on, drawn once by `seed`, and the others to train on, both in
    /// the order of the source. Without labels, all images are one class.
    ///
    /// # Errors
    /// [`DataError::Setting`] if a class would be left without images to train on, or nothing is held out.
    pub fn held_out(
        source: &Arc<dyn ImageSource>,
        rule: HoldOut,
        seed: u64,
    ) -> Result<(Self, Self), DataError> {
        let mut classes: Vec<Vec<usize>> = vec![Vec::new(); source.class_names().len().max(1)];
        let labelled = !source.class_names().is_empty();
        let mut train = Vec::new();
        for index in 0..source.len() {
            let class = if labelled {
                source.label(index)
            } else {
                Some(0)
            };
            match class.and_then(|class| classes.get_mut(class)) {
                Some(members) => members.push(index),
                // What has no label cannot be measured on.
                None => train.push(index),
            }
        }
        let (setting, expected) = match rule {
            HoldOut::PerClass(_) => (
                "holdout_per_class",
                "fewer images than each class has, at least 1",
            ),
            HoldOut::Share(_) => (
                "holdout_fraction",
                "a share above 0 and below 1 that leaves images of each class",
            ),
        };
        let refuse = |got: String| DataError::Setting {
            setting: setting.into(),
            expected,
            got,
        };
        let mut validation = Vec::new();
        for (class, mut members) in classes.into_iter().enumerate() {
            if members.is_empty() {
                continue;
            }
            let count = match rule {
                HoldOut::PerClass(count) => count,
                HoldOut::Share(share) if share > 0.0 && share < 1.0 => {
                    (members.len() as f64 * share).round() as usize
                }
                HoldOut::Share(share) => return Err(refuse(share.to_string())),
            };
            if count >= members.len() {
                let name = source.class_names().get(class);
                let of = name.map_or(String::new(), |name| format!(" of class {name}"));
                return Err(refuse(format!(
                    "{count} of the {} images{of}",
                    members.len()
                )));
            }
            Draws::new(seed, 0, class as u64, 0, Purpose::HoldOut).shuffle(&mut members);
            train.extend(members.split_off(count));
            validation.extend(members);
        }
        if validation.is_empty() {
            return Err(refuse("no image at all".into()));
        }
        train.sort_unstable();
        validation.sort_unstable();
        let part = |indices| Self {
            source: Arc::clone(source),
            indices,
        };
        Ok((part(train), part(validation)))
    }

    /// The images of a list, in its order: a line each, which is a file name with or without folders, or
    /// `index,label,class,file name`, whose class is the image's folder then. Empty lines are passed over. A name stands
    /// for the image whose path ends in it.
    ///
    /// # Errors
    /// [`DataError::Subset`] if a name is of no image of the source, of several or of one that is listed already, or the
    /// list has none.
    pub fn listed(
        source: Arc<dyn ImageSource>,
        list: &str,
        place: &Path,
    ) -> Result<Self, DataError> {
        let file_name = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for index in 0..source.len() {
            let name = source.name(index);
            places.entry(file_name(&name)).or_default().push(index);
        }
        let (mut indices, mut seen) = (Vec::new(), HashSet::new());
        let mut faults: Vec<(&str, String)> = Vec::new();
        for (line, text) in list.lines().enumerate() {
            let cells: Vec<&str> = text.split(',').map(str::trim).collect();
            let (class, name) = match cells[..] {
                [_, _, class, name] => (Some(class), name),
                _ => (None, cells.last().copied().unwrap_or_default()),
            };
            if name.is_empty() {
                continue;
            }
            let candidates = places.get(&file_name(name)).map_or(&[][..], Vec::as_slice);
            let is_meant = |index: &&usize| {
                let folder = || source.class_names().get(source.label(**index)?);
                ends_with_path(&source.name(**index), name)
                    && class.is_none_or(|class| folder().is_some_and(|folder| folder == class))
            };
            let mut meant = candidates.iter().filter(is_meant).copied();
            let fault = match (meant.next(), meant.next()) {
                (Some(index), None) if seen.insert(index) => {
                    indices.push(index);
                    continue;
                }
                (Some(_), None) => "are listed twice",
                (Some(_), Some(_)) => "are of several images; write their folders before them",
                (None, _) => "are unknown",
            };
            faults.push((fault, format!("line {}: {}", line + 1, text.trim())));
        }
        let refuse = |reason: String| {
            Err(DataError::Subset {
                path: place.into(),
                reason,
                source_name: source.describe(),
            })
        };
        if let Some((first, _)) = faults.first() {
            let alike = faults.iter().filter(|(fault, _)| fault == first);
            let names: Vec<&str> = alike.map(|(_, name)| name.as_str()).collect();
            let shown = names[..names.len().min(NAMES_SHOWN)].join("; ");
            return refuse(format!("{} names {first} ({shown})", names.len()));
        }
        if indices.is_empty() {
            return refuse("names no image".into());
        }
        Ok(Self { source, indices })
    }

    /// Its images as a list that [`Self::listed`] reads: `index,label,class,file name`, as the paper's lists; the index
    /// is the place in the source. Without labels, a name a line.
    pub fn list(&self) -> String {
        let line = |&index: &usize| {
            let name = self.source.name(index);
            let file = name.rsplit(['/', '\\']).next().unwrap_or(&name);
            let label = self.source.label(index);
            let class = label.and_then(|label| self.source.class_names().get(label));
            match (label, class) {
                (Some(label), Some(class)) => format!("{index},{label},{class},{file}\n"),
                _ => format!("{name}\n"),
            }
        };
        self.indices.iter().map(line).collect()
    }

    /// The places of its images in the source.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

/// Whether the last parts of a path are those of `end`.
fn ends_with_path(path: &str, end: &str) -> bool {
    Path::new(path).ends_with(end)
}

impl ImageSource for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn locality(&self) -> Option<Locality> {
        let all = self.source.locality()?;
        let block = |index: &usize| all.block_of.get(*index).copied();
        Some(Locality {
            block_of: self.indices.iter().filter_map(block).collect(),
            together: all.together,
        })
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        match self.indices.get(index) {
            Some(index) => self.source.stored(*index),
            None => Err(out_of_range(self, index)),
        }
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        match self.indices.get(index) {
            Some(index) => self.source.image(*index),
            None => Err(out_of_range(self, index)),
        }
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.source.label(*self.indices.get(index)?)
    }

    fn name(&self, index: usize) -> String {
        self.indices
            .get(index)
            .map_or_else(String::new, |index| self.source.name(*index))
    }

    fn class_names(&self) -> &[String] {
        self.source.class_names()
    }

    fn describe(&self) -> String {
        format!("{} of {}", self.indices.len(), self.source.describe())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::source::{EMBEDDED, Split, open};

    fn embedded() -> Arc<dyn ImageSource> {
        open(EMBEDDED, Split::Train).unwrap()
    }

    #[test]
    fn a_share_takes_as_many_of_each_class_and_depends_on_the_seed() {
        let source = embedded();
        let subset = |seed| Subset::share_of_classes(embedded(), 0.1, seed, "fraction").unwrap();
        let (first, again, other) = (subset(1), subset(1), subset(2));
        assert_eq!(first.indices(), again.indices());
        assert_ne!(first.indices(), other.indices());
        for class in 0..source.class_names().len() {
            let all = (0..source.len()).filter(|i| source.label(*i) == Some(class));
            let some = (0..first.len()).filter(|i| first.label(*i) == Some(class));
            let expected = (all.count() as f64 * 0.1).round() as usize;
            assert_eq!(some.count(), expected, "class {class}");
        }
        let [a, b] = [first.indices()[7], 7];
        assert_eq!(first.name(b), source.name(a));
        assert_eq!(first.image(b).unwrap(), source.image(a).unwrap());
    }

    #[test]
    fn a_tiny_share_leaves_one_of_each_class_and_all_is_all() {
        let one = Subset::share_of_classes(embedded(), 1e-9, 0, "fraction").unwrap();
        assert_eq!(one.len(), one.class_names().len());
        let all = Subset::share_of_classes(embedded(), 1.0, 0, "fraction").unwrap();
        assert_eq!(all.len(), embedded().len());
        assert!(Subset::share_of_classes(embedded(), 0.0, 0, "fraction").is_err());
    }

    #[test]
    fn what_was_drawn_can_be_written_down_and_read_again() {
        let drawn = Subset::share_of_classes(embedded(), 0.01, 3, "fraction").unwrap();
        let list = drawn.list();
        assert_eq!(list.lines().count(), drawn.len());
        let read = Subset::listed(embedded(), &list, Path::new("images.txt")).unwrap();
        assert_eq!(read.indices(), drawn.indices());
    }

    #[test]
    fn held_out_images_are_drawn_by_class_and_seed_and_never_trained_on() {
        let source = embedded();
        let (train, validation) = Subset::held_out(&source, HoldOut::PerClass(50), 0).unwrap();
        let mut counts = vec![0; source.class_names().len()];
        for index in 0..validation.len() {
            counts[validation.label(index).unwrap()] += 1;
        }
        assert!(counts.iter().all(|&count| count == 50));
        let mut all = [train.indices(), validation.indices()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..source.len()).collect::<Vec<_>>());
        assert!(train.indices().is_sorted() && validation.indices().is_sorted());
        let again = |seed| {
            Subset::held_out(&source, HoldOut::PerClass(50), seed)
                .unwrap()
                .1
        };
        assert_eq!(again(0).indices(), validation.indices());
        assert_ne!(again(1).indices(), validation.indices());
        let (_, tenth) = Subset::held_out(&source, HoldOut::Share(0.1), 0).unwrap();
        assert_eq!(tenth.len(), source.len() / 10);
        for (rule, what) in [
            (HoldOut::PerClass(400), "400 of the 400 images of class"),
            (HoldOut::PerClass(0), "no image at all"),
            (HoldOut::Share(1.0), "got 1"),
        ] {
            let error = Subset::held_out(&source, rule, 0)
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn a_list_names_images_in_either_form_and_unknown_ones_are_said() {
        let source = embedded();
        let class = &source.class_names()[source.label(2).unwrap()];
        let list = format!("{}\n\n17,3,{class},{}\n", source.name(5), source.name(2));
        let place = Path::new("few.txt");
        let subset = Subset::listed(embedded(), &list, place).unwrap();
        assert_eq!(subset.indices(), [5, 2]);
        let error = Subset::listed(embedded(), "a.png\n", place).err().unwrap();
        let text = error.to_string();
        assert!(
            text.contains("few.txt") && text.contains("line 1: a.png"),
            "{text}"
        );
        assert!(Subset::listed(embedded(), "\n", place).is_err());
        for (list, what) in [
            (
                format!("{0}\n{0}\n", source.name(5)),
                "are listed twice (line 2:",
            ),
            (
                format!("0,0,no class,{}\n", source.name(5)),
                "are unknown (line 1:",
            ),
        ] {
            let error = Subset::listed(embedded(), &list, place).err().unwrap();
            assert!(error.to_string().contains(what), "{error}");
        }
    }

    #[test]
    fn a_name_in_several_folders_is_refused_unless_its_class_or_folder_stands_with_it() {
        let folder = tempfile::tempdir().unwrap();
        for class in ["a", "b"] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
            let image = folder.path().join(class).join("1.png");
            image::RgbImage::new(2, 2).save(image).unwrap();
        }
        let root = folder.path().to_string_lossy();
        let source = || open(&root, Split::Train).unwrap();
        let listed = |list: &str| Subset::listed(source(), list, Path::new("few.txt"));
        let error = listed("1.png\n").err().unwrap().to_string();
        assert!(
            error.contains("are of several images; write their folders"),
            "{error}"
        );
        for list in ["b/1.png\n", "0,1,b,1.png\n"] {
            assert_eq!(listed(list).unwrap().indices(), [1], "{list}");
        }
    }
}
