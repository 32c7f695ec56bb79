//! A backbone's weights out of a file that may hold more, under whatever prefix.

use std::collections::{HashMap, HashSet};
use std::fmt;

use burn::tensor::Tensor;

use super::names::{is_batch_counter, is_of_head, prefixes, torchvision_name};
use super::report::first_names;
use super::{LoadReport, Role, WeightMap, WeightsEntry, WeightsError, WeightsFile};
use crate::backend::Backend;
use crate::params;
use crate::{Backbone, BackboneKind};

/// Names of a file that a message about it lists.
const NAMES_SHOWN: usize = 3;

/// Which tensors of a file are a backbone's. Every tensor of the file is accounted for: it fits, it is in the
/// [report](Self::report), it is of a head, or it is of another part.
///
/// Counters of batches are the exception: our normalisation keeps none, and they are passed over.
#[derive(Debug, Clone)]
pub struct Import<'f> {
    kind: BackboneKind,
    /// Whose network it is.
    pub role: Role,
    /// What stands before the backbone's names in the file.
    pub prefix: String,
    /// The tensors under the prefix against those of the network.
    pub report: LoadReport,
    /// Names of a classifier or projection head under the prefix, which are not loaded.
    pub head: Vec<String>,
    /// Names that do not begin with the prefix, which are not loaded.
    pub elsewhere: Vec<String>,
    file: &'f WeightsFile<'f>,
    /// The tensors that fit, with our names.
    fitting: Vec<(String, &'f WeightsEntry)>,
}

impl<'f> Import<'f> {
    /// Finds the tensors of a backbone in a file, under the prefix with the most names that the backbone has; if the
    /// file was opened for a role, among the prefixes of that role.
    ///
    /// # Errors
    /// [`WeightsError::NothingFits`] if there is none, [`WeightsError::NoRole`] if there is only one of another role,
    /// [`WeightsError::Ambiguous`] if there are two for one place.
    pub fn of<B: Backend>(
        backbone: &Backbone<B>,
        kind: BackboneKind,
        file: &'f WeightsFile<'f>,
    ) -> Result<Self, WeightsError> {
        let mut shapes = HashMap::new();
        params::for_each(backbone, |name, _, _: Tensor<B, 1>, shape| {
            shapes.insert(name.to_string(), shape.to_vec());
        });
        let names: Vec<&str> = file.entries().iter().map(|e| e.name.as_str()).collect();
        let best = |role: Option<Role>| {
            let prefixes = prefixes().map(|(of, prefix)| (file.role_of(of), prefix));
            let wanted = prefixes.filter(|(of, _)| role.is_none_or(|role| role == *of));
            best_prefix(kind, &names, wanted, |ours| shapes.contains_key(ours))
        };
        let (role, prefix) = match (best(file.wanted_role()), file.wanted_role()) {
            (Some(found), _) => found,
            (None, Some(role)) if best(None).is_some() => {
                return Err(WeightsError::NoRole { role, kind });
            }
            (None, _) => {
                let names = names.iter().take(NAMES_SHOWN);
                return Err(WeightsError::NothingFits {
                    kind,
                    names: names.map(ToString::to_string).collect(),
                });
            }
        };

        let (mut head, mut elsewhere) = (Vec::new(), Vec::new());
        // By our names, or the file's where we have none.
        let mut found: HashMap<String, (usize, &WeightsEntry)> = HashMap::new();
        for (place, entry) in file.entries().iter().enumerate() {
            let name = &entry.name;
            let Some(rest) = name.strip_prefix(prefix.as_str()) else {
                elsewhere.push(name.to_string());
                continue;
            };
            if is_batch_counter(rest) {
                continue;
            }
            let ours = torchvision_name(kind, rest).unwrap_or_else(|| rest.to_string());
            if !shapes.contains_key(&ours) && is_of_head(rest) {
                head.push(name.to_string());
            } else if let Some((_, other)) = found.get(&ours) {
                return Err(WeightsError::Ambiguous {
                    kind,
                    names: [other.name.clone(), name.clone()],
                    ours,
                });
            } else {
                found.insert(ours, (place, entry));
            }
        }
        let report = LoadReport::of::<B, _>(
            backbone,
            found
                .iter()
                .map(|(ours, (_, entry))| (ours.as_str(), entry.shape.as_slice())),
        );
        let mut fitting: Vec<(String, (usize, &WeightsEntry))> = found.into_iter().collect();
        fitting.retain(|(ours, (_, entry))| shapes.get(ours) == Some(&entry.shape));
        // In the order of the file, where tensors that share their values are mostly neighbours.
        fitting.sort_unstable_by_key(|(_, (place, _))| *place);
        let fitting = fitting.into_iter();
        Ok(Self {
            kind,
            role,
            prefix,
            report,
            head,
            elsewhere,
            file,
            fitting: fitting.map(|(ours, (_, entry))| (ours, entry)).collect(),
        })
    }

    /// Our names of the tensors that fit, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fitting.iter().map(|(name, _)| name.as_str())
    }

    /// Whether something of the file is no part of the backbone: a head, other parts of the network, or what a
    /// checkpoint keeps beside its state dict.
    pub fn leaves_out(&self) -> bool {
        !self.head.is_empty() || !self.elsewhere.is_empty() || self.file.part().is_some()
    }

    /// The weights that fit, under our names; all of the network unless `partial`.
    ///
    /// # Errors
    /// [`WeightsError::Incomplete`] if something does not fit and `partial` is off, or nothing fits;
    /// [`WeightsError::Pytorch`] and the like if values cannot be read.
    pub fn weights(&self, partial: bool) -> Result<WeightMap, WeightsError> {
        if !(self.report.is_complete() || partial && self.report.matched > 0) {
            return Err(WeightsError::Incomplete {
                kind: self.kind,
                report: self.report.clone(),
            });
        }
        let mut weights = WeightMap::new();
        for (name, entry) in &self.fitting {
            let values = self.file.values(entry)?;
            weights.insert(name.clone(), (entry.shape.clone(), values));
        }
        Ok(weights)
    }
}

/// What fits and what is left out.
impl fmt::Display for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.report, self.kind)?;
        if !self.prefix.is_empty() {
            write!(f, " under {}*", self.prefix)?;
        }
        for (names, of) in [(&self.head, "a head"), (&self.elsewhere, "other parts")] {
            if !names.is_empty() {
                let count = names.len();
                write!(f, "; left out {count} of {of} ({})", first_names(names))?;
            }
        }
        Ok(())
    }
}

/// The prefix under which most names are the network's; the first of several.
fn best_prefix(
    kind: BackboneKind,
    names: &[&str],
    prefixes: impl Iterator<Item = (Role, String)>,
    is_ours: impl Fn(&str) -> bool,
) -> Option<(Role, String)> {
    let matches = |prefix: &str| {
        let ours = names.iter().filter_map(|name| {
            let ours = torchvision_name(kind, name.strip_prefix(prefix)?)?;
            is_ours(&ours).then_some(ours)
        });
        ours.collect::<HashSet<_>>().len()
    };
    let mut best = None;
    for (role, prefix) in prefixes {
        let count = matches(&prefix);
        if count > best.as_ref().map_or(0, |(count, _)| *count) {
            best = Some((count, (role, prefix)));
        }
    }
    best.map(|(_, found)| found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
