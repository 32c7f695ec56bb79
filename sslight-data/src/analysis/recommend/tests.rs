#![allow(clippy::unwrap_used)]

use super::*;
use crate::views::Crops;

/// The sizes of the fixture `crop_params.pixel_scale_ratio`.
const IMAGENET: [(usize, usize); 10] = [
    (500, 375),
    (375, 500),
    (500, 333),
    (333, 500),
    (500, 500),
    (640, 480),
    (400, 300),
    (500, 281),
    (1024, 768),
    (250, 188),
];
const SQUARE: [(usize, usize); 1] = [(256, 256)];

const FREE: Fixed = Fixed {
    global_size: 224,
    global_low: None,
    local_high: None,
    local_size: None,
    locals: None,
};

/// Pixels stand for multiply-adds.
fn pixels(side: usize) -> f64 {
    (side * side) as f64
}

fn ask(
    sizes: &[(usize, usize)],
    fixed: Fixed,
    budget: f64,
    multiple: usize,
) -> Result<Recommendation, DataError> {
    recommend(&Request {
        sizes,
        draws: 10_000,
        seed: 3,
        baseline: &ViewRecipe::dino_cnn(Crops::Baseline),
        fixed,
        budget,
        multiple,
        multiple_required: false,
        cost: &pixels,
    })
}

fn at_split(split: f64) -> Fixed {
    Fixed {
        global_low: Some(split),
        local_high: Some(split),
        ..FREE
    }
}

#[test]
fn the_papers_setting_is_found_on_square_images() {
    let found = ask(&SQUARE, FREE, 2.0, 32).unwrap();
    assert_eq!(found.global_scale, [0.3, 1.0]);
    assert_eq!(found.local_scale, [0.05, 0.3]);
    assert_eq!((found.local_size, found.locals), (128, 6));
    assert!(
        (found.exact_local_size - 128.0).abs() < 1.0,
        "{}",
        found.exact_local_size
    );
    assert!((found.ratio - 1.0).abs() < 0.02, "{}", found.ratio);
    assert_eq!((found.alpha, found.alpha_range), (0.4, [0.3, 0.4]));
    // (2 * 224^2 + 6 * 128^2) / (2 * 224^2 + 6 * 96^2)
    assert!((found.cost - 198_656.0 / 155_648.0).abs() < 1e-12 && found.within_budget);
    assert_eq!(
        found,
        ask(&SQUARE, at_split(0.3), 2.0, 32)
            .map(|given| Recommendation {
                reasons: found.reasons.clone(),
                ..given
            })
            .unwrap()
    );
}

#[test]
fn the_papers_numbers_are_the_quotients_of_mean_areas_on_images_like_imagenets() {
    for (split, published) in [(0.14, 103.0), (0.3, 128.0)] {
        let found = ask(&IMAGENET, at_split(split), 2.0, 1).unwrap();
        let by_means = found.local_size_by_mean_areas;
        assert!((by_means - published).abs() < 1.0, "{split}: {by_means}");
        assert!(found.exact_local_size > by_means + 3.0);
    }
}

#[test]
fn the_closed_form_is_the_mean_over_pairs_where_every_box_fits() {
    // By hand: 224 sqrt(0.095 * ln(1 / 0.14) / 0.86) and 224 sqrt(0.175 * ln(1 / 0.3) / 0.7).
    for (split, by_hand) in [(0.14, 104.391), (0.3, 122.893)] {
        let closed = closed_form_local_size(224, split, [0.05, split]);
        assert!((closed - by_hand).abs() < 0.001, "{closed}");
    }
    assert_eq!(closed_form_local_size(224, 1.0, [0.25, 0.25]), 112.0);
    // Boxes of 0.1 to 0.3 of the area always fit a square.
    let mut baseline = ViewRecipe::dino_cnn(Crops::Baseline);
    for view in &mut baseline.views {
        view.ratio = [1.0, 1.0];
    }
    let found = recommend(&Request {
        sizes: &[(2000, 2000)],
        draws: 10_000,
        seed: 3,
        baseline: &baseline,
        fixed: at_split(0.3),
        budget: 2.0,
        multiple: 1,
        multiple_required: false,
        cost: &pixels,
    })
    .unwrap();
    let apart = found.exact_local_size / found.closed_form_local_size - 1.0;
    assert!(apart.abs() < 0.01, "{apart}");
}

#[test]
fn the_size_is_a_multiple_and_the_exact_one_is_told() {
    let required = |split: f64, multiple: usize| {
        recommend(&Request {
            sizes: &SQUARE,
            draws: 10_000,
            seed: 3,
            baseline: &ViewRecipe::dino_cnn(Crops::Baseline),
            fixed: at_split(split),
            budget: 2.0,
            multiple,
            multiple_required: true,
            cost: &pixels,
        })
        .unwrap()
    };
    let found = required(0.14, 32);
    assert_eq!(found.local_size, 96);
    assert!((found.exact_local_size - 109.2).abs() < 1.0);
    let told = format!("{:.1} px would make the ratio 1", found.exact_local_size);
    assert!(found.reasons.iter().any(|why| why.contains(&told)));
    assert_eq!(required(0.14, 16).local_size, 112);
    // 96 would bring the ratio to 1.29, so that half the multiple is taken where it may be.
    let found = ask(&SQUARE, at_split(0.14), 2.0, 32).unwrap();
    assert_eq!(found.local_size, 112);
    let told = "nearest multiple of 16, multiples of 32 being too far from it";
    assert!(found.reasons.iter().any(|why| why.contains(told)));
}

#[test]
fn views_of_small_images_are_not_rounded_away() {
    let fixed = Fixed {
        global_size: 32,
        ..FREE
    };
    let found = ask(&[(28, 28)], fixed, 9.0, 32).unwrap();
    assert!((found.exact_local_size - 18.2).abs() < 0.5);
    assert!((found.ratio - 1.0).abs() < 0.15, "{}", found.ratio);
    assert_eq!(found.local_size, 18);
}

#[test]
fn the_budget_limits_the_number_of_local_views() {
    let found = ask(&SQUARE, FREE, 1.0, 32).unwrap();
    // (155,648 - 100,352) / 16,384 = 3.375
    assert_eq!((found.local_size, found.locals), (128, 3));
    assert!(found.cost <= 1.0 && found.within_budget);
    let few = ask(&SQUARE, FREE, 0.76, 32).unwrap();
    assert_eq!((few.locals, few.alpha_range), (1, [0.5, 0.5]));
    let error = ask(&SQUARE, FREE, 0.7, 32).unwrap_err();
    let told = "budget: expected enough for the two global views and one local view";
    assert!(error.to_string().starts_with(told), "{error}");
    // A whole number of views is not lost to rounding.
    let exact = (100_352.0 + 4.0 * 16_384.0) / 155_648.0;
    assert_eq!(ask(&SQUARE, FREE, exact, 32).unwrap().locals, 4);
}

#[test]
fn with_the_number_given_the_budget_limits_the_size_and_the_scale_follows() {
    let fixed = Fixed {
        locals: Some(6),
        ..FREE
    };
    let found = ask(&SQUARE, fixed, 1.0, 32).unwrap();
    assert_eq!((found.local_size, found.locals), (96, 6));
    // E[Area(l)] has to fall from 0.175 by 1.7785, the ratio of the fixture at Sl = 0.3: Sl = 0.147.
    assert!(
        (found.local_scale[1] - 0.147).abs() < 0.003,
        "{:?}",
        found.local_scale
    );
    assert!((found.ratio - 1.0).abs() < 0.01 && found.within_budget);
}

#[test]
fn a_given_size_is_matched_by_the_scales() {
    let fixed = Fixed {
        local_size: Some(96),
        ..FREE
    };
    let found = ask(&SQUARE, fixed, 1.0, 32).unwrap();
    assert!((found.local_scale[1] - 0.147).abs() < 0.003);
    let fixed = Fixed {
        local_high: Some(0.14),
        local_size: Some(96),
        ..FREE
    };
    let found = ask(&SQUARE, fixed, 1.0, 32).unwrap();
    assert!((found.ratio - 1.0).abs() < 0.01, "{}", found.ratio);
    assert!((0.25..0.35).contains(&found.global_scale[0]));
    assert!(found.reasons[0].contains("makes the mean ratio 1"));
}

#[test]
fn what_is_given_stays_and_its_shortcomings_are_told() {
    let fixed = Fixed {
        locals: Some(8),
        local_size: Some(160),
        ..at_split(0.3)
    };
    let found = ask(&SQUARE, fixed, 1.0, 32).unwrap();
    assert_eq!((found.locals, found.local_size), (8, 160));
    assert!(!found.within_budget);
    assert!(
        found
            .reasons
            .last()
            .unwrap()
            .starts_with("beyond the budget")
    );
    // Not even local crops of the whole image are large enough.
    let fixed = Fixed {
        local_size: Some(224),
        ..FREE
    };
    let found = ask(&SQUARE, fixed, 9.0, 32).unwrap();
    assert_eq!(found.local_scale[1], 1.0);
    assert!(found.reasons[1].contains("as near to 1 as it gets"));
    assert!(found.reasons[1].contains("Sl is above Sg"));
}

#[test]
fn impossible_requests_are_refused_by_name() {
    let zero = Fixed {
        locals: Some(0),
        ..FREE
    };
    let scale = Fixed {
        local_high: Some(0.01),
        ..FREE
    };
    for (sizes, fixed, budget, multiple, message) in [
        (&[][..], FREE, 1.0, 32, "sizes: "),
        (&SQUARE, zero, 1.0, 32, "locals: "),
        (&SQUARE, scale, 1.0, 32, "views[2].scale: "),
        (&SQUARE, FREE, f64::NAN, 32, "budget: "),
        (&SQUARE, FREE, 1.0, 0, "multiple: "),
    ] {
        let error = ask(sizes, fixed, budget, multiple).unwrap_err();
        assert!(matches!(error, DataError::Setting { .. }));
        assert!(error.to_string().starts_with(message), "{error}");
    }
}
