//! The objects that a pickle makes, in an arena: an object that others share, or that holds itself, is one node.

use super::class::Class;
use super::numpy::NumpyType;
use crate::weights::ElementType;

/// The place of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Id(u32);

/// An object. Those it holds are named by their places.
#[derive(Debug)]
pub(in super::super) enum Node {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    /// Text whose characters are bytes (`_codecs.encode(text, "latin1")`), not copied.
    Latin1(Id),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function on the list, not called.
    Class(Class),
    /// An instance of a class on the list.
    Instance(Box<Instance>),
    NumpyType(NumpyType),
    Storage(Box<Storage>),
    Tensor(Box<TensorRef>),
}

/// An instance of a class whose objects are plain data.
#[derive(Debug)]
pub(in super::super) struct Instance {
    pub(super) class: Class,
    /// What the constructor was given: nothing, or a list of elements, of a dict's pairs.
    pub(super) content: Option<Id>,
    /// Entries set later, of a class that is a dict.
    pub(super) entries: Vec<(Id, Id)>,
    /// A dict of attributes.
    pub(super) attributes: Option<Id>,
}

/// A piece of memory that tensors look into, in a record of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Storage {
    /// The record's name, a text.
    pub(in super::super) key: Id,
    /// Type of its elements.
    pub(in super::super) element: ElementType,
    /// Number of elements of the record.
    pub(in super::super) count: usize,
    /// First element, and number of elements, of what tensors may look at: the record, or a part of it in legacy files.
    pub(in super::super) visible: (usize, usize),
}

/// A tensor as a pickle describes it: a view of a storage. Its values are in another part of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorRef {
    pub(in super::super) storage: Storage,
    pub(in super::super) offset: usize,
    pub(in super::super) shape: Vec<usize>,
    pub(in super::super) strides: Vec<usize>,
}

impl TensorRef {
    /// Type of the elements.
    pub fn element(&self) -> ElementType {
        self.storage.element
    }

    /// Dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
}

/// All objects of a pickle.
#[derive(Debug, Default)]
pub(in super::super) struct Objects {
    nodes: Vec<Node>,
    root: Option<Id>,
}

impl Objects {
    /// Adds an object; `None` when there are more than places can number.
    pub(super) fn add(&mut self, node: Node) -> Option<Id> {
        let place = u32::try_from(self.nodes.len()).ok()?;
        self.nodes.push(node);
        Some(Id(place))
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        // Ids come from `add` of the same arena, which never shrinks.
        self.nodes.get(id.0 as usize).unwrap_or(&Node::None)
    }

    pub(super) fn node_mut(&mut self, id: Id) -> Option<&mut Node> {
        self.nodes.get_mut(id.0 as usize)
    }

    pub(super) fn set_root(&mut self, id: Id) {
        self.root = Some(id);
    }

    pub(super) fn root_id(&self) -> Option<Id> {
        self.root
    }

    /// The text at a place.
    pub(in super::super) fn text(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn int(&self, id: Id) -> Option<i128> {
        match self.node(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of a list, tuple or set.
    pub(super) fn items(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => Some(items),
            _ => None,
        }
    }

    /// Every storage that was named.
    pub(in super::super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Storage(storage) => Some(&**storage),
            _ => None,
        })
    }
}
