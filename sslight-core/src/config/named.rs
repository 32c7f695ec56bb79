//! The configurations that are built in.

/// A configuration or a sweep that is part of the program, and also a file in `configs/`.
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

/// The configurations of these names, each a file in the folder `configs` beside the crate.
#[macro_export]
macro_rules! named_configs {
    ($($name:literal),+ $(,)?) => {
        &[$($crate::config::NamedConfig {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/", $name, ".toml")),
        }),+]
    };
}

const CONFIGS: &[NamedConfig] = crate::named_configs![
    "demo",
    "fashion_mnist",
    "debug/simclr",
    "debug/tiny",
    "paper/dino-mobilenet_v2-baseline",
    "paper/dino-mobilenet_v2-sslight",
    "paper/dino-mobilenet_v2-sslight-400",
    "paper/dino-resnet18-baseline",
    "paper/dino-resnet18-sslight",
    "paper/dino-resnet18-sslight-400",
    "paper/dino-resnet34-baseline",
    "paper/dino-resnet34-sslight",
    "paper/dino-resnet34-sslight-400",
    "paper/dino-resnet50-baseline",
    "paper/dino-resnet50-sslight",
    "paper/dino-vit_tiny_32-baseline",
    "paper/dino-vit_tiny_32-sslight",
    "paper/dino-vit_tiny_16-baseline",
    "paper/dino-vit_tiny_16-sslight",
    "paper/dino-vit_small_16-baseline",
    "paper/dino-vit_small_16-sslight",
    "paper/dino-mobilenet_v2-baseline-crop_scales",
    "paper/dino-mobilenet_v2-baseline-pixel_scale",
    "paper/swav-mobilenet_v2-baseline",
    "paper/swav-mobilenet_v2-sslight",
    "paper/moco-mobilenet_v2-baseline",
    "paper/moco-mobilenet_v2-sslight",
    "paper/moco-mobilenet_v2-baseline-two_views",
    "paper/supervised-mobilenet_v2",
    "paper/supervised-resnet18",
    "paper/supervised-resnet34",
    "paper/supervised-resnet50",
];

const SWEEPS: &[NamedConfig] = crate::named_configs![
    "sweep/demo-alpha",
    "sweep/figure-1",
    "sweep/figure-2",
    "sweep/figure-3",
];

/// The name of the configuration that runs when neither a configuration nor data is given.
pub(super) const DEMO: &str = "demo";

/// Every configuration of one run that is built in.
pub fn configs() -> &'static [NamedConfig] {
    CONFIGS
}

/// Every sweep that is built in; see [`crate::sweep`].
pub fn sweeps() -> &'static [NamedConfig] {
    SWEEPS
}

/// The built-in configuration of this name.
pub(super) fn config(name: &str) -> Option<&'static NamedConfig> {
    CONFIGS.iter().find(|config| config.name == name)
}

/// The built-in sweep of this name.
pub(crate) fn sweep(name: &str) -> Option<&'static NamedConfig> {
    SWEEPS.iter().find(|sweep| sweep.name == name)
}
