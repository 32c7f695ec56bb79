//! What was found in large data sets, kept from run to run.
//!
//! An entry is never trusted: it states what it was made from, and whoever asks compares that with what is there now. A
//! file that is damaged, of another version or of another data set counts as none.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// First bytes of each file. INVARIANT: another layout of any entry needs another number.
const MAGIC: &[u8; 8] = b"sslidx01";

/// Changes within this time of the look at a file may have left its time of change as it was.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// Sources of fewer images are looked at anew each time: that takes no time, and leaves no files behind.
pub(super) const WORTH_KEEPING: usize = 10_000;

/// The folder for files that can be made again: `SSLIGHT_CACHE`, or the user's cache folder.
pub(super) fn user_folder() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = from("SSLIGHT_CACHE") {
        return folder.into();
    }
    let base = from("XDG_CACHE_HOME")
        .or_else(|| from("LOCALAPPDATA"))
        .map(PathBuf::from)
        .or_else(|| from("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    base.join("sslight")
}

/// When something was last changed, in seconds and nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    seconds: u64,
    nanoseconds: u32,
    bytes: u64,
}

impl Stamp {
    /// The stamp of a file or folder that was looked at from `now` on. `None` if the system does not tell or the
    /// change is so recent that another may hide behind the same time.
    pub(super) fn of(metadata: &fs::Metadata, now: SystemTime) -> Option<Self> {
        let changed = metadata.modified().ok()?;
        if now.duration_since(changed).ok()? < CLOCK_GRAIN {
            return None;
        }
        let since = changed.duration_since(UNIX_EPOCH).ok()?;
        Some(Self {
            seconds: since.as_secs(),
            nanoseconds: since.subsec_nanos(),
            bytes: metadata.len(),
        })
    }
}

/// A folder of kept indices.
#[derive(Clone, Debug)]
pub(super) struct IndexCache {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Entry<T> {
    about: PathBuf,
    content: T,
}

impl IndexCache {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.join("index"),
        }
    }

    /// The file of one entry. Its name is a checksum of what it is about; the content decides whether it is meant.
    fn file(&self, kind: &str, about: &Path) -> PathBuf {
        let name = format!("{kind}\0{}", about.display());
        let sum = checksum(name.as_bytes());
        let back: Vec<u8> = name.bytes().rev().collect();
        let name = format!("{kind}-{sum:08x}{:08x}", checksum(&back));
        self.folder.join(name)
    }

    /// Reads what was kept about a path; `None` if there is nothing of use.
    pub(super) fn load<T: DeserializeOwned>(&self, kind: &str, about: &Path) -> Option<T> {
        let about = about.canonicalize().ok()?;
        let bytes = fs::read(self.file(kind, &about)).ok()?;
        let (sum, payload) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*sum) != checksum(payload) {
            return None;
        }
        let entry: Entry<T> = postcard::from_bytes(payload).ok()?;
        (entry.about == about).then_some(entry.content)
    }

    /// Keeps something about a path. Without success nothing is lost but the time of the next look, so nothing is said.
    pub(super) fn store<T: Serialize>(&self, kind: &str, about: &Path, content: &T) {
        let Ok(about) = about.canonicalize() else {
            return;
        };
        let path = self.file(kind, &about);
        let Ok(payload) = postcard::to_allocvec(&Entry { about, content }) else {
            return;
        };
        let _ = write(&path, &payload);
    }
}

fn write(path: &Path, payload: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Two runs may write the same entry: each has a file of its own until it is whole.
    let mut file = new_file(folder)?;
    file.write_all(MAGIC)?;
    file.write_all(&checksum(payload).to_le_bytes())?;
    file.write_all(payload)?;
    file.persist(path)?;
    Ok(())
}

/// A file of its own for each writer, with the usual rights: the folder may be shared by several users.
pub(super) fn new_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// The CRC-32 of bytes.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_unless_its_file_was_damaged_or_it_is_of_another_path() {
        let folder = tempfile::tempdir().unwrap();
        let cache = IndexCache::in_folder(folder.path());
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir(&a).unwrap();
        fs::create_dir(&b).unwrap();
        let content = vec![String::from("x"), String::from("y")];
        cache.store("folder", &a, &content);
        assert_eq!(cache.load("folder", &a), Some(content));
        assert_eq!(cache.load::<Vec<String>>("folder", &b), None);
        assert_eq!(cache.load::<Vec<String>>("tar", &a), None);
        let path = cache.file("folder", &a.canonicalize().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.load::<Vec<String>>("folder", &a), None);
    }

    #[test]
    fn a_change_of_just_now_has_no_stamp() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let metadata = file.as_file().metadata().unwrap();
        let now = metadata.modified().unwrap();
        assert_eq!(Stamp::of(&metadata, now + CLOCK_GRAIN / 2), None);
        assert!(Stamp::of(&metadata, now + CLOCK_GRAIN).is_some());
    }
}
