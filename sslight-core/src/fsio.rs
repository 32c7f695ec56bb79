//! Files that are either whole or not there.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A failed file operation: what was tried on which file, and what the system said.
#[derive(Debug, Error)]
#[error("{}: could not {action}: {source}{}", path.display(), remedy(source))]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was tried.
    pub action: &'static str,
    /// What the system said.
    pub source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space and start again, the run continues from its last checkpoint"
        }
        io::ErrorKind::PermissionDenied => "; check that you may write there",
        _ => "",
    }
}

/// Gives an [`io::Result`] its file and action.
pub trait WithPath<T> {
    /// Names the file and what was tried on it.
    ///
    /// # Errors
    /// The error of the operation.
    fn on(self, path: &Path, action: &'static str) -> Result<T, FileError>;
}

impl<T> WithPath<T> for io::Result<T> {
    fn on(self, path: &Path, action: &'static str) -> Result<T, FileError> {
        self.map_err(|source| FileError {
            path: path.to_path_buf(),
            action,
            source,
        })
    }
}

/// Writes a new file and waits until it is on the disk. A failed file is removed.
///
/// # Errors
/// If it cannot be created, written or synchronised.
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().on(path, "write").inspect_err(|_| {
        // The error that counts is the one above.
        let _ = fs::remove_file(path);
    })
}

/// Replaces a file in one step: readers see the old content or the new, never a part.
///
/// # Errors
/// If the new content cannot be written or put in place; the old one is untouched then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp-{}", std::process::id()));
    write_synced(&temporary, bytes)?;
    fs::rename(&temporary, path).on(path, "put in place")?;
    sync_folder_of(path)
}

/// A large file in the making, beside its place. [`Draft::publish`] puts it there in one step; without it, nothing of it
/// stays.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    temporary: PathBuf,
    writer: BufWriter<File>,
}

impl Draft {
    /// Begins the file that shall be at `path`; folders on the way are made.
    ///
    /// # Errors
    /// If folders or file cannot be created.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).on(folder, "create the folder")?;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.tmp-{}", std::process::id()));
        let file = File::create(&temporary).on(path, "write")?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
            writer: BufWriter::new(file),
        })
    }

    /// What was written so far, to be read from its beginning.
    ///
    /// # Errors
    /// If it cannot be written out or opened.
    pub fn written(&mut self) -> io::Result<File> {
        self.writer.flush()?;
        File::open(&self.temporary)
    }

    /// Puts the file in its place, over one that is there.
    ///
    /// # Errors
    /// If it cannot be written to the end or put in place; what was there is untouched then.
    pub fn publish(mut self) -> Result<(), FileError> {
        self.writer.flush().on(&self.path, "write")?;
        self.writer.get_ref().sync_all().on(&self.path, "write")?;
        fs::rename(&self.temporary, &self.path).on(&self.path, "put in place")?;
        sync_folder_of(&self.path)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Not there any more once it is published.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Waits until the entries of the folder that holds `path` are on the disk.
///
/// # Errors
/// If the folder cannot be synchronised.
pub fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Folders can be opened for synchronisation on Unix only; elsewhere renames are durable by themselves.
    if cfg!(unix) {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .on(folder, "synchronise")?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_the_new_content_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        replace(&path, b"old").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made").join("a.csv");
        let entries = || fs::read_dir(path.parent().unwrap()).unwrap().count();
        let mut draft = Draft::create(&path).unwrap();
        draft.write_all(b"a,b").unwrap();
        assert!(!path.exists());
        assert_eq!(io::read_to_string(draft.written().unwrap()).unwrap(), "a,b");
        drop(draft);
        assert_eq!(entries(), 0);
        let mut draft = Draft::create(&path).unwrap();
        draft.write_all(b"c").unwrap();
        draft.publish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), entries()), (b"c".to_vec(), 1));
    }

    #[test]
    fn an_error_names_file_and_action() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("a.json");
        let message = replace(&path, b"x").unwrap_err().to_string();
        assert!(message.contains("missing"), "{message}");
        assert!(message.contains("could not write"), "{message}");
    }
}
