//! The configurations that are built in: the rows of the paper's Tables 5, 10 and 11.

use sslight_core::config::NamedConfig;

const CONFIGS: &[NamedConfig] = sslight_core::named_configs![
    "detect/supervised-mobilenet_v2",
    "detect/dino-mobilenet_v2-baseline",
    "detect/dino-mobilenet_v2-sslight",
    "detect/supervised-resnet18",
    "detect/dino-resnet18-baseline",
    "detect/dino-resnet18-sslight",
    "detect/supervised-resnet34",
    "detect/dino-resnet34-baseline",
    "detect/dino-resnet34-sslight",
    "detect/simreg-mobilenet_v2",
    "detect/dino-mobilenet_v2-sslight-400",
    "detect/simreg-mobilenet_v2-2x",
    "detect/dino-mobilenet_v2-sslight-400-2x",
    "detect/simreg-resnet18",
    "detect/seed-resnet18",
    "detect/disco-resnet18",
    "detect/dino-resnet18-sslight-400",
    "detect/simreg-resnet18-2x",
    "detect/seed-resnet18-2x",
    "detect/disco-resnet18-2x",
    "detect/dino-resnet18-sslight-400-2x",
    "detect/scenes",
];

/// Every configuration of `sslight detect train` that is built in.
pub fn configs() -> &'static [NamedConfig] {
    CONFIGS
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sslight_core::config::VerbKeys;
    use sslight_core::run::PUBLISHED_DETECTION;

    use super::*;
    use crate::training::DetectConfig;

    #[test]
    fn each_resolves_to_the_length_and_backbone_that_it_is_named_for() {
        for named in configs()
            .iter()
            .filter(|named| named.name != "detect/scenes")
        {
            let config = DetectConfig::default()
                .resolve(configs(), &[named.name])
                .unwrap()
                .settings;
            let twice = named.name.ends_with("-2x");
            assert_eq!(
                config.steps,
                if twice { 180_000 } else { 90_000 },
                "{}",
                named.name
            );
            let backbone = config.backbone.to_string();
            assert!(named.name.contains(&backbone), "{}", named.name);
            assert!(named.summary().contains("COCO"), "{}", named.name);
        }
    }

    #[test]
    fn each_published_row_has_a_configuration_whose_file_states_its_numbers() {
        for row in PUBLISHED_DETECTION {
            let named = configs().iter().find(|named| named.name == row.config);
            let text = named.unwrap().text;
            let numbers = row.numbers.map(|number| format!("{number:.1}"));
            let stated = format!(
                "boxes {} / {} / {}, masks {} / {} / {}",
                numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
            );
            assert!(text.contains(&stated), "{}: {stated}", row.config);
        }
    }
}
