use super::*;

/// A picture of rows of `#` (cloth), `.` (nothing) and `+` (dark, but not black).
fn garment(rows: &[&str]) -> Garment {
    let grey: Vec<u8> = rows
        .concat()
        .bytes()
        .map(|letter| match letter {
            b'#' => 200,
            b'+' => 12,
            _ => 0,
        })
        .collect();
    Garment::new(&Image::from_gray(rows[0].len(), rows.len(), &grey).unwrap())
}

fn upright(size: usize) -> Pose {
    Pose {
        size,
        angle: 0.0,
        mirrored: false,
    }
}

/// Rows of `#` and `.`.
fn shown(cutout: &Cutout) -> Vec<String> {
    let letter = |pixel: &Option<f32>| if pixel.is_some() { '#' } else { '.' };
    let rows = cutout.pixels.chunks(cutout.width.max(1));
    rows.map(|row| row.iter().map(letter).collect()).collect()
}

const L: [&str; 8] = [
    "........", ".##.....", ".##.....", ".##.....", ".##.....", ".#####..", ".#####..", "........",
];

#[test]
fn at_its_own_size_a_garment_is_its_cloth() {
    let cutout = garment(&L).cut_out(upright(6));
    assert_eq!(
        shown(&cutout),
        ["##...", "##...", "##...", "##...", "#####", "#####"]
    );
    assert_eq!(cutout.area(), 18);
    assert!(cutout.pixels.iter().flatten().all(|shade| *shade > 0.9));
}

#[test]
fn mirrored_and_turned_it_lies_the_other_way() {
    let mirrored = garment(&L).cut_out(Pose {
        mirrored: true,
        ..upright(6)
    });
    assert_eq!(
        shown(&mirrored),
        ["...##", "...##", "...##", "...##", "#####", "#####"]
    );
    let quarter = Pose {
        angle: std::f64::consts::FRAC_PI_2,
        ..upright(6)
    };
    let turned = garment(&L).cut_out(quarter);
    assert_eq!(
        shown(&turned),
        ["######", "######", "##....", "##....", "##...."]
    );
}

#[test]
fn the_longer_side_has_the_size_that_is_asked_for() {
    for size in [8, 13, 24, 72] {
        for degrees in [0.0f64, 17.0, -20.0, 45.0, 180.0] {
            let cutout = garment(&L).cut_out(Pose {
                size,
                angle: degrees.to_radians(),
                mirrored: false,
            });
            let longer = cutout.width.max(cutout.height);
            // Turned corners are rounded off by the smooth outline.
            assert!(
                longer <= size && longer as f64 >= 0.85 * size as f64 - 1.0,
                "{size} at {degrees}: {longer}"
            );
        }
    }
}

#[test]
fn small_dark_spots_are_cloth_and_large_ones_and_specks_are_not() {
    let rows = [
        "##########",
        "########+#",
        "##....####",
        "##....##.#",
        "##....####",
        "##....####",
        "##########",
        "..........",
        "........#.",
    ];
    let cutout = garment(&rows).cut_out(upright(10));
    // The speck is gone, so that the box ends above it; the sixteen pixels are a hole.
    assert_eq!((cutout.width, cutout.height), (10, 7));
    assert_eq!(cutout.area(), 70 - 16);
    assert_eq!(shown(&cutout)[1], "##########");
    assert_eq!(shown(&cutout)[3], "##....####");
}

#[test]
fn small_corners_beside_a_garment_are_not_cloth() {
    let rows = ["..####", ".#####", "######", "######"];
    let cutout = garment(&rows).cut_out(upright(6));
    assert_eq!(shown(&cutout), rows);
}

#[test]
fn without_cloth_there_is_nothing_to_cut_out() {
    for rows in [&["....", "...."][..], &["#"], &["+"]] {
        let cutout = garment(rows).cut_out(upright(20));
        assert_eq!(cutout, Cutout::default());
        assert_eq!(cutout.area(), 0);
    }
}
