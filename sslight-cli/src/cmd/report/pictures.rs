//! The pictures of a page: views, neighbours, a projection. None of them is needed, so that one that cannot be drawn is a note.

use std::fs;
use std::path::Path;

use sslight_core::config::RunConfig;
use sslight_core::embed::{
    EmbedError, Hooks, Images, NeighbourSettings, ProjectSettings, Projection, Queries,
    neighbour_sheet, project,
};
use sslight_core::fsio::WithPath;
use sslight_core::observe::StopHandle;
use sslight_data::Split;
use sslight_data::analysis::sheet::{SheetHead, SheetImage, png, sheet};
use sslight_data::analysis::sizes::spread;
use sslight_report::Picture;

use crate::exit::CliError;
use crate::shown::{Shown, watched_by};
use crate::verb_keys::VerbWords;

/// Images whose features are computed.
const IMAGES: usize = 1000;
/// Rows of the sheet of views.
const VIEW_ROWS: usize = 3;
/// Rows of the sheet of neighbours, and images in each.
const QUERIES: usize = 6;
const NEIGHBOURS: usize = 6;

/// What was drawn, and why something was not.
#[derive(Debug, Default)]
pub struct Drawn {
    pub pictures: Vec<Picture>,
    pub failures: Vec<String>,
}

impl Drawn {
    fn add(&mut self, what: &str, drawn: Result<Picture, CliError>) {
        match drawn {
            Ok(picture) => self.pictures.push(picture),
            Err(error) => self
                .failures
                .push(format!("{what} could not be drawn: {error}")),
        }
    }
}

/// Draws the pictures of a run; `None` if that was interrupted.
pub fn of_run(run: &Path, words: &[String], stop: &StopHandle) -> Result<Option<Drawn>, CliError> {
    let mut drawn = Drawn::default();
    let none: VerbWords = VerbWords::take(&[], words)?;
    let shown = match Shown::open(run, &none, true) {
        Ok(shown) => shown,
        Err(error) => {
            drawn.failures.push(format!(
                "pictures could not be drawn: {error}; say pictures=false, or where the images are now with data=PATH"
            ));
            return Ok(Some(drawn));
        }
    };
    drawn.add("views", views(&shown.config));
    let images = match images(&shown.config) {
        Ok(images) => images,
        Err(error) => {
            drawn.failures.push(format!(
                "neighbours and projection could not be drawn: {error}"
            ));
            return Ok(Some(drawn));
        }
    };
    let folder = tempfile::tempdir().on(&std::env::temp_dir(), "make a folder for pictures")?;
    let result = watched_by(stop, |hooks| {
        for (what, draw) in [
            ("neighbours", neighbours as Draw),
            ("a projection", projection as Draw),
        ] {
            match draw(&shown, &images, folder.path(), hooks) {
                Err(EmbedError::Stopped) => return Err(EmbedError::Stopped),
                result => drawn.add(what, result.map_err(CliError::from)),
            }
        }
        Ok(())
    })?;
    Ok(result.map(|()| drawn))
}

type Draw = fn(&Shown, &Images, &Path, &mut Hooks<'_>) -> Result<Picture, EmbedError>;

/// Validation images, or training images without such, evenly over the set.
fn images(config: &RunConfig) -> Result<Images, EmbedError> {
    let mut images = Images::of_split(config, Split::Validation)
        .or_else(|_| Images::of_split(config, Split::Train))?;
    images.indices = spread(images.len(), IMAGES)
        .into_iter()
        .map(|i| images.indices[i])
        .collect();
    Ok(images)
}

fn views(config: &RunConfig) -> Result<Picture, CliError> {
    let images = Images::of_split(config, Split::Train)?;
    let mut shown = Vec::new();
    for index in spread(images.len(), VIEW_ROWS) {
        let image = images.source.image(index)?;
        let name = images.source.name(index);
        shown.push(SheetImage { index, name, image });
    }
    let line = format!(
        "{}  ·  seed {}, epoch 0",
        images.source.describe(),
        config.seed
    );
    let head = SheetHead {
        title: "Views",
        line: &line,
        seed: config.seed,
        epoch: 0,
    };
    let made = sheet(&config.view_recipe(), &shown, head)?;
    Ok(Picture {
        title: "Views".to_owned(),
        caption: "Training images with the crops of the first epoch, and the views that the network was shown.".to_owned(),
        alt: format!("{} training images, each beside its views", shown.len()),
        bytes: png(&made.picture)?,
    })
}

fn neighbours(
    shown: &Shown,
    images: &Images,
    folder: &Path,
    hooks: &mut Hooks<'_>,
) -> Result<Picture, EmbedError> {
    let out = folder.join("neighbours.png");
    let settings = NeighbourSettings {
        out: &out,
        overwrite: true,
        queries: Queries::Spread(QUERIES),
        k: NEIGHBOURS.min(images.len().saturating_sub(1)).max(1),
    };
    let protocol = shown.protocol(images);
    let made = neighbour_sheet(
        &shown.config,
        &shown.network,
        images,
        &protocol,
        &settings,
        hooks,
    )?;
    let same = made.same_class.map_or(String::new(), |share| {
        format!(" {share:.0} % of them are of the class of their image.")
    });
    Ok(Picture {
        title: "Nearest neighbours".to_owned(),
        caption: format!(
            "Images and those whose features are nearest, among {} images.{same}",
            made.extracted.images
        ),
        alt: "Rows of an image and its nearest neighbours".to_owned(),
        bytes: fs::read(&out).on(&out, "read")?,
    })
}

fn projection(
    shown: &Shown,
    images: &Images,
    folder: &Path,
    hooks: &mut Hooks<'_>,
) -> Result<Picture, EmbedError> {
    let out = folder.join("projection.svg");
    let settings = ProjectSettings {
        out: &out,
        overwrite: true,
        projection: Projection::Tsne,
        points: images.len(),
        perplexity: 30.0,
    };
    let protocol = shown.protocol(images);
    let made = project(
        &shown.config,
        &shown.network,
        images,
        &protocol,
        &settings,
        hooks,
    )?;
    Ok(Picture {
        title: "Features in a plane".to_owned(),
        caption: format!(
            "t-SNE of the features of {} images, coloured by class where there are classes: neighbours stay near, distances \
             between groups mean little.",
            made.extracted.images
        ),
        alt: "A scatter plot of features in two dimensions".to_owned(),
        bytes: fs::read(&out).on(&out, "read")?,
    })
}
