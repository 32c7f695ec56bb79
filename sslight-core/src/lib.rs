//! Self-supervised learning for small networks.

pub mod checkpoint;
pub mod config;
mod draw;
pub mod embed;
pub mod eval;
pub mod exchange;
pub mod fsio;
pub mod learner;
pub mod loss;
pub mod method;
pub mod observe;
pub mod optim;
pub mod run;
pub mod schedule;
pub mod sweep;
mod text;
