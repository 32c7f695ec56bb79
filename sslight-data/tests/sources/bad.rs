//! Damaged and unfitting data, each with its message.

use std::path::PathBuf;

use super::*;

/// The message of a source that does not open.
fn refused(spec: &str) -> String {
    open(spec, Split::Train).err().unwrap().to_string()
}

/// A copy of a file, changed.
fn changed(folder: &Path, name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let content = change(fs::read(data(name)).unwrap());
    let path = folder.join(Path::new(name).file_name().unwrap());
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn shards_that_are_cut_off_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shard = "webdataset-cls/000000.tar";
    let cut = |length: usize| {
        refused(&changed(folder.path(), shard, |mut bytes| {
            bytes.truncate(length);
            bytes
        }))
    };
    has(
        &cut(512 + 512 + 512 + 100),
        &[
            "000000.tar: cut off: cat_000.png needs 132 bytes",
            "fetch or pack it again",
        ],
    );
    has(&cut(700), &["000000.tar: ", "fetch or pack it again"]);
    // At the border of two members: nothing is missing but the mark of the end.
    has(
        &cut(4 * 512),
        &["cut off: the end mark of an archive is missing"],
    );
    let packed = changed(
        folder.path(),
        "webdataset-compressed/000000.tar.gz",
        |mut bytes| {
            bytes.truncate(bytes.len() / 2);
            bytes
        },
    );
    has(
        &refused(&packed),
        &[
            "000000.tar.gz: compressed stream is damaged or cut off",
            "fetch it again",
        ],
    );
    let damaged = changed(folder.path(), shard, |mut bytes| {
        bytes[100] ^= 0x55;
        bytes
    });
    has(&refused(&damaged), &["000000.tar: damaged archive"]);
}

/// A tar archive of members.
fn archive(path: &Path, members: &[(&[u8], &[u8])]) {
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.finish().unwrap();
}

#[test]
fn samples_that_miss_a_member_are_unreadable_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard.tar");
    let png = fs::read(data("folder/cat/cat_000.png")).unwrap();
    archive(
        &path,
        &[
            (b"a.png", &png),
            (b"a.cls", b"1"),
            (b"b.cls", b"0"),
            (b"c.png", &png),
            (b"d.jpg", b"no image"),
            (b"d.cls", b"0"),
            (b"e.png", &png),
            (b"e.mask.png", &png),
            (b"e.cls", b"0"),
        ],
    );
    let source = open(path.to_str().unwrap(), Split::Train).unwrap();
    assert_eq!((source.len(), source.class_names().len()), (5, 2));
    assert!(
        source
            .describe()
            .contains("(1 images beside them left out)"),
        "{}",
        source.describe()
    );
    assert!(source.image(0).is_ok() && source.image(4).is_ok());
    let message = |index: usize| source.image(index).unwrap_err().to_string();
    has(
        &message(1),
        &["shard.tar: b has no image, only cls", "add the image"],
    );
    has(
        &message(2),
        &["shard.tar: c.png has no label, and others have one"],
    );
    has(&message(3), &["shard.tar/d.jpg: content is not a JPEG"]);
}

#[test]
fn images_that_are_links_are_unreadable_and_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("linked.tar");
    let png = fs::read(data("folder/cat/cat_000.png")).unwrap();
    let mut builder = tar::Builder::new(fs::File::create(&path).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(png.len() as u64);
    builder.append_data(&mut header, "a.png", &png[..]).unwrap();
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder.append_link(&mut link, "b.png", "a.png").unwrap();
    builder.finish().unwrap();
    let source = open(path.to_str().unwrap(), Split::Train).unwrap();
    assert_eq!(source.len(), 2);
    let readable = (0..2).filter(|&index| source.image(index).is_ok());
    assert_eq!(readable.count(), 1);
    let messages: Vec<String> = (0..2)
        .filter_map(|i| Some(source.image(i).err()?.to_string()))
        .collect();
    has(
        &messages.concat(),
        &[
            "linked.tar: b.png is a link",
            "pack the files that links lead to",
        ],
    );
}

#[test]
fn in_a_packed_folder_names_may_begin_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photos.tar");
    let png = fs::read(data("folder/cat/cat_000.png")).unwrap();
    archive(
        &path,
        &[
            (b"cat/img.1.png", &png),
            (b"cat/other.png", &png),
            (b"cat/img.2.png", &png),
            (b"dog/.hidden/x.png", &png),
            (b"dog/._y.png", &png),
            (b"dog/y.png", &png),
        ],
    );
    let source = open(path.to_str().unwrap(), Split::Train).unwrap();
    assert_eq!(
        (source.len(), source.class_names()),
        (4, &["cat".to_owned(), "dog".to_owned()][..])
    );
    assert!((0..4).all(|index| source.image(index).is_ok()));
    assert_eq!(source.label(3), Some(1));
}

#[test]
fn archives_beside_other_data_are_not_taken_for_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().to_str().unwrap();
    fs::create_dir(folder.path().join("cat")).unwrap();
    let png = data("folder/cat/cat_000.png");
    fs::copy(&png, folder.path().join("cat/a.png")).unwrap();
    fs::copy(data("packed.tar"), folder.path().join("left-over.tar")).unwrap();
    has(
        &refused(spec),
        &[
            "holds archives, as",
            "left-over.tar",
            "beside folders of images, as",
            "cat",
            "FOLDER/*.tar",
        ],
    );
    fs::remove_dir_all(folder.path().join("cat")).unwrap();
    assert_eq!(open(spec, Split::Train).unwrap().len(), 12);
    fs::copy(data("packed.tar"), folder.path().join("train-0.tar")).unwrap();
    has(
        &refused(spec),
        &["left-over.tar tells no split by its name, and others beside it do"],
    );
}

#[test]
fn names_that_stand_twice_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard.tar");
    let spec = path.to_str().unwrap();
    archive(&path, &[(b"a.png", b"x"), (b"a.png", b"y")]);
    has(&refused(spec), &["shard.tar: a.png stands in it twice"]);
    archive(
        &path,
        &[(b"a.png", b"x"), (b"b.png", b"y"), (b"a.cls", b"1")],
    );
    has(
        &refused(spec),
        &["shard.tar: a stands in it twice, with others between"],
    );
    let list = folder.path().join("list.txt");
    fs::write(&list, "a.png\nb.png\n\na.png\n").unwrap();
    has(
        &refused(list.to_str().unwrap()),
        &["list.txt line 4: a.png stands in line 1 as well"],
    );
}

#[test]
fn lists_with_wrong_columns_are_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.csv");
    let message = |text: &str| {
        fs::write(&path, text).unwrap();
        refused(path.to_str().unwrap())
    };
    has(
        &message("a.png,cat\nb.png\n"),
        &["list.csv line 2: 1 columns, and the lines before have 2"],
    );
    has(
        &message("a.png,cat\nb.png,\n"),
        &["line 2: the label is empty"],
    );
    has(
        &message("a,b,c\n"),
        &["line 1: 3 columns are not 1, 2 or 4"],
    );
    has(&message("path,label\n"), &["the list names no image"]);
    has(&message(",cat\n"), &["the path is empty"]);
    fs::write(&path, "\"with,comma.png\",cat\nnot there.png,dog\n").unwrap();
    let source = open(path.to_str().unwrap(), Split::Train).unwrap();
    assert_eq!(
        (source.len(), source.class_names()),
        (2, &["cat".to_owned(), "dog".to_owned()][..])
    );
    has(
        &source.image(1).unwrap_err().to_string(),
        &["not there.png: cannot be read"],
    );
}

#[test]
fn parquet_without_fitting_columns_is_refused() {
    has(
        &refused(&data("wrong-label.parquet")),
        &[
            "wrong-label.parquet: column label holds DOUBLE, not one class a row",
            "use_labels=false",
        ],
    );
    let mixed = format!("{}/{{named,unlabelled}}.parquet", data(""));
    has(
        &refused(&mixed),
        &[
            "unlabelled.parquet: has no column of labels",
            "use_labels=false",
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let cut = changed(folder.path(), "named.parquet", |mut bytes| {
        bytes.truncate(bytes.len() - 30);
        bytes
    });
    has(
        &refused(&cut),
        &["named.parquet: cannot be read as Parquet", "fetch it again"],
    );
    // A damaged page: the file opens, its images do not.
    let damaged = changed(folder.path(), "unlabelled.parquet", |mut bytes| {
        bytes[4..40].fill(0xFF);
        bytes
    });
    let source = open(&damaged, Split::Train);
    let message = match source {
        Ok(source) => source.image(0).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    has(&message, &["unlabelled.parquet: cannot be read as Parquet"]);
}

#[test]
fn hdf5_that_is_damaged_or_of_another_layout_is_told() {
    let source = open(&data("chunked.h5"), Split::Train).unwrap();
    assert_eq!(source.len(), 12);
    has(
        &source.image(5).unwrap_err().to_string(),
        &[
            "dog/dog_001.png: stored in chunks",
            "without chunks or filters",
        ],
    );
    assert!(source.image(6).is_ok());
    let folder = tempfile::tempdir().unwrap();
    let cut = changed(folder.path(), "hdf5-earliest/train.h5", |mut bytes| {
        bytes.truncate(bytes.len() / 3);
        bytes
    });
    let message = match open(&cut, Split::Train) {
        Ok(source) => (0..source.len())
            .find_map(|i| source.image(i).err())
            .unwrap()
            .to_string(),
        Err(error) => error.to_string(),
    };
    has(
        &message,
        &[
            "train.h5: cannot be read as HDF5",
            "fetch or write it again",
        ],
    );
}

#[test]
fn cifar_that_is_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cut = changed(
        folder.path(),
        "cifar-10-batches-bin/test_batch.bin",
        |mut bytes| {
            bytes.pop();
            bytes
        },
    );
    has(
        &refused(&cut),
        &["test_batch.bin: 18437 bytes are no whole number of images of 3073"],
    );
    let label = changed(
        folder.path(),
        "cifar-10-batches-bin/test_batch.bin",
        |mut bytes| {
            bytes[3073] = 10;
            bytes
        },
    );
    has(
        &refused(&label),
        &["image 1 has the label 10, and there are 10 classes"],
    );
}

#[test]
fn what_is_not_there_or_of_no_kind_is_told() {
    has(&refused(&data("none")), &["none: no such file or folder"]);
    let shards = data("webdataset-cls/{000000..000004}.tar");
    has(
        &refused(&shards),
        &["2 of its 5 files are not there, the first:", "000003.tar"],
    );
    has(&refused(&data("*.nothing")), &["names no file"]);
    has(
        &refused(&data("folder/cat/cat_000.png")),
        &["this kind of file is not known"],
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.tar"), "").unwrap();
    fs::write(folder.path().join("b.parquet"), "").unwrap();
    has(
        &refused(folder.path().to_str().unwrap()),
        &["archives of different kinds", "a.tar", "b.parquet"],
    );
    fs::write(folder.path().join("a.tar"), "no archive at all").unwrap();
    fs::remove_file(folder.path().join("b.parquet")).unwrap();
    has(
        &refused(folder.path().to_str().unwrap()),
        &["a.tar: damaged archive", "fetch or pack it again"],
    );
    archive(&folder.path().join("a.tar"), &[(b"notes.md", b"x")]);
    has(
        &refused(folder.path().to_str().unwrap()),
        &[
            "a.tar: no member is an image by its name",
            "hold image files themselves",
        ],
    );
}

#[cfg(unix)]
#[test]
fn names_that_are_no_utf8_are_read_and_shown() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let class = folder.path().join("cat");
    fs::create_dir(&class).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    let from: PathBuf = data("folder/cat/cat_000.png").into();
    fs::copy(&from, class.join(name)).unwrap();
    fs::copy(&from, class.join("b.png")).unwrap();
    let source = open(folder.path().to_str().unwrap(), Split::Train).unwrap();
    assert_eq!(source.len(), 2);
    assert!(source.image(0).is_ok() && source.image(1).is_ok());
    assert!(
        source.name(1).ends_with("caf\\xE9.png"),
        "{}",
        source.name(1)
    );
    let png = fs::read(from).unwrap();
    let shard = folder.path().join("x.tar");
    archive(&shard, &[(b"caf\xe9.png", &png)]);
    let source = open(shard.to_str().unwrap(), Split::Train).unwrap();
    assert!(source.image(0).is_ok());
    assert!(
        source.name(0).ends_with("x.tar/caf\\xE9.png"),
        "{}",
        source.name(0)
    );
    let list = folder.path().join("list.txt");
    fs::write(&list, b"cat/caf\xe9.png\n").unwrap();
    let source = open(list.to_str().unwrap(), Split::Train).unwrap();
    assert!(source.image(0).is_ok());
}

#[test]
fn a_folder_that_loses_files_while_training_goes_on_until_too_many_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    for (index, name) in (0..12)
        .map(|i| format!("{0}_{1:03}.png", CLASSES[i / 4], i % 4))
        .enumerate()
    {
        let from = data(&format!("folder/{}/{name}", CLASSES[index / 4]));
        fs::copy(from, folder.path().join(name)).unwrap();
    }
    let source = open(folder.path().to_str().unwrap(), Split::Train).unwrap();
    let mut recipe = ViewRecipe::dino_cnn(Crops::Baseline);
    recipe.views.truncate(1);
    recipe.views[0].size = 8;
    let config = LoaderConfig {
        batch_size: 3,
        workers: 2,
        max_bad_images: 0.2,
        ..LoaderConfig::default()
    };
    let loader = Loader::new(source, recipe, config).unwrap();
    assert_eq!(batches(&loader, 0, 0).len(), 4);
    fs::remove_file(folder.path().join("dog_001.png")).unwrap();
    assert_eq!(batches(&loader, 1, 0).len(), 4);
    let gone = loader.bad_images();
    assert_eq!(gone.len(), 1);
    has(
        &gone[0].to_string(),
        &["dog_001.png: cannot be read", "check that it exists"],
    );
    for name in ["dog_000.png", "cat_000.png", "owl_003.png"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let error = loader.epoch(2, 0).find_map(Result::err).unwrap();
    has(
        &error.to_string(),
        &["of 12 images cannot be read and at most 2 may be"],
    );
}
