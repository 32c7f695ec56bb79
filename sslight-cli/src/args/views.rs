//! Words of `sslight views`.

use clap::{Args, Subcommand};

use super::Output;

/// `sslight views`.
#[derive(Debug, Args)]
pub struct ViewsArgs {
    /// What to do with views
    #[command(subcommand)]
    pub verb: ViewsVerb,
}

/// What can be done with views.
#[derive(Debug, Subcommand)]
pub enum ViewsVerb {
    /// Draw images with their crops and views, and every draw in words
    Preview(ViewsPreviewArgs),
    /// Measure pixel scales and overlaps of crops, and what the views cost
    #[command(alias = "analyse")]
    Analyze(ViewsAnalyzeArgs),
    /// Find a setting of views for images and a budget
    Recommend(ViewsRecommendArgs),
}

/// `sslight views preview`.
#[derive(Debug, Args)]
pub struct ViewsPreviewArgs {
    /// A configuration and key=value words; without any: the built-in demonstration
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight views analyze`.
#[derive(Debug, Args)]
pub struct ViewsAnalyzeArgs {
    /// A configuration and key=value words; without any: the built-in demonstration
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight views recommend`.
#[derive(Debug, Args)]
pub struct ViewsRecommendArgs {
    /// A configuration and key=value words; views that they set stay, the others are found
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}
