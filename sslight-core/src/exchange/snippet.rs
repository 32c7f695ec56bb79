//! Python that loads an exported file.

use std::fmt;
use std::path::Path;

use sslight_models::BackboneKind;
use sslight_models::onnx::{INPUT, OUTPUT};

/// The library whose names a backbone's tensors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Library {
    Torchvision,
    Timm,
}

impl Library {
    pub(super) fn of(kind: BackboneKind) -> Self {
        match kind {
            BackboneKind::MobileNetV2
            | BackboneKind::ResNet18
            | BackboneKind::ResNet34
            | BackboneKind::ResNet50 => Self::Torchvision,
            BackboneKind::VitTiny16 | BackboneKind::VitTiny32 | BackboneKind::VitSmall16 => {
                Self::Timm
            }
        }
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Torchvision => "torchvision",
            Self::Timm => "timm",
        })
    }
}

/// What a snippet is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snippet<'a> {
    pub(super) kind: BackboneKind,
    pub(super) small_input: bool,
    /// Patches along a side of the image, for a vision transformer.
    pub(super) grid: Option<usize>,
    /// Whether the file holds a head too.
    pub(super) head: bool,
    pub(super) file: &'a Path,
}

impl Snippet<'_> {
    /// For tensors by name.
    pub(super) fn safetensors(&self) -> String {
        let library = Library::of(self.kind);
        let mut lines = vec![
            format!("import torch, {library}"),
            "from safetensors.torch import load_file".to_string(),
            String::new(),
        ];
        lines.extend(self.network());
        lines.push(format!("weights = load_file({})", self.quoted()));
        if self.head {
            lines.push(
                "weights = {name: value for name, value in weights.items() if not name.startswith(\"head.\")}"
                    .to_string(),
            );
        }
        lines.push("model.load_state_dict(weights, strict=True)".to_string());
        lines.push("model.eval()".to_string());
        lines.join("\n")
    }

    /// For a model.
    pub(super) fn onnx(&self) -> String {
        [
            "import onnxruntime".to_string(),
            String::new(),
            format!("session = onnxruntime.InferenceSession({})", self.quoted()),
            format!("{OUTPUT} = session.run([\"{OUTPUT}\"], {{\"{INPUT}\": images}})[0]"),
        ]
        .join("\n")
    }

    /// The network without its classifier.
    fn network(&self) -> Vec<String> {
        let torchvision = |name: &str, classifier: &str| {
            vec![
                format!("model = torchvision.models.{name}(weights=None)"),
                format!("model.{classifier} = torch.nn.Identity()"),
            ]
        };
        let (mut lines, small): (Vec<String>, &[&str]) = match self.kind {
            BackboneKind::MobileNetV2 => (
                torchvision("mobilenet_v2", "classifier"),
                &[
                    "model.features[0][0].stride = (1, 1)",
                    "model.features[2].conv[1][0].stride = (1, 1)",
                ],
            ),
            BackboneKind::ResNet18 | BackboneKind::ResNet34 | BackboneKind::ResNet50 => (
                torchvision(&self.kind.to_string(), "fc"),
                &[
                    "model.conv1 = torch.nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)",
                    "model.maxpool = torch.nn.Identity()",
                ],
            ),
            BackboneKind::VitTiny16 | BackboneKind::VitTiny32 => {
                (self.transformer("vit_tiny_patch16_224"), &[])
            }
            BackboneKind::VitSmall16 => (self.transformer("vit_small_patch16_224"), &[]),
        };
        if self.small_input {
            lines.extend(small.iter().map(ToString::to_string));
        }
        lines
    }

    fn transformer(&self, name: &str) -> Vec<String> {
        let patch = self.kind.patch_size(self.small_input).unwrap_or(1);
        let px = self.grid.unwrap_or(0) * patch;
        vec![format!(
            "model = timm.create_model(\"{name}\", patch_size={patch}, img_size={px}, num_classes=0)"
        )]
    }

    /// The path as a Python string.
    fn quoted(&self) -> String {
        // JSON's strings are Python's as well.
        serde_json::Value::from(self.file.display().to_string()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_for_small_images_is_changed_as_ours_is() {
        let snippet = Snippet {
            kind: BackboneKind::ResNet18,
            small_input: true,
            grid: None,
            head: true,
            file: Path::new("a \"b\".safetensors"),
        };
        assert_eq!(
            snippet.safetensors(),
            "import torch, torchvision\n\
             from safetensors.torch import load_file\n\
             \n\
             model = torchvision.models.resnet18(weights=None)\n\
             model.fc = torch.nn.Identity()\n\
             model.conv1 = torch.nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)\n\
             model.maxpool = torch.nn.Identity()\n\
             weights = load_file(\"a \\\"b\\\".safetensors\")\n\
             weights = {name: value for name, value in weights.items() if not name.startswith(\"head.\")}\n\
             model.load_state_dict(weights, strict=True)\n\
             model.eval()"
        );
    }

    #[test]
    fn a_transformer_is_made_for_the_size_of_its_positions() {
        let snippet = Snippet {
            kind: BackboneKind::VitTiny32,
            small_input: false,
            grid: Some(3),
            head: false,
            file: Path::new("a"),
        };
        let line = "timm.create_model(\"vit_tiny_patch16_224\", patch_size=32, img_size=96, num_classes=0)";
        assert!(snippet.safetensors().contains(line));
    }
}
