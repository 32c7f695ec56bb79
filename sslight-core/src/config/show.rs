//! Configurations as text: a file that runs again, a table for people, and differences between two.

use std::fmt::Write as _;

use toml::Value;

use super::keys::keys;
use super::layers::config_entries;
use super::{ConfigError, Method, ResolvedConfig, RunConfig};

/// Keys, and groups ending in `.`, that may differ when a run is resumed: they change neither weights nor losses.
pub const FREE_TO_CHANGE: &[&str] = &[
    "out",
    "resume",
    "workers",
    "log_every",
    "max_steps",
    "eval.",
    "checkpoint.",
    "health.",
    "val_data",
    "cache",
    "cache_gb",
];

/// A key whose values differ between two configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: &'static str,
    /// Its value in the one, as TOML.
    pub ours: String,
    /// Its value in the other.
    pub theirs: String,
}

/// Keys, and the last parts of a method's own keys, that decide which tensors a checkpoint has.
const SHAPING: &[&str] = &[
    "method",
    "backbone",
    "model.small_input",
    "probe",
    "optim.kind",
];
const SHAPING_OF_METHOD: &[&str] = &[
    "out_dim",
    "hidden_dim",
    "bottleneck_dim",
    "layers",
    "use_bn",
    "norm_last_layer",
    "prototypes",
    "queue_length",
];

impl Difference {
    /// Whether a checkpoint of the one configuration cannot be read under the other.
    pub fn is_shaping(&self, method: Method) -> bool {
        let of_method = self.key.split_once('.').is_some_and(|(group, rest)| {
            group == method.word() && SHAPING_OF_METHOD.contains(&rest)
        });
        of_method || SHAPING.contains(&self.key)
    }

    /// Whether a run may be resumed in spite of this difference.
    pub fn is_free(&self) -> bool {
        FREE_TO_CHANGE
            .iter()
            .any(|free| self.key == *free || (free.ends_with('.') && self.key.starts_with(free)))
    }

    /// Whether the score of a finished run may depend on it though its weights do not.
    pub fn is_of_score(&self) -> bool {
        self.key == "val_data" || (self.key.starts_with("eval.") && self.key != "eval.knn_every")
    }
}

impl RunConfig {
    /// The configuration as a TOML file that resolves to the same configuration.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| ConfigError::Internal(error.to_string()))
    }

    /// The value of each key as TOML, in the order of [`keys`].
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    pub fn values(&self) -> Result<Vec<(&'static str, Value)>, ConfigError> {
        let mut entries = config_entries(self)?;
        keys()
            .iter()
            .map(|key| {
                let at = entries.iter().position(|(name, _)| name == key.name);
                let (_, value) = at.map(|at| entries.swap_remove(at)).ok_or_else(|| {
                    ConfigError::Internal(format!("key {} has no field", key.name))
                })?;
                Ok((key.name, value))
            })
            .collect()
    }

    /// The keys whose values differ from those of `other`. A run may be resumed when all of them are
    /// [free to change](Difference::is_free).
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    pub fn diff(&self, other: &Self) -> Result<Vec<Difference>, ConfigError> {
        let pairs = self.values()?.into_iter().zip(other.values()?);
        Ok(pairs
            .filter(|((_, ours), (_, theirs))| ours != theirs)
            .map(|((key, ours), (_, theirs))| Difference {
                key,
                ours: ours.to_string(),
                theirs: theirs.to_string(),
            })
            .collect())
    }

    fn describe_views_per_step(&self) -> String {
        let views = self.views_per_step();
        match self.accumulate {
            1 => views.to_string(),
            parts => format!(
                "{views}, in {parts} parts of {} images",
                self.batch_size / parts
            ),
        }
    }

    /// What follows from the values, a line each; counts of steps only when the number of training images is known.
    pub fn describe_derived(&self, images: Option<usize>) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            (
                "peak lr",
                format!(
                    "{} = {} x {} / 256",
                    rounded(self.peak_lr()),
                    self.optim.base_lr,
                    self.batch_size
                ),
            ),
            (
                "alpha, beta",
                format!("{}, {}", rounded(self.alpha()), rounded(self.beta())),
            ),
            (
                "views",
                format!(
                    "{} of {} px, {} of {} px",
                    if self.method == Method::Supervised {
                        1
                    } else {
                        2
                    },
                    self.views.global.size,
                    self.locals(),
                    self.views.local.size
                ),
            ),
            ("views per step", self.describe_views_per_step()),
            (
                "small-image stem",
                if self.small_input() { "yes" } else { "no" }.to_owned(),
            ),
            (
                "warm-up",
                format!("{} epochs", rounded(self.warmup_epochs())),
            ),
        ];
        lines.extend(self.describe_method(images));
        lines.push(("run folder", self.out_dir().display().to_string()));
        if let Some(images) = images {
            let steps = self.steps_per_epoch(images);
            lines.push(("images", images.to_string()));
            lines.push(("steps per epoch", steps.to_string()));
            let total = self.total_steps(images);
            let last = self.last_step(images);
            let early = if last < total {
                format!(", stopping after {last}")
            } else {
                String::new()
            };
            lines.push(("steps", format!("{total}{early}")));
        }
        lines
    }
}

impl RunConfig {
    /// What follows for the method, with the sizes that `auto` stands for.
    fn describe_method(&self, images: Option<usize>) -> Vec<(&'static str, String)> {
        let sized = |size: &dyn Fn(usize) -> usize, stated: Option<usize>| match (images, stated) {
            (Some(images), _) => size(images).to_string(),
            (None, Some(stated)) => stated.to_string(),
            (None, None) => "depends on the number of images".to_owned(),
        };
        match self.method {
            Method::Dino => vec![
                (
                    "head outputs",
                    sized(&|images| self.dino_out_dim(images), self.dino.out_dim),
                ),
                (
                    "teacher warm-up",
                    format!("{} epochs", self.teacher_temp_warmup_epochs()),
                ),
            ],
            Method::Swav => vec![
                (
                    "prototypes",
                    sized(&|images| self.swav_prototypes(images), self.swav.prototypes),
                ),
                (
                    "queue",
                    format!(
                        "{} from epoch {}",
                        sized(
                            &|images| self.swav_queue_length(images),
                            self.swav.queue_length.map(|_| self.swav_queue_length(0))
                        ),
                        self.swav_queue_start_epoch()
                    ),
                ),
            ],
            Method::Moco => vec![(
                "queue",
                sized(
                    &|images| self.moco_queue_length(images),
                    self.moco.queue_length,
                ),
            )],
            _ => Vec::new(),
        }
    }
}

impl ResolvedConfig {
    /// The table that `--dry-run` shows: every key with its value and origin, then what follows from them, then
    /// the warnings.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    pub fn describe(&self, images: Option<usize>) -> Result<String, ConfigError> {
        let rows: Vec<(&str, String, String)> = self
            .config
            .values()?
            .into_iter()
            .map(|(key, value)| (key, value.to_string(), self.provenance.of(key).to_string()))
            .collect();
        let mut text = String::new();
        let width = |column: fn(&(&str, String, String)) -> usize| {
            rows.iter().map(column).max().unwrap_or(0)
        };
        let (key_width, value_width) = (width(|row| row.0.len()), width(|row| row.1.len()));
        for (key, value, origin) in &rows {
            let _ = writeln!(text, "{key:key_width$}  {value:value_width$}  {origin}");
        }
        text.push('\n');
        for (name, value) in self.config.describe_derived(images) {
            let _ = writeln!(text, "{name:key_width$}  {value}");
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        Ok(text)
    }
}

/// A derived number without the noise of its last binary digits.
fn rounded(number: f64) -> f64 {
    format!("{number:.12}").parse().unwrap_or(number)
}
