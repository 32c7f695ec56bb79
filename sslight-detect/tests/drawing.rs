//! Pictures of what was found: where something is drawn, and where nothing is.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use hotcoco::Rle;
use hotcoco::mask::encode;
use sslight_data::Image;
use sslight_detect::drawing::{Drawn, class_colour, draw, draw_enlarged};
use sslight_detect::geometry::BoundingBox;

fn plain(width: usize, height: usize, grey: u8) -> Image {
    Image::from_gray(width, height, &vec![grey; width * height]).unwrap()
}

fn object(bounds: BoundingBox) -> Drawn {
    Drawn {
        bounds,
        class: 0,
        name: "Bag".into(),
        score: Some(0.934),
        mask: None,
    }
}

/// The pixels in which two pictures of a size differ.
fn changed(before: &Image, after: &Image) -> Vec<(usize, usize)> {
    assert_eq!((before.width, before.height), (after.width, after.height));
    assert_eq!(before.pixels.len(), after.pixels.len());
    let all = (0..before.height).flat_map(|y| (0..before.width).map(move |x| (x, y)));
    all.filter(|&(x, y)| before.pixel(x, y) != after.pixel(x, y))
        .collect()
}

/// A mask of an ellipse in a box.
fn ellipse(width: usize, height: usize, bounds: BoundingBox) -> Rle {
    let mut columns = vec![0; width * height];
    for x in 0..width {
        for y in 0..height {
            let along = |place: usize, low: f32, high: f32| {
                2.0 * (place as f32 + 0.5 - low) / (high - low) - 1.0
            };
            let (u, v) = (
                along(x, bounds.x0, bounds.x1),
                along(y, bounds.y0, bounds.y1),
            );
            columns[x * height + y] = u8::from(u * u + v * v <= 1.0);
        }
    }
    encode(&columns, height as u32, width as u32).unwrap()
}

#[test]
fn only_pixels_near_the_box_and_its_tag_change() {
    let image = plain(200, 160, 128);
    let bounds = BoundingBox::new(50.0, 60.0, 120.0, 130.0);
    let picture = draw(&image, &[object(bounds)]);
    let changed = changed(&image, &picture);
    for &(x, y) in &changed {
        let across = x as f32 + 0.5;
        let down = y as f32 + 0.5;
        let near = |place: f32, edge: f32| (place - edge).abs() <= 4.0;
        let in_reach = (46.0..124.0).contains(&across) && (56.0..134.0).contains(&down);
        let on_frame = in_reach
            && (near(across, 50.0) || near(across, 120.0) || near(down, 60.0) || near(down, 130.0));
        let on_tag = (50.0..120.0).contains(&across) && (48.0..60.0).contains(&down);
        assert!(on_frame || on_tag, "({x}, {y})");
    }
    // The frame is there, in the colour of the class.
    for (x, y) in [(50, 100), (119, 100), (90, 129)] {
        assert_eq!(picture.pixel(x, y), class_colour(0));
    }
    assert!(changed.iter().any(|&(_, y)| y < 56), "no tag");
    // The middle of the box is as it was.
    assert_eq!(picture.pixel(85, 95), [128; 3]);
}

#[test]
fn boxes_at_and_beyond_the_edges_are_drawn_on_the_image() {
    let image = plain(90, 70, 200);
    let all = [
        BoundingBox::new(0.0, 0.0, 90.0, 70.0),
        BoundingBox::new(-30.0, -30.0, 20.0, 20.0),
        BoundingBox::new(80.0, 60.0, 400.0, 300.0),
        BoundingBox::new(-1e9, 30.0, 1e9, 40.0),
        BoundingBox::new(89.5, 0.0, 90.0, 70.0),
        BoundingBox::new(40.0, 30.0, 40.4, 30.2),
    ];
    for bounds in all {
        let picture = draw(&image, &[object(bounds)]);
        assert!(!changed(&image, &picture).is_empty(), "{bounds:?}");
    }
    let objects: Vec<Drawn> = all.into_iter().map(object).collect();
    assert_eq!(draw(&image, &objects).pixels.len(), image.pixels.len());
    // Nothing to see of these.
    for bounds in [
        BoundingBox::new(100.0, 0.0, 120.0, 20.0),
        BoundingBox::new(20.0, 20.0, 20.0, 40.0),
        BoundingBox::new(40.0, 40.0, 20.0, 60.0),
        BoundingBox::new(f32::NAN, 0.0, 20.0, 20.0),
        BoundingBox::new(0.0, 0.0, f32::INFINITY, 20.0),
    ] {
        assert_eq!(draw(&image, &[object(bounds)]), image, "{bounds:?}");
    }
}

#[test]
fn tags_stay_whole_on_images_of_any_size() {
    // The whole tag has the colour of the class or ink on it, so that its rectangle can be counted.
    let tag = |width: usize, height: usize, bounds: BoundingBox| -> usize {
        let image = plain(width, height, 128);
        let named = draw(&image, &[object(bounds)]);
        let nameless = draw(
            &image,
            &[Drawn {
                name: String::new(),
                score: None,
                ..object(bounds)
            }],
        );
        changed(&nameless, &named).len()
    };
    let middle = tag(200, 160, BoundingBox::new(80.0, 80.0, 150.0, 120.0));
    for bounds in [
        BoundingBox::new(80.0, 0.0, 150.0, 60.0),
        BoundingBox::new(190.0, 60.0, 200.0, 90.0),
        BoundingBox::new(0.0, 0.0, 200.0, 160.0),
        BoundingBox::new(0.0, 150.0, 30.0, 160.0),
    ] {
        // Some of it may lie on the frame, which has the same colour.
        let here = tag(200, 160, bounds);
        assert!(here * 3 > middle * 2, "{bounds:?}: {here} of {middle}");
    }
    for (width, height) in [(1, 1), (3, 200), (200, 3), (12, 12)] {
        let whole = BoundingBox::new(0.0, 0.0, width as f32, height as f32);
        let image = plain(width, height, 128);
        assert_eq!(draw(&image, &[object(whole)]).width, width);
    }
}

#[test]
fn long_and_odd_names_are_no_trouble() {
    let image = plain(120, 90, 30);
    let bounds = BoundingBox::new(10.0, 30.0, 60.0, 80.0);
    for name in ["", "a\nb\t\u{7}", "名前", &"very long ".repeat(100)] {
        let named = Drawn {
            name: name.to_owned(),
            score: Some(f32::NAN),
            ..object(bounds)
        };
        assert_eq!(draw(&image, &[named]).width, 120);
    }
}

#[test]
fn a_mask_is_coloured_inside_with_an_outline_and_nowhere_else() {
    let image = plain(100, 80, 128);
    let bounds = BoundingBox::new(20.0, 10.0, 80.0, 70.0);
    let mask = ellipse(100, 80, bounds);
    let columns = hotcoco::mask::decode(&mask);
    let masked = |mask: Option<Rle>| {
        // Without a box, so that only the mask is seen.
        draw(
            &image,
            &[Drawn {
                mask,
                ..object(BoundingBox::default())
            }],
        )
    };
    let picture = masked(Some(mask.clone()));
    let changed = changed(&image, &picture);
    let of_mask = |&(x, y): &(usize, usize)| columns[x * 80 + y] == 1;
    assert!(changed.iter().all(of_mask));
    assert_eq!(changed.len(), hotcoco::mask::area(&mask) as usize);
    // The outline is nearer to the colour than what it surrounds.
    let distance = |(x, y): (usize, usize)| -> u32 {
        let pixel = picture.pixel(x, y);
        (0..3)
            .map(|c| u32::from(pixel[c].abs_diff(class_colour(0)[c])))
            .sum()
    };
    assert!(distance((20, 40)) * 3 < distance((50, 40)));
    // Masks of other sizes, or that are none, are left out.
    for mask in [
        Rle {
            h: 100,
            w: 80,
            counts: vec![0, 8000],
        },
        Rle {
            h: 80,
            w: 100,
            counts: vec![5],
        },
        Rle {
            h: 80,
            w: 100,
            counts: vec![1, u32::MAX, u32::MAX],
        },
    ] {
        assert_eq!(masked(Some(mask)), image);
    }
}

#[test]
fn smaller_objects_are_drawn_over_larger_ones_in_any_order() {
    let image = plain(100, 100, 128);
    let bounds = BoundingBox::new(30.0, 30.0, 60.0, 60.0);
    let large = Drawn {
        class: 4,
        mask: Some(Rle::new(100, 100, vec![0, 10_000]).unwrap()),
        ..object(BoundingBox::new(0.0, 0.0, 100.0, 100.0))
    };
    let small = Drawn {
        class: 5,
        mask: Some(ellipse(100, 100, bounds)),
        ..object(bounds)
    };
    let picture = draw(&image, &[large.clone(), small.clone()]);
    assert_eq!(picture, draw(&image, &[small, large]));
    // Both masks put a third of their colours on the middle, the small one last.
    let mixed =
        |over: u8, colour: u8| f32::from(over) + 0.35 * (f32::from(colour) - f32::from(over));
    for (channel, got) in picture.pixel(45, 45).into_iter().enumerate() {
        let of_large = mixed(128, class_colour(4)[channel]).round() as u8;
        let wanted = mixed(of_large, class_colour(5)[channel]).round() as u8;
        assert_eq!(got, wanted, "{channel}");
    }
    // So is its frame drawn over the large mask.
    assert_eq!(picture.pixel(45, 59), class_colour(5));
}

#[test]
fn classes_have_colours_of_their_own() {
    let image = plain(80, 80, 128);
    let bounds = BoundingBox::new(10.0, 20.0, 70.0, 70.0);
    let pictures: BTreeSet<Vec<u8>> = (0..20)
        .map(|class| {
            let one = Drawn {
                class,
                ..object(bounds)
            };
            draw(&image, &[one]).pixels
        })
        .collect();
    assert_eq!(pictures.len(), 20);
}

#[test]
fn enlarged_pictures_show_the_same_at_another_size() {
    let image = plain(40, 30, 128);
    let bounds = BoundingBox::new(10.0, 8.0, 30.0, 28.0);
    let one = Drawn {
        mask: Some(ellipse(40, 30, bounds)),
        ..object(bounds)
    };
    let picture = draw_enlarged(&image, std::slice::from_ref(&one), 5);
    assert_eq!((picture.width, picture.height), (200, 150));
    assert_eq!(picture.pixel(50, 100), class_colour(0));
    assert_eq!(picture.pixel(10, 140), [128; 3]);
    assert_eq!(
        draw_enlarged(&image, std::slice::from_ref(&one), 0),
        draw(&image, &[one])
    );
    assert_eq!(
        draw_enlarged(&plain(4000, 1, 0), &[], usize::MAX).width,
        16_000
    );
}
