#![allow(clippy::unwrap_used)]

use super::*;
use crate::source::joined::Joined;
use crate::views::Crops;
use crate::{HostBatch, Loader, LoaderConfig, Subset, ViewRecipe};

/// Twelve images in groups of three rows and two files; blocks of a row or two, of which a few are held.
fn source(together: u64) -> ParquetSource {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sources/hub/data");
    let names = [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ];
    let files = names.map(|name| folder.join(name));
    let sizes = BlockSizes {
        block: 300,
        together,
    };
    ParquetSource::open(&files, true, sizes).unwrap()
}

fn loader(source: Arc<dyn ImageSource>, workers: usize) -> Loader {
    let mut recipe = ViewRecipe::dino_cnn(Crops::Baseline);
    recipe.views.truncate(1);
    recipe.views[0].size = 8;
    let config = LoaderConfig {
        batch_size: 2,
        workers,
        ..LoaderConfig::default()
    };
    Loader::new(source, recipe, config).unwrap()
}

fn batches(loader: &Loader, epoch: usize, from: usize) -> Vec<HostBatch> {
    let stream = loader.epoch(epoch, from);
    stream.collect::<Result<_, _>>().unwrap()
}

#[test]
fn an_epoch_reads_each_block_once_whatever_the_number_of_workers() {
    let of_one = Arc::new(source(600));
    let blocks = of_one.blocks.len();
    assert!(
        blocks > of_one.together && of_one.together > 1,
        "{blocks} {}",
        of_one.together
    );
    let one = loader(Arc::clone(&of_one) as Arc<dyn ImageSource>, 1);
    let whole: Vec<Vec<HostBatch>> = (0..2).map(|epoch| batches(&one, epoch, 0)).collect();
    let shown: Vec<usize> = whole[0].iter().flat_map(|b| b.indices.clone()).collect();
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..12).collect::<Vec<_>>());
    assert_ne!(shown, sorted);
    assert_ne!(whole[0], whole[1]);
    // Two epochs, each of every block; those still held at the start of the second are not read again.
    let reads = of_one.reads.load(Ordering::Relaxed);
    assert!(
        (blocks..=2 * blocks).contains(&reads),
        "{reads} of {blocks}"
    );
    for workers in [2, 4] {
        let many = loader(Arc::new(source(600)), workers);
        assert_eq!(batches(&many, 0, 0), whole[0], "{workers} workers");
        // Entered anew in the middle of the second epoch.
        let again = loader(Arc::new(source(600)), workers);
        assert_eq!(batches(&again, 1, 3), whole[1][3..], "{workers} workers");
    }
}

#[test]
fn what_fits_is_shuffled_whole() {
    let source = source(1 << 20);
    assert!(source.locality().is_none());
    assert!(!source.describe().contains("at a time"));
}

#[test]
fn parts_and_joined_sources_keep_to_the_blocks() {
    let blocks = |source: &dyn ImageSource| source.locality().unwrap();
    let plain = blocks(&source(600));
    let subset = Subset::share_of_classes(Arc::new(source(600)), 0.5, 0, "fraction").unwrap();
    let of_subset = blocks(&subset);
    assert_eq!(
        (of_subset.block_of.len(), of_subset.together),
        (6, plain.together)
    );
    for (place, &index) in subset.indices().iter().enumerate() {
        assert_eq!(of_subset.block_of[place], plain.block_of[index]);
    }
    let embedded = crate::open("embedded", crate::Split::Validation).unwrap();
    let joined = Joined::new(vec![Arc::new(source(600)), embedded, Arc::new(source(600))]);
    let of_joined = blocks(&joined);
    let count = plain.block_of.iter().max().unwrap() + 1;
    assert_eq!(of_joined.block_of.len(), 12 + 1000 + 12);
    assert_eq!(of_joined.block_of[..12], plain.block_of[..]);
    assert_eq!(of_joined.block_of[1012], count);
    assert_eq!(of_joined.together, plain.together);
    // Images without blocks are spread over those of the others.
    let mut spread = vec![0; 2 * count as usize];
    of_joined.block_of[12..1012]
        .iter()
        .for_each(|&block| spread[block as usize] += 1);
    assert!(spread.iter().all(|&images| images > 0));
}
