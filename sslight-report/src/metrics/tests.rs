use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use tempfile::TempDir;

use super::*;

fn append(path: &Path, text: &[u8]) {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
        .write_all(text)
        .unwrap();
}

fn step(step: u64, speed: f64) -> String {
    format!(
        "{{\"kind\":\"step\",\"step\":{step},\"epoch\":0,\"loss\":1.5,\"images_per_s\":{speed}}}\n"
    )
}

fn steps(lines: &[Line]) -> Vec<u64> {
    lines
        .iter()
        .map(|line| match line {
            Line::Step(line) => line.step,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn reader() -> (TempDir, MetricsReader) {
    let folder = tempfile::tempdir().unwrap();
    let reader = MetricsReader::open(folder.path().join("metrics.jsonl"));
    (folder, reader)
}

#[test]
fn a_missing_file_is_not_yet() {
    let (_folder, mut reader) = reader();
    assert_eq!(reader.read_new().unwrap(), News::default());
    append(reader.path(), step(0, 1.0).as_bytes());
    let news = reader.read_new().unwrap();
    assert!(!news.restarted);
    assert_eq!(steps(&news.lines), [0]);
    assert_eq!(reader.read_new().unwrap(), News::default());
}

#[test]
fn all_kinds_are_typed_and_reachable_by_key() {
    let (_folder, mut reader) = reader();
    append(
        reader.path(),
        br#"{"kind":"step","step":3,"epoch":1,"loss":null,"lr":1e-6,"new_key":7}
{"kind":"epoch","epoch":1,"step":4,"loss":2,"knn_top1":33.5,"spectrum":[1,0.5,null],"seconds":9.5}
{"kind":"event","step":4,"name":"collapse_warning","reason":"r","advice":"a","feature_std":0.01,"flag":true,"more":{"a":[1]}}
{"kind":"summary","end":"completed","steps":4,"epochs":2,"loss":2.5,"knn_before":10,"out":"x"}
"#,
    );
    let lines = reader.read_new().unwrap().lines;
    let [
        Line::Step(step),
        Line::Epoch(epoch),
        Line::Event(event),
        Line::Summary(summary),
    ] = &lines[..]
    else {
        panic!("{lines:?}")
    };
    assert_eq!((step.step, step.epoch), (3, Some(1)));
    assert!(step.fields.number("loss").unwrap().is_nan());
    assert_eq!(step.fields.number("new_key"), Some(7.0));
    let keys: Vec<&str> = step.fields.numbers().map(|(key, _)| key).collect();
    assert_eq!(keys, ["step", "epoch", "loss", "lr", "new_key"]);
    assert_eq!((epoch.epoch, epoch.step, epoch.seconds), (1, 4, Some(9.5)));
    let spectrum = epoch.fields.list("spectrum").unwrap();
    assert_eq!(spectrum[..2], [1.0, 0.5]);
    assert!(spectrum[2].is_nan());
    assert_eq!(epoch.fields.lists().count(), 1);
    assert_eq!(event.name, "collapse_warning");
    assert_eq!(event.reason.as_deref(), Some("r"));
    assert_eq!(event.advice.as_deref(), Some("a"));
    assert_eq!(event.fields.number("feature_std"), Some(0.01));
    assert_eq!(event.fields.text("flag"), Some("true"));
    assert_eq!(event.fields.text("more"), Some(r#"{"a":[1]}"#));
    assert_eq!(summary.end, "completed");
    assert_eq!((summary.steps, summary.epochs), (Some(4), Some(2)));
    assert_eq!(lines[3].fields().number("knn_before"), Some(10.0));
    assert_eq!(summary.fields.texts().count(), 2);
}

#[test]
fn a_half_line_waits_at_every_place_of_the_cut() {
    let whole = format!("{}{}", step(0, 1.0), step(1, 2.0));
    for cut in 0..=whole.len() {
        let (_folder, mut reader) = reader();
        append(reader.path(), &whole.as_bytes()[..cut]);
        let mut found = steps(&reader.read_new().unwrap().lines);
        append(reader.path(), &whole.as_bytes()[cut..]);
        let news = reader.read_new().unwrap();
        assert!(!news.restarted);
        found.extend(steps(&news.lines));
        assert_eq!(found, [0, 1], "cut at {cut}");
        assert_eq!(reader.not_understood(), 0);
    }
}

#[test]
fn a_file_that_was_cut_is_read_again() {
    let (_folder, mut reader) = reader();
    for number in 0..50 {
        append(reader.path(), step(number, number as f64 + 0.5).as_bytes());
    }
    assert_eq!(reader.read_new().unwrap().lines.len(), 50);
    let text = fs::read_to_string(reader.path()).unwrap();
    let kept: String = text.split_inclusive('\n').take(20).collect();
    fs::write(reader.path(), &kept).unwrap();
    let news = reader.read_new().unwrap();
    assert!(news.restarted);
    assert_eq!(steps(&news.lines), (0..20).collect::<Vec<_>>());
    append(reader.path(), step(20, 99.0).as_bytes());
    let news = reader.read_new().unwrap();
    assert!(!news.restarted);
    assert_eq!(steps(&news.lines), [20]);
}

#[test]
fn a_cut_file_that_grew_past_the_place_is_noticed() {
    let (_folder, mut reader) = reader();
    for number in 0..10 {
        append(reader.path(), step(number, 1.25).as_bytes());
    }
    reader.read_new().unwrap();
    let again: String = (0..40)
        .map(|number| step(number, if number < 5 { 1.25 } else { 1.75 }))
        .collect();
    fs::write(reader.path(), again).unwrap();
    let news = reader.read_new().unwrap();
    assert!(news.restarted);
    assert_eq!(news.lines.len(), 40);
}

#[test]
fn a_replaced_or_removed_file_is_noticed() {
    let (folder, mut reader) = reader();
    append(reader.path(), step(0, 1.0).as_bytes());
    reader.read_new().unwrap();
    let other = folder.path().join("other");
    append(&other, (step(0, 7.0) + &step(1, 7.0)).as_bytes());
    fs::rename(&other, reader.path()).unwrap();
    let news = reader.read_new().unwrap();
    assert!(news.restarted);
    assert_eq!(steps(&news.lines), [0, 1]);
    fs::remove_file(reader.path()).unwrap();
    let news = reader.read_new().unwrap();
    assert!(news.restarted && news.lines.is_empty());
    assert_eq!(reader.read_new().unwrap(), News::default());
}

#[test]
fn garbage_is_counted_with_its_place() {
    let (_folder, mut reader) = reader();
    append(reader.path(), step(0, 1.0).as_bytes());
    append(
        reader.path(),
        b"\xff\xfe\n[1]\n{}\n{\"kind\":\"other\"}\n{\"kind\":\"step\"}\n{\"kind\":\"step\",\"step\":-1}\n{\"kind\":\"step\",\"step\":1} x\n\n  \n",
    );
    append(reader.path(), step(2, 1.0).as_bytes());
    let news = reader.read_new().unwrap();
    assert_eq!(steps(&news.lines), [0, 2]);
    assert_eq!(reader.not_understood(), 7);
    let first = reader.first_not_understood().unwrap();
    assert!(
        first.contains("metrics.jsonl: line 2 is not understood: it is no JSON object"),
        "{first}"
    );
}

#[test]
fn carriage_returns_are_no_matter_and_the_last_of_equal_keys_holds() {
    let (_folder, mut reader) = reader();
    append(
        reader.path(),
        b"{\"kind\":\"step\",\"step\":1,\"a\":1,\"a\":2}\r\n\r\n",
    );
    let lines = reader.read_new().unwrap().lines;
    assert_eq!(lines[0].fields().number("a"), Some(2.0));
    assert_eq!(reader.not_understood(), 0);
}

#[test]
fn a_line_without_end_takes_no_memory_and_is_one_that_is_not_understood() {
    let (_folder, mut reader) = reader();
    append(reader.path(), &vec![b'x'; (16 << 20) + 5]);
    assert!(reader.read_new().unwrap().lines.is_empty());
    append(reader.path(), b"yyy\n");
    append(reader.path(), step(1, 1.0).as_bytes());
    let news = reader.read_new().unwrap();
    assert!(!news.restarted);
    assert_eq!(steps(&news.lines), [1]);
    assert_eq!(reader.not_understood(), 1);
}

#[test]
fn long_files_come_in_parts() {
    let (_folder, mut reader) = reader();
    let text: String = (0..25).map(|number| step(number, 1.0)).collect();
    append(reader.path(), text.as_bytes());
    let mut found = Vec::new();
    loop {
        let news = reader.read_at_most(10).unwrap();
        if news.lines.is_empty() {
            break;
        }
        assert!(!news.restarted && news.lines.len() <= 10);
        found.extend(steps(&news.lines));
    }
    assert_eq!(found, (0..25).collect::<Vec<_>>());
}

#[test]
fn a_folder_in_its_place_is_an_error_with_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let error = MetricsReader::open(folder.path()).read_new().unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[test]
fn who_follows_a_file_knows_what_it_holds_whatever_happens_to_it() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % bound
    };
    for _ in 0..60 {
        let (_folder, mut reader) = reader();
        let path = reader.path().to_owned();
        let mut content = Vec::new();
        let mut followed = Vec::new();
        for time in 0..40 {
            match below(6) {
                0 => {
                    // A resume: whole lines are kept, and others follow at once.
                    let lines = content.split_inclusive(|byte| *byte == b'\n');
                    let count = lines.clone().count();
                    content = lines.take(below(count + 1)).collect::<Vec<_>>().concat();
                    let whole = content.iter().rposition(|byte| *byte == b'\n');
                    content.truncate(whole.map_or(0, |at| at + 1));
                    for number in 0..below(4) {
                        let line = step(number as u64, f64::from(time) + 0.5);
                        content.extend_from_slice(line.as_bytes());
                    }
                }
                1 => content.extend_from_slice(b"garbage\n"),
                _ => {
                    let line = step(below(1000) as u64, f64::from(time) + 0.25);
                    // Sometimes half a line, which the next one makes garbage.
                    let end = if below(4) == 0 {
                        below(line.len())
                    } else {
                        line.len()
                    };
                    content.extend_from_slice(&line.as_bytes()[..end]);
                }
            }
            // Emptying the file first would make the system write it to the disk each time.
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .unwrap();
            file.write_all(&content).unwrap();
            file.set_len(content.len() as u64).unwrap();
            if below(3) > 0 {
                let news = reader.read_at_most(1 + below(5)).unwrap();
                if news.restarted {
                    followed.clear();
                }
                followed.extend(news.lines);
            }
        }
        let news = reader.read_new().unwrap();
        if news.restarted {
            followed.clear();
        }
        followed.extend(news.lines);
        let mut fresh = MetricsReader::open(&path);
        assert_eq!(followed, fresh.read_new().unwrap().lines);
        assert_eq!(reader.not_understood(), fresh.not_understood());
    }
}

#[test]
fn lines_come_as_they_are_in_the_file_when_asked_for() {
    let (_folder, reader) = reader();
    let mut reader = reader.with_texts();
    let lines = format!("{}nonsense\r\n{}", step(0, 1.5), step(1, 2.5));
    append(reader.path(), lines.as_bytes());
    let news = reader.read_new().unwrap();
    assert_eq!(news.texts, [step(0, 1.5).trim(), step(1, 2.5).trim()]);
    assert_eq!(news.texts.len(), news.lines.len());
}
