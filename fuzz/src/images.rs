//! Reading everything that a file of images holds.

use std::io::Write as _;
use std::panic;

use sslight_data::decode::{Enough, decode_with};
use sslight_data::{DecodeOptions, Image, ImageSource, OpenOptions, Split, Stored, open_with};

use crate::readable;

/// Pixels that a picture may have here: few, so that the memory for them does not hide other memory.
const MAX_PIXELS: u64 = 1 << 18;
/// Images that are read of a source.
const IMAGES: usize = 64;

/// Lets panics of other crates pass: ours are to turn them into errors. libFuzzer's hook ends the process at any.
pub fn forgive_others() {
    let abort = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|place| place.file());
        let ours = place.is_none_or(|file| !file.contains("registry"));
        if ours {
            abort(info);
        }
    }));
}

/// Decodes a picture in both orientations.
pub fn picture(bytes: &[u8]) {
    let half = Enough {
        pixels: 1,
        short_side: 1,
    };
    for (exif_orientation, enough) in [(false, None), (true, Some(half))] {
        let options = DecodeOptions {
            exif_orientation,
            max_pixels: MAX_PIXELS,
            enough,
        };
        match decode_with(bytes, "picture", options) {
            Ok(Image {
                width,
                height,
                pixels,
            }) => {
                assert!((width * height) as u64 <= MAX_PIXELS);
                assert_eq!(pixels.len(), 3 * width * height);
            }
            Err(error) => readable(&error),
        }
    }
}

/// Opens a file of the given name as a source, and looks at all that it says of its images.
pub fn source(bytes: &[u8], name: &str) {
    let folder = tempfile::tempdir().expect("a folder for the input");
    let path = folder.path().join(name);
    let mut file = std::fs::File::create(&path).expect("a file for the input");
    file.write_all(bytes).expect("room for the input");
    drop(file);
    let spec = path.to_str().expect("a path of text");
    for split in [Split::Train, Split::Validation] {
        let options = OpenOptions {
            cache_folder: folder.path().join("cache"),
            ..OpenOptions::default()
        };
        match open_with(spec, split, &options) {
            Ok(source) => look(&*source),
            Err(error) => readable(&error),
        }
    }
}

fn look(source: &dyn ImageSource) {
    assert!(!source.is_empty());
    assert!(!source.describe().is_empty());
    let classes = source.class_names().len();
    for index in (0..source.len()).take(IMAGES).chain([source.len()]) {
        assert!(!source.name(index).is_empty());
        assert!(source.label(index).is_none_or(|label| label < classes));
        match source.stored(index) {
            Ok(Stored::Encoded(_)) => assert!(index < source.len()),
            Ok(Stored::Pixels(image)) => {
                assert_eq!(image.pixels.len(), 3 * image.width * image.height);
            }
            Err(error) => readable(&error),
        }
    }
    if let Some(locality) = source.locality() {
        assert_eq!(locality.block_of.len(), source.len());
    }
}
