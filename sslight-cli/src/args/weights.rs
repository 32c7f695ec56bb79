//! Words of the verbs on trained weights: files, features, pictures, classes.

use std::path::PathBuf;

use clap::Args;

use super::Output;

/// `sslight export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A run folder, a checkpoint folder, or a safetensors or PyTorch file
    pub weights: PathBuf,
    /// Keys of the verb
    #[arg(value_name = "key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A safetensors or PyTorch file
    pub file: PathBuf,
    /// Keys of the verb
    #[arg(value_name = "key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A safetensors or PyTorch file, a run folder or a checkpoint folder
    pub path: PathBuf,
    /// Keys of the verb
    #[arg(value_name = "key=value")]
    pub words: Vec<String>,
    /// List every tensor
    #[arg(long)]
    pub all: bool,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight classify`.
#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// A safetensors or PyTorch file with a backbone and its linear classifier
    pub weights: PathBuf,
    /// labels=FILE, top=NUMBER, a configuration and key=value words
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight embed`.
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// A run folder, a checkpoint folder, or a safetensors or PyTorch file
    pub weights: PathBuf,
    /// key=value words, and a configuration on top of that of the run
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight neighbours` and `sslight project`.
#[derive(Debug, Args)]
pub struct PictureArgs {
    /// A run folder, a checkpoint folder, or a safetensors or PyTorch file
    pub weights: PathBuf,
    /// key=value words, and a configuration on top of that of the run
    #[arg(value_name = "CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}

/// `sslight attention`.
#[derive(Debug, Args)]
pub struct AttentionArgs {
    /// A run folder, a checkpoint folder, or a safetensors or PyTorch file
    pub weights: PathBuf,
    /// Image files, key=value words, and a configuration on top of that of the run
    #[arg(value_name = "IMAGE | CONFIG | key=value")]
    pub words: Vec<String>,
    /// What is shown
    #[command(flatten)]
    pub output: Output,
}
