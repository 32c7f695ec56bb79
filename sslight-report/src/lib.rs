//! What a run wrote, made visible: its metrics as series, as TensorBoard's files, as a page.
//!
//! This crate knows files and text, no tensors.

pub mod tensorboard;
