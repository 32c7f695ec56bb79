//! Writes run folders that look like real ones: `cargo run -p sslight-report --example sample_runs -- FOLDER`
//!
//! `healthy` (3,000 steps, 30 epochs), `collapsing` (stops itself), `long` (250,000 steps) and `hostile`, whose name,
//! configuration, events and picture try to run scripts.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use serde_json::{Value, json};

const HOSTILE: &str = "</script><img src=x onerror=\"document.title='run'\"><b>&amp;";

/// The shape of a sample.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    steps: u64,
    epochs: u64,
    every: u64,
    seed: u64,
    learning_rate: f64,
    /// The step at which it collapses.
    collapse: Option<u64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("give a folder")?;
    let healthy = Shape {
        name: "healthy",
        steps: 3000,
        epochs: 30,
        every: 5,
        seed: 1,
        learning_rate: 5e-4,
        collapse: None,
    };
    let others = [
        Shape {
            name: "collapsing",
            seed: 2,
            learning_rate: 5e-3,
            collapse: Some(1200),
            ..healthy
        },
        Shape {
            name: "long",
            steps: 250_000,
            epochs: 100,
            every: 1,
            seed: 3,
            ..healthy
        },
        Shape {
            name: "hostile",
            steps: 2000,
            epochs: 20,
            seed: 4,
            ..healthy
        },
    ];
    for shape in [healthy].iter().chain(&others) {
        write(shape, &Path::new(&folder).join(shape.name))?;
    }
    Ok(())
}

fn write(shape: &Shape, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder.join("pictures"))?;
    let hostile = shape.name == "hostile";
    fs::write(folder.join("metrics.jsonl"), metrics(shape))?;
    fs::write(folder.join("config.toml"), config(shape, hostile))?;
    fs::write(folder.join("results.json"), results(shape).to_string())?;
    fs::write(
        folder.join("pictures/projection_to_two_dimensions.svg"),
        projection(shape, hostile),
    )?;
    if hostile {
        fs::write(folder.join("name.txt"), HOSTILE)?;
    }
    Ok(())
}

/// Numbers that look random and are the same each time.
struct Noise(u64);

impl Noise {
    /// About normal, of mean 0 and deviation 1.
    fn next(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| self.uniform()).sum();
        (sum - 2.0) * 1.73
    }

    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn metrics(shape: &Shape) -> String {
    let mut noise = Noise(shape.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut text = String::new();
    let per_epoch = shape.steps / shape.epochs;
    let mut line = |value: Value| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{value}");
    };
    let stop = shape
        .collapse
        .map_or(shape.steps, |step| step + 4 * per_epoch);
    let mut epochs = 0;
    let mut last = 0.0;
    let mut knn = 0.0;
    for step in 0..stop {
        let share = step as f64 / shape.steps as f64;
        let fallen = shape.collapse.map_or(0.0, |at| {
            1.0 / (1.0 + (-(step as f64 - at as f64) / 40.0).exp())
        });
        let spread = (1.0 - fallen) * (0.030 + 0.010 * share.sqrt()) + 0.0004;
        let rank = 3.0 + (1.0 - fallen) * 180.0 * (1.0 - (-4.0 * share).exp());
        if step % shape.every == 0 {
            let warm = (share / 0.1).min(1.0);
            let cosine =
                0.5 * (1.0 + (std::f64::consts::PI * ((share - 0.1) / 0.9).max(0.0)).cos());
            let healthy = 4.2 + 4.1 * (-5.0 * share).exp() + 0.12 * noise.next();
            let spike = if step == shape.steps / 2 { 3.0 } else { 0.0 };
            last = healthy * (1.0 - fallen) + 8.31 * fallen + spike;
            line(json!({
                "kind": "step", "step": step, "epoch": step / per_epoch, "loss": last,
                "loss_global": last - 0.3 + 0.05 * noise.next(), "loss_local": last + 0.15 + 0.05 * noise.next(),
                "lr": shape.learning_rate * warm * cosine, "weight_decay": 0.04 + 0.36 * (1.0 - cosine),
                "ema_momentum": 1.0 - 0.004 * cosine, "teacher_temp": 0.04 + 0.03 * (share / 0.3).min(1.0),
                "target_entropy": 3.1 - 1.2 * share + 5.2 * fallen + 0.05 * noise.next(),
                "target_usage": (0.85 - 0.8 * fallen + 0.03 * noise.next()).clamp(0.0, 1.0),
                "grad_norm": (0.8 * (0.25 * noise.next()).exp() + spike) * (1.0 - 0.9 * fallen),
                "feature_std": spread * (1.0 + 0.03 * noise.next()),
                "images_per_s": 410.0 + 9.0 * noise.next() - if noise.uniform() < 0.01 { 150.0 } else { 0.0 },
                "data_wait": (0.02 + 0.01 * noise.next()).max(0.0),
            }));
        }
        if (step + 1) % per_epoch == 0 {
            knn = 33.0 + (1.0 - fallen) * 31.0 * (1.0 - (-4.0 * share).exp()) - 21.0 * fallen
                + 0.4 * noise.next();
            let decay = 0.02 + 3.0 / rank;
            let spectrum: Vec<f64> = (0..192)
                .map(|index| (-decay * f64::from(index)).exp().max(1e-5))
                .collect();
            line(json!({
                "kind": "epoch", "epoch": epochs, "step": step + 1, "loss": last, "knn_top1": knn,
                "knn_top5": (knn + 31.0).min(99.0), "feature_std": spread, "effective_rank": rank,
                "probe_top1": knn + 3.5 + 0.5 * noise.next(), "spectrum": spectrum,
                "seconds": 120.0 + 4.0 * noise.next(),
            }));
            epochs += 1;
        }
        if shape.collapse == Some(step) || (shape.name == "hostile" && step == 900) {
            let reason = "The spread of features fell to a third of its value at the start while the loss stayed finite.";
            let hostile = format!("{HOSTILE} {reason}");
            line(json!({
                "kind": "event", "step": step, "name": "collapse_warning",
                "reason": if shape.collapse.is_some() { reason } else { &hostile },
                "advice": "Lower the learning rate or the temperature of the teacher; compare with a run of the recipe's own values.",
                "feature_std": spread, "threshold": 0.012,
            }));
        }
    }
    let end = if shape.collapse.is_some() {
        "stopped_on_collapse"
    } else {
        "completed"
    };
    line(json!({
        "kind": "summary", "end": end, "steps": stop, "epochs": epochs, "loss": last, "knn_top1": knn,
        "knn_before": 27.4, "knn_pixels": 33.1, "knn_protocol": "k = 20, T = 0.07, 10,000 against 50,000 images",
        "seconds": 121.0 * epochs as f64, "out": format!("runs/{}", shape.name),
    }));
    text
}

fn config(shape: &Shape, hostile: bool) -> String {
    let mut text = format!(
        "method = \"dino\" # command line\nbackbone = \"vit_tiny_16\" # command line\nrecipe = \"sslight\" # default\ndata = \"{}\" # base.toml:3\nepochs = {} # command line\nseed = {} # default\n",
        if hostile { HOSTILE } else { "photos/train" },
        shape.epochs,
        shape.seed,
    );
    let _ = write!(
        text,
        "[optim]\nlr = {} # recipe sslight\nweight_decay = [0.04, 0.4] # recipe sslight\nclip = 3.0 # recipe sslight\nwarmup_epochs = 3 # default\n",
        shape.learning_rate
    );
    for section in [
        "views",
        "dino",
        "loader",
        "evaluation",
        "model",
        "checkpoint",
    ] {
        let _ = writeln!(text, "[{section}]");
        for key in [
            "scale",
            "size",
            "momentum",
            "temperature",
            "threads",
            "every",
            "limit",
        ] {
            let _ = writeln!(text, "{key} = 0.{} # default", section.len() + key.len());
        }
    }
    text
}

fn results(shape: &Shape) -> Value {
    let lower = shape.seed as f64;
    json!([
        {
            "evaluation": "kNN", "protocol": "k = 20, temperature 0.07, features of the teacher, all 50,000 training images",
            "score": "top-1", "value": 64.2 - lower, "paper": "74.5 %",
            "source": "Caron et al. 2021, table 2, ViT-S/16 on ImageNet: larger network, other images",
        },
        {
            "evaluation": "Linear probe", "protocol": "100 epochs, SGD, best of 5 learning rates on a tenth held out",
            "score": "top-1", "value": 68.9 - lower, "paper": "77.0 %",
            "source": "Caron et al. 2021, table 2, ViT-S/16 on ImageNet",
        },
        { "evaluation": "Linear probe", "protocol": "1 % of the labels", "score": "top-1", "value": 44.0 - lower },
    ])
}

/// Points of ten classes; in the hostile one also what must not run inside an image.
fn projection(shape: &Shape, hostile: bool) -> String {
    let colours = [
        "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f",
        "#bcbd22", "#17becf",
    ];
    let mut noise = Noise(shape.seed + 77);
    let mut text = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 420\" width=\"640\" height=\"420\">",
    );
    for index in 0..900 {
        let angle = f64::from(index % 10) * 0.628;
        let (x, y) = (
            320.0 + 190.0 * angle.cos() + 32.0 * noise.next(),
            210.0 + 130.0 * angle.sin() + 26.0 * noise.next(),
        );
        let colour = colours[index as usize % 10];
        let _ = write!(
            text,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\" fill-opacity=\"0.7\"/>"
        );
    }
    if hostile {
        text.push_str(
            "<script>document.title='run'</script><image href=\"http://127.0.0.1:9/x.png\"/>",
        );
    }
    text + "</svg>"
}
