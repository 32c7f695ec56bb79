//! The stack machine.

use std::collections::HashMap;

use super::PickleError;
use super::class::Class;
use super::construct::{self, Call, Made};
use super::node::{Id, Node, Objects};
use super::op::{Op, Reader};
use crate::weights::shown::shown;

/// Instructions at most; a tensor of a checkpoint takes about 40.
const MAX_INSTRUCTIONS: usize = 4 << 20;

/// Carries out the pickle at the start of `bytes`; its objects, and the number of bytes that it takes.
///
/// # Errors
/// See [`PickleError`].
pub(in super::super) fn unpickle(bytes: &[u8]) -> Result<(Objects, usize), PickleError> {
    let mut reader = Reader::new(bytes);
    let mut machine = Machine::default();
    for _ in 0..MAX_INSTRUCTIONS {
        let op = reader.next()?;
        machine.at = reader.start();
        if op == Op::Stop {
            let root = machine.pop()?;
            machine.objects.set_root(root);
            return Ok((machine.objects, reader.end()));
        }
        machine.step(op)?;
    }
    Err(PickleError::TooLong {
        limit: MAX_INSTRUCTIONS,
    })
}

#[derive(Default)]
struct Machine {
    objects: Objects,
    stack: Vec<Id>,
    /// Lengths of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Start of the current instruction.
    at: usize,
}

impl Machine {
    fn step(&mut self, op: Op<'_>) -> Result<(), PickleError> {
        match op {
            Op::Announce | Op::Stop => {}
            Op::Mark => self.marks.push(self.stack.len()),
            Op::Pop => match self.marks.last() {
                Some(mark) if *mark == self.stack.len() => {
                    self.marks.pop();
                }
                _ => {
                    self.pop()?;
                }
            },
            Op::PopMark => {
                self.above_mark()?;
            }
            Op::Dup => {
                let top = self.top()?;
                self.stack.push(top);
            }
            Op::None => self.push(Node::None)?,
            Op::Bool(value) => self.push(Node::Bool(value))?,
            Op::Int(value) => self.push(Node::Int(value))?,
            Op::Float(value) => self.push(Node::Float(value))?,
            Op::Text(text) => self.push(Node::Text(text.into()))?,
            Op::Bytes(bytes) => self.push(Node::Bytes(bytes.into()))?,
            Op::EmptyList => self.push(Node::List(Vec::new()))?,
            Op::EmptyTuple => self.push(Node::Tuple(Vec::new()))?,
            Op::EmptyDict => self.push(Node::Dict(Vec::new()))?,
            Op::EmptySet => self.push(Node::Set(Vec::new()))?,
            Op::List => {
                let items = self.above_mark()?;
                self.push(Node::List(items))?;
            }
            Op::Tuple => {
                let items = self.above_mark()?;
                self.push(Node::Tuple(items))?;
            }
            Op::TupleOf(count) => {
                let items = self.last(count)?;
                self.push(Node::Tuple(items))?;
            }
            Op::Dict => {
                let items = self.above_mark()?;
                let entries = self.pairs(&items)?;
                self.push(Node::Dict(entries))?;
            }
            Op::FrozenSet => {
                let items = self.above_mark()?;
                self.push(Node::Set(items))?;
            }
            Op::Append => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            Op::Appends | Op::AddItems => {
                let items = self.above_mark()?;
                self.extend(items)?;
            }
            Op::SetItem => {
                let items = self.last(2)?;
                self.insert(&items)?;
            }
            Op::SetItems => {
                let items = self.above_mark()?;
                self.insert(&items)?;
            }
            Op::Put(index) => {
                let top = self.top()?;
                self.memo.insert(index, top);
            }
            Op::Memoize => {
                let top = self.top()?;
                // Numbers of objects are those of the memo so far, as Python counts.
                let index = u32::try_from(self.memo.len()).unwrap_or(u32::MAX);
                self.memo.insert(index, top);
            }
            Op::Get(index) => {
                let id = *self
                    .memo
                    .get(&index)
                    .ok_or(PickleError::Memo { at: self.at, index })?;
                self.stack.push(id);
            }
            Op::Global { module, name } => {
                let class = self.class(module, name)?;
                self.push(Node::Class(class))?;
            }
            Op::StackGlobal => {
                let names = self.last(2)?;
                let [Some(module), Some(name)] = [0, 1].map(|i| self.objects.text(names[i])) else {
                    return Err(self.refused("the name of a class", "a module and a name"));
                };
                let class = self.class(module, name)?;
                self.push(Node::Class(class))?;
            }
            Op::Reduce => self.call(|call| call.reduce())?,
            Op::NewObj => self.call(|call| call.new_object())?,
            Op::Build => {
                let state = self.pop()?;
                self.build(state)?;
            }
            Op::PersistentId => {
                let id = self.pop()?;
                let storage = construct::storage(&self.objects, self.at, id)?;
                self.push(storage)?;
            }
        }
        Ok(())
    }

    fn refused(&self, what: &'static str, expected: &'static str) -> PickleError {
        PickleError::Operand {
            at: self.at,
            what,
            expected,
        }
    }

    fn push(&mut self, node: Node) -> Result<(), PickleError> {
        let id = self.objects.add(node).ok_or(PickleError::TooLong {
            limit: u32::MAX as usize,
        })?;
        self.stack.push(id);
        Ok(())
    }

    /// The number of objects above the last mark, or of all.
    fn reachable(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, PickleError> {
        let top = self.stack.last().filter(|_| self.reachable() > 0);
        top.copied()
            .ok_or_else(|| self.refused("an instruction", "an object on the stack"))
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// Takes the last `count` objects off the stack.
    fn last(&mut self, count: usize) -> Result<Vec<Id>, PickleError> {
        if self.reachable() < count {
            return Err(self.refused("an instruction", "enough objects on the stack"));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    /// Takes the objects above the last mark off the stack, and the mark.
    fn above_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop();
        let mark = mark.ok_or_else(|| self.refused("an instruction", "a mark on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn pairs(&self, items: &[Id]) -> Result<Vec<(Id, Id)>, PickleError> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.refused("a dict", "a value for each key"));
        }
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    }

    /// Adds items to the list or set on the stack.
    fn extend(&mut self, new: Vec<Id>) -> Result<(), PickleError> {
        let target = self.top()?;
        match self.objects.node_mut(target) {
            Some(Node::List(items) | Node::Set(items)) => {
                items.extend(new);
                Ok(())
            }
            _ => Err(self.refused("an instruction that adds items", "a list or set")),
        }
    }

    /// Adds keys and values to the dict on the stack.
    fn insert(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let new = self.pairs(items)?;
        let target = self.top()?;
        match self.objects.node_mut(target) {
            Some(Node::Dict(entries)) => entries.extend(new),
            Some(Node::Instance(instance)) if matches!(instance.class, Class::DictLike(_)) => {
                instance.entries.extend(new);
            }
            _ => return Err(self.refused("an instruction that adds entries", "a dict")),
        }
        Ok(())
    }

    fn class(&self, module: &str, name: &str) -> Result<Class, PickleError> {
        Class::named(module, name).ok_or_else(|| PickleError::UnknownClass {
            at: self.at,
            module: shown(module),
            name: shown(name),
        })
    }

    /// Calls the class below a tuple of arguments.
    fn call(
        &mut self,
        call: impl FnOnce(Call<'_>) -> Result<Made, PickleError>,
    ) -> Result<(), PickleError> {
        let operands = self.last(2)?;
        let (class, args) = (operands[0], operands[1]);
        let (Node::Class(class), Node::Tuple(args)) =
            (self.objects.node(class), self.objects.node(args))
        else {
            return Err(self.refused("a call", "a class and a tuple of arguments"));
        };
        let made = call(Call {
            objects: &self.objects,
            at: self.at,
            class: *class,
            args,
        })?;
        match made {
            Made::New(node) => self.push(node)?,
            Made::Old(id) => self.stack.push(id),
        }
        Ok(())
    }

    /// `object.__setstate__(state)` of the object on the stack.
    fn build(&mut self, state: Id) -> Result<(), PickleError> {
        let target = self.top()?;
        let is_dict = matches!(self.objects.node(state), Node::Dict(_));
        // (version, byte order, ...)
        let order = match self.objects.items(state) {
            Some([_, order, ..]) => self.objects.text(*order),
            _ => None,
        };
        let numpy_type = match (self.objects.node(target), order) {
            (Node::NumpyType(kind), Some(order)) => kind.with_order(order),
            _ => None,
        };
        match (self.objects.node_mut(target), numpy_type) {
            (Some(Node::Instance(instance)), _) if is_dict => instance.attributes = Some(state),
            (Some(Node::NumpyType(kind)), Some(with_order)) => *kind = with_order,
            _ => return Err(self.refused("a state", "an object that has one")),
        }
        Ok(())
    }
}
