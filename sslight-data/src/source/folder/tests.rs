#![allow(clippy::unwrap_used)]

use super::*;
use crate::source::{open, validation_of};

fn touch(root: &Path, files: &[&str]) {
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
}

fn listing(source: &dyn ImageSource, root: &Path) -> Vec<(String, Option<usize>)> {
    (0..source.len())
        .map(|i| {
            let name = source.name(i);
            let name = Path::new(&name).strip_prefix(root).unwrap();
            (name.to_str().unwrap().replace('\\', "/"), source.label(i))
        })
        .collect()
}

#[test]
fn classes_are_ranked_by_name_and_images_by_path() {
    let dir = tempfile::tempdir().unwrap();
    touch(
        dir.path(),
        &[
            "b/z.JPG",
            "b/a/x.png",
            "a/2.jpeg",
            "a/10.webp",
            "empty/readme.txt",
            ".git/x.png",
            "top.bmp",
        ],
    );
    let source = open(dir.path().to_str().unwrap(), Split::Train).unwrap();
    assert_eq!(source.class_names(), ["a", "b"]);
    let expected = [
        ("a/10.webp", 0),
        ("a/2.jpeg", 0),
        ("b/a/x.png", 1),
        ("b/z.JPG", 1),
    ];
    let expected = expected.map(|(name, class)| (name.to_owned(), Some(class)));
    assert_eq!(listing(&*source, dir.path()), expected);
    assert!(
        source.describe().contains("1 images beside"),
        "{}",
        source.describe()
    );
}

#[test]
fn a_flat_folder_has_no_labels() {
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), &["b.png", "a.bmp", "notes.txt"]);
    let source = open(dir.path().to_str().unwrap(), Split::Train).unwrap();
    assert_eq!(
        listing(&*source, dir.path()),
        [("a.bmp".into(), None), ("b.png".into(), None)]
    );
    assert!(source.class_names().is_empty());
    assert!(
        validation_of(dir.path().to_str().unwrap())
            .unwrap()
            .is_none()
    );
}

#[test]
fn splits_share_their_class_ids() {
    let dir = tempfile::tempdir().unwrap();
    touch(
        dir.path(),
        &[
            "train/a/1.png",
            "train/c/1.png",
            "validation/b/1.png",
            "validation/c/1.png",
        ],
    );
    let spec = dir.path().to_str().unwrap();
    let train = open(spec, Split::Train).unwrap();
    let validation = validation_of(spec).unwrap().unwrap();
    assert_eq!(train.class_names(), ["a", "b", "c"]);
    assert_eq!(validation.class_names(), train.class_names());
    assert_eq!((train.label(1), validation.label(0)), (Some(2), Some(1)));
}

#[test]
fn a_class_may_be_called_train() {
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), &["bus/1.png", "train/1.png"]);
    let source = open(dir.path().to_str().unwrap(), Split::Train).unwrap();
    assert_eq!(source.class_names(), ["bus", "train"]);
}

#[test]
fn a_missing_split_is_named() {
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), &["train/1.png"]);
    let spec = dir.path().to_str().unwrap();
    assert!(validation_of(spec).unwrap().is_none());
    let message = open(spec, Split::Validation).err().unwrap().to_string();
    assert!(message.contains("no validation split") && message.contains("val, validation, test"));
}

#[test]
fn missing_and_empty_folders_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nowhere");
    let error = open(missing.to_str().unwrap(), Split::Train).err().unwrap();
    assert!(matches!(error, DataError::Missing { .. }), "{error}");
    touch(dir.path(), &["deep/down/notes.txt", "readme.md"]);
    let error = open(dir.path().to_str().unwrap(), Split::Train)
        .err()
        .unwrap();
    assert!(
        matches!(error, DataError::NoImages { other_files: 2, .. }),
        "{error}"
    );
    let file = dir.path().join("readme.md");
    let error = open(file.to_str().unwrap(), Split::Train).err().unwrap();
    assert!(matches!(error, DataError::UnknownKind { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn loops_of_links_end() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), &["a/1.png", "b/2.png"]);
    symlink(dir.path(), dir.path().join("a/up")).unwrap();
    symlink(
        dir.path().join("nowhere.png"),
        dir.path().join("b/dangling.png"),
    )
    .unwrap();
    let source = open(dir.path().to_str().unwrap(), Split::Train).unwrap();
    let names: Vec<String> = listing(&*source, dir.path())
        .into_iter()
        .map(|(n, _)| n)
        .collect();
    assert_eq!(
        names,
        [
            "a/1.png",
            "a/up/b/2.png",
            "a/up/b/dangling.png",
            "b/2.png",
            "b/dangling.png"
        ]
    );
    assert!(source.image(4).is_err());
}
