//! A file of weights of any format that is read: its tensors by name, their values on demand.

use std::fmt;

use ::safetensors::SafeTensors;

use super::WeightsError;
use super::pytorch::{PytorchFile, PytorchFormat, TensorRef, Value};
use super::safetensors::element_type;

/// Where checkpoints keep a state dict, the most wanted first: of several networks the student's.
const PARTS: [&str; 6] = [
    "state_dict",
    "model_state_dict",
    "model",
    "student",
    "network",
    "teacher",
];

/// A file of weights in memory.
#[derive(Debug)]
pub struct WeightsFile<'a> {
    format: WeightsFormat,
    part: Option<&'static str>,
    entries: Vec<WeightsEntry>,
    source: Source<'a>,
}

/// The format of a file of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightsFormat {
    /// safetensors.
    Safetensors,
    /// One of PyTorch's.
    Pytorch(PytorchFormat),
}

impl fmt::Display for WeightsFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::Pytorch(PytorchFormat::Zip) => "PyTorch",
            Self::Pytorch(PytorchFormat::Legacy) => "PyTorch, legacy",
        })
    }
}

/// A tensor of a file.
#[derive(Debug)]
pub struct WeightsEntry {
    /// Its name in the file.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    tensor: Option<TensorRef>,
}

#[derive(Debug)]
enum Source<'a> {
    Safetensors(SafeTensors<'a>),
    Pytorch(PytorchFile<'a>),
}

impl<'a> WeightsFile<'a> {
    /// Reads the names and shapes of a file, whatever its format. In a PyTorch checkpoint the tensors are those of
    /// the state dict in it.
    ///
    /// # Errors
    /// If the file is damaged, is of another format or holds no tensors by name.
    pub fn open(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        match PytorchFile::detect(bytes)? {
            Some(format) => Self::pytorch(PytorchFile::parse(bytes, format)?, format),
            // A length and JSON.
            None if bytes.get(8) == Some(&b'{') => {
                Ok(Self::safetensors(SafeTensors::deserialize(bytes)?))
            }
            None => Err(WeightsError::UnknownFormat),
        }
    }

    fn safetensors(file: SafeTensors<'a>) -> Self {
        let entries = file.iter().map(|(name, view)| WeightsEntry {
            name: name.to_string(),
            shape: view.shape().to_vec(),
            tensor: None,
        });
        let mut entries: Vec<WeightsEntry> = entries.collect();
        // They come in the order of a hash table.
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            format: WeightsFormat::Safetensors,
            part: None,
            entries,
            source: Source::Safetensors(file),
        }
    }

    fn pytorch(file: PytorchFile<'a>, format: PytorchFormat) -> Result<Self, WeightsError> {
        let (part, state_dict) = file
            .root()
            .and_then(state_dict)
            .ok_or_else(|| no_state_dict(file.root()))?;
        let entries = tensors(state_dict).map(|(name, tensor)| WeightsEntry {
            name: name.to_string(),
            shape: tensor.shape().to_vec(),
            tensor: Some(tensor.clone()),
        });
        Ok(Self {
            format: WeightsFormat::Pytorch(format),
            part,
            entries: entries.collect(),
            source: Source::Pytorch(file),
        })
    }

    /// Its format.
    pub fn format(&self) -> WeightsFormat {
        self.format
    }

    /// The key of the checkpoint under which the tensors were; `None` if the file holds nothing else.
    pub fn part(&self) -> Option<&'static str> {
        self.part
    }

    /// Its tensors; of those with equal names the last one counts.
    pub fn entries(&self) -> &[WeightsEntry] {
        &self.entries
    }

    /// The values of one of its [entries](Self::entries) in row-major order; other element types are converted.
    ///
    /// # Errors
    /// If the values are missing or damaged, or of an element type that is not handled.
    pub fn values(&self, entry: &WeightsEntry) -> Result<Vec<f32>, WeightsError> {
        match (&self.source, &entry.tensor) {
            (Source::Pytorch(file), Some(tensor)) => {
                Ok(tensor.element().to_f32(&file.values(tensor)?))
            }
            (Source::Safetensors(file), _) => {
                let view = file.tensor(&entry.name)?;
                let element = element_type(view.dtype());
                let element = element.ok_or_else(|| WeightsError::ElementType {
                    name: entry.name.clone(),
                    element: format!("{:?}", view.dtype()),
                })?;
                Ok(element.to_f32(view.data()))
            }
            (Source::Pytorch(_), None) => Err(WeightsError::NoStateDict {
                found: format!("no tensor {}", entry.name),
            }),
        }
    }
}

/// The tensors of a dict whose keys are names.
fn tensors(dict: Value<'_>) -> impl Iterator<Item = (&str, &TensorRef)> {
    dict.entries()
        .filter_map(|(name, value)| Some((name.as_str()?, value.as_tensor()?)))
}

/// The state dict of what was saved, and the key that it is under.
fn state_dict(root: Value<'_>) -> Option<(Option<&'static str>, Value<'_>)> {
    let holds_tensors = |dict: Value<'_>| tensors(dict).next().is_some();
    if holds_tensors(root) {
        return Some((None, root));
    }
    PARTS.into_iter().find_map(|part| {
        let dict = root.get(part).filter(|dict| holds_tensors(*dict))?;
        Some((Some(part), dict))
    })
}

fn no_state_dict(root: Option<Value<'_>>) -> WeightsError {
    let keys: Vec<&str> = root
        .into_iter()
        .flat_map(Value::entries)
        .filter_map(|(key, _)| key.as_str())
        .take(5)
        .collect();
    WeightsError::NoStateDict {
        found: match root {
            Some(_) if !keys.is_empty() => format!("a dict of {}", keys.join(", ")),
            Some(root) => format!("an object of type {}", root.type_name()),
            None => "nothing".to_string(),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A legacy file of these objects, which may have one tensor of two numbers in record `0`.
    fn file_of(objects: &[u8]) -> Vec<u8> {
        let head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.M\xe9\x03.}.";
        let names: &[u8] = match objects.windows(7).any(|text| text == b"storage") {
            true => b"](U\x010e.\x02\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40",
            false => b"].",
        };
        [&head[..], objects, names].concat()
    }

    const TENSOR: &[u8] =
        b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n\
        U\x010U\x03cpuK\x02Nt\x51K\x00K\x02\x85K\x01\x85tR";

    #[test]
    fn of_two_networks_the_one_that_learns_is_taken_and_what_is_no_tensor_is_passed_over() {
        let teacher = [b"}U\x07teacher}U\x01a", TENSOR, b"q\x00ss"].concat();
        let student = b"U\x07student}(U\x01bh\x00U\x01cNus.";
        let bytes = file_of(&[&teacher[..], student].concat());
        let file = WeightsFile::open(&bytes).unwrap();
        assert_eq!(file.part(), Some("student"));
        assert_eq!(file.format().to_string(), "PyTorch, legacy");
        let names: Vec<&str> = file.entries().iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["b"]);
        assert_eq!(file.values(&file.entries()[0]).unwrap(), [1.0, 2.0]);
    }

    #[test]
    fn a_plain_state_dict_has_no_part() {
        let bytes = file_of(&[b"}U\x01a", TENSOR, b"s."].concat());
        let file = WeightsFile::open(&bytes).unwrap();
        assert_eq!((file.part(), file.entries().len()), (None, 1));
    }

    #[test]
    fn a_file_without_a_state_dict_says_what_it_holds() {
        for (objects, found) in [
            (
                &b"}(U\x05epochK\x03U\x05modelNu."[..],
                "it holds a dict of epoch, model;",
            ),
            (b"K\x03.", "it holds an object of type int;"),
        ] {
            let bytes = file_of(objects);
            let message = WeightsFile::open(&bytes).unwrap_err().to_string();
            assert!(message.contains(found), "{message}");
        }
    }
}
