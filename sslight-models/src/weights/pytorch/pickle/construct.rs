//! What the classes and functions on the list return when a pickle calls them.

use super::PickleError;
use super::class::Class;
use super::node::{Id, Instance, Node, Objects, Storage, TensorRef};
use super::numpy::NumpyType;

/// Most dimensions of a tensor: sizes are the one thing that a call copies, so that there must be few.
const MAX_DIMS: usize = 8;
/// Bytes of the name of a storage at most; PyTorch writes numbers.
const MAX_KEY: usize = 255;
/// Bytes of a NumPy scalar at most.
const MAX_SCALAR: usize = 16;

/// The result of a call: a new object, or one that is there already.
pub(super) enum Made {
    New(Node),
    Old(Id),
}

/// A call at a byte of the pickle.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) objects: &'a Objects,
    pub(super) at: usize,
    pub(super) class: Class,
    pub(super) args: &'a [Id],
}

impl<'a> Call<'a> {
    fn refused(&self, expected: &'static str) -> PickleError {
        PickleError::Operand {
            at: self.at,
            what: self.class.name(),
            expected,
        }
    }

    fn node(&self, place: usize) -> Option<&'a Node> {
        self.args.get(place).map(|id| self.objects.node(*id))
    }

    /// `class(*args)`.
    pub(super) fn reduce(self) -> Result<Made, PickleError> {
        let new = |node| Ok(Made::New(node));
        match self.class {
            Class::DictLike(_) => match (self.args, self.node(0)) {
                // A defaultdict is given its factory, Python 2's OrderedDict a list of pairs.
                ([], _) | ([_], Some(Node::None | Node::Class(_))) => {
                    new(instance(self.class, None))
                }
                ([pairs], Some(Node::List(_))) => new(instance(self.class, Some(*pairs))),
                _ => Err(self.refused("nothing or a list of pairs")),
            },
            Class::AttributesOnly(_) => match self.args {
                [] => new(instance(self.class, None)),
                _ => Err(self.refused("no arguments")),
            },
            Class::SetLike(_) => match self.args {
                [] => new(instance(self.class, None)),
                [one] if self.objects.items(*one).is_some() => {
                    new(instance(self.class, Some(*one)))
                }
                _ => Err(self.refused("a list")),
            },
            Class::Size => match self.args {
                [one] if matches!(self.objects.node(*one), Node::Tuple(_)) => Ok(Made::Old(*one)),
                _ => Err(self.refused("a tuple")),
            },
            Class::Device => match self.args {
                [one, ..] if self.objects.text(*one).is_some() => Ok(Made::Old(*one)),
                _ => Err(self.refused("a name")),
            },
            Class::RebuildTensor => new(self.tensor()?),
            Class::RebuildParameter => match (self.args, self.node(0)) {
                ([tensor, ..], Some(Node::Tensor(_))) => Ok(Made::Old(*tensor)),
                _ => Err(self.refused("a tensor")),
            },
            Class::RebuildFromType => self.tensor_of_type(),
            Class::NumpyType => match self.args {
                [code, ..] => {
                    let code = self.objects.text(*code).and_then(NumpyType::of_code);
                    new(Node::NumpyType(code.ok_or_else(|| {
                        self.refused("the code of a type of numbers")
                    })?))
                }
                [] => Err(self.refused("a code")),
            },
            Class::NumpyScalar => {
                let scalar = match (self.node(0), self.args) {
                    (Some(Node::NumpyType(kind)), [_, bytes]) => self
                        .short_bytes(*bytes)
                        .and_then(|bytes| kind.scalar(&bytes)),
                    _ => None,
                };
                new(scalar.ok_or_else(|| self.refused("a type of numbers and its bytes"))?)
            }
            Class::Encode => match self.args {
                [text, coding]
                    if self.objects.text(*text).is_some()
                        && self.objects.text(*coding) == Some("latin1") =>
                {
                    new(Node::Latin1(*text))
                }
                _ => Err(self.refused("text and `latin1`")),
            },
            Class::NameOnly(_) | Class::Storage(_) => Err(self.refused("a call")),
        }
    }

    /// `class.__new__(class, *args)`.
    pub(super) fn new_object(self) -> Result<Made, PickleError> {
        match self.class {
            Class::DictLike(_) | Class::AttributesOnly(_) if self.args.is_empty() => {
                Ok(Made::New(instance(self.class, None)))
            }
            _ => Err(self.refused("an empty new instance")),
        }
    }

    /// Storage, offset, size, stride.
    fn tensor(&self) -> Result<Node, PickleError> {
        let (Some(Node::Storage(storage)), [_, offset, shape, strides, ..]) =
            (self.node(0), self.args)
        else {
            return Err(self.refused("a storage, an offset, a size and strides"));
        };
        let size = |id: &Id| {
            let value = self.objects.int(*id)?;
            usize::try_from(value).ok()
        };
        let sizes = |id: &Id| {
            let ids = self.objects.items(*id)?;
            (ids.len() <= MAX_DIMS).then(|| ids.iter().map(size).collect::<Option<Vec<_>>>())?
        };
        match (size(offset), sizes(shape), sizes(strides)) {
            (Some(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
                Ok(Node::Tensor(Box::new(TensorRef {
                    storage: **storage,
                    offset,
                    shape,
                    strides,
                })))
            }
            _ => Err(self.refused("an offset, a size and strides that are whole numbers")),
        }
    }

    /// A function that makes a tensor, a class, the function's arguments, and attributes.
    fn tensor_of_type(self) -> Result<Made, PickleError> {
        match (self.node(0), self.args) {
            // Never itself, so that calls do not nest.
            (
                Some(Node::Class(class @ (Class::RebuildTensor | Class::RebuildParameter))),
                [_, _, args, ..],
            ) => {
                let args = self.objects.items(*args);
                Call {
                    class: *class,
                    args: args.ok_or_else(|| self.refused("arguments"))?,
                    ..self
                }
                .reduce()
            }
            _ => Err(self.refused("a function that makes a tensor")),
        }
    }

    /// The bytes of a scalar; a look at more than that would be work that a pickle can ask for without end.
    fn short_bytes(&self, id: Id) -> Option<Vec<u8>> {
        match self.objects.node(id) {
            Node::Bytes(bytes) if bytes.len() <= MAX_SCALAR => Some(bytes.to_vec()),
            Node::Text(text) if text.len() <= MAX_SCALAR => Some(text.as_bytes().to_vec()),
            Node::Latin1(text) => latin1(self.objects.text(*text)?, MAX_SCALAR),
            _ => None,
        }
    }
}

/// Text as the bytes that its characters number, up to `most` of them.
pub(super) fn latin1(text: &str, most: usize) -> Option<Vec<u8>> {
    let characters = text.chars().take(most.saturating_add(1));
    let bytes: Option<Vec<u8>> = characters.map(|char| u8::try_from(char).ok()).collect();
    bytes.filter(|bytes| bytes.len() <= most)
}

fn instance(class: Class, content: Option<Id>) -> Node {
    Node::Instance(Box::new(Instance {
        class,
        content,
        entries: Vec::new(),
        attributes: None,
    }))
}

/// What a persistent id stands for: `("storage", class, key, location, count)`, in legacy files with a part of
/// the storage behind, `(key of the part, start, count)` or `None`. Locations do not matter: all is read on the host.
pub(super) fn storage(objects: &Objects, at: usize, id: Id) -> Result<Node, PickleError> {
    let refused = |expected| PickleError::Operand {
        at,
        what: "a persistent id",
        expected,
    };
    let parts = objects.items(id).unwrap_or_default();
    let tag = parts.first().and_then(|tag| objects.text(*tag));
    if tag == Some("module") {
        return Err(refused(
            "a storage but a whole module (save its state_dict() alone)",
        ));
    }
    let (Some("storage"), [_, class, key, _location, count, rest @ ..]) = (tag, parts) else {
        return Err(refused("a storage"));
    };
    let Node::Class(Class::Storage(element)) = objects.node(*class) else {
        return Err(refused("a class of storages"));
    };
    if objects.text(*key).is_none_or(|key| key.len() > MAX_KEY) {
        return Err(refused("the name of a storage"));
    }
    let size = |id: Id| objects.int(id).and_then(|n| usize::try_from(n).ok());
    let count = size(*count).ok_or_else(|| refused("a number of elements"))?;
    let part = rest
        .first()
        .map(|part| (objects.node(*part), objects.items(*part)));
    let visible = match part {
        None | Some((Node::None, _)) => Some((0, count)),
        Some((_, Some([_key, start, length]))) => size(*start)
            .zip(size(*length))
            .filter(|(start, length)| start.checked_add(*length).is_some_and(|end| end <= count)),
        Some(_) => None,
    };
    Ok(Node::Storage(Box::new(Storage {
        key: *key,
        element: *element,
        count,
        visible: visible.ok_or_else(|| refused("a part of a storage"))?,
    })))
}
