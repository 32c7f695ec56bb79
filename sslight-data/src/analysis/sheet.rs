//! A sheet of images and their views, for eyes: a card an image, with the crops drawn in the image and each view as the
//! training sees it, before normalisation.

mod caption;
mod draw;
mod record;
#[cfg(test)]
mod tests;

use ::image::RgbImage;

use super::refuse;
use crate::rng::Draws;
use crate::views::{ViewPlan, ViewRecipe, draw_plan};
use crate::{DataError, Image};

pub use super::canvas::png;
pub use record::{CropRecord, ImageRecord, JitterRecord, SheetRecord, ViewRecord};

/// An image of a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetImage {
    /// Index in its source, by which its views are drawn.
    pub index: usize,
    /// Path or identifier.
    pub name: String,
    /// The pixels.
    pub image: Image,
}

/// What the sheet says of itself, and which draws it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SheetHead<'a> {
    /// The largest line.
    pub title: &'a str,
    /// What it shows, in a line.
    pub line: &'a str,
    /// Seed of the run.
    pub seed: u64,
    /// Epoch, counted from 0.
    pub epoch: usize,
}

/// A sheet and what was drawn for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// The picture.
    pub picture: RgbImage,
    /// Every drawn parameter of every view.
    pub record: SheetRecord,
}

/// Draws the views that a run with this seed makes of the images in one epoch.
///
/// # Errors
/// [`DataError::Setting`] without images, for an image without pixels, and for a recipe that is out of range.
pub fn sheet(
    recipe: &ViewRecipe,
    images: &[SheetImage],
    head: SheetHead<'_>,
) -> Result<Sheet, DataError> {
    recipe.validate()?;
    if images.is_empty() {
        return Err(refuse("images", "at least one image", "none"));
    }
    if let Some(empty) = images.iter().find(|shown| {
        let Image { width, height, .. } = shown.image;
        width == 0 || height == 0 || shown.image.pixels.len() != 3 * width * height
    }) {
        let expected = "images with pixels, three bytes each";
        return Err(refuse("images", expected, empty.name.clone()));
    }
    let plans = images.iter().map(|shown| plans(recipe, shown, head));
    let plans: Vec<Vec<ViewPlan>> = plans.collect();
    let records = images.iter().zip(&plans);
    let record = SheetRecord {
        seed: head.seed,
        epoch: head.epoch,
        images: records
            .map(|(shown, plans)| ImageRecord::new(shown, plans))
            .collect(),
    };
    Ok(Sheet {
        picture: draw::draw(images, &plans, &record, head),
        record,
    })
}

/// The draws of the loader: a stream a view.
fn plans(recipe: &ViewRecipe, shown: &SheetImage, head: SheetHead<'_>) -> Vec<ViewPlan> {
    let (width, height) = (shown.image.width, shown.image.height);
    let views = recipe.views.iter().enumerate();
    views
        .map(|(view, spec)| {
            let mut draws = Draws::for_view(head.seed, head.epoch, shown.index, view);
            draw_plan(&mut draws, spec, width, height)
        })
        .collect()
}
