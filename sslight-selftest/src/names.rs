//! From the names of parameters in the fixtures to those of this program.
//!
//! The reference wraps a backbone's layers in one sequential container `encoder`, so its names
//! count positions. Ours are torchvision's. Heads and the probe have the same names on both sides.

use crate::error::CaseError;

/// Backbone parameter or buffer `name` of the reference (`encoder.*`) under its torchvision name.
///
/// | architecture | reference | here |
/// |---|---|---|
/// | `mobilenet_v2` | `encoder.I` | `features.I` |
/// | `resnet*` | `encoder.0`, `encoder.1` | `conv1`, `bn1` |
/// | `resnet*` | `encoder.4` .. `encoder.7` | `layer1` .. `layer4` |
///
/// Positions 2 and 3 of a ResNet are its activation and its max-pooling, which have no tensors.
pub(crate) fn torchvision_name(arch: &str, name: &str) -> Result<String, CaseError> {
    let unknown = || CaseError::failed(format!("{name} is no tensor name of a reference {arch}"));
    if arch.starts_with("vit") && !name.starts_with("encoder.") {
        // The reference's transformers are used bare, under timm's names, which are ours too.
        return Ok(name.to_string());
    }
    let rest = name.strip_prefix("encoder.").ok_or_else(unknown)?;
    if arch == "mobilenet_v2" {
        return Ok(format!("features.{rest}"));
    }
    if !arch.starts_with("resnet") {
        return Err(unknown());
    }
    let (position, rest) = rest.split_once('.').ok_or_else(unknown)?;
    let module = match position {
        "0" => "conv1",
        "1" => "bn1",
        "4" => "layer1",
        "5" => "layer2",
        "6" => "layer3",
        "7" => "layer4",
        _ => return Err(unknown()),
    };
    Ok(format!("{module}.{rest}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn mobilenet_positions_become_features() {
        let name = torchvision_name("mobilenet_v2", "encoder.1.conv.0.0.weight").unwrap();
        assert_eq!(name, "features.1.conv.0.0.weight");
    }

    #[test]
    fn resnet_positions_become_stem_and_stages() {
        let ours = |name| torchvision_name("resnet18", name).unwrap();
        assert_eq!(ours("encoder.0.weight"), "conv1.weight");
        assert_eq!(ours("encoder.1.running_var"), "bn1.running_var");
        assert_eq!(ours("encoder.4.0.conv1.weight"), "layer1.0.conv1.weight");
        assert_eq!(
            ours("encoder.7.1.downsample.0.weight"),
            "layer4.1.downsample.0.weight"
        );
    }

    #[test]
    fn a_name_of_something_else_is_refused() {
        assert!(torchvision_name("resnet18", "encoder.3.weight").is_err());
        assert!(torchvision_name("resnet18", "mlp.0.weight").is_err());
        assert!(torchvision_name("vit_tiny", "encoder.0.weight").is_err());
    }
}
