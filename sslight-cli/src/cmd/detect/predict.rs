//! `sslight detect predict`.

use std::path::{Path, PathBuf};

use burn::tensor::backend::AutodiffBackend;
use serde::Serialize;
use sslight_core::config::Origin;
use sslight_core::observe::StopHandle;
use sslight_data::{DataError, Image, ImageSource, Split, decode};
use sslight_detect::training::{DetectConfig, DetectError, Prediction, Predictor, SavedDetector};

use sslight_models::backend::Backend;

use crate::args::DetectPredictArgs;
use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::train::stop_and_leave_nothing;
use crate::ui;
use crate::verb_keys::{VerbKey, VerbWords};

/// Keys beside those of `detect train`.
pub const KEYS: &[VerbKey] = &[VerbKey {
    name: "out",
    values: "path",
    default: "predictions",
    help: "folder for a picture of each image and detections.json",
}];

/// Where predictions go if nothing is said.
const OUT: &str = "predictions";
/// Lower scores are seldom right, and crowd the pictures.
const SCORE: f64 = 0.5;

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    detector: &'a Path,
    images: &'a [Prediction],
    detections: &'a Path,
    unreadable: usize,
}

/// Looks at images and draws what is found.
pub fn run(args: &DetectPredictArgs) -> Result<Outcome, CliError> {
    let words = args.words.iter().cloned();
    let (images, words): (Vec<String>, Vec<String>) = words.partition(|word| is_path(word));
    let (own, words): (Vec<String>, Vec<String>) =
        words.into_iter().partition(|word| word.starts_with("out="));
    let own = VerbWords::parse(KEYS, &own)?;
    let out = own.path("out")?.unwrap_or_else(|| PathBuf::from(OUT));
    if images.is_empty() {
        return Err(CliError::Usage(
            "detect predict: no image; give image files, or a folder of images".to_owned(),
        ));
    }
    let mut resolved = super::resolve(Some(&args.detector), &words)?;
    if *resolved.provenance.of("test.score_above") != Origin::CommandLine {
        resolved.settings.test.score_above = SCORE;
    }
    let config = &resolved.settings;
    let looked = images.iter().map(|image| Looked::open(image));
    let looked = looked.collect::<Result<Vec<_>, _>>()?;
    let engine = backend::choose(config.backend)?;
    let stop = stop_and_leave_nothing()?;
    let made = with_engine!(engine, |B, device| {
        look::<<B as AutodiffBackend>::InnerBackend>(
            &args.detector,
            config,
            &looked,
            &out,
            &stop,
            &device,
        )
    });
    let Looks {
        predictions,
        unreadable,
        detections,
        detector,
    } = match made {
        Err(DetectError::Interrupted) => return Ok(Outcome::Interrupted),
        made => made?,
    };
    for error in &unreadable {
        ui::warn(&format!("left out: {error}"));
    }
    if predictions.is_empty() {
        let advice = "no image could be read; give image files, or a folder of images";
        return Err(CliError::Usage(format!("detect predict: {advice}")));
    }
    let json = Json {
        detector: &detector,
        images: &predictions,
        detections: &detections,
        unreadable: unreadable.len(),
    };
    ui::show(args.output.json, &json, || {
        let objects: usize = predictions.iter().map(|of| of.objects.len()).sum();
        format!(
            "{objects} objects on {} images; pictures in {}, results in {}",
            predictions.len(),
            out.display(),
            detections.display()
        )
    })?;
    Ok(Outcome::Done)
}

/// What came of it.
struct Looks {
    predictions: Vec<Prediction>,
    unreadable: Vec<DataError>,
    detections: PathBuf,
    detector: PathBuf,
}

fn look<B: Backend>(
    detector: &Path,
    config: &DetectConfig,
    looked: &[Looked],
    out: &Path,
    stop: &StopHandle,
    device: &B::Device,
) -> Result<Looks, DetectError> {
    let detector = SavedDetector::<B>::open(detector, device)?;
    let mut predictor = Predictor::new(&detector, config, out)?;
    let (mut predictions, mut unreadable) = (Vec::new(), Vec::new());
    for (name, image) in looked.iter().flat_map(Looked::images) {
        if stop.is_requested() {
            return Err(DetectError::Interrupted);
        }
        match image {
            Ok(image) => {
                let prediction = predictor.look(&name, &image)?;
                ui::tell(&line(&prediction));
                predictions.push(prediction);
            }
            Err(error) => unreadable.push(error),
        }
    }
    Ok(Looks {
        predictions,
        unreadable,
        detections: predictor.finish()?,
        detector: detector.path.clone(),
    })
}

/// Whether a word names images and is no key.
fn is_path(word: &str) -> bool {
    Path::new(word).exists() || !word.contains('=')
}

/// What a word names.
enum Looked {
    File(PathBuf),
    Many(std::sync::Arc<dyn ImageSource>),
}

impl Looked {
    fn open(word: &str) -> Result<Self, DataError> {
        let path = Path::new(word);
        Ok(match path.is_file() && decode::is_image_name(path) {
            true => Self::File(path.to_owned()),
            false => Self::Many(sslight_data::open(word, Split::Train)?),
        })
    }

    /// Each image with its name, one at a time.
    fn images(&self) -> Box<dyn Iterator<Item = (String, Result<Image, DataError>)> + '_> {
        match self {
            Self::File(path) => {
                let name = path.display().to_string();
                Box::new(std::iter::once_with(move || (name, decode::read(path))))
            }
            Self::Many(source) => {
                Box::new((0..source.len()).map(|index| (source.name(index), source.image(index))))
            }
        }
    }
}

/// What was found on an image, in a line.
fn line(prediction: &Prediction) -> String {
    let objects = prediction.objects.iter();
    let objects: Vec<String> = objects
        .map(|object| format!("{} {:.2}", object.name, object.score))
        .collect();
    let found = match objects.is_empty() {
        true => "nothing".to_owned(),
        false => objects.join(", "),
    };
    format!("{}: {found}", prediction.image)
}
