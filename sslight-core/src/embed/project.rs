//! Features as points of a plane.

mod pca;
mod tsne;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::extract::collect;
use super::neighbours::write;
use super::scatter::{self, Point, Scatter};
use super::{EmbedError, Extracted, Hooks, Images, Network, Protocol, refuse_existing};
use crate::config::RunConfig;

/// The fewest images that make a picture.
const LEAST: usize = 5;

/// How features become points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// The two directions of largest variance.
    Pca,
    /// t-distributed stochastic neighbour embedding (van der Maaten and Hinton, 2008), which keeps near what is near.
    Tsne,
}

impl Projection {
    /// The words that name them.
    pub const WORDS: [&'static str; 2] = ["pca", "tsne"];
}

impl FromStr for Projection {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "pca" => Ok(Self::Pca),
            "tsne" => Ok(Self::Tsne),
            other => Err(format!("no projection is named `{other}`")),
        }
    }
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::WORDS[*self as usize])
    }
}

/// What is projected and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct ProjectSettings<'a> {
    /// An SVG or PNG file.
    pub out: &'a Path,
    /// Whether a file that is there may be replaced.
    pub overwrite: bool,
    /// How.
    pub projection: Projection,
    /// At most so many images, evenly over the set.
    pub points: usize,
    /// About how many neighbours of a point t-SNE keeps near it; fewer when there are few points.
    pub perplexity: f64,
}

/// What a projection shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Projected {
    /// The images.
    pub extracted: Extracted,
    /// Of the features' variance, the shares in percent along the two axes of PCA.
    pub explained: [f64; 2],
}

/// The pictures that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Picture {
    Svg,
    Png,
}

/// Projects L2-normalised features, whose distances are those of kNN, and draws them in the colours of their classes.
/// The same features give the same picture.
///
/// # Errors
/// If the file is there and may not be replaced, if there are too few images or all features are equal, and as images,
/// network and file fail.
pub fn project(
    config: &RunConfig,
    network: &Network,
    images: &Images,
    protocol: &Protocol,
    settings: &ProjectSettings<'_>,
    hooks: &mut Hooks<'_>,
) -> Result<Projected, EmbedError> {
    refuse_existing(settings.out, settings.overwrite)?;
    let picture = picture(settings.out)?;
    let images = images.clone().spread(settings.points);
    let collected = collect(config, network, &images, hooks)?;
    let count = collected.indices.len();
    if count < LEAST {
        return Err(EmbedError::TooFewImages {
            what: "a projection",
            least: LEAST,
            images: count,
        });
    }
    let unit = collected.set.normalized();
    let plane =
        pca::pca(&unit, collected.set.dim).ok_or(EmbedError::NoVariance { images: count })?;
    let explained = plane.explained.map(|share| 100.0 * share);
    let (places, axes, title) = match settings.projection {
        Projection::Pca => {
            let axis = |n: usize| format!("PC {} ({:.1} % of the variance)", n + 1, explained[n]);
            (plane.places, [axis(0), axis(1)], "PCA".to_owned())
        }
        Projection::Tsne => {
            let perplexity = tsne::perplexity(settings.perplexity, count);
            let places = tsne::tsne(&unit, collected.set.dim, &plane.places, perplexity);
            let axes = ["t-SNE 1".to_owned(), "t-SNE 2".to_owned()];
            (places, axes, format!("t-SNE, perplexity {perplexity:.0}"))
        }
    };
    let points = places.into_iter().zip(&collected.indices);
    let scatter = Scatter {
        title: format!("{title} of the features of {count} images"),
        lines: protocol.lines(),
        axes,
        class_names: images.source.class_names().to_vec(),
        points: points
            .map(|(place, index)| Point {
                place,
                class: images.source.label(*index),
            })
            .collect(),
    };
    let bytes = match picture {
        Picture::Svg => scatter::svg(&scatter)?.into_bytes(),
        Picture::Png => scatter::png(&scatter)?,
    };
    write(settings.out, &bytes)?;
    Ok(Projected {
        extracted: collected.extracted,
        explained,
    })
}

fn picture(out: &Path) -> Result<Picture, EmbedError> {
    let ending = out.extension().unwrap_or_default().to_string_lossy();
    match ending.to_lowercase().as_str() {
        "svg" => Ok(Picture::Svg),
        "png" => Ok(Picture::Png),
        _ => Err(EmbedError::Ending {
            path: out.into(),
            expected: ".svg or .png",
        }),
    }
}
