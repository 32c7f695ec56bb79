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

/// Enough images for an index to be kept, in three folders that were last changed long ago.
fn many(root: &Path) {
    for folder in ["a", "b", "b/deep"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let first = root.join("a/0.png");
    fs::write(&first, "").unwrap();
    for i in 1..WORTH_KEEPING {
        let folder = ["a", "b", "b/deep"][i % 3];
        fs::hard_link(&first, root.join(folder).join(format!("{i}.png"))).unwrap();
    }
    age(root, 100);
}

/// Gives all folders a time of change that lies so many seconds back.
fn age(root: &Path, seconds: u64) {
    let then = SystemTime::now() - std::time::Duration::from_secs(seconds);
    for folder in ["", "a", "b", "b/deep", "c"] {
        if let Ok(folder) = fs::File::open(root.join(folder)) {
            folder.set_modified(then).unwrap();
        }
    }
}

#[test]
fn a_kept_index_is_used_until_a_folder_changes() {
    let (dir, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = dir.path();
    many(root);
    let rules = FolderRules {
        labels: true,
        cache: IndexCache::in_folder(cache.path()),
    };
    let open = || FolderSource::open(root, Split::Train, &rules).unwrap();
    let first = listing(&open(), root);
    assert_eq!(first.len(), WORTH_KEEPING);
    assert_eq!(fs::read_dir(cache.path().join("index")).unwrap().count(), 1);
    assert_eq!(listing(&open(), root), first);

    // A file that appears while the folder keeps its time of change is not seen: the kept index was used.
    let touch_unseen = root.join("b/unseen.png");
    let changed = fs::metadata(root.join("b")).unwrap().modified().unwrap();
    fs::write(&touch_unseen, "").unwrap();
    let set = |time| fs::File::open(root.join("b")).unwrap().set_modified(time);
    set(changed).unwrap();
    assert_eq!(open().len(), WORTH_KEEPING);
    set(changed + std::time::Duration::from_secs(3)).unwrap();
    assert_eq!(open().len(), WORTH_KEEPING + 1);

    // Files, folders and classes that come and go are.
    fs::remove_file(touch_unseen).unwrap();
    fs::remove_dir_all(root.join("b/deep")).unwrap();
    fs::create_dir(root.join("c")).unwrap();
    fs::write(root.join("c/new.png"), "").unwrap();
    let now = open();
    assert_eq!(now.class_names(), ["a", "b", "c"]);
    let names: Vec<String> = listing(&now, root)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(names.contains(&"c/new.png".to_owned()));
    assert!(
        !names
            .iter()
            .any(|name| name.contains("deep") || name.contains("unseen"))
    );

    // Without labels the same folder has all images, in the order of their paths.
    let unlabelled = FolderRules {
        labels: false,
        ..rules.clone()
    };
    let all = FolderSource::open(root, Split::Train, &unlabelled).unwrap();
    assert_eq!((all.len(), all.class_names().len()), (names.len(), 0));
    // Nothing was listed anew the second time, so nothing is written either.
    age(root, 50);
    FolderSource::open(root, Split::Train, &unlabelled).unwrap();
    let kept = fs::read_dir(cache.path().join("index")).unwrap().next();
    let kept = kept.unwrap().unwrap().path();
    let written = fs::metadata(&kept).unwrap().modified().unwrap();
    FolderSource::open(root, Split::Train, &unlabelled).unwrap();
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), written);
    assert!(listing(&all, root).is_sorted());
}

#[test]
fn names_beside_each_other_are_ordered_as_whole_paths() {
    let dir = tempfile::tempdir().unwrap();
    touch(
        dir.path(),
        &["a/b/1.png", "a/b-c/1.png", "a/b.png", "a/a.png"],
    );
    let source = open(dir.path().to_str().unwrap(), Split::Train).unwrap();
    let names: Vec<String> = listing(&*source, dir.path())
        .into_iter()
        .map(|(n, _)| n)
        .collect();
    assert!(names.is_sorted(), "{names:?}");
}

/// The folder that a process without rights looks at.
#[cfg(unix)]
const LOOK_AT: &str = "SSLIGHT_TEST_LOOK_AT";

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_listed_is_an_error_that_names_it() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let check = |spec: &str| {
        let error = open(spec, Split::Train).err();
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(
            message.contains("/closed: cannot be read") && message.contains("that you may read it"),
            "{message}"
        );
    };
    if let Ok(spec) = std::env::var(LOOK_AT) {
        return check(&spec);
    }
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), &["open/1.png", "closed/2.png"]);
    let allow =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let closed = dir.path().join("closed");
    allow(dir.path(), 0o755);
    allow(&closed, 0o000);
    let spec = dir.path().to_str().unwrap();
    if fs::read_dir(&closed).is_err() {
        check(spec);
    } else {
        // The superuser may list everything: this test again, as nobody.
        let copy = dir.path().join("tests");
        fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        allow(&copy, 0o755);
        let output = std::process::Command::new(&copy)
            .args([
                "--exact",
                "source::folder::tests::a_folder_that_may_not_be_listed_is_an_error_that_names_it",
            ])
            .env(LOOK_AT, spec)
            .env("HOME", spec)
            .current_dir(dir.path())
            .uid(65534)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
    }
    allow(&closed, 0o755);
}
