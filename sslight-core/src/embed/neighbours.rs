//! The images that are nearest to some of them, by the cosine of their features.

use std::path::Path;

use super::extract::{Collected, collect};
use super::sheet::{self, Head};
use super::{EmbedError, Extracted, Hooks, Images, Network, Protocol, refuse_existing};
use crate::config::{RunConfig, nearest};
use crate::eval::FeatureSet;
use crate::eval::knn::KnnConfig;
use crate::fsio;

/// Which images are asked for their neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queries {
    /// So many, evenly over the set.
    Spread(usize),
    /// These, by name or by what their names end with.
    Named(Vec<String>),
}

/// What is on a sheet and where it goes.
#[derive(Debug, Clone)]
pub struct NeighbourSettings<'a> {
    /// The PNG file.
    pub out: &'a Path,
    /// Whether a file that is there may be replaced.
    pub overwrite: bool,
    /// A row each.
    pub queries: Queries,
    /// Neighbours of a row.
    pub k: usize,
}

/// What a sheet shows.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighbourSheet {
    /// The images that were searched.
    pub extracted: Extracted,
    /// A row a query.
    pub rows: Vec<Row>,
    /// Of all neighbours shown those of their query's class, in percent; `None` without classes.
    pub same_class: Option<f64>,
}

/// A query and its neighbours, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Index of the query in the source.
    pub query: usize,
    /// What is near it.
    pub neighbours: Vec<Neighbour>,
}

/// An image near a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Index in the source.
    pub index: usize,
    /// Cosine of the features.
    pub similarity: f32,
    /// Whether it is of the query's class; `None` without classes.
    pub same_class: Option<bool>,
}

/// Searches the neighbours of the queries among all other images (leave one out) and draws them.
///
/// # Errors
/// If the file is there and may not be replaced, if a query is unknown or `k` too large, and as images, network and file
/// fail.
pub fn neighbour_sheet(
    config: &RunConfig,
    network: &Network,
    images: &Images,
    protocol: &Protocol,
    settings: &NeighbourSettings<'_>,
    hooks: &mut Hooks<'_>,
) -> Result<NeighbourSheet, EmbedError> {
    refuse_existing(settings.out, settings.overwrite)?;
    let named = match &settings.queries {
        Queries::Named(names) => Some(find(images, names)?),
        Queries::Spread(_) => None,
    };
    too_few(settings.k, images.len())?;
    let collected = collect(config, network, images, hooks)?;
    too_few(settings.k, collected.indices.len())?;
    let positions = match (named, &settings.queries) {
        (Some(named), _) => positions(images, &collected, &named)?,
        (None, Queries::Spread(most)) => spread(collected.indices.len(), *most),
        (None, Queries::Named(_)) => Vec::new(),
    };
    let rows = search(network, images, &collected, &positions, settings.k)?;
    let shown = rows.iter().flat_map(|row| &row.neighbours);
    let same: Vec<bool> = shown.filter_map(|neighbour| neighbour.same_class).collect();
    let hits = same.iter().filter(|same| **same).count();
    let result = NeighbourSheet {
        extracted: collected.extracted,
        same_class: (!same.is_empty()).then(|| 100.0 * hits as f64 / same.len() as f64),
        rows,
    };
    let head = Head {
        line: protocol.line(),
        searched: result.extracted.images,
        k: settings.k,
        view: config.eval.view(),
    };
    let png = sheet::draw(images, &result, &head)?;
    write(settings.out, &png)?;
    Ok(result)
}

/// Writes a picture, and the folders on the way to it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), EmbedError> {
    let mut draft = fsio::Draft::create(path)?;
    let written = std::io::Write::write_all(&mut draft, bytes);
    fsio::WithPath::on(written, path, "write")?;
    Ok(draft.publish()?)
}

fn too_few(k: usize, images: usize) -> Result<(), EmbedError> {
    if k + 1 > images {
        return Err(EmbedError::TooFewNeighbours { k, images });
    }
    Ok(())
}

/// At most `most` of `len` places, evenly, each from the middle of its part.
fn spread(len: usize, most: usize) -> Vec<usize> {
    let count = most.min(len);
    (0..count)
        .map(|i| (2 * i + 1) * len / (2 * count))
        .collect()
}

/// The images of these names, as indices in the source.
fn find(images: &Images, queries: &[String]) -> Result<Vec<usize>, EmbedError> {
    let name = |index: &usize| images.source.name(*index);
    let names: Vec<String> = images.indices.iter().map(name).collect();
    let find = |query: &String| {
        if let Some(exact) = names.iter().position(|name| name == query) {
            return Ok(images.indices[exact]);
        }
        let ends: Vec<usize> = (0..names.len())
            .filter(|place| ends_with(&names[*place], query))
            .collect();
        let source_name = images.source.describe();
        match ends[..] {
            [one] => Ok(images.indices[one]),
            [] => Err(EmbedError::UnknownQuery {
                query: query.clone(),
                source_name,
                nearest: similar(&names, query),
            }),
            [first, ..] => Err(EmbedError::AmbiguousQuery {
                query: query.clone(),
                source_name,
                count: ends.len(),
                first: names[first].clone(),
            }),
        }
    };
    queries.iter().map(find).collect()
}

/// The file names most like that of a query, by what is before their endings: those are alike everywhere.
fn similar(names: &[String], query: &str) -> Vec<String> {
    // A dot means a group of keys to `nearest`.
    let stem = |path: &str| {
        let name = file_name(path);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        stem.replace('.', " ")
    };
    let stems: Vec<String> = names.iter().map(|name| stem(name)).collect();
    let near = nearest(&stem(query), stems.iter().map(String::as_str));
    let named = near.into_iter().filter_map(|near| {
        let place = stems.iter().position(|stem| stem == near)?;
        Some(file_name(&names[place]).to_owned())
    });
    named.collect()
}

/// Whether whole parts of the path, or whole words of a name without folders, are the end of it.
fn ends_with(name: &str, end: &str) -> bool {
    let before = name.strip_suffix(end);
    before.is_some_and(|before| before.ends_with(['/', '\\', ' ']))
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Where images are among the rows of features; one that could not be read is an error here.
fn positions(
    images: &Images,
    collected: &Collected,
    queries: &[usize],
) -> Result<Vec<usize>, EmbedError> {
    let find = |query: &usize| {
        let place = collected.indices.iter().position(|index| index == query);
        place.ok_or_else(|| match images.source.image(*query) {
            Err(error) => error.into(),
            // It was not readable when its features were computed.
            Ok(_) => EmbedError::Drawing(format!("{} has changed", images.source.name(*query))),
        })
    };
    queries.iter().map(find).collect()
}

fn search(
    network: &Network,
    images: &Images,
    collected: &Collected,
    positions: &[usize],
    k: usize,
) -> Result<Vec<Row>, EmbedError> {
    let set = &collected.set;
    let row = |values: &[f32], place: usize| values[place * set.dim..][..set.dim].to_vec();
    let queries = FeatureSet {
        dim: set.dim,
        values: positions
            .iter()
            .flat_map(|place| row(&set.values, *place))
            .collect(),
        labels: Some(vec![0; positions.len()]),
    };
    // One more than asked for: the query itself is among them, unless that many others are equal to it.
    let settings = KnnConfig {
        k: k + 1,
        ..KnnConfig::default()
    };
    let found = network.search(set, &queries, settings)?.neighbours;
    let unit = set.normalized();
    let rows = positions.iter().zip(found).map(|(place, found)| {
        let query = collected.indices[*place];
        let own = row(&unit, *place);
        let others = found.into_iter().filter(|other| other != place).take(k);
        let neighbours = others.map(|other| {
            let index = collected.indices[other];
            let products = own.iter().zip(row(&unit, other)).map(|(a, b)| a * b);
            Neighbour {
                index,
                similarity: products.sum(),
                same_class: images
                    .class(query)
                    .map(|class| images.class(index) == Some(class)),
            }
        });
        Row {
            query,
            neighbours: neighbours.collect(),
        }
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_come_from_the_middles_of_equal_parts() {
        assert_eq!(spread(10, 2), [2, 7]);
        assert_eq!(spread(3, 9), [0, 1, 2]);
    }

    #[test]
    fn only_whole_parts_of_a_name_count_as_its_end() {
        assert!(ends_with("data/cat/01.png", "cat/01.png"));
        assert!(ends_with("embedded training image 17", "17"));
        assert!(!ends_with("data/cat/01.png", "1.png"));
        assert!(!ends_with("01.png", "02.png"));
    }
}
