//! A reader of Python pickles in which no code can run.
//!
//! A pickle is a program for a small stack machine: it makes plain values, names classes and functions, and has
//! them called. The [`machine`] carries it out over an arena of [`Node`]s. Instead of calling anything it knows a
//! fixed list of [`class`]es and functions that weights files need, and makes what each of them would return;
//! any other name is an error that says the name.
//!
//! Hostile input: every object costs an instruction and no instruction copies what an earlier one made, so that
//! memory is a small multiple of the input however often objects are shared; lengths are compared with the
//! bytes that are left before anything is allocated; nothing recurses.

mod class;
mod construct;
mod error;
mod machine;
mod node;
mod numpy;
mod op;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod value;

pub use error::PickleError;
pub(super) use machine::unpickle;
pub(super) use node::Objects;
pub use node::TensorRef;
pub use value::Value;
