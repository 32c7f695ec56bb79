//! Every method with one network of every family: a hundred steps on embedded images.

use std::fs;
use std::path::Path;

use sslight_data::{Split, open};

use crate::runs::{Cpu, NEVER, lines, train};

/// The features' spread, in units of an even spread over the sphere, that a network has to keep. Features behind a
/// ReLU are positive and have about half of an even spread; collapsed ones a hundredth.
const SPREAD_FLOOR: f64 = 0.05;

const IMAGES: usize = 2000;
/// Steps of a run: the first of four epochs in batches of 20, so that rates have not yet come down at its end.
const STEPS: usize = 100;

/// The share of a collapsed network's loss below which a run has to end.
const LOSS_CEILING: f64 = 0.95;

/// The first of the embedded images as a folder for every class.
fn embedded_images(root: &Path) -> String {
    let source = open("embedded", Split::Train).unwrap();
    for index in 0..IMAGES {
        let image = source.image(index).unwrap();
        let class = root.join(source.label(index).unwrap().to_string());
        fs::create_dir_all(&class).unwrap();
        let picture = image::RgbImage::from_fn(image.width as u32, image.height as u32, |x, y| {
            image::Rgb(image.pixel(x as usize, y as usize))
        });
        picture.save(class.join(format!("{index:04}.png"))).unwrap();
    }
    root.to_string_lossy().into_owned()
}

#[test]
#[ignore = "slow, fifteen runs of a hundred steps: just test-slow"]
fn every_method_trains_every_family_of_networks_without_collapse() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("data={}", embedded_images(&folder.path().join("images")));
    // Length of a feature vector, sizes of views. MobileNetV2's last maps have a thirty-second of a view's size, and
    // batch normalisation over 20 single pixels leaves little to learn from. The ViT's patches have 4 pixels.
    let networks = [
        ("mobilenet_v2", 1280.0, [48, 32]),
        ("resnet18", 512.0, [32, 16]),
        ("vit_tiny_16", 192.0, [16, 8]),
    ];
    let mut failed = Vec::new();
    for method in ["dino", "swav", "moco", "simclr", "supervised"] {
        for (network, dim, [global, local]) in networks {
            let out = folder.path().join(format!("{method}-{network}"));
            let words = [
                data.clone(),
                format!("out={}", out.display()),
                format!("method={method}"),
                format!("backbone={network}"),
                format!("model.small_input={}", network.starts_with("vit")),
                format!("views.global.size={global}"),
                format!("views.local.size={local}"),
                format!("eval.resize={global}"),
                format!("eval.crop={global}"),
            ]
            .into_iter()
            .chain(WORDS.map(str::to_string))
            .collect::<Vec<_>>();
            let summary = train::<Cpu>(&words, NEVER).unwrap();
            assert_eq!(summary.steps, STEPS, "{method} {network}");
            let all = lines(&out);
            let losses: Vec<f64> = all
                .iter()
                .filter(|line| line["kind"] == "step")
                .map(|line| line["loss"].as_f64().unwrap_or(f64::NAN))
                .collect();
            let spread = all
                .iter()
                .rfind(|line| line["kind"] == "epoch")
                .and_then(|line| line["feature_std"].as_f64())
                .map_or(f64::NAN, |std| std * f64::sqrt(dim));
            let last = losses[losses.len() - 10..].iter().sum::<f64>() / 10.0;
            let collapsed = collapsed_loss(method);
            println!(
                "{method} {network}: loss {:.4} -> {last:.4}, collapsed {collapsed:.4}, spread {spread:.3}",
                losses[0]
            );
            let finite = losses.len() == STEPS && losses.iter().all(|loss| loss.is_finite());
            let learned = last < LOSS_CEILING * collapsed;
            if !finite || !learned || spread.is_nan() || spread < SPREAD_FLOOR {
                failed.push(format!(
                    "{method} {network}: finite {finite}, loss {} -> {last}, spread {spread}",
                    losses[0]
                ));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Settings with which a hundred steps show: mild views, few outputs and sharp targets.
const WORDS: [&str; 32] = [
    "batch_size=20",
    "epochs=4",
    "max_steps=100",
    "log_every=1",
    "views.locals=2",
    "views.global.scale=[0.6,1]",
    "views.local.scale=[0.3,0.6]",
    "views.jitter.probability=0",
    "views.grayscale=0",
    "views.blur=[0,0,0]",
    "dino.out_dim=64",
    "dino.hidden_dim=128",
    "dino.bottleneck_dim=32",
    "dino.freeze_last_layer_epochs=0",
    "dino.warmup_teacher_temp=0.02",
    "dino.warmup_teacher_temp_epochs=0",
    "dino.teacher_temp=0.02",
    "dino.ema_momentum=0.9",
    "swav.prototypes=16",
    "swav.epsilon=0.02",
    "swav.hidden_dim=2048",
    "swav.freeze_prototypes_epochs=0",
    "moco.queue_length=400",
    "moco.hidden_dim=128",
    "moco.ema_momentum=0.99",
    "simclr.hidden_dim=128",
    "simclr.temperature=0.1",
    "eval.knn_every=1",
    "optim.kind=adamw",
    "optim.base_lr=0.01",
    "optim.min_lr=1e-5",
    "optim.warmup_epochs=0.1",
];

/// The loss of a network that gives every image the same answer; with the weights of pairs summing to 1.
fn collapsed_loss(method: &str) -> f64 {
    match method {
        "dino" => 64f64.ln(),
        "swav" => 16f64.ln(),
        "moco" => 401f64.ln(),
        "simclr" => 39f64.ln(),
        _ => 10f64.ln(),
    }
}
