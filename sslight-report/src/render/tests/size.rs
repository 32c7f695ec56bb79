use super::*;

fn picture(title: &str, size: usize) -> Picture {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(size, 7);
    Picture {
        title: title.to_owned(),
        bytes,
        ..Picture::default()
    }
}

#[test]
fn the_largest_pictures_are_left_out_with_a_note_when_they_do_not_fit() {
    let mut one = run("a");
    one.pictures = vec![
        picture("small", 50_000),
        picture("large", 1_900_000),
        picture("middle", 900_000),
    ];
    let rendered = render(&page(vec![one])).unwrap();
    assert!(rendered.html.len() <= MOST_BYTES, "{}", rendered.html.len());
    assert_eq!(rendered.left_out.len(), 1);
    assert!(rendered.left_out[0].contains("large") && rendered.left_out[0].contains("1.90 MB"));
    assert_eq!(rendered.html.matches("<img ").count(), 2);
    assert!(
        rendered
            .html
            .contains("is left out: with it the page would be larger than 3.00 MB")
    );
    assert!(rendered.html.contains("class=\"missing\""));
}

#[test]
fn the_limit_holds_around_it() {
    let without = html(vec![run("a")]).len();
    for size in (2_060_000..2_240_000).step_by(9_973) {
        let mut one = run("a");
        one.pictures = vec![picture("p", size)];
        let rendered = render(&page(vec![one])).unwrap();
        assert!(rendered.html.len() <= MOST_BYTES);
        let needed = without + size.div_ceil(3) * 4;
        // Around the limit the size of the frame is an estimate.
        if needed + 10_000 < MOST_BYTES || needed > MOST_BYTES {
            assert_eq!(rendered.left_out.is_empty(), needed < MOST_BYTES, "{size}");
        }
    }
}

#[test]
fn what_is_too_large_without_pictures_is_an_error_that_names_it() {
    let mut one = run("a");
    one.machine = vec!["x".repeat(4_000_000)];
    let error = render(&page(vec![one])).unwrap_err().to_string();
    assert!(
        error.contains("the largest part is machine and notes with 4000"),
        "{error}"
    );
    let mut other = run("a");
    other.pictures = vec![Picture::default()];
    assert!(matches!(
        render(&page(vec![other])),
        Err(ReportError::Picture { .. })
    ));
    assert!(matches!(render(&page(vec![])), Err(ReportError::NoRuns)));
}

#[test]
fn many_long_runs_stay_a_small_page_with_their_peaks() {
    let mut text = String::new();
    for step in 0..20_000 {
        let loss = if step == 7777 {
            99.25
        } else {
            f64::from(step % 97)
        };
        text += &format!(
            "{{\"kind\":\"step\",\"step\":{step},\"loss\":{loss},\"lr\":{loss},\"grad_norm\":{loss}}}\n"
        );
    }
    let long = RunPage {
        name: "long".to_owned(),
        history: history(&text),
        ..RunPage::default()
    };
    let html = html(vec![long; 12]);
    assert!(html.len() < 2_000_000, "{}", html.len());
    let data = data_of(&html);
    let loss = data["runs"][0]["series"]["step:loss"]["y"]
        .as_array()
        .unwrap();
    assert!(loss.iter().any(|value| value.as_f64() == Some(99.25)));
}
