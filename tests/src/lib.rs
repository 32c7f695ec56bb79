//! Cross-crate tests; see `it/`.
