//! One file a verb: its `run` does it and says how it went.

pub mod attention;
pub mod bench;
pub mod classify;
pub mod completions;
pub mod detect;
pub mod doctor;
pub mod embed;
pub mod evaluation;
pub mod export;
pub mod import;
pub mod inspect;
pub mod knn;
pub mod list;
pub mod man;
pub mod neighbours;
pub mod pretrain;
pub mod project;
pub mod report;
pub mod results;
pub mod selftest;
pub mod sweep;
pub mod views;

mod wanted;
pub mod watch;
