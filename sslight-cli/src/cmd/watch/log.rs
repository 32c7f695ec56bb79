//! The log of a run, read while it grows.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use sslight_core::observe::{Level, RunEvent, StartInfo};

/// What a line of the log says that the metrics do not.
#[derive(Debug, Clone, PartialEq)]
pub enum Logged {
    /// A part of the run starts.
    Start(Box<StartInfo>),
    /// A sentence.
    Said(Level, String),
}

/// A log and how far it was read. It is only ever appended to.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    offset: u64,
}

impl Log {
    /// A log that was not read yet, and need not exist.
    pub fn open(path: PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    /// What whole lines say that came since the last call.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn read_new(&mut self) -> io::Result<Vec<Logged>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() < self.offset {
            self.offset = 0;
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        self.offset += whole as u64;
        let text = String::from_utf8_lossy(&bytes[..whole]);
        Ok(text.lines().filter_map(logged).collect())
    }
}

fn logged(line: &str) -> Option<Logged> {
    if line.starts_with('{') {
        // The other events are in the metrics.
        return match serde_json::from_str(line) {
            Ok(RunEvent::Start(start)) => Some(Logged::Start(Box::new(start))),
            _ => None,
        };
    }
    let said = match line.strip_prefix("warning: ") {
        Some(text) => Logged::Said(Level::Warning, text.to_owned()),
        None => Logged::Said(Level::Info, line.to_owned()),
    };
    (!line.is_empty()).then_some(said)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn whole_lines_are_told_once_and_a_half_one_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.log");
        let mut log = Log::open(path.clone());
        assert_eq!(log.read_new().unwrap(), []);
        let mut file = File::create(&path).unwrap();
        let start = r#"{"kind":"start","title":"t","backend":"b","data":"d","images":1,"parameters":2,"out":"o","first_step":0,"steps_per_epoch":3,"total_steps":6,"epochs":2}"#;
        write!(file, "hello\n{start}\n{{\"kind\":\"step\"}}\nwarning: od").unwrap();
        let told = log.read_new().unwrap();
        assert_eq!(told[0], Logged::Said(Level::Info, "hello".to_owned()));
        assert!(matches!(&told[1], Logged::Start(start) if start.total_steps == 6));
        assert_eq!(told.len(), 2);
        writeln!(file, "d").unwrap();
        let warning = Logged::Said(Level::Warning, "odd".to_owned());
        assert_eq!(log.read_new().unwrap(), [warning]);
        assert_eq!(log.read_new().unwrap(), []);
    }
}
