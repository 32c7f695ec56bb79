//! `sslight views` as users and scripts meet it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{run, stderr, stdout};

/// What a verb printed; it must have gone well.
fn done(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    let code = output.status.code();
    assert_eq!(code, Some(0), "{words:?}: {}", stderr(&output));
    stdout(&output)
}

fn json(folder: &Path, words: &[&str]) -> Value {
    serde_json::from_str(&done(folder, words)).unwrap()
}

/// The program refuses these words with this code and message, prints nothing else and writes nothing.
fn refused(words: &[&str], code: i32, message: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), words);
    assert_eq!(stderr(&output), message, "{words:?}");
    assert_eq!(output.status.code(), Some(code), "{words:?}");
    assert_eq!(stdout(&output), "", "{words:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Images with colour and structure, of these sizes.
fn photos(folder: &Path, sizes: &[(u32, u32)]) {
    fs::create_dir(folder).unwrap();
    for (number, (width, height)) in sizes.iter().enumerate() {
        let colour = |x: u32, y: u32| image::Rgb([x as u8, y as u8, (x * y / 64) as u8]);
        image::RgbImage::from_fn(*width, *height, colour)
            .save(folder.join(format!("{number}.png")))
            .unwrap();
    }
}

#[test]
fn a_preview_is_a_sheet_and_its_draws() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    photos(&folder.join("photos"), &[(90, 60), (60, 90), (50, 50)]);
    let words = ["views", "preview", "data=photos", "index=2,0", "seed=3"];
    let small = ["views.global.size=64", "views.local.size=32", "to=a/v.png"];
    let told = done(folder, &[&words[..], &small].concat());
    assert_eq!(told, "2 images with 8 views each: a/v.png, a/v.json\n");
    let record: Value =
        serde_json::from_slice(&fs::read(folder.join("a/v.json")).unwrap()).unwrap();
    assert_eq!((&record["seed"], &record["epoch"]), (&3.into(), &0.into()));
    let images = record["images"].as_array().unwrap();
    let of = |key: &str| images.iter().map(|i| i[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("index"), [2, 0]);
    assert_eq!(
        (of("width"), of("height")),
        (vec![50.into(), 90.into()], vec![50.into(), 60.into()])
    );
    assert_eq!(images[0]["views"].as_array().unwrap().len(), 8);
    assert_eq!(images[0]["views"][0]["size"], 64);
    let picture = image::open(folder.join("a/v.png")).unwrap();
    assert!(picture.width() > 1000 && picture.height() > 600);
    // Nothing half-written stays.
    assert_eq!(fs::read_dir(folder.join("a")).unwrap().count(), 2);

    let output = run(folder, &[&words[..], &small].concat());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: command line: to=a/v.png: is there already; give another path, or overwrite=true to replace it\n"
    );
    let other = [&words[..], &small, &["epoch=1", "overwrite=true"]].concat();
    done(folder, &other);
    let later: Value = serde_json::from_slice(&fs::read(folder.join("a/v.json")).unwrap()).unwrap();
    assert_eq!(later["epoch"], 1);
    assert_ne!(later["images"][0]["views"], record["images"][0]["views"]);
}

#[test]
fn a_preview_shows_what_can_be_read_and_tells_the_rest() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    photos(&folder.join("photos"), &[(40, 40)]);
    fs::write(folder.join("photos/9.png"), "no image").unwrap();
    let words = ["views", "preview", "data=photos", "first=0", "to=v.png"];
    let output = run(folder, &[&words[..], &["method=supervised"]].concat());
    assert_eq!(stdout(&output), "1 image with 1 view each: v.png, v.json\n");
    assert!(stderr(&output).contains("left out: photos/9.png: content is not"));
    let words = ["views", "preview", "data=photos", "index=1", "to=w.png"];
    let output = run(folder, &words);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(!folder.join("w.png").exists());
}

#[test]
fn statistics_are_a_table_a_plot_and_json() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    photos(&folder.join("photos"), &[(256, 256), (256, 256)]);
    let words = ["views", "analyze", "data=photos", "draws=2000"];
    let told = done(folder, &[&words[..], &["to=s.svg"]].concat());
    assert!(
        told.starts_with("dino on mobilenet_v2, recipe sslight\n"),
        "{told}"
    );
    assert!(
        told.contains("crops of 2,000 drawn images, with the sizes of 2 of 2 images of photos\n"),
        "{told}"
    );
    assert!(told.contains("\nmean of PSg/PSl over pairs: "), "{told}");
    assert!(told.ends_with("written: s.svg, s.json\n"), "{told}");
    let svg = fs::read_to_string(folder.join("s.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("Pixel scale of views"));

    let report = json(
        folder,
        &[&words[..], &["--json", "to=s.png", "overwrite=true"]].concat(),
    );
    let kept: Value = serde_json::from_slice(&fs::read(folder.join("s.json")).unwrap()).unwrap();
    assert_eq!(kept, report);
    assert_eq!(image::open(folder.join("s.png")).unwrap().width(), 2160);
    let ratio = report["statistics"]["ratio"]["mean"].as_f64().unwrap();
    assert!((ratio - 1.0).abs() < 0.03, "{ratio}");
    // 2 x 224 px and 6 x 128 px against 6 x 96 px.
    let cost = report["macs"].as_f64().unwrap() / report["baseline_macs"].as_f64().unwrap();
    assert!((cost - 198_656.0 / 155_648.0).abs() < 1e-3, "{cost}");

    let named = json(
        folder,
        &[
            "views",
            "analyze",
            "image_size=256x256",
            "draws=2000",
            "--json",
        ],
    );
    assert_eq!(named["statistics"], report["statistics"]);
    assert_eq!(named["images"], "images of 256x256 px");
}

#[test]
fn the_papers_setting_is_recommended_and_its_words_are_a_configuration() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let words = ["views", "recommend", "image_size=256x256", "budget=2"];
    let report = json(folder, &[&words[..], &["--json"]].concat());
    let words_found: Vec<&str> = report["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(
        words_found,
        [
            "views.global.size=224",
            "views.global.scale=[0.3,1.0]",
            "views.local.size=128",
            "views.local.scale=[0.05,0.3]",
            "views.locals=6",
            "loss.alpha=0.4"
        ]
    );
    let exact = report["recommendation"]["exact_local_size"]
        .as_f64()
        .unwrap();
    assert!((exact - 128.0).abs() < 1.0, "{exact}");
    let told = done(folder, &words);
    assert!(
        told.contains(&format!("\n\n{}\n\nmean of", words_found.join("\n"))),
        "{told}"
    );
    assert!(told.contains("(Section 3.3.4)"), "{told}");
    // They are words of a command line, and lines of a file.
    done(
        folder,
        &[&["pretrain", "--dry-run", "data=x"][..], &words_found].concat(),
    );
    fs::write(folder.join("a.toml"), words_found.join("\n")).unwrap();
    done(folder, &["pretrain", "--dry-run", "a.toml", "data=x"]);
}

#[test]
fn what_is_set_stays_and_the_budget_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let ask = |more: &[&str]| {
        let words = ["views", "recommend", "image_size=256x256", "--json"];
        json(root.path(), &[&words[..], more].concat())["recommendation"].clone()
    };
    let found = ask(&[]);
    assert_eq!(
        (&found["locals"], &found["local_size"]),
        (&3.into(), &128.into())
    );
    let found = ask(&["views.locals=6"]);
    assert_eq!(
        (&found["locals"], &found["local_size"]),
        (&6.into(), &96.into())
    );
    assert!(found["cost"].as_f64().unwrap() <= 1.0);
    let found = ask(&["backbone=vit_tiny_16", "budget=3"]);
    assert_eq!(
        (&found["locals"], &found["local_size"]),
        (&10.into(), &128.into())
    );
    let found = ask(&[
        "views.global.scale=[0.14,1]",
        "views.local.scale=[0.05,0.14]",
        "budget=3",
    ]);
    assert_eq!(found["local_size"], 112);
    let exact = found["exact_local_size"].as_f64().unwrap();
    assert!((exact - 109.2).abs() < 1.0, "{exact}");
}

#[test]
fn mistakes_are_told_with_what_is_meant() {
    let preview = |word| ["views", "preview", "data=embedded", word];
    refused(
        &preview("image=3"),
        2,
        "error: command line: unknown key image; did you mean images?\n",
    );
    refused(
        &["views", "analyze", "views.local.siz=3"],
        2,
        "error: command line: unknown key views.local.siz; did you mean views.local.size?\n",
    );
    refused(
        &["views", "recommend", "budge=3"],
        2,
        "error: command line: unknown key budge; did you mean budget?\n",
    );
    refused(
        &preview("images=3"),
        2,
        "error: command line: to is missing; write to=views.png\n",
    );
    refused(
        &preview("to=a.svg"),
        2,
        "error: command line: to=a.svg: its ending names no kind of picture that can be written; end it with .png\n",
    );
    for (word, message) in [
        (
            "first=4000",
            "first: there is no image 4000, but 4000 from 0 to 3999",
        ),
        (
            "index=1,x",
            "index is 1,x, but must be integers of at least 0 with commas between",
        ),
        (
            "images=0",
            "images is 0, but must be an integer of at least 1",
        ),
        (
            "images=101",
            "101 images are too many for a sheet, which has at most 100 rows; make several with first",
        ),
    ] {
        let message = format!("error: command line: {message}\n");
        refused(&[&preview(word)[..], &["to=a.png"]].concat(), 2, &message);
    }
    refused(
        &["views", "analyze", "method=supervised", "data=embedded"],
        2,
        "error: command line: nothing to compare global views with: method supervised looks at no local views; say \
         method=dino, for one\n",
    );
    refused(
        &["views", "recommend", "image_size=5x5", "data=embedded"],
        2,
        "error: command line: data and image_size both say which images there are; give one of them\n",
    );
    refused(
        &["views", "recommend", "image_size=256x256", "budget=0.7"],
        2,
        "error: command line: budget: expected enough for the two global views and one local view; lower views.global.size \
         or views.local.size otherwise, got 0.7, and these cost 0.75; change the setting\n",
    );
    let output = run(Path::new("."), &["views", "analyze", "data=no/such/folder"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).starts_with("error: no/such/folder: "));
}

#[test]
fn every_part_has_help_with_its_keys_and_an_example() {
    for (verb, keys) in [
        ("preview", ["to", "images", "first", "epoch"]),
        ("analyze", ["to", "image_size", "draws", "sample"]),
        ("recommend", ["budget", "image_size", "draws", "split"]),
    ] {
        let help = done(Path::new("."), &["views", verb, "--help"]);
        for key in keys.iter().chain(&["views.local.size"]) {
            let found = help
                .lines()
                .any(|line| line.starts_with(&format!("  {key}  ")));
            assert!(found, "{verb} {key}: {help}");
        }
        assert!(help.contains(&format!("  sslight views {verb} ")), "{help}");
    }
}
