//! What the verbs share that show images to a trained network: subject, network, images, a bar, and an end on request.

use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use sslight_core::config::{Origin, RunConfig};
use sslight_core::embed::{EmbedError, Hooks, Images, Network, Protocol};
use sslight_core::observe::StopHandle;
use sslight_data::{BadImage, Split};

use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::subject::Subject;
use crate::verb_keys::{VerbKey, VerbWords};
use crate::{train, ui};

/// Which part of the data.
pub const SPLIT: VerbKey = VerbKey {
    name: "split",
    values: "train|validation",
    default: "train",
    help: "which images of the data",
};
/// Whether a result may be replaced.
pub const OVERWRITE: VerbKey = VerbKey {
    name: "overwrite",
    values: "true|false",
    default: "false",
    help: "replace what is there already",
};
/// Unreadable images that are named one by one.
const NAMED: usize = 5;

/// A trained network and the configuration of its images.
pub struct Shown {
    /// The configuration of the run, changed by the words.
    pub config: RunConfig,
    /// The network.
    pub network: Network,
    subject: Subject,
}

impl Shown {
    /// Resolves words and reads weights. `needs_data` is off when images are named one by one.
    pub fn open(weights: &Path, words: &VerbWords, needs_data: bool) -> Result<Self, CliError> {
        let subject = Subject::at(weights);
        let resolved = subject.resolve(&words.rest)?;
        if needs_data {
            resolved.require_data()?;
        }
        let mut config = resolved.config;
        // Left out and told, unless the user says how many are too many: nothing is learned from what is missing.
        if needs_data && *resolved.provenance.of("max_bad_images") != Origin::CommandLine {
            config.max_bad_images = 1.0;
        }
        let bytes = subject.read()?;
        let engine = backend::choose(config.backend)?;
        let network = with_engine!(engine, |B, device| {
            // Without gradients: a tape would cost memory.
            Network::load::<<B as AutodiffBackend>::InnerBackend>(
                &config,
                &subject.weights,
                &bytes,
                &device,
            )
        })?;
        if let Some(left_out) = network.left_out() {
            ui::note(left_out);
        }
        Ok(Self {
            config,
            network,
            subject,
        })
    }

    /// The images of the split that the words name.
    pub fn images(&self, words: &VerbWords) -> Result<Images, CliError> {
        let split = words.word("split", &Split::WORDS)?.unwrap_or(Split::Train);
        Ok(Images::of_split(&self.config, split)?)
    }

    /// How features come about.
    pub fn protocol(&self, images: &Images) -> Protocol {
        Protocol::new(&self.config, &self.subject.weights, images)
    }
}

/// Whether a result that is there may be replaced.
pub fn overwrite(words: &VerbWords) -> Result<bool, CliError> {
    Ok(words.flag(OVERWRITE.name)?.unwrap_or(false))
}

/// Works with a bar and an end on request; `None` if it was ended.
pub fn watched<T>(
    work: impl FnOnce(&mut Hooks<'_>) -> Result<T, EmbedError>,
) -> Result<Option<T>, CliError> {
    watched_by(&train::stop_and_leave_nothing()?, work)
}

/// As [`watched`], where several works may be ended: a program listens to interrupts once.
pub fn watched_by<T>(
    stop: &StopHandle,
    work: impl FnOnce(&mut Hooks<'_>) -> Result<T, EmbedError>,
) -> Result<Option<T>, CliError> {
    let mut bar = ui::Images::new();
    let result = work(&mut Hooks {
        progress: &mut |done, of| bar.show(done, of),
        stop,
    });
    bar.finish();
    match result {
        Ok(result) => Ok(Some(result)),
        Err(EmbedError::Stopped) => {
            ui::warn(&EmbedError::Stopped.to_string());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The outcome of watched work.
///
/// # Errors
/// Those of `tell`.
pub fn outcome<T>(
    result: Option<T>,
    tell: impl FnOnce(T) -> Result<(), CliError>,
) -> Result<Outcome, CliError> {
    match result {
        Some(result) => tell(result).map(|()| Outcome::Done),
        None => Ok(Outcome::Interrupted),
    }
}

/// Names the images that were left out.
pub fn warn_of(unreadable: &[BadImage]) {
    for image in unreadable.iter().take(NAMED) {
        ui::warn(&format!("left out: {image}"));
    }
    if unreadable.len() > NAMED {
        let rest = unreadable.len() - NAMED;
        ui::warn(&format!("left out: {rest} more images that cannot be read"));
    }
}
