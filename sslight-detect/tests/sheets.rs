//! Pictures for people, who look at them before they trust numbers.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use sslight_detect::annotations::DetectionSet;
use sslight_detect::drawing::{annotated, draw_enlarged};
use sslight_detect::scenes::{Composer, SceneConfig, compose};

fn config(images: usize, side: usize) -> SceneConfig {
    SceneConfig {
        images,
        seed: 3,
        side,
        ..SceneConfig::default()
    }
}

/// A sheet of scenes for people: `SHEETS=folder cargo test --test sheets -- --ignored`.
#[test]
#[ignore = "for people: writes a picture"]
fn scenes() {
    let Ok(folder) = std::env::var("SHEETS") else {
        return;
    };
    let (across, down, zoom, side) = (6, 4, 2, 128);
    let composer = Composer::new(&config(24, 128)).unwrap();
    let (width, height) = (across * side * zoom, down * side * zoom);
    let mut sheet = image::RgbImage::new(width as u32, height as u32);
    for index in 0..across * down {
        let scene = composer.scene(index).unwrap();
        let (left, top) = (index % across * side * zoom, index / across * side * zoom);
        for y in 0..side * zoom {
            for x in 0..side * zoom {
                let pixel = scene.image.pixel(x / zoom, y / zoom);
                sheet.put_pixel((left + x) as u32, (top + y) as u32, image::Rgb(pixel));
            }
        }
    }
    sheet.save(Path::new(&folder).join("scenes.png")).unwrap();
}

/// Pictures for people: `SHEETS=folder cargo test --test sheets -- --ignored`.
#[test]
#[ignore = "for people: writes pictures"]
fn drawn() {
    let Ok(folder) = std::env::var("SHEETS") else {
        return;
    };
    let folder = Path::new(&folder);
    let large = SceneConfig {
        sizes: 80..=320,
        objects: 5..=9,
        ..config(6, 640)
    };
    for (name, config, zoom) in [("small", config(6, 128), 4), ("plain", large, 1)] {
        let scenes = folder.join(name);
        compose(&config, &scenes).unwrap();
        let set = DetectionSet::open(&scenes, None).unwrap();
        for index in 0..set.images.len() {
            let mut objects = annotated(&set, index);
            for (place, object) in objects.iter_mut().enumerate() {
                object.score = (place % 3 > 0).then_some(0.99 - 0.07 * place as f32);
            }
            let bytes = fs::read(&set.images[index].path).unwrap();
            let image = sslight_data::decode::decode(&bytes, "").unwrap();
            let picture = draw_enlarged(&image, &objects, zoom);
            let (width, height) = (picture.width as u32, picture.height as u32);
            let picture = image::RgbImage::from_raw(width, height, picture.pixels).unwrap();
            picture
                .save(folder.join(format!("{name}{index}.png")))
                .unwrap();
        }
    }
}
