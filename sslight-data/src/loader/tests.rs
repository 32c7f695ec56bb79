#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::image::Image;
use crate::ops::{EvalView, Interpolation};
use crate::source::Stored;
use crate::views::{Crops, ViewRecipe, apply};
use crate::{HostBatch, Pixels, Split, ViewGroup, open};

/// Synthetic pictures; some cannot be read, and reads are counted.
struct Fake {
    len: usize,
    bad: BTreeSet<usize>,
    reads: AtomicUsize,
    panics: bool,
}

impl Fake {
    fn new(len: usize, bad: &[usize]) -> Arc<Self> {
        Arc::new(Self {
            len,
            bad: bad.iter().copied().collect(),
            reads: AtomicUsize::new(0),
            panics: false,
        })
    }
}

impl ImageSource for Fake {
    fn len(&self) -> usize {
        self.len
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics, "a source that panics");
        if self.bad.contains(&index) {
            return Err(DataError::NotAnImage {
                name: self.name(index),
            });
        }
        let (width, height) = (20 + index % 7, 17 + index % 5);
        let pixels = (0..3 * width * height).map(|i| (i * (index + 3) % 256) as u8);
        let image = Image::from_rgb(width, height, pixels.collect()).unwrap();
        Ok(Stored::Pixels(image))
    }

    fn label(&self, index: usize) -> Option<usize> {
        Some(index % 3)
    }

    fn name(&self, index: usize) -> String {
        format!("fake-{index}.png")
    }

    fn class_names(&self) -> &[String] {
        &[]
    }

    fn describe(&self) -> String {
        "fake".into()
    }
}

fn small_recipe() -> ViewRecipe {
    let mut recipe = ViewRecipe::dino_cnn(Crops::Baseline);
    recipe.views.truncate(5);
    for (i, view) in recipe.views.iter_mut().enumerate() {
        view.size = if i < 2 { 16 } else { 8 };
    }
    recipe
}

fn config(workers: usize, prefetch: usize) -> LoaderConfig {
    LoaderConfig {
        batch_size: 6,
        seed: 3,
        workers,
        prefetch,
        ..LoaderConfig::default()
    }
}

fn loader(source: Arc<Fake>, config: LoaderConfig) -> Loader {
    Loader::new(source, small_recipe(), config).unwrap()
}

fn collect(stream: BatchStream) -> Vec<HostBatch> {
    stream.collect::<Result<_, _>>().unwrap()
}

fn floats(group: &ViewGroup) -> &[f32] {
    match &group.pixels {
        Pixels::F32(samples) => samples,
        Pixels::U8(_) => panic!("not normalised"),
    }
}

/// The normalised samples of 8-bit ones, whose planes have `plane` samples.
fn normalised(pixels: &Pixels, plane: usize) -> Vec<f32> {
    let Pixels::U8(samples) = pixels else {
        panic!("normalised already")
    };
    let planes = samples.chunks(plane).enumerate();
    let of = |(number, plane): (usize, &[u8])| {
        let (mean, std) = (IMAGENET_MEAN[number % 3], IMAGENET_STD[number % 3]);
        let sample = |v: &u8| (f32::from(*v) / 255.0 - mean) / std;
        plane.iter().map(sample).collect::<Vec<f32>>()
    };
    planes.flat_map(of).collect()
}

#[test]
fn batches_of_bytes_are_those_of_floats_before_they_are_normalised() {
    // With an image that is left out, in training by another one.
    let bytes = LoaderConfig {
        max_bad_images: 0.5,
        samples: SampleType::U8,
        ..config(2, 2)
    };
    let usual = LoaderConfig {
        samples: SampleType::F32,
        ..bytes.clone()
    };
    let of = |config| collect(loader(Fake::new(40, &[3]), config).epoch(0, 0));
    let evaluated = |samples| {
        let config = EvalConfig {
            samples,
            max_bad_images: 0.5,
            ..eval_config(10, 3)
        };
        collect(eval_batches(Fake::new(8, &[3]), config).unwrap())
    };
    let all = [
        [of(bytes), of(usual)],
        [SampleType::U8, SampleType::F32].map(evaluated),
    ];
    for [bytes, usual] in all {
        assert_eq!(bytes.len(), usual.len());
        for (bytes, usual) in bytes.iter().zip(&usual) {
            assert_eq!(bytes.indices, usual.indices);
            for (bytes, usual) in bytes.groups.iter().zip(&usual.groups) {
                let plane = bytes.size * bytes.size;
                assert_eq!(normalised(&bytes.pixels, plane), floats(usual));
                assert_eq!(bytes.pixels.len(), usual.pixels.len());
            }
        }
    }
}

#[test]
fn workers_and_prefetch_do_not_change_the_batches() {
    let expected = collect(loader(Fake::new(40, &[]), config(1, 1)).epoch(2, 0));
    assert_eq!(expected.len(), 6);
    for (workers, prefetch) in [(0, 0), (2, 1), (4, 3), (3, 100)] {
        let loader = loader(Fake::new(40, &[]), config(workers, prefetch));
        assert_eq!(loader.steps_per_epoch(), 6);
        assert_eq!(
            collect(loader.epoch(2, 0)),
            expected,
            "{workers} {prefetch}"
        );
    }
}

#[test]
fn an_epoch_can_be_entered_at_any_step() {
    let loader = loader(Fake::new(40, &[]), config(2, 2));
    let expected = collect(loader.epoch(1, 0));
    for start in 0..=7 {
        let rest = expected.get(start..).unwrap_or(&[]);
        assert_eq!(collect(loader.epoch(1, start)), rest, "from step {start}");
    }
}

#[test]
fn epochs_and_seeds_give_other_batches() {
    let first = loader(Fake::new(40, &[]), config(1, 1))
        .epoch(0, 0)
        .next()
        .unwrap()
        .unwrap();
    let loader = loader(
        Fake::new(40, &[]),
        LoaderConfig {
            seed: 4,
            ..config(1, 1)
        },
    );
    let other_seed = loader.epoch(0, 0).next().unwrap().unwrap();
    let other_epoch = loader.epoch(1, 0).next().unwrap().unwrap();
    assert_ne!(first.indices, other_seed.indices);
    assert_ne!(other_seed.indices, other_epoch.indices);
}

#[test]
fn groups_hold_the_views_view_major() {
    let source = Fake::new(40, &[]);
    let loader = loader(source.clone(), config(2, 2));
    let batch = loader.epoch(0, 3).next().unwrap().unwrap();
    assert_eq!((batch.epoch, batch.step_in_epoch, batch.len()), (0, 3, 6));
    let shape: Vec<_> = batch
        .groups
        .iter()
        .map(|g| (g.size, g.views, g.pixels.len()))
        .collect();
    assert_eq!(
        shape,
        [(16, 2, 2 * 6 * 3 * 16 * 16), (8, 3, 3 * 6 * 3 * 8 * 8)]
    );
    let labels: Vec<i64> = batch.indices.iter().map(|i| (i % 3) as i64).collect();
    assert_eq!(batch.labels.as_ref().unwrap(), &labels);
    // The second local view (view 3 of the recipe) of the fifth image, made by hand.
    let index = batch.indices[4];
    let image = source.image(index).unwrap();
    let mut draws = Draws::for_view(3, 0, index, 3);
    let plan = draw_plan(
        &mut draws,
        &small_recipe().views[3],
        image.width,
        image.height,
    );
    let mut expected = [0.0; 3 * 8 * 8];
    Normalizer::new(IMAGENET_MEAN, IMAGENET_STD).write(&apply(&image, &plan), &mut expected);
    let start = (6 + 4) * expected.len();
    assert_eq!(
        floats(&batch.groups[1])[start..start + expected.len()],
        expected
    );
}

#[test]
fn each_image_is_decoded_once_for_all_its_views() {
    let source = Fake::new(42, &[]);
    collect(loader(source.clone(), config(3, 2)).epoch(0, 0));
    assert_eq!(source.reads.load(Ordering::Relaxed), 42);
}

#[test]
fn an_unreadable_image_is_named_counted_once_and_replaced_by_its_successor() {
    let bad = [4, 9, 23];
    let share = LoaderConfig {
        max_bad_images: 0.2,
        ..config(1, 1)
    };
    let of_one_worker = loader(Fake::new(42, &bad), share.clone());
    let expected = collect(of_one_worker.epoch(0, 0));
    let order = EpochPlan::new(42, 6, 3, 0);
    let mut wanted = Vec::new();
    for position in 0..42 {
        let successor = (position..)
            .map(|p| order.order()[p % 42])
            .find(|i| !bad.contains(i));
        wanted.push(successor.unwrap());
    }
    let shown: Vec<usize> = expected.iter().flat_map(|b| b.indices.clone()).collect();
    assert_eq!(shown, wanted);
    let names: Vec<String> = of_one_worker
        .bad_images()
        .into_iter()
        .map(|b| b.name)
        .collect();
    assert_eq!(names, ["fake-4.png", "fake-9.png", "fake-23.png"]);

    let of_many = loader(
        Fake::new(42, &bad),
        LoaderConfig {
            workers: 4,
            prefetch: 3,
            ..share
        },
    );
    assert_eq!(collect(of_many.epoch(0, 0)), expected);
    assert_eq!(
        collect(of_many.epoch(1, 0)),
        collect(of_one_worker.epoch(1, 0))
    );
    assert_eq!(of_many.bad_images().len(), 3);
}

#[test]
fn a_replacement_does_not_look_like_the_image_it_doubles() {
    let share = LoaderConfig {
        max_bad_images: 0.1,
        ..config(1, 1)
    };
    let order = EpochPlan::new(42, 6, 3, 0);
    let loader = loader(Fake::new(42, &[order.order()[0]]), share);
    let batch = loader.epoch(0, 0).next().unwrap().unwrap();
    assert_eq!(batch.indices[0], batch.indices[1]);
    let length = 3 * 16 * 16;
    assert_ne!(
        floats(&batch.groups[0])[..length],
        floats(&batch.groups[0])[length..2 * length]
    );
}

#[test]
fn too_many_unreadable_images_stop_every_run_at_the_same_step() {
    let run = |workers, prefetch| {
        let share = LoaderConfig {
            max_bad_images: 0.05,
            ..config(workers, prefetch)
        };
        let loader = loader(Fake::new(42, &[4, 9, 23, 30]), share);
        let mut stream = loader.epoch(0, 0);
        let good = stream.by_ref().take_while(Result::is_ok).count();
        assert!(stream.next().is_none());
        (good, loader.bad_images())
    };
    let (good, bad) = run(1, 1);
    assert!(good < 7 && bad.len() > 2, "{good} {bad:?}");
    for (workers, prefetch) in [(2, 2), (4, 7)] {
        assert_eq!(run(workers, prefetch), (good, bad.clone()));
    }
}

#[test]
fn with_the_default_share_one_bad_image_of_few_is_too_many() {
    let all: Vec<usize> = (0..42).collect();
    for (bad, share) in [(&all[7..8], MAX_BAD_IMAGES), (&all[..], 1.0)] {
        let config = LoaderConfig {
            max_bad_images: share,
            ..config(2, 1)
        };
        let loader = loader(Fake::new(42, bad), config);
        let error = loader.epoch(0, 0).find_map(Result::err).unwrap();
        assert!(
            matches!(&error, DataError::TooManyBadImages { total: 42, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("fake-"), "{error}");
    }
}

#[test]
fn a_batch_larger_than_the_data_is_refused_with_both_numbers() {
    let error = Loader::new(Fake::new(5, &[]), small_recipe(), config(1, 1))
        .err()
        .unwrap();
    assert!(
        matches!(
            error,
            DataError::BatchTooLarge {
                batch_size: 6,
                images: 5,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    let refuse = |config: LoaderConfig, part: &str| {
        let error = Loader::new(Fake::new(50, &[]), small_recipe(), config)
            .err()
            .unwrap();
        assert!(error.to_string().starts_with(part), "{error}");
    };
    refuse(
        LoaderConfig {
            batch_size: 0,
            ..config(1, 1)
        },
        "batch_size: ",
    );
    refuse(
        LoaderConfig {
            std: [0.2, 0.0, 0.2],
            ..config(1, 1)
        },
        "std: ",
    );
    refuse(
        LoaderConfig {
            max_bad_images: f64::NAN,
            ..config(1, 1)
        },
        "max_bad_images: ",
    );
}

#[test]
fn a_panic_in_a_worker_becomes_an_error() {
    let source = Arc::new(Fake {
        len: 40,
        bad: BTreeSet::new(),
        reads: AtomicUsize::new(0),
        panics: true,
    });
    let mut stream = loader(source, config(2, 2)).epoch(0, 0);
    let error = stream.next().unwrap().unwrap_err();
    assert!(
        error.to_string().contains("a source that panics"),
        "{error}"
    );
    assert!(stream.next().is_none());
}

#[test]
fn dropping_a_stream_stops_its_threads_and_leaves_work_undone() {
    let source = Fake::new(60_000, &[]);
    let mut stream = loader(source.clone(), config(4, 2)).epoch(0, 0);
    stream.next().unwrap().unwrap();
    drop(stream);
    let reads = source.reads.load(Ordering::Relaxed);
    // The batch taken, two ahead, and one that was opened in its place.
    assert!(reads <= 6 * 4, "{reads}");
    // The threads have been joined, so only this reference is left.
    assert_eq!(Arc::strong_count(&source), 1);
}

#[test]
fn waiting_is_measured() {
    let loader = loader(Fake::new(40, &[]), config(1, 1));
    assert_eq!(loader.waited(), Duration::ZERO);
    let mut stream = loader.epoch(0, 0);
    stream.by_ref().for_each(|batch| drop(batch.unwrap()));
    assert!(stream.waited() > Duration::ZERO);
    assert_eq!(loader.waited(), stream.waited());
}

fn eval_config(crop: usize, batch_size: usize) -> EvalConfig {
    EvalConfig {
        view: EvalView {
            resize: 12,
            crop,
            interpolation: Interpolation::Bicubic,
        },
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        batch_size,
        workers: 2,
        max_bad_images: MAX_BAD_IMAGES,
        samples: SampleType::F32,
    }
}

#[test]
fn evaluation_shows_all_images_in_order_and_keeps_the_short_batch() {
    for workers in [1, 3] {
        let source = Fake::new(20, &[]);
        let config = EvalConfig {
            workers,
            ..eval_config(10, 8)
        };
        let stream = eval_batches(source.clone(), config);
        let batches = collect(stream.unwrap());
        let sizes: Vec<usize> = batches.iter().map(HostBatch::len).collect();
        assert_eq!(sizes, [8, 8, 4]);
        let indices: Vec<usize> = batches.iter().flat_map(|b| b.indices.clone()).collect();
        assert_eq!(indices, (0..20).collect::<Vec<_>>());
        let view = crate::eval_transform(&source.image(17).unwrap(), eval_config(10, 8).view);
        let mut expected = [0.0; 300];
        Normalizer::new(IMAGENET_MEAN, IMAGENET_STD).write(&view, &mut expected);
        assert_eq!(floats(&batches[2].groups[0])[300..600], expected);
    }
}

#[test]
fn evaluation_leaves_unreadable_images_out_and_lists_them() {
    let eval_with = |bad: &[usize], batch_size, max_bad_images| {
        let config = EvalConfig {
            max_bad_images,
            ..eval_config(10, batch_size)
        };
        eval_subset(Fake::new(2000, bad), (990..1000).collect(), config).unwrap()
    };
    let eval = |bad: &[usize], batch_size| eval_with(bad, batch_size, MAX_BAD_IMAGES);
    let clean = collect(eval(&[], 4));
    let mut stream = eval(&[993, 995], 4);
    let batches: Vec<HostBatch> = stream.by_ref().collect::<Result<_, _>>().unwrap();
    assert_eq!(batches[0].indices, [990, 991, 992]);
    assert_eq!(batches[1].indices, [994, 996, 997]);
    assert_eq!(
        floats(&batches[0].groups[0]),
        &floats(&clean[0].groups[0])[..900]
    );
    assert_eq!(
        floats(&batches[1].groups[0])[300..],
        floats(&clean[1].groups[0])[600..]
    );
    assert_eq!(batches[1].labels.as_ref().unwrap().len(), 3);
    assert_eq!(stream.bad_images().len(), 2);
    // A batch of which nothing is left is passed over.
    assert_eq!(collect(eval(&[993], 1)).len(), 9);
    assert!(eval(&[990, 993, 995], 4).any(|batch| batch.is_err()));
    assert!(eval_with(&[990, 993, 995], 4, 0.01).all(|batch| batch.is_ok()));
}

#[test]
fn evaluation_settings_out_of_range_are_refused() {
    let source = Fake::new(20, &[]);
    let eval = |crop, batch| eval_batches(source.clone(), eval_config(crop, batch)).err();
    assert!(eval(13, 4).unwrap().to_string().starts_with("crop: "));
    assert!(eval(0, 4).is_some() && eval(10, 0).is_some() && eval(10, 4).is_none());
}

#[test]
fn the_embedded_sample_feeds_the_loader() {
    let source = open("embedded", Split::Train).unwrap();
    let config = LoaderConfig {
        batch_size: 32,
        workers: 2,
        ..LoaderConfig::default()
    };
    let loader = Loader::new(source, small_recipe(), config).unwrap();
    assert_eq!(loader.steps_per_epoch(), 125);
    let batch = loader.epoch(0, 124).next().unwrap().unwrap();
    assert_eq!(batch.len(), 32);
    assert!(
        batch
            .groups
            .iter()
            .all(|g| floats(g).iter().all(|v| v.is_finite()))
    );
}
