use super::*;

fn values(rows: usize, dim: usize) -> Vec<f32> {
    let value = |i: usize, j: usize| ((i * i * 3 + j * 7 + i * j * 5) % 11) as f32 - 5.0;
    (0..rows)
        .flat_map(|i| (0..dim).map(move |j| value(i, j)))
        .collect()
}

#[test]
fn points_and_shares_are_those_of_a_singular_value_decomposition() {
    // numpy.linalg.svd of the centred rows, each right vector with its largest entry positive.
    const PLACES: [[f64; 2]; 7] = [
        [-4.994106941, -1.173553864],
        [-0.305447828, -3.395955533],
        [-4.238219288, 0.752337168],
        [1.294501437, -0.98083061],
        [-1.79420841, 3.656695982],
        [4.582573928, 2.412762095],
        [5.454907101, -1.271455236],
    ];
    let plane = pca(&values(7, 5), 5).unwrap();
    for (ours, expected) in plane.places.iter().zip(PLACES) {
        for axis in 0..2 {
            assert!(
                (ours[axis] - expected[axis]).abs() < 1e-5,
                "{ours:?} {expected:?}"
            );
        }
    }
    assert!((plane.explained[0] - 0.56416236).abs() < 1e-7);
    assert!((plane.explained[1] - 0.20157728).abs() < 1e-7);
}

#[test]
fn more_dimensions_than_rows_and_more_rows_than_a_part_are_the_same_work() {
    // The variance along both axes is that of the points.
    for (rows, dim) in [(6, 40), (300, 9)] {
        let values = values(rows, dim);
        let plane = pca(&values, dim).unwrap();
        let mut total = 0.0;
        for column in 0..dim {
            let of = || {
                values
                    .iter()
                    .skip(column)
                    .step_by(dim)
                    .map(|v| f64::from(*v))
            };
            let mean = of().sum::<f64>() / rows as f64;
            total += of().map(|v| (v - mean).powi(2)).sum::<f64>();
        }
        for axis in 0..2 {
            let along: f64 = plane.places.iter().map(|place| place[axis].powi(2)).sum();
            assert!(
                (along / total - plane.explained[axis]).abs() < 1e-6,
                "{rows} {axis}"
            );
        }
        let across: f64 = plane.places.iter().map(|[x, y]| x * y).sum();
        assert!(
            across.abs() < 1e-5 * total,
            "{rows}: the axes are correlated"
        );
    }
}

#[test]
fn equal_rows_have_no_plane_and_points_on_a_line_only_one_axis() {
    assert!(pca(&[1.0, 2.0, 1.0, 2.0, 1.0, 2.0], 2).is_none());
    let plane = pca(&[0.0, 0.0, 1.0, 2.0, 2.0, 4.0], 2).unwrap();
    assert!((plane.explained[0] - 1.0).abs() < 1e-9);
    assert!(plane.places.iter().all(|place| place[1].abs() < 1e-6));
}
