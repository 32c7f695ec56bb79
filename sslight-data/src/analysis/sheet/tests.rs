#![allow(clippy::unwrap_used)]

use super::*;
use crate::analysis::colours::of_view;
use crate::views::{Crops, apply};

const HEAD: SheetHead<'static> = SheetHead {
    title: "Views",
    line: "of a test",
    seed: 5,
    epoch: 2,
};

fn gray(index: usize, width: usize, height: usize) -> SheetImage {
    SheetImage {
        index,
        name: format!("images/{index}.png"),
        image: Image::from_gray(width, height, &vec![127; width * height]).unwrap(),
    }
}

fn count(picture: &RgbImage, colour: [u8; 3]) -> usize {
    picture.pixels().filter(|pixel| pixel.0 == colour).count()
}

#[test]
fn a_row_an_image_of_equal_height_and_width() {
    let recipe = ViewRecipe::dino_cnn(Crops::Sslight);
    let one = sheet(&recipe, &[gray(0, 300, 200)], HEAD).unwrap().picture;
    let more = [gray(0, 300, 200), gray(1, 90, 700), gray(2, 28, 28)];
    let three = sheet(&recipe, &more, HEAD).unwrap().picture;
    assert_eq!(one.width(), three.width());
    let two = sheet(&recipe, &more[..2], HEAD).unwrap().picture;
    assert_eq!(three.height() - two.height(), two.height() - one.height());
    // The rows are as they are alone.
    let row = |picture: &RgbImage, y| picture.get_pixel(40, y).0;
    assert!((130..300).all(|y| row(&one, y) == row(&three, y)));
    // Ten local views need a second line.
    let vit = ViewRecipe::dino_vit(Crops::Sslight);
    let lines = sheet(&vit, &more[..1], HEAD).unwrap().picture;
    assert!(lines.height() > one.height());
}

#[test]
fn boxes_and_frames_have_the_colours_of_their_views() {
    let recipe = ViewRecipe::dino_cnn(Crops::Sslight);
    let shown = [gray(0, 200, 200)];
    let made = sheet(&recipe, &shown, HEAD).unwrap();
    for (view, spec) in recipe.views.iter().enumerate() {
        let (side, frame) = (spec.size, if view < 2 { 4 } else { 2 });
        let of_frame = 4 * frame * (side + frame);
        let crop = made.record.images[0].views[view].crop;
        // The box is drawn over its neighbours or under them, so that only a part of it may be seen.
        let seen = count(&made.picture, of_view(view)) - of_frame;
        let all = 2 * (crop.width + crop.height);
        assert!(seen > all / 4, "{view}: {seen} of {all}");
    }
    // The last local box is drawn over all others: the middle of its lower side has its colour.
    let crop = made.record.images[0].views[7].crop;
    let corner = (28 + 20 + 50, 108 + 20);
    let x = corner.0 + crop.left + crop.width / 2;
    let y = corner.1 + crop.top + crop.height - 1;
    assert_eq!(made.picture.get_pixel(x as u32, y as u32).0, of_view(7));
}

#[test]
fn views_are_those_of_the_loader_pixel_by_pixel() {
    let recipe = ViewRecipe::dino_cnn(Crops::Sslight);
    let pixels = (0..3 * 64 * 48).map(|i| (i * 7 % 251) as u8).collect();
    let image = Image::from_rgb(64, 48, pixels).unwrap();
    let shown = SheetImage {
        index: 9,
        name: "a".to_owned(),
        image: image.clone(),
    };
    let made = sheet(&recipe, &[shown], HEAD).unwrap();
    let mut draws = Draws::for_view(HEAD.seed, HEAD.epoch, 9, 0);
    let expected = apply(&image, &draw_plan(&mut draws, &recipe.views[0], 64, 48));
    let (left, top) = (28 + 20 + 300 + 36 + 4, 108 + 20 + 4);
    for (x, y) in [(0, 0), (100, 7), (223, 223)] {
        let found = made.picture.get_pixel(left + x, top + y).0;
        assert_eq!(found, expected.pixel(x as usize, y as usize), "{x} {y}");
    }
}

#[test]
fn the_record_has_every_draw_and_comes_back_from_json() {
    let recipe = ViewRecipe::dino_cnn(Crops::Baseline);
    let made = sheet(&recipe, &[gray(3, 100, 80), gray(4, 50, 60)], HEAD).unwrap();
    let json = serde_json::to_value(&made.record).unwrap();
    assert_eq!((&json["seed"], &json["epoch"]), (&5.into(), &2.into()));
    assert_eq!(json["images"][1]["index"], 4);
    let mut jittered = 0;
    for (image, area) in [(0, 8000.0), (1, 3000.0)] {
        let views = json["images"][image]["views"].as_array().unwrap();
        assert_eq!(views.len(), 8);
        assert_eq!(
            (&views[1]["name"], &views[7]["name"]),
            (&"global 2".into(), &"local 6".into())
        );
        for view in views {
            let number = |key: &str| view[key].as_f64().unwrap();
            let side = |key: &str| view["crop"][key].as_f64().unwrap();
            let crop = side("width") * side("height");
            assert!((number("scale") - crop / area).abs() < 1e-12);
            assert!((number("aspect") - side("width") / side("height")).abs() < 1e-12);
            assert!((number("pixel_scale") - number("size").powi(2) / crop).abs() < 1e-9);
            for key in ["flip", "grayscale", "solarize"] {
                assert!(view[key].is_boolean(), "{key}");
            }
            assert!(view.get("blur_sigma").is_some() && view.get("jitter").is_some());
            if view["jitter"].is_object() {
                jittered += 1;
                let mut order: Vec<&str> = view["jitter"]["order"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| name.as_str().unwrap())
                    .collect();
                order.sort_unstable();
                assert_eq!(order, ["brightness", "contrast", "hue", "saturation"]);
                assert!(order.iter().all(|name| view["jitter"][name].is_f64()));
            }
        }
    }
    assert!(jittered > 4, "{jittered}");
    let back: SheetRecord = serde_json::from_value(json).unwrap();
    assert_eq!(back, made.record);
}

#[test]
fn a_single_view_and_images_of_extreme_shape_are_drawn() {
    let mut recipe = ViewRecipe::swav(Crops::Sslight);
    recipe.views.truncate(1);
    for view in &mut recipe.views {
        view.size = 9;
    }
    let shown = [gray(0, 1, 1), gray(1, 4000, 3), gray(2, 3, 4000)];
    let made = sheet(&recipe, &shown, HEAD).unwrap();
    assert_eq!(made.record.images[2].views.len(), 1);
}

#[test]
fn no_images_and_impossible_recipes_are_refused() {
    let recipe = ViewRecipe::dino_cnn(Crops::Sslight);
    let error = sheet(&recipe, &[], HEAD).unwrap_err();
    assert_eq!(
        error.to_string(),
        "images: expected at least one image, got none; change the setting"
    );
    let mut empty = gray(0, 2, 2);
    empty.image.pixels.clear();
    assert!(sheet(&recipe, &[empty], HEAD).is_err());
    let none = ViewRecipe { views: Vec::new() };
    assert!(matches!(
        sheet(&none, &[gray(0, 2, 2)], HEAD),
        Err(DataError::Setting { .. })
    ));
}
