#![allow(clippy::unwrap_used)]

use super::*;

fn store_in(folder: &Path, keep: Keep) -> Arc<CheckpointStore> {
    Arc::new(CheckpointStore::new(folder, keep))
}

fn no_files() -> MakeFiles {
    Box::new(|| Ok(Vec::new()))
}

fn save(store: &Arc<CheckpointStore>, step: usize) {
    let files = || Ok(vec![("run.json", b"{}".to_vec())]);
    store.begin(step, Box::new(files)).unwrap();
    for part in Part::ALL {
        store.add_part(step, part, format!("{step} {}", part.file()).as_bytes());
    }
    store.wait().unwrap();
}

#[test]
fn a_checkpoint_appears_with_its_last_part_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path(), Keep::last(2));
    store.begin(5, no_files()).unwrap();
    store.add_part(5, Part::Model, b"m");
    store.add_part(5, Part::Optimizer, b"o");
    assert_eq!(store.steps().unwrap(), Vec::<usize>::new());
    store.add_part(5, Part::Scheduler, b"s");
    store.wait().unwrap();
    assert_eq!(store.newest().unwrap().0.unwrap().step, 5);
    let latest = fs::read_to_string(folder.path().join(LATEST_FILE)).unwrap();
    assert_eq!(latest, "step-00000005\n");
}

#[test]
fn only_the_newest_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path(), Keep::last(2));
    for step in [1, 2, 3] {
        save(&store, step);
    }
    assert_eq!(store.steps().unwrap(), [2, 3]);
}

#[test]
fn those_that_are_kept_for_good_stay_beside_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let keep = Keep {
        last: 1,
        every_steps: Some(4),
    };
    let store = store_in(folder.path(), keep);
    for step in 1..=9 {
        save(&store, step);
    }
    assert_eq!(store.steps().unwrap(), [4, 8, 9]);
}

#[test]
fn a_file_that_is_wanted_elsewhere_is_there_when_the_checkpoint_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.json");
    let store = CheckpointStore::new(folder.path().join("c"), Keep::last(2));
    let store = Arc::new(store.with_copy("run.json", &copy));
    save(&store, 1);
    assert_eq!(fs::read(&copy).unwrap(), b"{}");
}

#[test]
fn files_that_cannot_be_made_end_the_checkpoint_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path(), Keep::last(2));
    let unfit = CheckpointError::Unfit {
        step: 3,
        reason: "a weight is NaN".to_string(),
    };
    store.begin(3, Box::new(|| Err(unfit))).unwrap();
    for part in Part::ALL {
        store.add_part(3, part, b"x");
    }
    let message = store.wait().unwrap_err().to_string();
    assert!(message.contains("a weight is NaN"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_damaged_newest_checkpoint_gives_way_to_the_one_before_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path(), Keep::last(3));
    for step in [1, 2, 3] {
        save(&store, step);
    }
    fs::write(store.folder(3).join("model.mpk"), b"3 model.mpX").unwrap();
    fs::remove_file(store.folder(2).join(MANIFEST_FILE)).unwrap();
    let (found, damaged) = store.newest().unwrap();
    assert_eq!(found.unwrap().step, 1);
    let messages: Vec<String> = damaged.iter().map(|d| d.error.to_string()).collect();
    assert!(
        messages[0].contains("model.mpk is not the file that was written"),
        "{messages:?}"
    );
    assert!(messages[1].contains("manifest.json"), "{messages:?}");
}

#[test]
fn a_part_that_cannot_be_written_leaves_nothing_and_its_error_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path(), Keep::last(2));
    save(&store, 1);
    store.begin(2, no_files()).unwrap();
    store.add_part(2, Part::Model, b"m");
    store.fail_part(2, Part::Optimizer, "no space");
    store.add_part(2, Part::Scheduler, b"s");
    let message = store.wait().unwrap_err().to_string();
    assert!(
        message.contains("optimizer.mpk could not be written: no space"),
        "{message}"
    );
    assert!(store.wait().is_ok());
    assert_eq!(store.newest().unwrap().0.unwrap().step, 1);
    assert!(!store.temporary(2).exists());
}

#[test]
fn clean_up_removes_half_written_and_later_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path(), Keep::last(5));
    for step in [1, 2] {
        save(&store, step);
    }
    fs::create_dir_all(store.temporary(9)).unwrap();
    store.clean_up(1).unwrap();
    assert_eq!(store.steps().unwrap(), [1]);
    assert!(!store.temporary(9).exists());
}

#[test]
fn a_checkpoint_of_another_format_is_an_error_and_not_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path(), Keep::last(3));
    save(&store, 1);
    save(&store, 2);
    let manifest = store.folder(2).join(MANIFEST_FILE);
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        text.replace("\"format\": 1", "\"format\": 9, \"more\": 1"),
    )
    .unwrap();
    let message = store.newest().unwrap_err().to_string();
    assert!(message.contains("it has format 9"), "{message}");
}

#[test]
fn a_step_that_is_saved_again_is_there_whenever_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path(), Keep::last(1));
    save(&store, 4);
    save(&store, 4);
    assert_eq!(store.steps().unwrap(), [4]);
    // Between the two renames, with the new one complete, and with it half-written.
    for complete in [true, false] {
        fs::rename(store.folder(4), store.old(4)).unwrap();
        fs::create_dir_all(store.temporary(4)).unwrap();
        for entry in fs::read_dir(store.old(4)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if complete || name != *"model.mpk" {
                fs::copy(entry.path(), store.temporary(4).join(name)).unwrap();
            }
        }
        store.recover().unwrap();
        assert_eq!(store.newest().unwrap().0.unwrap().step, 4, "{complete}");
        store.clean_up(4).unwrap();
        assert_eq!(store.steps().unwrap(), [4]);
    }
}

#[test]
fn what_is_kept_for_good_stays_under_another_rule() {
    let folder = tempfile::tempdir().unwrap();
    let keep = |every_steps| Keep {
        last: 1,
        every_steps,
    };
    let store = store_in(folder.path(), keep(Some(4)));
    (1..=5).for_each(|step| save(&store, step));
    let store = store_in(folder.path(), keep(Some(3)));
    (6..=7).for_each(|step| save(&store, step));
    assert_eq!(store.steps().unwrap(), [4, 6, 7]);
}

#[test]
fn a_thread_that_panics_ends_the_checkpoint_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path(), Keep::last(1));
    store.begin(1, Box::new(|| panic!("on purpose"))).unwrap();
    let message = store.wait().unwrap_err().to_string();
    assert!(message.contains("panicked"), "{message}");
}
