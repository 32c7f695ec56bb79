//! Compressed archives, unpacked once.
//!
//! Compressed bytes can only be read from the start, and training reads pictures in random order. JPEG files do not
//! shrink when they are packed, so the unpacked archive takes about the same room again; it is kept for the next run.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flate2::read::MultiGzDecoder;

use super::index_cache::{checksum, new_file};
use crate::DataError;
use crate::progress::Work;

const GZIP: [u8; 2] = [0x1F, 0x8B];
const ZSTANDARD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
const BZIP2: [u8; 3] = *b"BZh";
const XZ: [u8; 6] = [0xFD, b'7', b'z', b'X', b'Z', 0];

/// Where the bytes of an archive are: the file itself, or its unpacked form in a folder for such.
///
/// # Errors
/// If it cannot be read, is damaged or compressed in another way than gzip and Zstandard, or there is no room.
pub(super) fn unpacked(path: &Path, folder: &Path) -> Result<PathBuf, DataError> {
    let failed = |source| DataError::Read {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mut packed = BufReader::with_capacity(1 << 20, file);
    let mut start = Vec::new();
    packed
        .by_ref()
        .take(XZ.len() as u64)
        .read_to_end(&mut start)
        .map_err(failed)?;
    let refuse = |reason: String, remedy| DataError::Container {
        name: path.display().to_string(),
        reason,
        remedy,
    };
    if start.starts_with(&BZIP2) || start.starts_with(&XZ) {
        return Err(refuse(
            "compressed with bzip2 or xz, which are not read".into(),
            "unpack it, or compress it with gzip or zstd",
        ));
    }
    let is_gzip = start.starts_with(&GZIP);
    if !is_gzip && !start.starts_with(&ZSTANDARD) {
        return Ok(path.into());
    }
    // The name tells what the content was made from: a changed archive gets another one.
    let changed = metadata.modified().ok();
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let whole = path.canonicalize().map_err(failed)?;
    let of_path = checksum(whole.as_os_str().as_encoded_bytes());
    let of_state = checksum(format!("{}\0{changed:?}", metadata.len()).as_bytes());
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{of_path:08x}-");
    let target = folder.join(format!("{prefix}{of_state:08x}-{stem}.unpacked"));
    if target.is_file() {
        return Ok(target);
    }
    let cannot_write = |error: io::Error| {
        refuse(
            format!("cannot be unpacked into {}: {error}", folder.display()),
            "make room there, set SSLIGHT_CACHE to a folder with room, or unpack it yourself",
        )
    };
    fs::create_dir_all(folder).map_err(cannot_write)?;
    let mut unpacked = new_file(folder).map_err(cannot_write)?;
    let packed = io::Cursor::new(start).chain(packed);
    let mut reader: Box<dyn Read> = match is_gzip {
        true => Box::new(MultiGzDecoder::new(packed)),
        false => Box::new(zstd::Decoder::new(packed).map_err(failed)?),
    };
    let work = Work::begin(format!("unpacking {}", path.display()), "MiB", None);
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let read = reader.read(&mut buffer).map_err(|error| {
            refuse(
                format!("compressed stream is damaged or cut off ({error})"),
                "fetch it again",
            )
        })?;
        if read == 0 {
            break;
        }
        io::Write::write_all(&mut unpacked, &buffer[..read]).map_err(cannot_write)?;
        work.add(((bytes + read) >> 20) - (bytes >> 20));
        bytes += read;
    }
    remove_older(folder, &prefix);
    unpacked
        .persist(&target)
        .map_err(|error| cannot_write(error.error))?;
    Ok(target)
}

/// Removes what an earlier state of the same archive was unpacked to.
fn remove_older(folder: &Path, prefix: &str) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(".unpacked") {
            // A run that reads the earlier state will be told that its file is gone: its archive has changed, too.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(path: &Path, content: &[u8]) {
        let file = File::create(path).unwrap();
        let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packer.write_all(content).unwrap();
        packer.finish().unwrap();
    }

    #[test]
    fn an_archive_is_unpacked_once_and_anew_when_it_changed() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join("a.tar.gz");
        gzip(&path, b"first");
        let first = unpacked(&path, cache.path()).unwrap();
        assert_eq!(fs::read(&first).unwrap(), b"first");
        // What is there is taken as it is.
        fs::write(&first, "kept").unwrap();
        assert_eq!(unpacked(&path, cache.path()).unwrap(), first);
        gzip(&path, b"second and longer");
        let second = unpacked(&path, cache.path()).unwrap();
        assert_eq!(fs::read(&second).unwrap(), b"second and longer");
        // Nothing is left of the earlier state, or of the work.
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
        let plain = folder.path().join("plain.tar");
        fs::write(&plain, "x").unwrap();
        assert_eq!(unpacked(&plain, cache.path()).unwrap(), plain);
    }

    #[test]
    fn what_cannot_be_unpacked_is_told_and_leaves_nothing() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join("a.tar.xz");
        fs::write(&path, b"\xFD7zXZ\0rest").unwrap();
        let message = unpacked(&path, cache.path()).unwrap_err().to_string();
        assert!(
            message.contains("a.tar.xz: compressed with bzip2 or xz")
                && message.contains("gzip or zstd"),
            "{message}"
        );
        let path = folder.path().join("a.tgz");
        gzip(&path, &[7; 1000]);
        let cut = fs::read(&path).unwrap();
        fs::write(&path, &cut[..cut.len() - 9]).unwrap();
        let message = unpacked(&path, cache.path()).unwrap_err().to_string();
        assert!(message.contains("damaged or cut off"), "{message}");
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
        let file = folder.path().join("no folder");
        fs::write(&file, "").unwrap();
        gzip(&path, b"whole");
        let message = unpacked(&path, &file).unwrap_err().to_string();
        assert!(
            message.contains("cannot be unpacked into") && message.contains("SSLIGHT_CACHE"),
            "{message}"
        );
    }
}
