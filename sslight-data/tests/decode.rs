//! What users' folders really contain: every pixel format, damaged files, extreme shapes.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};
use sslight_data::decode::{Enough, decode, decode_with, read};
use sslight_data::{DataError, DecodeOptions, Image, Split, open};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(image: impl Into<DynamicImage>) -> Image {
    decode(&encode(image, ImageFormat::Png), "x.png").unwrap()
}

/// Largest difference to what Pillow gives.
fn deviation(name: &str) -> u8 {
    let path = data(name);
    let image = read(&path).unwrap();
    assert_eq!((image.width, image.height), (24, 16), "{name}");
    let expected = fs::read(path.with_extension("rgb")).unwrap();
    assert_eq!(image.pixels.len(), expected.len());
    image
        .pixels
        .iter()
        .zip(&expected)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap()
}

#[test]
fn gray_is_replicated() {
    let image = png(ImageBuffer::from_fn(3, 2, |x, y| {
        Luma([(10 * x + y) as u8])
    }));
    assert_eq!((image.width, image.height), (3, 2));
    assert_eq!(image.pixel(2, 1), [21; 3]);
}

#[test]
fn alpha_is_dropped_not_blended() {
    let image = png(ImageBuffer::from_pixel(2, 2, Rgba([10u8, 20, 30, 0])));
    assert_eq!(image.pixel(1, 1), [10, 20, 30]);
    let image = png(ImageBuffer::from_pixel(2, 2, LumaA([77u8, 3])));
    assert_eq!(image.pixel(0, 1), [77; 3]);
}

#[test]
fn sixteen_bits_are_scaled_to_eight() {
    let image = png(ImageBuffer::from_pixel(1, 1, Luma([0x80_80u16])));
    assert_eq!(image.pixel(0, 0), [0x80; 3]);
    let image = png(ImageBuffer::from_pixel(
        1,
        1,
        Rgb([0u16, 257 * 99, u16::MAX]),
    ));
    assert_eq!(image.pixel(0, 0), [0, 99, 255]);
}

#[test]
fn exact_formats_equal_pillow() {
    for name in ["palette.png", "lossless.webp"] {
        assert_eq!(deviation(name), 0, "{name}");
    }
}

#[test]
fn jpegs_equal_pillow_up_to_the_freedom_of_decoders() {
    // Decoders differ in the rounding of the inverse DCT and of the colour conversion, by a level each.
    for name in ["cmyk.jpg", "progressive.jpg", "turned.jpg"] {
        let deviation = deviation(name);
        assert!(deviation <= 3, "{name}: {deviation} levels");
    }
}

#[test]
fn the_content_decides_not_the_extension() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("really-a-bmp.jpg");
    let picture = ImageBuffer::from_pixel(4, 3, Rgb([1u8, 2, 3]));
    fs::write(&path, encode(picture, ImageFormat::Bmp)).unwrap();
    assert_eq!(read(&path).unwrap().pixel(3, 2), [1, 2, 3]);
}

#[test]
fn text_named_jpg_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text.jpg");
    for content in ["not an image", ""] {
        fs::write(&path, content).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, DataError::NotAnImage { .. }), "{error}");
        assert!(error.to_string().contains("text.jpg"), "{error}");
    }
}

#[test]
fn a_jpeg_cut_anywhere_is_truncated() {
    for name in ["progressive.jpg", "turned.jpg", "cmyk.jpg"] {
        let bytes = fs::read(data(name)).unwrap();
        decode(&bytes, name).unwrap();
        for length in [3, 20, bytes.len() / 2, bytes.len() - 40, bytes.len() - 1] {
            let error = decode(&bytes[..length], name).unwrap_err();
            assert!(
                matches!(error, DataError::Truncated { .. }),
                "{name} {length}: {error}"
            );
        }
    }
}

#[test]
fn damaged_files_of_any_format_are_errors_not_panics() {
    let picture = || ImageBuffer::from_fn(9, 7, |x, y| Rgb([x as u8 * 20, y as u8 * 30, 5]));
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
        let bytes = encode(picture(), format);
        for length in 12..bytes.len() / 2 {
            let error = decode(&bytes[..length], "cut").unwrap_err();
            assert!(error.to_string().starts_with("cut: "), "{error}");
        }
    }
    let jpeg = fs::read(data("turned.jpg")).unwrap();
    for at in 2..jpeg.len() {
        let mut broken = jpeg.clone();
        broken[at] ^= 0xFF;
        if let Ok(image) = decode(&broken, "flipped") {
            assert_eq!(image.pixels.len(), 3 * image.width * image.height);
        }
    }
}

#[test]
fn an_image_beyond_the_pixel_limit_is_refused_before_it_is_decoded() {
    // A valid PNG header that promises 60000 x 60000 pixels; only the header is looked at.
    let mut bytes = encode(
        ImageBuffer::from_pixel(1, 1, Rgb([0u8; 3])),
        ImageFormat::Png,
    );
    bytes[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    let error = decode(&bytes, "bomb.png").unwrap_err();
    assert!(
        matches!(error, DataError::TooLarge { width: 60_000, .. }),
        "{error}"
    );
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn extreme_shapes_are_read() {
    for (width, height) in [(1, 1), (20_000, 20)] {
        let image = png(ImageBuffer::from_pixel(width, height, Rgb([9u8, 8, 7])));
        assert_eq!(
            (image.width, image.height),
            (width as usize, height as usize)
        );
    }
}

#[test]
fn a_folder_of_images_is_read_through_the_source() {
    let dir = tempfile::tempdir().unwrap();
    for (class, value) in [("cat", 10u8), ("dog", 200)] {
        fs::create_dir(dir.path().join(class)).unwrap();
        let picture = ImageBuffer::from_pixel(5, 4, Luma([value]));
        fs::write(
            dir.path().join(class).join("a.PNG"),
            encode(picture, ImageFormat::Png),
        )
        .unwrap();
    }
    let source = open(dir.path().to_str().unwrap(), Split::Train).unwrap();
    assert_eq!(source.image(1).unwrap().pixel(0, 0), [200; 3]);
    assert_eq!(source.label(1), Some(1));
    assert!(source.name(1).ends_with("a.PNG"));
    let error = source.image(2).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::IndexOutOfRange {
                index: 2,
                len: 2,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn exif_orientation_is_applied_when_it_is_asked_for() {
    let bytes = fs::read(data("turned.jpg")).unwrap();
    let as_it_lies = decode(&bytes, "turned.jpg").unwrap();
    let options = DecodeOptions {
        exif_orientation: true,
        ..DecodeOptions::default()
    };
    let turned = decode_with(&bytes, "turned.jpg", options).unwrap();
    let (width, height) = (as_it_lies.width, as_it_lies.height);
    assert_eq!((turned.width, turned.height), (height, width));
    // The tag of the file is 6: what lies on the left is shown at the top, from right to left.
    for y in 0..turned.height {
        for x in 0..turned.width {
            assert_eq!(turned.pixel(x, y), as_it_lies.pixel(y, height - 1 - x));
        }
    }
}

#[test]
fn the_limit_of_pixels_can_be_set() {
    let bytes = encode(
        ImageBuffer::from_pixel(30, 20, Rgb([1u8, 2, 3])),
        ImageFormat::Png,
    );
    let with = |max_pixels| {
        let options = DecodeOptions {
            max_pixels,
            ..DecodeOptions::default()
        };
        decode_with(&bytes, "x.png", options)
    };
    assert!(with(600).is_ok());
    let message = with(599).unwrap_err().to_string();
    assert!(
        message.contains("image of 30x20 pixels is above the limit of 599 pixels"),
        "{message}"
    );
    assert!(message.contains("raise max_pixels"), "{message}");
}

#[test]
fn of_an_animation_the_first_frame_is_taken() {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for value in [200u8, 10] {
        let frame = image::RgbaImage::from_pixel(6, 5, Rgba([value, 0, 0, 255]));
        encoder.encode_frame(image::Frame::new(frame)).unwrap();
    }
    drop(encoder);
    let image = decode(&bytes, "moving.gif").unwrap();
    assert_eq!(
        (image.width, image.height, image.pixel(5, 4)),
        (6, 5, [200, 0, 0])
    );
}

#[test]
fn a_compressed_comment_of_any_size_is_passed_over() {
    // A small picture with a compressed comment of 200 MB of zeros.
    let picture = ImageBuffer::from_pixel(2, 2, Rgb([9u8, 9, 9]));
    let png = encode(picture, ImageFormat::Png);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::repeat(0).take(200 << 20), &mut packed).unwrap();
    let body = [&b"zTXtx\0\0"[..], &packed.finish().unwrap()].concat();
    let mut bytes = png[..33].to_vec();
    bytes.extend((body.len() as u32 - 4).to_be_bytes());
    bytes.extend(&body);
    bytes.extend(crc32(&body).to_be_bytes());
    bytes.extend(&png[33..]);
    assert_eq!(
        decode(&bytes, "comment.png").unwrap().pixel(1, 1),
        [9, 9, 9]
    );
}

#[test]
fn a_file_that_is_no_file_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let message = read(dir.path()).unwrap_err().to_string();
    assert!(message.contains("it is no file"), "{message}");
}

#[test]
fn a_large_jpeg_may_be_decoded_smaller_and_shows_the_same() {
    let (width, height) = (1200usize, 900usize);
    let large = ImageBuffer::from_fn(width as u32, height as u32, |x, y| {
        Rgb([(x / 5) as u8, (y / 4) as u8, ((x + y) / 9) as u8])
    });
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder
        .encode_image(&DynamicImage::from(large.clone()))
        .unwrap();
    let with = |pixels, short_side| {
        let options = DecodeOptions {
            enough: Some(Enough { pixels, short_side }),
            ..DecodeOptions::default()
        };
        decode_with(&bytes, "large.jpg", options).unwrap()
    };
    for (pixels, short_side, factor) in [
        (1, 1, 8),
        (1, 225, 4),
        (300 * 225 + 1, 1, 2),
        (600 * 450 + 1, 1, 1),
        (1, 451, 1),
    ] {
        let image = with(pixels, short_side);
        assert_eq!(
            (image.width, image.height),
            (width.div_ceil(factor), height.div_ceil(factor))
        );
        for (x, y) in [
            (10, 10),
            (image.width / 2, image.height / 3),
            (image.width - 10, 40),
        ] {
            let at = |side: usize| (side * factor + factor / 2) as u32;
            let original = large.get_pixel(at(x), at(y)).0;
            let shown = image.pixel(x, y);
            let far = shown.iter().zip(original).any(|(a, b)| a.abs_diff(b) > 6);
            assert!(!far, "factor {factor} at {x} {y}: {shown:?} {original:?}");
        }
    }
    // CMYK is left to the usual decoder, whatever is enough.
    let cmyk = fs::read(data("cmyk.jpg")).unwrap();
    let options = DecodeOptions {
        enough: Some(Enough {
            pixels: 1,
            short_side: 1,
        }),
        ..DecodeOptions::default()
    };
    assert_eq!(
        decode_with(&cmyk, "cmyk.jpg", options).unwrap(),
        decode(&cmyk, "cmyk.jpg").unwrap()
    );
}
