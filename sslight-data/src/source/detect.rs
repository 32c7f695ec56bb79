//! From what a user writes to the files that are meant.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Split, cifar, hdf5, idx, list, parquet};
use crate::DataError;

/// What a path is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A folder of images, maybe divided into splits.
    Folder(PathBuf),
    /// A folder of the MNIST family.
    IdxFolder(PathBuf),
    /// An IDX file of images.
    IdxFile(PathBuf),
    /// A folder of CIFAR.
    CifarFolder(PathBuf),
    /// Files of one kind that belong together.
    Files(Kind, Vec<PathBuf>),
}

/// A kind of file that holds images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Tar,
    Hdf5,
    Parquet,
    Cifar,
    List,
}

/// Endings by which files in a folder are told to be archives, in lower case.
const ENDINGS: [(&str, Kind); 8] = [
    (".tar", Kind::Tar),
    (".tar.gz", Kind::Tar),
    (".tgz", Kind::Tar),
    (".tar.zst", Kind::Tar),
    (".tar.zstd", Kind::Tar),
    (".h5", Kind::Hdf5),
    (".hdf5", Kind::Hdf5),
    (".parquet", Kind::Parquet),
];

/// The data sets that a specification names: it is one path if there is such, otherwise paths between commas.
pub(super) fn paths(spec: &str) -> Vec<&str> {
    if Path::new(spec).exists() {
        return vec![spec];
    }
    // Commas within braces belong to a pattern.
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, letter) in spec.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&spec[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&spec[start..]);
    parts
}

/// Finds out what one path (or pattern of files) is.
///
/// # Errors
/// If there is nothing, it cannot be read, or is of no known kind.
pub(super) fn detect(spec: &str, split: Split) -> Result<Found, DataError> {
    let path = Path::new(spec);
    if !path.exists() && spec.contains(['{', '*', '?']) {
        return pattern(spec);
    }
    let metadata = fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => DataError::Missing { path: path.into() },
        _ => DataError::Read {
            path: path.into(),
            source,
        },
    })?;
    if metadata.is_dir() {
        return folder(path, split);
    }
    if idx::is_image_file(path)? {
        return Ok(Found::IdxFile(path.into()));
    }
    let kind = kind_of_file(path)?.ok_or(DataError::UnknownKind { path: path.into() })?;
    Ok(Found::Files(kind, vec![path.into()]))
}

/// The kind of a file, by its content and, where that does not tell, by its name.
fn kind_of_file(path: &Path) -> Result<Option<Kind>, DataError> {
    let failed = |source| DataError::Read {
        path: path.into(),
        source,
    };
    let mut start = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(512).read_to_end(&mut start).map_err(failed)?;
    if start.starts_with(&hdf5::MAGIC) {
        return Ok(Some(Kind::Hdf5));
    }
    if start.starts_with(&parquet::MAGIC) {
        return Ok(Some(Kind::Parquet));
    }
    // The mark of archives stands behind the fields of their first header.
    if start.get(257..262) == Some(b"ustar") {
        return Ok(Some(Kind::Tar));
    }
    let by_ending = kind_by_ending(path);
    if by_ending.is_some() {
        return Ok(by_ending);
    }
    if cifar::is_file(path) {
        return Ok(Some(Kind::Cifar));
    }
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is_list = ending.is_some_and(|ending| {
        list::EXTENSIONS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    });
    Ok(is_list.then_some(Kind::List))
}

fn kind_by_ending(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let known = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending));
    known.map(|(_, kind)| *kind)
}

/// The files that a pattern names, in the order of its braces or of their names.
fn pattern(spec: &str) -> Result<Found, DataError> {
    let refuse = |reason: String, remedy| DataError::Container {
        name: spec.to_owned(),
        reason,
        remedy,
    };
    let mut files = Vec::new();
    for path in braces(spec).map_err(|reason| refuse(reason, "write {000..146} or {a,b}"))? {
        if !path.contains(['*', '?']) {
            files.push(PathBuf::from(path));
            continue;
        }
        let found =
            glob::glob(&path).map_err(|error| refuse(error.to_string(), "mend the pattern"))?;
        for file in found {
            files.push(file.map_err(|error| DataError::Read {
                path: error.path().into(),
                source: error.into(),
            })?);
        }
    }
    let missing: Vec<String> = files
        .iter()
        .filter(|file| !file.is_file())
        .map(|file| file.display().to_string())
        .collect();
    if let [first, ..] = missing.as_slice() {
        return Err(refuse(
            format!(
                "{} of its {} files are not there, the first: {first}",
                missing.len(),
                files.len()
            ),
            "check the path and the numbers",
        ));
    }
    let mut kinds: BTreeMap<Kind, PathBuf> = BTreeMap::new();
    for file in &files {
        let kind = kind_of_file(file)?.ok_or(DataError::UnknownKind { path: file.clone() })?;
        kinds.entry(kind).or_insert_with(|| file.clone());
    }
    let mut kinds = kinds.into_iter();
    match (kinds.next(), kinds.next()) {
        (Some((kind, _)), None) => Ok(Found::Files(kind, files)),
        (Some((_, one)), Some((_, other))) => Err(refuse(
            format!(
                "{} and {} are of different kinds",
                one.display(),
                other.display()
            ),
            "join different kinds with a comma",
        )),
        (None, _) => Err(refuse(
            "names no file".into(),
            "check the path and the pattern",
        )),
    }
}

/// Patterns of more files are a slip of the hand.
const MOST_FILES: usize = 1_000_000;

/// Expands `{a,b}` and `{000..146}`, as shells do.
fn braces(spec: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = spec.split_once('{') else {
        return Ok(vec![spec.to_owned()]);
    };
    let (inside, after) = rest
        .split_once('}')
        .ok_or_else(|| "a brace is not closed".to_owned())?;
    let choices: Vec<String> = match inside.split_once("..") {
        Some((first, last)) => range(first, last)?,
        None => inside.split(',').map(str::to_owned).collect(),
    };
    let ends = braces(after)?;
    if choices.len().saturating_mul(ends.len()) > MOST_FILES {
        return Err(format!("more than {MOST_FILES} files"));
    }
    let join = |choice: &String| {
        let whole = |end: &String| format!("{before}{choice}{end}");
        ends.iter().map(whole).collect::<Vec<_>>()
    };
    Ok(choices.iter().flat_map(join).collect())
}

/// The numbers of a range, written with as many digits as its first one.
fn range(first: &str, last: &str) -> Result<Vec<String>, String> {
    let number = |text: &str| {
        let number: usize = text.parse().map_err(|_| format!("`{text}` is no number"))?;
        Ok::<_, String>(number)
    };
    let (from, to) = (number(first)?, number(last)?);
    if from > to || to - from >= MOST_FILES {
        return Err(format!("{first}..{last} is no range of files"));
    }
    let width = first.len();
    Ok((from..=to).map(|n| format!("{n:0width$}")).collect())
}

/// What a folder holds.
fn folder(path: &Path, split: Split) -> Result<Found, DataError> {
    if idx::is_folder(path) {
        return Ok(Found::IdxFolder(path.into()));
    }
    if cifar::is_folder(path) {
        return Ok(Found::CifarFolder(path.into()));
    }
    // The parts of a divided folder may hold archives; a part of images is left to the folder, for its classes.
    let part = super::folder::part(path, split)?;
    let looked_at = part.as_deref().unwrap_or(path);
    let mut found = archives(looked_at)?;
    if found.is_none() && part.is_none() {
        // Repositories of the hub keep their files in `data`.
        let data = path.join("data");
        found = match data.is_dir() {
            true => archives(&data)?,
            false => None,
        };
    }
    let Some((kind, files)) = found else {
        return Ok(Found::Folder(path.into()));
    };
    if part.is_some() {
        return Ok(Found::Files(kind, files));
    }
    of_split(kind, files, split, path)
}

/// Archives directly in a folder, in the order of their names. `None` if there is none, or images are beside them.
fn archives(folder: &Path) -> Result<Option<(Kind, Vec<PathBuf>)>, DataError> {
    let failed = |source| DataError::Read {
        path: folder.into(),
        source,
    };
    let mut kinds: BTreeMap<Kind, Vec<PathBuf>> = BTreeMap::new();
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if super::folder::is_image_name(&name) {
            return Ok(None);
        }
        let path = folder.join(&name);
        if let Some(kind) = kind_by_ending(&path) {
            kinds.entry(kind).or_default().push(path);
        } else if entry.file_type().is_ok_and(|kind| !kind.is_file()) {
            folders.push(path);
        }
    }
    let mut kinds = kinds.into_iter();
    let Some((kind, mut files)) = kinds.next() else {
        return Ok(None);
    };
    if let Some(images) = folders
        .iter()
        .find(|folder| super::folder::holds_images(folder))
    {
        return Err(DataError::Container {
            name: folder.display().to_string(),
            reason: format!(
                "holds archives, as {}, beside folders of images, as {}",
                files[0].display(),
                images.display()
            ),
            remedy: "give the files that are meant, as FOLDER/*.tar, or move them away",
        });
    }
    if let Some((_, others)) = kinds.next() {
        return Err(DataError::Container {
            name: folder.display().to_string(),
            reason: format!(
                "holds archives of different kinds, as {} and {}",
                files[0].display(),
                others[0].display()
            ),
            remedy: "give the files that are meant, as FOLDER/*.tar",
        });
    }
    files.sort();
    Ok(Some((kind, files)))
}

/// The split that the name of an archive tells.
fn split_of(path: &Path) -> Option<Split> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    // `trains-0.tar` is about trains.
    let word = name.split(|letter: char| !letter.is_alphabetic()).next();
    match word? {
        "train" | "training" => Some(Split::Train),
        "val" | "valid" | "validation" | "test" | "testing" => Some(Split::Validation),
        _ => None,
    }
}

/// The archives of a split, where their names tell it: `train...` and `val...`, or `test...` if there is no `val...`.
fn of_split(
    kind: Kind,
    files: Vec<PathBuf>,
    split: Split,
    folder: &Path,
) -> Result<Found, DataError> {
    if files.iter().all(|file| split_of(file).is_none()) {
        return Ok(Found::Files(kind, files));
    }
    if let Some(other) = files.iter().find(|file| split_of(file).is_none()) {
        return Err(DataError::Container {
            name: folder.display().to_string(),
            reason: format!(
                "{} tells no split by its name, and others beside it do",
                other.display()
            ),
            remedy: "let all names begin with train, val or test, or give the files that are meant, as FOLDER/*.tar",
        });
    }
    let name = |file: &PathBuf| {
        file.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase()
    };
    let has_validation = files.iter().any(|file| name(file).starts_with("val"));
    let mine = |file: &PathBuf| {
        split_of(file) == Some(split)
            && (split == Split::Train || !has_validation || name(file).starts_with("val"))
    };
    let files: Vec<PathBuf> = files.into_iter().filter(mine).collect();
    if files.is_empty() {
        return Err(DataError::SplitMissing {
            path: folder.into(),
            split: split.name(),
            looked_for: match split {
                Split::Train => "files that begin with train".into(),
                Split::Validation => "files that begin with val or test".into(),
            },
        });
    }
    Ok(Found::Files(kind, files))
}

/// Whether a folder holds archives whose names tell the split.
pub(super) fn has_split(path: &Path, split: Split) -> bool {
    let data = path.join("data");
    [path, data.as_path()].iter().any(|folder| {
        let found = folder.is_dir().then(|| archives(folder)).transpose();
        found
            .ok()
            .flatten()
            .flatten()
            .is_some_and(|(_, files)| files.iter().any(|file| split_of(file) == Some(split)))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_data_sets_and_not_the_choices_of_a_pattern() {
        assert_eq!(paths("a"), ["a"]);
        assert_eq!(paths("a,b/{0..3}.tar,c"), ["a", "b/{0..3}.tar", "c"]);
        assert_eq!(paths("x{a,b}.tar,y"), ["x{a,b}.tar", "y"]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("with,comma");
        fs::create_dir(&path).unwrap();
        assert_eq!(paths(path.to_str().unwrap()).len(), 1);
    }

    #[test]
    fn braces_are_expanded_with_their_digits() {
        let expanded = |spec: &str| braces(spec).unwrap();
        assert_eq!(
            expanded("a-{008..011}.tar").join(" "),
            "a-008.tar a-009.tar a-010.tar a-011.tar"
        );
        assert_eq!(expanded("{a,b}-{0..1}"), ["a-0", "a-1", "b-0", "b-1"]);
        assert_eq!(expanded("plain"), ["plain"]);
        for wrong in ["{1..", "{3..1}", "{a..b}", "{0..99999999}"] {
            assert!(braces(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_of_archives_tell_their_split() {
        let split = |name: &str| split_of(Path::new(name));
        assert_eq!(split("train-00000-of-00014.parquet"), Some(Split::Train));
        assert_eq!(split("validation-0.parquet"), Some(Split::Validation));
        assert_eq!(split("val.h5"), Some(Split::Validation));
        assert_eq!(split("000000.tar"), None);
        assert_eq!(split("trains-000.tar"), None);
    }
}
