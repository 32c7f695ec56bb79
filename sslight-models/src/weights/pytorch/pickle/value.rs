//! Plain values of a pickle, to look at.

use super::class::Class;
use super::construct::latin1;
use super::node::{Id, Node, Objects, TensorRef};

/// An object of a pickle: a dict, list, tuple, text, number, tensor, or an instance of a class that is plain data.
///
/// It is a place among the objects, so that copies cost nothing. Objects can be shared and can hold themselves;
/// whoever walks over all of them needs a limit of their own.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    objects: &'a Objects,
    id: Id,
}

impl<'a> Value<'a> {
    pub(in super::super) fn root(objects: &'a Objects) -> Option<Self> {
        let id = objects.root_id()?;
        Some(Self { objects, id })
    }

    fn node(self) -> &'a Node {
        self.objects.node(self.id)
    }

    fn at(self, id: Id) -> Self {
        Self { id, ..self }
    }

    /// What it is, by its Python name.
    pub fn type_name(self) -> &'a str {
        match self.node() {
            Node::None => "None",
            Node::Bool(_) => "bool",
            Node::Int(_) => "int",
            Node::Float(_) => "float",
            Node::Text(_) => "str",
            Node::Bytes(_) | Node::Latin1(_) => "bytes",
            Node::List(_) => "list",
            Node::Tuple(_) => "tuple",
            Node::Set(_) => "set",
            Node::Dict(_) => "dict",
            Node::Class(class) => class.name(),
            Node::Instance(instance) => instance.class.name(),
            Node::NumpyType(_) => "numpy.dtype",
            Node::Storage(_) => "storage",
            Node::Tensor(_) => "tensor",
        }
    }

    /// Whether it is `None`.
    pub fn is_none(self) -> bool {
        matches!(self.node(), Node::None)
    }

    /// A truth value, of Python or NumPy.
    pub fn as_bool(self) -> Option<bool> {
        match self.node() {
            Node::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// An integer, of Python or NumPy, that fits.
    pub fn as_i64(self) -> Option<i64> {
        self.objects.int(self.id).and_then(|n| n.try_into().ok())
    }

    /// A number, of Python or NumPy.
    pub fn as_f64(self) -> Option<f64> {
        match self.node() {
            Node::Float(value) => Some(*value),
            Node::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// Text.
    pub fn as_str(self) -> Option<&'a str> {
        self.objects.text(self.id)
    }

    /// Bytes.
    pub fn to_bytes(self) -> Option<Vec<u8>> {
        match self.node() {
            Node::Bytes(bytes) => Some(bytes.to_vec()),
            Node::Latin1(text) => latin1(self.objects.text(*text)?, usize::MAX),
            _ => None,
        }
    }

    /// A tensor, whose values [`PytorchFile`](crate::weights::pytorch::PytorchFile) reads.
    pub fn as_tensor(self) -> Option<&'a TensorRef> {
        match self.node() {
            Node::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The elements of a list, tuple or set; none of anything else.
    pub fn items(self) -> impl ExactSizeIterator<Item = Self> + 'a {
        let items = match self.node() {
            Node::Instance(instance) if matches!(instance.class, Class::SetLike(_)) => {
                instance.content.and_then(|id| self.objects.items(id))
            }
            _ => self.objects.items(self.id),
        };
        items.unwrap_or_default().iter().map(move |id| self.at(*id))
    }

    /// Keys and values of a dict, or of an instance of a class that is one, in the file's order; none of anything
    /// else. Of equal keys the last counts.
    pub fn entries(self) -> impl DoubleEndedIterator<Item = (Self, Self)> + 'a {
        let (first, then): (&[Id], &[(Id, Id)]) = match self.node() {
            Node::Dict(entries) => (&[], entries),
            Node::Instance(instance) if matches!(instance.class, Class::DictLike(_)) => {
                let pairs = instance.content.and_then(|id| self.objects.items(id));
                (pairs.unwrap_or_default(), &instance.entries)
            }
            _ => (&[], &[]),
        };
        let first = first.iter().filter_map(move |pair| {
            let pair = self.objects.items(*pair)?.first_chunk::<2>()?;
            Some((pair[0], pair[1]))
        });
        first
            .chain(then.iter().copied())
            .map(move |(key, value)| (self.at(key), self.at(value)))
    }

    /// The value of a dict under a text key.
    pub fn get(self, key: &str) -> Option<Self> {
        self.find(|found| found.as_str() == Some(key))
    }

    /// The value of a dict under a number.
    pub fn get_number(self, key: i64) -> Option<Self> {
        self.find(|found| found.as_i64() == Some(key))
    }

    fn find(self, is_key: impl Fn(Self) -> bool) -> Option<Self> {
        let mut entries = self.entries().rev();
        entries.find_map(|(key, value)| is_key(key).then_some(value))
    }

    /// An attribute of an instance, such as an argument in a `Namespace`.
    pub fn attribute(self, name: &str) -> Option<Self> {
        match self.node() {
            Node::Instance(instance) => self.at(instance.attributes?).get(name),
            _ => None,
        }
    }
}
