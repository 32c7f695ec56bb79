//! A picture and the JSON file beside it.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sslight_core::fsio::{Draft, WithPath};

use crate::exit::CliError;

/// Kinds of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    Svg,
    Png,
}

impl Picture {
    fn ending(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }
}

/// Where the two files go. Nothing is written before both are whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The picture, as named.
    pub picture: PathBuf,
    /// Its name with the ending of JSON.
    pub json: PathBuf,
    /// By the ending of the name.
    pub kind: Picture,
}

impl Target {
    /// Reads `to`, before any work: its ending must name one of the kinds, and files that are there are left alone unless they
    /// may be replaced.
    ///
    /// # Errors
    /// [`CliError::Usage`] with what to write instead.
    pub fn new(path: &Path, kinds: &[Picture], overwrite: bool) -> Result<Self, CliError> {
        let usage = |path: &Path, what: &str| {
            Err(CliError::Usage(format!(
                "command line: to={}: {what}",
                path.display()
            )))
        };
        let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
        let kind = kinds
            .iter()
            .find(|kind| ending.as_deref() == Some(kind.ending().as_ref()));
        let Some(kind) = kind else {
            let known: Vec<String> = kinds.iter().map(|k| format!(".{}", k.ending())).collect();
            let known = known.join(" or ");
            let what = format!(
                "its ending names no kind of picture that can be written; end it with {known}"
            );
            return usage(path, &what);
        };
        let target = Self {
            picture: path.to_owned(),
            json: path.with_extension("json"),
            kind: *kind,
        };
        for file in [&target.picture, &target.json] {
            if file.is_dir() {
                return usage(file, "is a folder; give the path of a file");
            }
            if !overwrite && file.exists() {
                let what = "is there already; give another path, or overwrite=true to replace it";
                return usage(file, what);
            }
        }
        Ok(target)
    }

    /// Writes both files, and the folders on the way to them.
    ///
    /// # Errors
    /// If a file cannot be written; what was there is untouched then.
    pub fn write(&self, picture: &[u8], record: &impl Serialize) -> Result<(), CliError> {
        let mut json = serde_json::to_string_pretty(record)
            .map_err(|error| CliError::Usage(format!("views: {error}")))?;
        json.push('\n');
        let drafts = [(&self.json, json.as_bytes()), (&self.picture, picture)].map(
            |(path, bytes)| -> Result<Draft, CliError> {
                let mut draft = Draft::create(path)?;
                draft.write_all(bytes).on(path, "write")?;
                Ok(draft)
            },
        );
        let [json, picture] = drafts;
        let (json, picture) = (json?, picture?);
        json.publish()?;
        picture.publish()?;
        Ok(())
    }

    /// The names of both, for a message.
    pub fn names(&self) -> String {
        format!("{}, {}", self.picture.display(), self.json.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_the_kind_and_the_json_file_stands_beside() {
        let of = |path: &str, kinds: &[Picture]| {
            Target::new(Path::new(path), kinds, false).map_err(|error| error.to_string())
        };
        let target = of("no/such/a.PNG", &[Picture::Svg, Picture::Png]);
        let expected = Target {
            picture: "no/such/a.PNG".into(),
            json: "no/such/a.json".into(),
            kind: Picture::Png,
        };
        assert_eq!(target, Ok(expected));
        for (path, kinds, ending) in [
            ("a.svg", &[Picture::Png][..], ".png"),
            ("a", &[Picture::Svg, Picture::Png], ".svg or .png"),
        ] {
            let told = format!(
                "command line: to={path}: its ending names no kind of picture that can be written; end it with {ending}"
            );
            assert_eq!(of(path, kinds), Err(told));
        }
    }
}
