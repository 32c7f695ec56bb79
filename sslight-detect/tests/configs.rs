//! The configurations that are built in and the files of their folder.
#![allow(clippy::unwrap_used)]

use sslight_detect::training::configs;

#[test]
fn every_file_of_the_folder_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/detect");
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let mut files: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| format!("detect/{}", path.file_stem().unwrap().to_str().unwrap()))
        .collect();
    let mut names: Vec<&str> = configs().iter().map(|named| named.name).collect();
    files.sort();
    names.sort_unstable();
    assert_eq!(names, files);
}
