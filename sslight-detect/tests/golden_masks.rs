//! Masks against pycocotools, torchvision and PyTorch: `golden/masks.py` made the numbers.
#![allow(clippy::unwrap_used)]

use hotcoco::Segmentation;
use hotcoco::mask::decode;
use safetensors::SafeTensors;
use serde::Deserialize;
use sslight_detect::geometry::BoundingBox;
use sslight_detect::masks::{MASK_THRESHOLD, mask_target, paste};

const SIDE: usize = 28;
const TENSORS: &[u8] = include_bytes!("golden/masks.safetensors");

#[derive(Deserialize)]
struct Golden {
    polygons: Vec<PolygonCase>,
    bitmaps: Vec<BitmapCase>,
    pastes: Vec<PasteCase>,
}

#[derive(Deserialize)]
struct PolygonCase {
    polygons: Vec<Vec<f64>>,
    #[serde(rename = "box")]
    bounds: [f32; 4],
    bits: String,
}

#[derive(Deserialize)]
struct BitmapCase {
    size: [u32; 2],
    counts: String,
    #[serde(rename = "box")]
    bounds: [f32; 4],
}

#[derive(Deserialize)]
struct PasteCase {
    size: [usize; 2],
    #[serde(rename = "box")]
    bounds: [f32; 4],
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/masks.json")).unwrap()
}

fn bounds([x0, y0, x1, y1]: [f32; 4]) -> BoundingBox {
    BoundingBox::new(x0, y0, x1, y1)
}

fn bytes(name: &str) -> Vec<u8> {
    let file = SafeTensors::deserialize(TENSORS).unwrap();
    file.tensor(name).unwrap().data().to_vec()
}

/// Compares with codes in which 2 stands for either.
#[track_caller]
fn assert_coded(got: &[u8], coded: &[u8], case: &str) {
    assert_eq!(got.len(), coded.len(), "{case}");
    let wrong = got.iter().zip(coded).filter(|(g, c)| **c != 2 && g != c);
    assert_eq!(wrong.count(), 0, "{case}");
    let open = coded.iter().filter(|c| **c == 2).count();
    // Whole cells at one half are common on straight borders, but not everywhere.
    assert!(
        open < coded.len() / 4,
        "{case}: {open} values decide nothing"
    );
}

#[test]
fn targets_of_polygons_are_those_of_pycocotools() {
    let cases = golden().polygons;
    assert!(cases.len() >= 36);
    let mut set = 0;
    for (index, case) in cases.into_iter().enumerate() {
        let segmentation = Segmentation::Polygon(case.polygons);
        let target = mask_target(&segmentation, bounds(case.bounds), SIDE).unwrap();
        let bits: Vec<f32> = (0..SIDE * SIDE)
            .map(|i| {
                let digit = u8::from_str_radix(&case.bits[i / 4..=i / 4], 16).unwrap();
                f32::from((digit >> (3 - i % 4)) & 1)
            })
            .collect();
        assert_eq!(target, bits, "case {index}");
        set += usize::from(bits.contains(&1.0));
    }
    assert!(set >= 30, "{set} targets have anything in them");
}

#[test]
fn targets_of_bitmaps_are_those_of_roi_align() {
    let cases = golden().bitmaps;
    assert!(cases.len() >= 10);
    for (index, case) in cases.into_iter().enumerate() {
        let code = Segmentation::CompressedRle {
            size: case.size,
            counts: case.counts,
        };
        let target = mask_target(&code, bounds(case.bounds), SIDE).unwrap();
        let got: Vec<u8> = target.iter().map(|v| *v as u8).collect();
        assert_coded(
            &got,
            &bytes(&format!("bitmap.{index}")),
            &format!("case {index}"),
        );
    }
}

#[test]
fn pasted_masks_are_those_of_grid_sample() {
    let cases = golden().pastes;
    assert!(cases.len() >= 10);
    let mut covered = 0;
    for (index, case) in cases.into_iter().enumerate() {
        let mask = bytes(&format!("mask.{index}"));
        let mask: Vec<f32> = mask
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        let [height, width] = case.size;
        let code = paste(
            &mask,
            SIDE,
            bounds(case.bounds),
            (width, height),
            MASK_THRESHOLD,
        )
        .unwrap();
        assert_eq!((code.h as usize, code.w as usize), (height, width));
        let columns = decode(&code);
        let rows: Vec<u8> = (0..width * height)
            .map(|i| columns[(i % width) * height + i / width])
            .collect();
        assert_coded(
            &rows,
            &bytes(&format!("paste.{index}")),
            &format!("case {index}"),
        );
        covered += usize::from(rows.contains(&1));
    }
    assert!(covered >= 8, "{covered} masks cover anything");
}
