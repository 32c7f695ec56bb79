//! Pictures inside the page, and what becomes of those that do not fit.

use super::facts::run_name;
use super::html::Html;
use super::number::bytes;
use crate::error::ReportError;
use crate::page::{Picture, RunPage};

/// The pictures of the page that are embedded: by run and place.
pub(super) struct Choice {
    kept: Vec<Vec<bool>>,
}

impl Choice {
    /// All pictures, without the largest ones that `room` bytes of the page have no place for.
    pub fn fitting(runs: &[RunPage], room: usize) -> Self {
        let mut kept: Vec<Vec<bool>> = runs
            .iter()
            .map(|run| vec![true; run.pictures.len()])
            .collect();
        let mut sizes: Vec<(usize, usize, usize)> = Vec::new();
        for (run, page) in runs.iter().enumerate() {
            for (place, picture) in page.pictures.iter().enumerate() {
                sizes.push((size_in_page(picture), run, place));
            }
        }
        sizes.sort_unstable();
        let mut total: usize = sizes.iter().map(|size| size.0).sum();
        while let Some((size, run, place)) = sizes.pop().filter(|_| total > room) {
            kept[run][place] = false;
            total -= size;
        }
        Self { kept }
    }

    /// A sentence for each picture that is left out.
    pub fn left_out(&self, runs: &[RunPage]) -> Vec<String> {
        let mut sentences = Vec::new();
        for (run, kept) in runs.iter().zip(&self.kept) {
            for (picture, _) in run.pictures.iter().zip(kept).filter(|(_, kept)| !**kept) {
                sentences.push(format!(
                    "The picture \u{201c}{}\u{201d} of {} ({}) is left out: with it the page would be larger than {}.",
                    picture.title,
                    run.name,
                    bytes(picture.bytes.len()),
                    bytes(super::MOST_BYTES),
                ));
            }
        }
        sentences
    }
}

fn size_in_page(picture: &Picture) -> usize {
    picture.bytes.len().div_ceil(3) * 4
}

/// The pictures of all runs, those of the same title side by side; empty if there are none.
pub(super) fn figures(runs: &[RunPage], choice: &Choice) -> Result<Html, ReportError> {
    let mut html = Html::default();
    let mut titles: Vec<&str> = Vec::new();
    for picture in runs.iter().flat_map(|run| &run.pictures) {
        if !titles.contains(&picture.title.as_str()) {
            titles.push(&picture.title);
        }
    }
    let several = runs.len() > 1;
    for title in titles {
        html.element("h3", title);
        html.raw(if several {
            "<div class=\"pictures side-by-side\">"
        } else {
            "<div class=\"pictures\">"
        });
        for (index, (run, kept)) in runs.iter().zip(&choice.kept).enumerate() {
            let named = several.then_some(index);
            for (picture, kept) in run.pictures.iter().zip(kept) {
                if picture.title == title {
                    figure(&mut html, (run, named), picture, *kept)?;
                }
            }
        }
        html.raw("</div>");
    }
    Ok(html)
}

fn figure(
    html: &mut Html,
    (run, named): (&RunPage, Option<usize>),
    picture: &Picture,
    kept: bool,
) -> Result<(), ReportError> {
    let kind = kind(&picture.bytes).ok_or_else(|| ReportError::Picture {
        run: run.name.clone(),
        title: picture.title.clone(),
    })?;
    html.raw("<figure class=\"picture\"><figcaption>");
    if let Some(index) = named {
        run_name(html, index, &run.name);
    }
    if !picture.caption.is_empty() {
        html.raw("<p class=\"hint\">")
            .text(&picture.caption)
            .raw("</p>");
    }
    html.raw("</figcaption>");
    if kept {
        html.raw("<img decoding=\"async\" alt=\"")
            .text(&picture.alt);
        html.raw("\" src=\"data:").raw(kind).raw(";base64,");
        html.base64(&picture.bytes).raw("\">");
    } else {
        html.raw("<p class=\"missing\">Left out, so that the page stays small: ");
        html.text(&bytes(picture.bytes.len())).raw(". ");
        html.text(&picture.alt).raw("</p>");
    }
    html.raw("</figure>");
    Ok(())
}

/// The type of a picture, from its first bytes.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some("image/png");
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Some("image/jpeg");
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = text.trim_ascii_start();
    let is_svg = text.starts_with(b"<svg") || text.starts_with(b"<?xml");
    is_svg.then_some("image/svg+xml")
}
