//! All of it on small folders of images, with a random network.

use std::fs;
use std::path::{Path, PathBuf};

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, RowAccessor};
use burn_flex::Flex;
use safetensors::SafeTensors;
use sslight_data::{Split, eval_subset};

use super::*;
use crate::config::{RunConfig, resolve};
use crate::draw::Canvas;
use crate::eval::{Extractor, features};
use crate::observe::StopHandle;
use crate::run::assemble;

/// A name that needs quoting.
const AWKWARD: &str = "a, \"b\".png";
const DIM: usize = 512;

struct Fixture {
    root: tempfile::TempDir,
    config: RunConfig,
}

/// A picture of 20 by 16 pixels whose squares and colours follow from `seed`.
fn picture(path: &Path, seed: usize) {
    let mut canvas = Canvas::new(20, 16);
    for n in 0..6 {
        let colour = [70, 130, 190].map(|c| ((c * (seed + 1) * (n + 2)) % 251) as u8);
        let place = ((seed * 3 + n * 5) % 18, (seed + n * 7) % 14);
        canvas.fill((place.0 as i32, place.1 as i32), (4 + n, 5), colour);
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, canvas.png("").unwrap()).unwrap();
}

fn fixture(names: &[&str], more: &[&str]) -> Fixture {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    for (seed, name) in names.iter().enumerate() {
        picture(&data.join(name), seed);
    }
    let words = [
        format!("data={}", data.display()),
        "views.global.size=16".to_owned(),
        "workers=2".to_owned(),
        // Before training, features of mobilenet_v2 are equal to rounding.
        "backbone=resnet18".to_owned(),
        "max_bad_images=1".to_owned(),
    ];
    let more = more.iter().map(|word| (*word).to_owned());
    let words: Vec<String> = words.into_iter().chain(more).collect();
    Fixture {
        config: resolve(&words).unwrap().config,
        root,
    }
}

fn labelled() -> Fixture {
    let awkward = format!("dog/{AWKWARD}");
    let names = ["cat/1.png", "cat/2.png", &awkward, "dog/z.png"];
    let fixture = fixture(&names, &[]);
    fs::write(fixture.path("data/dog/broken.png"), b"no picture").unwrap();
    fixture
}

impl Fixture {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn network(&self) -> Network {
        let device = Default::default();
        Network::on_engine::<Flex>(
            self.config.backbone.into(),
            assemble::backbone::<Flex>(&self.config, &device).unwrap(),
            None,
            &device,
        )
    }

    fn images(&self) -> Images {
        Images::of_split(&self.config, Split::Train).unwrap()
    }

    fn protocol(&self) -> Protocol {
        Protocol::new(&self.config, Path::new("a.safetensors"), &self.images())
    }

    fn export(&self, name: &str, overwrite: bool) -> Result<Exported, EmbedError> {
        let out = self.path(name);
        let settings = ExportSettings {
            out: &out,
            format: Format::of(&out)?,
            overwrite,
        };
        watched(|hooks| {
            export(
                &self.config,
                &self.network(),
                &self.images(),
                self.protocol(),
                settings,
                hooks,
            )
        })
    }

    fn neighbours(&self, queries: Queries, k: usize) -> Result<NeighbourSheet, EmbedError> {
        let settings = NeighbourSettings {
            out: &self.path("sheet.png"),
            overwrite: true,
            queries,
            k,
        };
        watched(|hooks| {
            neighbour_sheet(
                &self.config,
                &self.network(),
                &self.images(),
                &self.protocol(),
                &settings,
                hooks,
            )
        })
    }

    fn project(&self, name: &str, projection: Projection) -> Result<Projected, EmbedError> {
        let settings = ProjectSettings {
            out: &self.path(name),
            overwrite: false,
            projection,
            points: 7,
            perplexity: 30.0,
        };
        watched(|hooks| {
            project(
                &self.config,
                &self.network(),
                &self.images(),
                &self.protocol(),
                &settings,
                hooks,
            )
        })
    }
}

fn watched<T>(work: impl FnOnce(&mut Hooks<'_>) -> T) -> T {
    work(&mut Hooks {
        progress: &mut |_, _| {},
        stop: &StopHandle::new(),
    })
}

/// A row as each of the files has it.
#[derive(Debug, Clone, PartialEq)]
struct Read {
    path: String,
    label: Option<i64>,
    class: Option<String>,
    features: Vec<f32>,
}

fn read_csv(path: &Path) -> Vec<Read> {
    let mut reader = ::csv::Reader::from_path(path).unwrap();
    let heads = reader.headers().unwrap();
    assert_eq!(
        heads.iter().take(4).collect::<Vec<_>>(),
        ["path", "label", "class", "f0"]
    );
    assert_eq!(heads.len(), 3 + DIM);
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            Read {
                path: record[0].to_owned(),
                label: some(&record[1]).map(|label| label.parse().unwrap()),
                class: some(&record[2]),
                features: record.iter().skip(3).map(|v| v.parse().unwrap()).collect(),
            }
        })
        .collect()
}

fn read_parquet(path: &Path) -> Vec<Read> {
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| {
        let row = row.unwrap();
        let list = row.get_list(3).unwrap();
        let number = |field: &Field| match field {
            Field::Float(value) => *value,
            other => panic!("{other:?}"),
        };
        Read {
            path: row.get_string(0).unwrap().clone(),
            label: row.get_long(1).ok(),
            class: row.get_string(2).ok().cloned(),
            features: list.elements().iter().map(number).collect(),
        }
    })
    .collect()
}

fn read_safetensors(path: &Path) -> Vec<Read> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (_, head) = SafeTensors::read_metadata(&bytes).unwrap();
    let told = head.metadata().clone().unwrap();
    let list = |key: &str| serde_json::from_str::<Vec<String>>(&told[key]).unwrap();
    let (names, classes) = (list("names"), list("class_names"));
    let protocol: serde_json::Value = serde_json::from_str(&told["protocol"]).unwrap();
    assert_eq!(
        (&protocol["backbone"], &protocol["crop"]),
        (&"resnet18".into(), &16.into())
    );
    let features = file.tensor("features").unwrap();
    assert_eq!(features.shape(), [names.len(), DIM]);
    let labels: Option<Vec<i64>> = file.tensor("labels").ok().map(|labels| {
        let chunks = labels.data().chunks(8);
        chunks
            .map(|chunk| i64::from_le_bytes(chunk.try_into().unwrap()))
            .collect()
    });
    let chunks = features.data().chunks(4);
    let values: Vec<f32> = chunks
        .map(|chunk| f32::from_le_bytes(chunk.try_into().unwrap()))
        .collect();
    let rows = names.into_iter().zip(values.chunks(DIM)).enumerate();
    rows.map(|(row, (path, features))| {
        let label = labels.as_ref().map(|labels| labels[row]);
        Read {
            path,
            label,
            class: label.map(|label| classes[label as usize].clone()),
            features: features.to_vec(),
        }
    })
    .collect()
}

/// The rows of all three files, which are the same.
fn read_all(fixture: &Fixture) -> Vec<Read> {
    for kind in Format::WORDS {
        fixture.export(&format!("out/f.{kind}"), false).unwrap();
    }
    let rows = read_csv(&fixture.path("out/f.csv"));
    assert_eq!(rows, read_safetensors(&fixture.path("out/f.safetensors")));
    assert_eq!(rows, read_parquet(&fixture.path("out/f.parquet")));
    // No part of an unfinished file is left.
    assert_eq!(fs::read_dir(fixture.path("out")).unwrap().count(), 3);
    rows
}

#[test]
fn three_files_have_the_features_of_evaluation_names_and_classes() {
    let fixture = labelled();
    let rows = read_all(&fixture);
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row.path.rsplit_once('/').unwrap().1)
        .collect();
    assert_eq!(names, ["1.png", "2.png", AWKWARD, "z.png"]);
    let labels: Vec<Option<i64>> = rows.iter().map(|row| row.label).collect();
    assert_eq!(labels, [Some(0), Some(0), Some(1), Some(1)]);
    assert_eq!(rows[2].class.as_deref(), Some("dog"));

    let config = assemble::eval_config(&fixture.config, 64);
    let device = Default::default();
    fs::remove_file(fixture.path("data/dog/broken.png")).unwrap();
    let stream = eval_subset(fixture.images().source, vec![0, 1, 2, 3], config);
    let backbone = assemble::backbone::<Flex>(&fixture.config, &device).unwrap();
    let network = Extractor::Network {
        backbone,
        blocks: None,
    };
    let expected = features(&network, stream.unwrap(), &device).unwrap();
    let ours: Vec<f32> = rows.iter().flat_map(|row| row.features.clone()).collect();
    assert_eq!(ours, expected.values);
    assert!(rows[0].features != rows[1].features);
}

#[test]
fn images_without_classes_have_neither_label_nor_class() {
    let fixture = fixture(&["1.png", "2.png"], &[]);
    let rows = read_all(&fixture);
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .all(|row| row.label.is_none() && row.class.is_none())
    );
}

#[test]
fn more_images_than_a_row_group_come_in_order() {
    let names: Vec<String> = (0..1100).map(|i| format!("{i:04}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fixture = fixture(&names, &[]);
    fixture.export("f.parquet", false).unwrap();
    let rows = read_parquet(&fixture.path("f.parquet"));
    assert_eq!(rows.len(), 1100);
    for (row, name) in rows.iter().zip(names) {
        assert!(row.path.ends_with(name), "{} {name}", row.path);
        assert_eq!(row.features.len(), DIM);
    }
}

#[test]
fn unreadable_images_are_left_out_and_told() {
    let exported = labelled().export("f.csv", false).unwrap().extracted;
    assert_eq!((exported.images, exported.dim), (4, DIM));
    assert_eq!(exported.unreadable.len(), 1);
    assert!(exported.unreadable[0].name.ends_with("broken.png"));
}

#[test]
fn a_file_that_is_there_is_replaced_only_on_demand() {
    let fixture = fixture(&["1.png"], &[]);
    let out = fixture.path("f.csv");
    fs::write(&out, "precious").unwrap();
    let refused = fixture.export("f.csv", false).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "out={}: is there already; give another path, or overwrite=true to replace it",
            out.display()
        )
    );
    assert_eq!(fs::read(&out).unwrap(), b"precious");
    fixture.export("f.csv", true).unwrap();
    assert_eq!(read_csv(&out).len(), 1);
    let other = fixture.export("f.txt", false).unwrap_err();
    assert!(
        other.is_usage() && other.to_string().contains(".parquet"),
        "{other}"
    );
}

#[test]
fn a_stop_leaves_nothing_behind() {
    let fixture = fixture(&["1.png"], &[]);
    let out = fixture.path("out/f.parquet");
    let settings = ExportSettings {
        out: &out,
        format: Format::Parquet,
        overwrite: false,
    };
    let stop = StopHandle::new();
    stop.request();
    let mut hooks = Hooks {
        progress: &mut |_, _| {},
        stop: &stop,
    };
    let (network, images) = (fixture.network(), fixture.images());
    let protocol = fixture.protocol();
    let result = export(
        &fixture.config,
        &network,
        &images,
        protocol,
        settings,
        &mut hooks,
    );
    assert!(matches!(result, Err(EmbedError::Stopped)));
    assert_eq!(fs::read_dir(fixture.path("out")).unwrap().count(), 0);
}

fn png_size(path: &Path) -> (u32, u32) {
    let file = std::io::BufReader::new(fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert!(pixels.iter().any(|value| *value < 60), "nothing is drawn");
    (frame.width, frame.height)
}

#[test]
fn a_sheet_shows_each_query_with_its_nearest_others() {
    let fixture = labelled();
    // The same picture under another name is as near as can be.
    fs::copy(
        fixture.path("data/cat/1.png"),
        fixture.path("data/dog/twin.png"),
    )
    .unwrap();
    let sheet = fixture
        .neighbours(Queries::Named(vec!["cat/1.png".into()]), 2)
        .unwrap();
    let [row] = &sheet.rows[..] else {
        panic!("{sheet:?}")
    };
    let name = |index: usize| fixture.images().source.name(index);
    assert!(name(row.query).ends_with("cat/1.png"));
    assert_eq!(row.neighbours.len(), 2);
    assert!(name(row.neighbours[0].index).ends_with("dog/twin.png"));
    assert!((row.neighbours[0].similarity - 1.0).abs() < 1e-5);
    assert_eq!(row.neighbours[0].same_class, Some(false));
    assert!(row.neighbours[1].similarity <= row.neighbours[0].similarity);
    assert!(
        row.neighbours
            .iter()
            .all(|neighbour| neighbour.index != row.query)
    );
    // Three pictures of 7 x 16 pixels with frames of 4 and gaps.
    let (wide, high) = png_size(&fixture.path("sheet.png"));
    assert_eq!(wide, 2 * 28 + 3 * 112 + 2 * 20 + 28 + 2 * 4);
    assert_eq!(high, 92 + 112 + 48 + 20 + 44);

    let sheet = fixture.neighbours(Queries::Spread(3), 1).unwrap();
    assert_eq!(sheet.rows.len(), 3);
    assert!(sheet.same_class.is_some());
}

#[test]
fn queries_that_are_none_of_the_images_and_too_many_neighbours_are_refused() {
    let fixture = labelled();
    let message = |queries: &str, k| {
        let names = Queries::Named(vec![queries.to_owned()]);
        fixture.neighbours(names, k).unwrap_err().to_string()
    };
    let unknown = message("dog/zz.png", 1);
    assert!(
        unknown.starts_with("queries=dog/zz.png: no image of "),
        "{unknown}"
    );
    assert!(unknown.ends_with("; did you mean z.png?"), "{unknown}");
    assert_eq!(
        message("cat/1.png", 4),
        "k=4 neighbours need at least 5 images, and there are 4; lower k"
    );
    let broken = message("broken.png", 1);
    assert!(broken.contains("broken.png"), "{broken}");
}

#[test]
fn projections_have_a_mark_for_each_image_and_are_the_same_each_time() {
    let names: Vec<String> = (0..9).map(|i| format!("c{}/{i}.png", i % 2)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fixture = fixture(&names, &[]);
    for projection in [Projection::Pca, Projection::Tsne] {
        let name = |ending: &str| format!("{projection}{ending}");
        let projected = fixture.project(&name(".svg"), projection).unwrap();
        assert_eq!(projected.extracted.images, 7);
        let text = fs::read_to_string(fixture.path(&name(".svg"))).unwrap();
        assert_eq!(text.matches("<circle").count(), 7 + 2);
        assert!(text.contains("c1 (3)") && text.contains("resnet18 of a.safetensors"));
        fixture.project(&name("2.svg"), projection).unwrap();
        assert_eq!(
            fs::read_to_string(fixture.path(&name("2.svg"))).unwrap(),
            text
        );
        fixture.project(&name(".png"), projection).unwrap();
        assert_eq!(png_size(&fixture.path(&name(".png"))), (1920, 1604));
    }
}

#[test]
fn equal_images_cannot_be_projected() {
    let fixture = fixture(&["0.png"], &[]);
    for copy in 1..6 {
        let to = fixture.path(&format!("data/{copy}.png"));
        fs::copy(fixture.path("data/0.png"), to).unwrap();
    }
    let error = fixture.project("a.svg", Projection::Pca).unwrap_err();
    assert!(
        matches!(error, EmbedError::NoVariance { images: 6 }),
        "{error}"
    );
}

fn attention(fixture: &Fixture) -> Result<AttentionSheets, EmbedError> {
    let settings = AttentionSettings {
        out: &fixture.path("attention"),
        overwrite: false,
    };
    watched(|hooks| {
        attention_sheets(
            &fixture.config,
            &fixture.network(),
            &fixture.images(),
            &fixture.protocol(),
            settings,
            hooks,
        )
    })
}

#[test]
fn a_transformer_has_a_sheet_for_each_image_and_a_convolutional_network_an_explanation() {
    let fixture = fixture(&["1.png", "2.png"], &["backbone=vit_tiny_16"]);
    let sheets = attention(&fixture).unwrap();
    assert_eq!((sheets.heads, sheets.grid, sheets.files.len()), (3, 4, 2));
    assert_eq!(sheets.files[1], fixture.path("attention/002-2.png"));
    for file in &sheets.files {
        // The image, the mean and three heads at 14 x 16 pixels, and the scale of colours.
        assert_eq!(
            png_size(file),
            (2 * 24 + 5 * (224 + 16) + 14 + 60, 74 + 224 + 48)
        );
    }
    assert!(matches!(
        attention(&fixture),
        Err(EmbedError::Exists { .. })
    ));

    let error = attention(&labelled()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "resnet18 is a convolutional network and has no attention; vit_tiny_16, vit_tiny_32, vit_small_16 have \
         it. For resnet18 see `sslight neighbours` and `sslight project`"
    );
}
