//! From the names of parameters in the fixtures to those of this program: the mapping of weights files, by the
//! fixtures' names of architectures. Heads and the probe have the same names on both sides.

use sslight_models::BackboneKind;
use sslight_models::weights::names;

use crate::error::CaseError;

/// The network that the fixtures call `arch`; their `vit_tiny` has the paper's main patch size.
pub(crate) fn backbone_kind(arch: &str) -> Option<BackboneKind> {
    let name = if arch == "vit_tiny" {
        "vit_tiny_16"
    } else {
        arch
    };
    name.parse().ok()
}

/// Backbone parameter or buffer `name` of the reference under its torchvision or timm name.
pub(crate) fn torchvision_name(arch: &str, name: &str) -> Result<String, CaseError> {
    backbone_kind(arch)
        .and_then(|kind| names::torchvision_name(kind, name))
        .ok_or_else(|| CaseError::failed(format!("{name} is no tensor name of a reference {arch}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_fixtures_names_of_architectures_are_known() {
        let ours = |arch, name| torchvision_name(arch, name).unwrap();
        assert_eq!(
            ours("mobilenet_v2", "encoder.1.conv.0.0.weight"),
            "features.1.conv.0.0.weight"
        );
        assert_eq!(ours("vit_tiny", "cls_token"), "cls_token");
    }

    #[test]
    fn a_name_or_an_architecture_of_something_else_is_refused() {
        assert!(torchvision_name("resnet18", "encoder.3.weight").is_err());
        assert!(torchvision_name("vit_tiny", "encoder.0.weight").is_err());
        assert!(torchvision_name("alexnet", "encoder.0.weight").is_err());
    }
}
