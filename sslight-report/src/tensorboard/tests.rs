use serde_json::json;

use super::frame::masked_checksum;
use super::message::{Content, event};
use super::*;

/// The records of a file: every checksum is looked at.
fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (head, after) = rest.split_at(12);
        let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
        assert_eq!(masked_checksum(&head[..8]).to_le_bytes(), head[8..]);
        let (record, after) = after.split_at(length);
        let (checksum, after) = after.split_at(4);
        assert_eq!(masked_checksum(record).to_le_bytes(), checksum);
        records.push(record.to_vec());
        rest = after;
    }
    records
}

/// The fields of a message: number and value, lengths taken off.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
        let (number, rest) = bytes.split_at(end + 1);
        *bytes = rest;
        let digits = number.iter().rev();
        digits.fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                fields.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (value, rest) = bytes.split_at(length);
        fields.push((key >> 3, value.to_vec()));
        bytes = rest;
    }
    fields
}

fn field(bytes: &[u8], number: u64) -> Option<Vec<u8>> {
    let found = fields(bytes)
        .into_iter()
        .find(|(field, _)| *field == number);
    found.map(|(_, value)| value)
}

/// Step and what of it is said, in words.
fn told(path: &Path) -> Vec<(u64, String)> {
    let bytes = fs::read(path).unwrap();
    let mut latest = 0.0;
    let mut told = Vec::new();
    for record in records(&bytes) {
        let time = f64::from_le_bytes(field(&record, 1).unwrap().try_into().unwrap());
        assert!(time >= latest && time > 1.7e9);
        latest = time;
        let step = field(&record, 2).map_or(0, |step| u64::from_le_bytes(step.try_into().unwrap()));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let said = if let Some(version) = field(&record, 3) {
            text(version)
        } else if field(&record, 7).is_some() {
            "restart".to_owned()
        } else {
            let value = field(&field(&record, 5).unwrap(), 1).unwrap();
            let tag = text(field(&value, 1).unwrap());
            match field(&value, 2) {
                Some(scalar) => {
                    let scalar = f32::from_le_bytes(scalar.try_into().unwrap());
                    format!("{tag} {scalar}")
                }
                None => format!("{tag}: text"),
            }
        };
        told.push((step, said));
    }
    told
}

#[test]
fn checksums_are_those_of_the_format() {
    // Of RFC 3720 B.4, before they are masked: 32 bytes of zeros 8a9136aa, "123456789" e3069283.
    let masked = |checksum: u32| checksum.rotate_right(15).wrapping_add(0xa282_ead8);
    assert_eq!(masked_checksum(&[0; 32]), masked(0x8a91_36aa));
    assert_eq!(masked_checksum(b"123456789"), masked(0xe306_9283));
}

/// The bytes are those that TensorFlow's own `Event(...).SerializeToString()` gives.
#[test]
fn messages_have_these_bytes() {
    let bytes = event(1.5, 0, &Content::Version);
    assert_eq!(bytes, *b"\x09\0\0\0\0\0\0\xf8\x3f\x1a\x0dbrain.Event:2");
    let bytes = event(1.5, 300, &Content::Scalar("a".to_owned(), 1.0));
    let expected =
        *b"\x09\0\0\0\0\0\0\xf8\x3f\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01a\x15\0\0\x80\x3f";
    assert_eq!(bytes, expected);
    let bytes = event(1.5, 7, &Content::Restart);
    assert_eq!(bytes, *b"\x09\0\0\0\0\0\0\xf8\x3f\x10\x07\x3a\x02\x08\x01");
    let bytes = event(1.5, 0, &Content::Text("t".to_owned(), "hi".to_owned()));
    let expected = *b"\x09\0\0\0\0\0\0\xf8\x3f\x2a\x1b\x0a\x19\x0a\x01t\x42\x08\x08\x07\x12\0\x42\x02hi\x4a\x0a\x0a\x06\x0a\x04text\x20\x02";
    assert_eq!(bytes, expected);
}

#[test]
fn numbers_of_steps_and_epochs_are_scalars_in_groups() {
    let folder = tempfile::tempdir().unwrap();
    let mut events = EventFile::begin(folder.path(), 0, "").unwrap();
    let lines = [
        json!({"kind": "start", "title": "dino", "first_step": 0}),
        json!({"kind": "step", "step": 3, "epoch": 0, "loss": 0.5, "lr": 0.25, "grad_norm": 2.0,
            "images_per_s": 8, "data_wait": 0.125, "new": 4.0, "norm": {"a": 1.5}, "odd": null}),
        json!({"kind": "epoch", "step": 4, "epoch": 0, "loss": 0.75, "knn_top1": 50.0,
            "feature_std": 0.0625, "seconds": 1.0}),
        json!({"kind": "event", "step": 4, "name": "collapse_warning", "reason": "a | b"}),
        json!({"kind": "notice", "level": "info", "text": "hello"}),
        json!({"kind": "summary", "steps": 4, "end": "completed"}),
    ];
    for line in &lines {
        events.record(line).unwrap();
    }
    events.listing("config", 0, "a = 1\nb = 2").unwrap();
    let expected = [
        (0, "brain.Event:2"),
        (0, "run: text"),
        (3, "train/loss 0.5"),
        (3, "schedule/lr 0.25"),
        (3, "health/grad_norm 2"),
        (3, "speed/images_per_s 8"),
        (3, "speed/data_wait 0.125"),
        (3, "train/new 4"),
        (3, "train/norm/a 1.5"),
        (4, "train/loss_of_epoch 0.75"),
        (4, "evaluation/knn_top1 50"),
        (4, "health/feature_std_of_epoch 0.0625"),
        (4, "speed/seconds_of_epoch 1"),
        (4, "events/collapse_warning: text"),
        (4, "summary: text"),
        (0, "config: text"),
    ];
    let expected = expected.map(|(step, said)| (step, said.to_owned()));
    assert_eq!(told(events.path()), expected);
}

const KEPT: &str = "{\"kind\":\"step\",\"step\":0,\"loss\":1.0}\n{\"kind\":\"step\",\"step\":1,\"loss\":2.0}\n\
    {\"kind\":\"epoch\",\"step\":2,\"epoch\":0,\"loss\":1.5}\n";

/// The epoch that ended with the last step before the resume has the number of the first step after it.
#[test]
fn a_resumed_run_begins_a_later_file_that_drops_and_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let first = EventFile::begin(folder.path(), 0, "").unwrap();
    let second = EventFile::begin(folder.path(), 2, KEPT).unwrap();
    let third = EventFile::begin(folder.path(), 0, "").unwrap();
    assert!(first.path() < second.path() && second.path() < third.path());
    let expected = [
        (0, "brain.Event:2".to_owned()),
        (2, "restart".to_owned()),
        (2, "train/loss_of_epoch 1.5".to_owned()),
    ];
    assert_eq!(told(second.path()), expected);
    assert_eq!(told(third.path())[1..], [(0, "restart".to_owned())]);
}

#[test]
fn a_run_of_before_there_were_event_files_is_written_from_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let events = EventFile::begin(folder.path(), 2, KEPT).unwrap();
    let steps: Vec<u64> = told(events.path()).iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [0, 0, 1, 2]);
}

#[test]
fn time_does_not_go_back_when_the_clock_does() {
    let mut clock = Clock::default();
    let times = [5.0, 7.0, 6.0, 8.0].map(|now| clock.not_before(now));
    assert_eq!(times, [5.0, 7.0, 7.0, 8.0]);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(EventFile::begin(&folder.path().join("none"), 0, "").is_err());
}
