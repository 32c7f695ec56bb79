//! `sslight detect predict`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::backend::AutodiffBackend;
use serde::Serialize;
use sslight_core::config::{Origin, ResolvedVerb};
use sslight_core::observe::StopHandle;
use sslight_data::{
    DataError, DecodeOptions, Image, ImageSource, OpenOptions, Split, decode, open_with,
};
use sslight_detect::training::{
    DetectConfig, DetectError, Prediction, Predictor, SavedDetector, Use, detector_there,
};

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
    let run = super::run_of(&args.detector);
    let mut resolved = super::resolve_use(run.as_deref(), &words)?;
    detector_there(&args.detector)?;
    if *resolved.provenance.of("test.score_above") != Origin::CommandLine {
        resolved.settings.test.score_above = SCORE;
    }
    let config = &resolved.settings;
    let looked = images.iter().map(|image| Looked::open(image));
    let looked = looked.collect::<Result<Vec<_>, CliError>>()?;
    looked
        .iter()
        .try_for_each(|looked| looked.keeps_apart(&out))?;
    let engine = backend::choose(config.backend)?;
    let stop = stop_and_leave_nothing()?;
    let made = with_engine!(engine, |B, device| {
        look::<<B as AutodiffBackend>::InnerBackend>(
            &args.detector,
            &resolved,
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
    resolved: &ResolvedVerb<DetectConfig>,
    looked: &[Looked],
    out: &Path,
    stop: &StopHandle,
    device: &B::Device,
) -> Result<Looks, DetectError> {
    let detector = SavedDetector::<B>::open(detector, device)?;
    let how = Use {
        loading: super::prepared(&detector.loading, resolved),
        limits: resolved.settings.limits(),
    };
    let mut predictor = Predictor::new(&detector, how, out)?;
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
    /// Image files, and the folder that they were asked for by, if it was one.
    Files(Vec<PathBuf>, Option<PathBuf>),
    /// An archive, or another file of many images.
    Many(Arc<dyn ImageSource>),
}

/// Images are shown as people see them, as in training.
const UPRIGHT: DecodeOptions = DecodeOptions {
    exif_orientation: true,
    max_pixels: decode::MAX_PIXELS,
    enough: None,
};

impl Looked {
    fn open(word: &str) -> Result<Self, CliError> {
        let path = Path::new(word);
        if path.is_dir() {
            let mut files = Vec::new();
            list(path, &mut files)?;
            files.sort();
            if files.is_empty() {
                return Err(CliError::Usage(format!(
                    "detect predict: {word} holds no image; give image files, or a folder of images"
                )));
            }
            return Ok(Self::Files(files, Some(path.to_owned())));
        }
        if path.is_file() && decode::is_image_name(path) {
            return Ok(Self::Files(vec![path.to_owned()], None));
        }
        let options = OpenOptions {
            labels: false,
            decode: UPRIGHT,
            ..OpenOptions::default()
        };
        Ok(Self::Many(open_with(word, Split::Train, &options)?))
    }

    /// Refuses a folder for pictures among the images: they would take the place of images, and be looked at the next time.
    fn keeps_apart(&self, out: &Path) -> Result<(), CliError> {
        let Ok(out) = out.canonicalize() else {
            // It is not there yet.
            return Ok(());
        };
        let Self::Files(files, folder) = self else {
            return Ok(());
        };
        let folders = files.iter().filter_map(|file| file.parent());
        let among = folders
            .map(|parent| {
                if parent == Path::new("") {
                    Path::new(".")
                } else {
                    parent
                }
            })
            .filter_map(|parent| parent.canonicalize().ok())
            .any(|parent| parent == out);
        let folder = folder
            .as_ref()
            .and_then(|folder| folder.canonicalize().ok());
        let within = folder.is_some_and(|folder| out.starts_with(folder));
        match among || within {
            true => Err(CliError::Usage(format!(
                "detect predict: out={} is among the images that are looked at; choose another folder",
                out.display()
            ))),
            false => Ok(()),
        }
    }

    /// Each image with its name, one at a time.
    fn images(&self) -> Box<dyn Iterator<Item = (String, Result<Image, DataError>)> + '_> {
        match self {
            Self::Files(files, _) => Box::new(files.iter().map(|path| {
                let name = path.display().to_string();
                let read = decode::read_bytes(path);
                let image = read.and_then(|bytes| decode::decode_with(&bytes, &name, UPRIGHT));
                (name, image)
            })),
            Self::Many(source) => {
                Box::new((0..source.len()).map(|index| (source.name(index), source.image(index))))
            }
        }
    }
}

/// The images of a folder and below; names that begin with a dot are passed over.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let failed = |source| CliError::Read {
        path: folder.to_owned(),
        advice: "give image files, or a folder of images",
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // A link to a folder could lead back here.
        if kind.is_dir() {
            list(&path, files)?;
        } else if path.is_file() && decode::is_image_name(&path) {
            files.push(path);
        }
    }
    Ok(())
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
