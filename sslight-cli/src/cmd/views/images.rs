//! Which images a verb on views is about: those of the data, or sizes that are named.

use sslight_core::config::ResolvedConfig;
use sslight_core::config::{RunConfig, resolve};
use sslight_core::embed::Images;
use sslight_data::Split;
use sslight_data::analysis::sizes::image_sizes;

use crate::exit::CliError;
use crate::shown::warn_of;
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Sizes instead of images.
pub const IMAGE_SIZE: VerbKey = VerbKey {
    name: "image_size",
    values: "WIDTHxHEIGHT, or several with commas between",
    default: "those of the data",
    help: "sizes of images in pixels, instead of data",
};
/// How many images are looked at.
pub const SAMPLE: VerbKey = VerbKey {
    name: "sample",
    values: "an integer of at least 1",
    default: "1000",
    help: "at most so many images, evenly over the set, tell the sizes",
};
/// How many images are drawn.
pub const DRAWS: VerbKey = VerbKey {
    name: "draws",
    values: "an integer of at least 1",
    default: "20000",
    help: "images whose crops are drawn; the sizes are taken in turn",
};

/// Sizes of images and the configuration that goes with them.
pub struct Sizes {
    /// (width, height) in pixels.
    pub sizes: Vec<(usize, usize)>,
    /// What they are of, in words.
    pub of: String,
}

/// Resolves the configuration. With `image_size` no data are needed, and it is the paper's unless a word says otherwise,
/// instead of the demonstration's.
pub fn configuration(words: &VerbWords) -> Result<ResolvedConfig, CliError> {
    let names_data = words.rest.iter().any(|word| word.starts_with("data="));
    match words.text(IMAGE_SIZE.name) {
        None => {
            let resolved = resolve(&words.rest)?;
            resolved.require_data()?;
            Ok(resolved)
        }
        Some(_) if names_data => Err(CliError::Usage(
            "command line: data and image_size both say which images there are; give one of them"
                .to_owned(),
        )),
        Some(_) => {
            let mut rest = words.rest.clone();
            rest.push("data=".to_owned());
            Ok(resolve(&rest)?)
        }
    }
}

/// The images of the split that the words name.
pub fn of_split(config: &RunConfig, words: &VerbWords) -> Result<Images, CliError> {
    let split = words.word("split", &Split::WORDS)?.unwrap_or(Split::Train);
    Ok(Images::of_split(config, split)?)
}

/// The sizes that are named, or those of a sample of the data. Images that cannot be read are left out and told.
pub fn sizes(config: &RunConfig, words: &VerbWords) -> Result<Sizes, CliError> {
    if let Some(named) = words.text(IMAGE_SIZE.name) {
        return Ok(Sizes {
            sizes: named_sizes(named)?,
            of: format!("images of {named} px"),
        });
    }
    let most = words.at_least(SAMPLE.name, 1)?.unwrap_or(1000);
    let images = of_split(config, words)?;
    let found = image_sizes(&*images.source, most)?;
    warn_of(&found.unreadable);
    Ok(Sizes {
        of: format!(
            "{} of {} images of {}",
            ui::grouped(found.sizes.len()),
            ui::grouped(images.len()),
            config.data
        ),
        sizes: found.sizes,
    })
}

/// More pixels on a side no image file has.
const LONGEST_SIDE: usize = 65_535;

fn named_sizes(named: &str) -> Result<Vec<(usize, usize)>, CliError> {
    let size = |word: &str| {
        let (width, height) = word.trim().split_once('x')?;
        let [width, height] = [width, height].map(|side| side.parse().ok());
        let fits = |side: &usize| (1..=LONGEST_SIDE).contains(side);
        Some((width.filter(fits)?, height.filter(fits)?))
    };
    let sizes: Option<Vec<_>> = named.split(',').map(size).collect();
    sizes.ok_or_else(|| {
        CliError::Usage(format!(
            "command line: image_size is {named}, but must be {}, as in 500x375",
            IMAGE_SIZE.values
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_others_refused() -> Result<(), CliError> {
        assert_eq!(named_sizes("500x375")?, [(500, 375)]);
        assert_eq!(named_sizes("500x375, 1x2")?, [(500, 375), (1, 2)]);
        for named in [
            "500",
            "0x3",
            "3x",
            "500x375,",
            "500x-1",
            "",
            "99999999999x3",
        ] {
            let error = named_sizes(named).map_err(|error| error.to_string());
            let told = format!(
                "command line: image_size is {named}, but must be WIDTHxHEIGHT, or several with commas between, as in 500x375"
            );
            assert_eq!(error, Err(told));
        }
        Ok(())
    }
}
