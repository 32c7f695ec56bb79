#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn sslight_changes_only_scales_and_the_local_size() {
    for recipe in [
        ViewRecipe::dino_cnn,
        ViewRecipe::dino_vit,
        ViewRecipe::moco,
        ViewRecipe::swav,
    ] {
        let baseline = recipe(Crops::Baseline);
        let mut sslight = recipe(Crops::Sslight);
        assert_ne!(baseline, sslight);
        for (ours, theirs) in sslight.views.iter_mut().zip(&baseline.views) {
            ours.scale = theirs.scale;
            ours.size = theirs.size;
        }
        assert_eq!(baseline, sslight);
    }
}

#[test]
fn the_published_settings_are_those_of_the_table() {
    let dino = ViewRecipe::dino_cnn(Crops::Baseline).views;
    assert_eq!(dino.len(), 8);
    assert_eq!((dino[0].scale, dino[7].scale), ([0.14, 1.0], [0.05, 0.14]));
    assert_eq!([dino[0].blur, dino[1].blur, dino[2].blur], [1.0, 0.1, 0.5]);
    assert_eq!(
        [dino[0].solarize, dino[1].solarize, dino[2].solarize],
        [0.0, 0.2, 0.0]
    );
    let vit = ViewRecipe::dino_vit(Crops::Sslight);
    assert_eq!(vit.groups(), [(224, 2), (128, 10)]);
    assert_eq!(
        (vit.views[0].scale, vit.views[11].scale),
        ([0.3, 1.0], [0.05, 0.3])
    );
    assert_eq!(
        ViewRecipe::dino_vit(Crops::Baseline).views[11].scale,
        [0.05, 0.25]
    );
    let swav = ViewRecipe::swav(Crops::Baseline);
    assert_eq!(swav.groups(), [(224, 2), (96, 6)]);
    assert!(
        swav.views
            .iter()
            .all(|v| v.solarize == 0.0 && v.blur == 0.5 && v.jitter.hue == 0.2)
    );
}

#[test]
fn only_neighbours_of_equal_size_form_a_group() {
    let mut recipe = ViewRecipe::dino_cnn(Crops::Baseline);
    recipe.views.push(recipe.views[0]);
    assert_eq!(recipe.groups(), [(224, 2), (96, 6), (224, 1)]);
}

#[test]
fn impossible_settings_are_refused_by_name() {
    let good = ViewRecipe::dino_cnn(Crops::Sslight);
    good.validate().unwrap();
    let refuse = |change: fn(&mut ViewSpec), part: &str| {
        let mut recipe = good.clone();
        change(&mut recipe.views[3]);
        let message = recipe.validate().unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("views[3].{part}: ")),
            "{message}"
        );
    };
    refuse(|v| v.scale = [0.3, 0.2], "scale");
    refuse(|v| v.scale = [0.3, 1.5], "scale");
    refuse(|v| v.scale = [f64::NAN, 1.0], "scale");
    refuse(|v| v.ratio = [0.0, 1.0], "ratio");
    refuse(|v| v.size = 0, "size");
    refuse(|v| v.blur = 1.5, "blur");
    refuse(|v| v.jitter.hue = 0.6, "jitter.hue");
    refuse(|v| v.jitter.contrast = -0.1, "jitter.contrast");
    assert!(ViewRecipe { views: vec![] }.validate().is_err());
}
