//! Why there is no page.

use crate::text::one_line;

/// The page could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// There is no run to show.
    #[error("a page needs at least one run; name a run folder")]
    NoRuns,
    /// A picture is of no kind that browsers are given here.
    #[error(
        "the picture `{}` of the run `{}` is neither PNG, JPEG nor SVG; give one of these",
        one_line(title),
        one_line(run)
    )]
    Picture {
        /// The run.
        run: String,
        /// The title of the picture.
        title: String,
    },
    /// Even without pictures and with few points in the curves the page is too large.
    #[error(
        "the page would have {size} bytes without its pictures, and {limit} are allowed; the largest part is {} with {part_size} bytes: give fewer runs",
        one_line(part)
    )]
    TooLarge {
        /// Bytes of the page.
        size: usize,
        /// Bytes that are allowed.
        limit: usize,
        /// The largest part, in words.
        part: String,
        /// Bytes of that part.
        part_size: usize,
    },
}
