//! The configurations that are built in.

/// A configuration that is part of the program, and also a file in `configs/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedConfig {
    /// The name that stands for it on the command line.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

impl NamedConfig {
    /// Its first comment line.
    pub fn summary(&self) -> &'static str {
        self.text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches('#')
            .trim()
    }
}

macro_rules! named {
    ($($name:literal),+ $(,)?) => {
        &[$(NamedConfig {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/", $name, ".toml")),
        }),+]
    };
}

const CONFIGS: &[NamedConfig] = named![
    "demo",
    "debug/simclr",
    "debug/tiny",
    "paper/dino-mobilenet_v2-baseline",
    "paper/dino-mobilenet_v2-sslight",
    "paper/dino-resnet18-baseline",
    "paper/dino-resnet18-sslight",
];

/// The name of the configuration that runs when neither a configuration nor data is given.
pub(super) const DEMO: &str = "demo";

/// Every configuration that is built in.
pub fn configs() -> &'static [NamedConfig] {
    CONFIGS
}

/// The built-in configuration of this name.
pub(super) fn config(name: &str) -> Option<&'static NamedConfig> {
    CONFIGS.iter().find(|config| config.name == name)
}
