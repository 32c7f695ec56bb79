//! What the class token of a vision transformer's last block looks at, over the image.

mod sheet;

use std::path::{Path, PathBuf};

use sslight_data::{Image, eval_transform};

use super::extract::batches;
use super::neighbours::{file_name, write};
use super::network::ClassAttention;
use super::{EmbedError, Hooks, Images, Network, Protocol, refuse_existing};
use crate::config::RunConfig;

/// Where the sheets go.
#[derive(Debug, Clone, Copy)]
pub struct AttentionSettings<'a> {
    /// A folder, which is made.
    pub out: &'a Path,
    /// Whether files that are there may be replaced.
    pub overwrite: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionSheets {
    /// The sheets, one an image.
    pub files: Vec<PathBuf>,
    /// Attention heads.
    pub heads: usize,
    /// Patches along each side.
    pub grid: usize,
    /// Images that could not be read and were left out.
    pub unreadable: Vec<sslight_data::BadImage>,
}

/// The attention of an image: a map for the mean of all heads, then one a head.
struct Maps {
    /// Patches along each side.
    grid: usize,
    /// `[1 + heads]` maps of `[grid, grid]`.
    maps: Vec<Vec<f32>>,
}

/// Writes a PNG sheet for each image: the image, the mean over heads, each head.
///
/// # Errors
/// If the network has no attention, if a sheet is there and may not be replaced, and as images, network and files fail.
pub fn attention_sheets(
    config: &RunConfig,
    network: &Network,
    images: &Images,
    protocol: &Protocol,
    settings: AttentionSettings<'_>,
    hooks: &mut Hooks<'_>,
) -> Result<AttentionSheets, EmbedError> {
    let no_attention = || EmbedError::NoAttention {
        backbone: network.kind(),
    };
    let patch = network.kind().patch_size(config.small_input());
    let grid = config.eval.crop / patch.ok_or_else(no_attention)?;
    let path = |place: usize, index: usize| settings.out.join(name(images, place, index));
    for (place, index) in images.indices.iter().enumerate() {
        refuse_existing(&path(place, *index), settings.overwrite)?;
    }
    let mut sheets = AttentionSheets {
        files: Vec::new(),
        heads: 0,
        grid,
        unreadable: Vec::new(),
    };
    let places = |index: usize| images.indices.iter().position(|i| *i == index);
    let mut stream = batches(config, images)?;
    for batch in stream.by_ref() {
        let batch = batch?;
        if hooks.stop.is_requested() {
            return Err(EmbedError::Stopped);
        }
        let Some(group) = batch.groups.into_iter().next() else {
            continue;
        };
        let attention = network.attention(group.pixels.into_f32(), group.size);
        let attention = attention.ok_or_else(no_attention)?;
        sheets.heads = attention.heads;
        for (row, index) in batch.indices.iter().enumerate() {
            let image = images.source.image(*index)?;
            let image = eval_transform(&image, config.eval.view());
            let maps = Maps::of(&attention, row, grid);
            let title = title(images, *index);
            let png = sheet::draw(&image, &maps, &title, &protocol.line())?;
            let path = path(places(*index).unwrap_or(row), *index);
            write(&path, &png)?;
            sheets.files.push(path);
            (hooks.progress)(sheets.files.len(), images.len());
        }
    }
    sheets.unreadable = stream.bad_images();
    Ok(sheets)
}

/// The place among the images, so that equal names do not meet, and the name.
fn name(images: &Images, place: usize, index: usize) -> String {
    let name = images.source.name(index);
    let name = file_name(&name);
    let stem = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    };
    format!("{:03}-{}.png", place + 1, stem.replace(' ', "-"))
}

fn title(images: &Images, index: usize) -> String {
    let name = images.source.name(index);
    let name = file_name(&name);
    match images.class(index) {
        Some(class) => format!("{name} ({class})"),
        None => name.to_owned(),
    }
}

impl Maps {
    fn of(attention: &ClassAttention, row: usize, grid: usize) -> Self {
        let (heads, patches) = (attention.heads, attention.patches);
        let own = &attention.weights[row * heads * patches..][..heads * patches];
        let mut mean = vec![0.0; patches];
        for head in own.chunks(patches) {
            for (sum, weight) in mean.iter_mut().zip(head) {
                *sum += weight / heads as f32;
            }
        }
        let heads = own.chunks(patches).map(<[f32]>::to_vec);
        Self {
            grid,
            maps: std::iter::once(mean).chain(heads).collect(),
        }
    }

    /// A map on `side` by `side` pixels, with straight lines between the middles of patches.
    fn upsampled(&self, map: &[f32], side: usize) -> Vec<f32> {
        let last = self.grid - 1;
        let along = |pixel: usize| {
            let place = (pixel as f32 + 0.5) * self.grid as f32 / side as f32 - 0.5;
            let place = place.clamp(0.0, last as f32);
            let low = (place as usize).min(last);
            (low, (low + 1).min(last), place - low as f32)
        };
        let mut values = Vec::with_capacity(side * side);
        for row in 0..side {
            let (top, bottom, down) = along(row);
            for column in 0..side {
                let (left, right, over) = along(column);
                let at = |y: usize, x: usize| map[y * self.grid + x];
                let upper = at(top, left) + over * (at(top, right) - at(top, left));
                let lower = at(bottom, left) + over * (at(bottom, right) - at(bottom, left));
                values.push(upper + down * (lower - upper));
            }
        }
        values
    }
}

/// The same picture with each pixel `scale` times as wide and high.
fn enlarged(image: &Image, scale: usize) -> Image {
    let (width, height) = (image.width * scale, image.height * scale);
    let pixels = (0..width * height)
        .flat_map(|at| image.pixel(at % width / scale, at / width / scale))
        .collect();
    Image {
        width,
        height,
        pixels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_comes_before_the_heads() {
        let attention = ClassAttention {
            heads: 2,
            patches: 4,
            weights: (0..16).map(|v| v as f32).collect(),
        };
        let maps = Maps::of(&attention, 1, 2).maps;
        assert_eq!(maps[0], [10.0, 11.0, 12.0, 13.0]);
        assert_eq!(maps[1], [8.0, 9.0, 10.0, 11.0]);
        assert_eq!(maps[2], [12.0, 13.0, 14.0, 15.0]);
    }

    #[test]
    fn a_map_keeps_its_values_at_the_middles_of_patches() {
        let maps = Maps {
            grid: 2,
            maps: Vec::new(),
        };
        let up = maps.upsampled(&[0.0, 4.0, 8.0, 12.0], 4);
        // Middles of patches lie between pixels here, a quarter of a patch from each.
        assert_eq!(up[..4], [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(up[4..8], [2.0, 3.0, 5.0, 6.0]);
        assert_eq!(up[15], 12.0);
        assert_eq!(
            maps.upsampled(&[0.0, 4.0, 8.0, 12.0], 2),
            [0.0, 4.0, 8.0, 12.0]
        );
    }
}
