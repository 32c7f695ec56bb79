//! How far a teacher is from its student.

use burn::module::AutodiffModule;
use sslight_models::backend::AutodiffBackend;
use sslight_models::params::is_buffer;
use sslight_models::{Backbone, weights};

/// The distance between the parameters of two networks of one kind, in units of the length of `to`.
pub fn distance<B: AutodiffBackend>(from: &Backbone<B>, to: &Backbone<B>) -> f64 {
    let values = |network: &Backbone<B>| weights::named_tensors(&network.valid());
    let (mut apart, mut length) = (0.0, 0.0);
    for (from, to) in values(from).iter().zip(values(to)) {
        if is_buffer(&to.name) {
            continue;
        }
        for (from, to) in from.values.iter().zip(to.values) {
            apart += f64::from(from - to).powi(2);
            length += f64::from(to).powi(2);
        }
    }
    (apart / length).sqrt()
}
