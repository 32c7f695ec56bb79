//! What a configuration hands to the crates of images and of networks, in their own types.

use sslight_data::views::RATIO;
use sslight_data::{ViewRecipe, ViewSpec};
use sslight_models::BackboneKind;

use super::{Backbone, Jitter, Method, RunConfig};

impl RunConfig {
    /// The views of each image, in the order first global, second global, local ones; those alone that the
    /// method looks at.
    pub fn view_recipe(&self) -> ViewRecipe {
        let views = &self.views;
        let first = ViewSpec {
            scale: views.global.scale,
            ratio: RATIO,
            size: views.global.size,
            flip: views.flip,
            jitter: views.jitter.clone().into(),
            grayscale: views.grayscale,
            blur: views.blur[0],
            solarize: 0.0,
        };
        let second = ViewSpec {
            blur: views.blur[1],
            solarize: views.solarize,
            ..first
        };
        let local = ViewSpec {
            scale: views.local.scale,
            size: views.local.size,
            blur: views.blur[2],
            ..first
        };
        if self.method == Method::Supervised {
            return ViewRecipe { views: vec![first] };
        }
        ViewRecipe::multi_crop(first, second, local, self.locals())
    }
}

impl From<Jitter> for sslight_data::Jitter {
    fn from(jitter: Jitter) -> Self {
        let Jitter {
            probability,
            brightness,
            contrast,
            saturation,
            hue,
        } = jitter;
        Self {
            probability,
            brightness,
            contrast,
            saturation,
            hue,
        }
    }
}

impl From<Backbone> for BackboneKind {
    fn from(backbone: Backbone) -> Self {
        match backbone {
            Backbone::MobilenetV2 => Self::MobileNetV2,
            Backbone::Resnet18 => Self::ResNet18,
            Backbone::Resnet34 => Self::ResNet34,
            Backbone::Resnet50 => Self::ResNet50,
            Backbone::VitTiny16 => Self::VitTiny16,
            Backbone::VitTiny32 => Self::VitTiny32,
            Backbone::VitSmall16 => Self::VitSmall16,
        }
    }
}

#[cfg(test)]
mod tests {
    use sslight_data::ViewRecipe;
    use sslight_data::views::Crops;
    use sslight_models::BackboneKind;

    use super::super::{Backbone, Method, paper_defaults, resolve};

    type Published = fn(Crops) -> ViewRecipe;

    #[test]
    fn resolved_views_are_the_published_ones_for_every_row_of_the_paper()
    -> Result<(), Box<dyn std::error::Error>> {
        let rows: [(&str, &str, Published); 4] = [
            ("dino", "resnet18", ViewRecipe::dino_cnn),
            ("dino", "vit_tiny_32", ViewRecipe::dino_vit),
            ("moco", "mobilenet_v2", ViewRecipe::moco),
            ("swav", "mobilenet_v2", ViewRecipe::swav),
        ];
        for (method, backbone, published) in rows {
            for (recipe, crops) in [("baseline", Crops::Baseline), ("sslight", Crops::Sslight)] {
                let words = [
                    format!("method={method}"),
                    format!("backbone={backbone}"),
                    format!("recipe={recipe}"),
                    "data=images".to_owned(),
                ];
                assert_eq!(
                    resolve(&words)?.config.view_recipe(),
                    published(crops),
                    "{words:?}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn backbones_have_one_name_here_and_among_the_networks() {
        for backbone in Backbone::all() {
            assert_eq!(
                BackboneKind::from(*backbone).to_string(),
                backbone.to_string()
            );
        }
        assert_eq!(BackboneKind::all().count(), Backbone::all().len());
    }

    #[test]
    fn every_default_recipe_is_one_that_the_data_crate_accepts() {
        for method in Method::all() {
            for backbone in Backbone::all() {
                assert!(
                    paper_defaults(*method, *backbone)
                        .view_recipe()
                        .validate()
                        .is_ok()
                );
            }
        }
    }
}
