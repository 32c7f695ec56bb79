//! Many names in little memory.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Names in one allocation: a million file names take their bytes and eight more each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds a name and tells its place.
    pub(super) fn push(&mut self, name: &[u8]) -> usize {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
        self.ends.len() - 1
    }

    /// The name at a place; empty beyond the end.
    pub(super) fn get(&self, place: usize) -> &[u8] {
        let Some(&end) = self.ends.get(place) else {
            return &[];
        };
        let start = match place {
            0 => 0,
            _ => self.ends[place - 1],
        };
        &self.bytes[start..end]
    }

    /// The names at the given places, in their order.
    pub(super) fn ordered(&self, places: impl Iterator<Item = usize>) -> Self {
        let mut ordered = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            ends: Vec::with_capacity(self.ends.len()),
        };
        for place in places {
            ordered.push(self.get(place));
        }
        ordered
    }
}

/// The bytes that stand for a file name, from which [`as_path`] makes it again.
pub(super) fn as_bytes(name: &OsStr) -> Cow<'_, [u8]> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        name.as_bytes().into()
    }
    #[cfg(not(unix))]
    {
        name.to_string_lossy().into_owned().into_bytes().into()
    }
}

/// The path whose bytes these are.
pub(super) fn as_path(bytes: &[u8]) -> Cow<'_, Path> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Path::new(OsStr::from_bytes(bytes)).into()
    }
    #[cfg(not(unix))]
    {
        std::path::PathBuf::from(String::from_utf8_lossy(bytes).into_owned()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_any_order() {
        let mut names = Names::default();
        for (place, name) in ["b", "", "long name"].into_iter().enumerate() {
            assert_eq!(names.push(name.as_bytes()), place);
        }
        assert_eq!(names.get(0), b"b");
        assert_eq!(names.get(1), b"");
        assert_eq!(names.get(2), b"long name");
        assert_eq!(names.get(3), b"");
        let ordered = names.ordered([2, 0].into_iter());
        assert_eq!((ordered.len(), ordered.get(0)), (2, &b"long name"[..]));
    }
}
