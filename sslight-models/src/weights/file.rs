//! A file of weights of any format that is read: its tensors by name, their values on demand.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use ::safetensors::SafeTensors;

use super::pytorch::{PytorchFile, PytorchFormat, TensorRef, Value};
use super::safetensors::element_type;
use super::shown::shown;
use super::{ElementType, Role, WeightsError, checksum, header};

/// Where checkpoints keep a state dict, the most wanted first: of several networks the student's.
const PARTS: [&str; 6] = [
    "state_dict",
    "model_state_dict",
    "model",
    "student",
    "network",
    TEACHER,
];
/// The part that is a teacher's whatever the names in it.
const TEACHER: &str = "teacher";
/// The text beside the tensors that says whose network they are.
const ROLE: &str = "role";

/// Bytes of a tensor's name at most. A pickle names one text as often as it likes, so that long ones would make much
/// work of a small file.
const MAX_NAME: usize = 1024;

/// A file of weights in memory.
#[derive(Debug)]
pub struct WeightsFile<'a> {
    format: WeightsFormat,
    part: Option<&'static str>,
    wanted: Option<Role>,
    entries: Vec<WeightsEntry>,
    metadata: BTreeMap<String, String>,
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
    /// The type of its elements; `None` for one that is not handled.
    pub element: Option<ElementType>,
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
    /// Damage among the values of a safetensors file is seen if it has a [checksum](super::with_checksum).
    pub fn open(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        Self::open_for(bytes, None)
    }

    /// [`open`](Self::open), for the network of a role in a file that may hold several.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_for(bytes: &'a [u8], role: Option<Role>) -> Result<Self, WeightsError> {
        let mut file = match PytorchFile::detect(bytes)? {
            Some(format) => Self::pytorch(PytorchFile::parse(bytes, format)?, format, role)?,
            // A length and JSON.
            None if bytes.get(8) == Some(&b'{') => Self::safetensors(bytes)?,
            None => return Err(WeightsError::UnknownFormat),
        };
        file.wanted = role;
        Ok(file)
    }

    fn safetensors(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        header::check(bytes)?;
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let file = SafeTensors::deserialize(bytes)?;
        checksum::verify(bytes)?;
        let entries = file.iter().map(|(name, view)| WeightsEntry {
            name: name.to_string(),
            shape: view.shape().to_vec(),
            element: element_type(view.dtype()),
            tensor: None,
        });
        let mut entries: Vec<WeightsEntry> = entries.collect();
        // They come in the order of a hash table.
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(Self {
            format: WeightsFormat::Safetensors,
            part: None,
            wanted: None,
            entries,
            metadata: metadata.into_iter().collect(),
            source: Source::Safetensors(file),
        })
    }

    fn pytorch(
        file: PytorchFile<'a>,
        format: PytorchFormat,
        role: Option<Role>,
    ) -> Result<Self, WeightsError> {
        let (part, state_dict) = file
            .root()
            .and_then(|root| state_dict(root, role))
            .ok_or_else(|| no_state_dict(file.root()))?;
        let entries = entries(state_dict)?;
        Ok(Self {
            format: WeightsFormat::Pytorch(format),
            part,
            wanted: None,
            entries,
            metadata: BTreeMap::new(),
            source: Source::Pytorch(file),
        })
    }

    /// The role that it was opened for.
    pub fn wanted_role(&self) -> Option<Role> {
        self.wanted
    }

    /// Texts beside the tensors, which safetensors files may have.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Whose network it is that has names of this role in the part of the file that was opened. A file of ours has
    /// plain names and says itself whose they are.
    pub(super) fn role_of(&self, names: Role) -> Role {
        let told = self.metadata.get(ROLE).and_then(|role| role.parse().ok());
        if self.part == Some(TEACHER) || told == Some(Role::Teacher) {
            Role::Teacher
        } else {
            names
        }
    }

    /// Its format.
    pub fn format(&self) -> WeightsFormat {
        self.format
    }

    /// The key of the checkpoint under which the tensors were; `None` if they are what the file holds.
    pub fn part(&self) -> Option<&'static str> {
        self.part
    }

    /// Its tensors, each name once; of those with equal names it is the last one.
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

/// The tensors of a dict, each name once. Names and shapes are copied, and keys may be one shared text: only what is
/// kept is copied, so that memory stays a small multiple of the input.
fn entries(dict: Value<'_>) -> Result<Vec<WeightsEntry>, WeightsError> {
    let mut found: HashMap<&str, (usize, &TensorRef)> = HashMap::new();
    for (place, (name, tensor)) in tensors(dict).enumerate() {
        if name.len() > MAX_NAME {
            return Err(WeightsError::LongName {
                length: name.len(),
                limit: MAX_NAME,
            });
        }
        found.entry(name).or_insert((place, tensor)).1 = tensor;
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_unstable_by_key(|(_, (place, _))| *place);
    let entries = found.into_iter().map(|(name, (_, tensor))| WeightsEntry {
        name: name.to_string(),
        shape: tensor.shape().to_vec(),
        element: Some(tensor.element()),
        tensor: Some(tensor.clone()),
    });
    Ok(entries.collect())
}

/// The state dict of what was saved, and the key that it is under. A checkpoint may have tensors beside its state dict
/// (a best score), so that the whole counts as one only if none of its parts does.
fn state_dict(root: Value<'_>, role: Option<Role>) -> Option<(Option<&'static str>, Value<'_>)> {
    let holds_tensors = |dict: &Value<'_>| tensors(*dict).next().is_some();
    let first = (role == Some(Role::Teacher)).then_some(TEACHER);
    let part = first.into_iter().chain(PARTS).find_map(|part| {
        let dict = root.get(part).filter(holds_tensors)?;
        Some((Some(part), dict))
    });
    part.or_else(|| holds_tensors(&root).then_some((None, root)))
}

fn no_state_dict(root: Option<Value<'_>>) -> WeightsError {
    let keys: Vec<String> = root
        .into_iter()
        .flat_map(Value::entries)
        .filter_map(|(key, _)| key.as_str())
        .filter(|key| key.len() <= MAX_NAME)
        .take(5)
        .map(shown)
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
mod tests;
