//! Reads what was appended to `metrics.jsonl` since the last time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::line::Line;
use super::parse::{Keys, parse};
use crate::text::{one_line, shown};

/// A line is longer than this only in a file that holds no metrics.
const LONGEST_LINE: u64 = 16 << 20;
/// Bytes before the place of reading that are remembered, to notice that the file is another one. Steps that are repeated
/// differ in their speed if in nothing else.
const REMEMBERED: usize = 4096;

/// The metrics could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The operating system refused the file.
    #[error(
        "{}: cannot be read: {}; check that it is a file and that you may read it",
        shown(path),
        one_line(source)
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is new in a file of metrics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct News {
    /// The file was shortened, replaced or removed, as by a resume that repeats steps: what earlier calls gave is void,
    /// and `lines` are from the start of the file.
    pub restarted: bool,
    /// The whole lines that came, in order.
    pub lines: Vec<Line>,
    /// The same lines as they are in the file, if the reader keeps them.
    pub texts: Vec<String>,
}

/// Reads a file of metrics while it grows. Nothing stays open between calls.
///
/// A last line without a line feed waits until it is whole, and a file that does not exist is empty so far.
/// Lines that are not understood are counted and skipped.
#[derive(Debug)]
pub struct MetricsReader {
    path: PathBuf,
    keys: Keys,
    place: Place,
    keeps_texts: bool,
}

/// How far the file was read, and what was found in it.
#[derive(Debug, Default)]
struct Place {
    offset: u64,
    /// The bytes before `offset`, at most [`REMEMBERED`].
    before: Vec<u8>,
    /// In the middle of a line that is too long.
    skipping: bool,
    lines: u64,
    not_understood: u64,
    first_not_understood: Option<String>,
}

impl MetricsReader {
    /// A reader of that file, which need not exist yet.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            keys: Keys::default(),
            place: Place::default(),
            keeps_texts: false,
        }
    }

    /// The reader, giving lines also as they are in the file.
    pub fn with_texts(mut self) -> Self {
        self.keeps_texts = true;
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lines of the file so far that were not understood.
    pub fn not_understood(&self) -> u64 {
        self.place.not_understood
    }

    /// The first line that was not understood and why, as one sentence with file and line.
    pub fn first_not_understood(&self) -> Option<&str> {
        self.place.first_not_understood.as_deref()
    }

    /// The lines since the last call.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn read_new(&mut self) -> Result<News, MetricsError> {
        self.read_at_most(usize::MAX)
    }

    /// At most `most` lines since the last call, for files that are too long to hold at once. None came if there are none
    /// left.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn read_at_most(&mut self, most: usize) -> Result<News, MetricsError> {
        self.read_on(most).map_err(|source| MetricsError::Read {
            path: self.path.clone(),
            source,
        })
    }

    fn read_on(&mut self, most: usize) -> io::Result<News> {
        let mut news = News::default();
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                news.restarted = self.place.offset > 0;
                self.place = Place::default();
                return Ok(news);
            }
            Err(error) => return Err(error),
        };
        if !self.is_same(&mut file)? {
            news.restarted = true;
            self.place = Place::default();
        }
        file.seek(SeekFrom::Start(self.place.offset))?;
        let mut file = BufReader::with_capacity(1 << 16, file);
        let mut bytes = Vec::new();
        while news.lines.len() < most {
            bytes.clear();
            (&mut file)
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut bytes)?;
            let whole = bytes.last() == Some(&b'\n');
            if bytes.is_empty() || (!whole && (bytes.len() as u64) < LONGEST_LINE) {
                break;
            }
            self.place.pass(&bytes);
            let skipped = std::mem::replace(&mut self.place.skipping, !whole);
            if !whole {
                continue;
            }
            self.place.lines += 1;
            if skipped {
                let reason = format!("it is longer than {LONGEST_LINE} bytes");
                self.place.count(&self.path, &reason);
            } else if !bytes.trim_ascii().is_empty() {
                match parse(&bytes, &mut self.keys) {
                    Ok(line) => {
                        news.lines.push(line);
                        if self.keeps_texts {
                            let text = String::from_utf8_lossy(bytes.trim_ascii());
                            news.texts.push(text.into_owned());
                        }
                    }
                    Err(reason) => self.place.count(&self.path, &reason),
                }
            }
        }
        Ok(news)
    }

    /// Whether what was read is still in the file.
    fn is_same(&self, file: &mut File) -> io::Result<bool> {
        let place = &self.place;
        if file.metadata()?.len() < place.offset {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(place.offset - place.before.len() as u64))?;
        let mut now = vec![0; place.before.len()];
        match file.read_exact(&mut now) {
            Ok(()) => Ok(now == place.before),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Place {
    fn pass(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        let kept = &bytes[bytes.len().saturating_sub(REMEMBERED)..];
        if kept.len() < REMEMBERED {
            let room = REMEMBERED - kept.len();
            let surplus = self.before.len().saturating_sub(room);
            self.before.drain(..surplus);
        } else {
            self.before.clear();
        }
        self.before.extend_from_slice(kept);
    }

    fn count(&mut self, path: &Path, reason: &str) {
        self.not_understood += 1;
        if self.first_not_understood.is_none() {
            self.first_not_understood = Some(format!(
                "{}: line {} is not understood: {}",
                shown(path),
                self.lines,
                one_line(reason)
            ));
        }
    }
}
