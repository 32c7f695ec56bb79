//! Images a second of a training pass (forward and backward in batch mode) of the CNN backbones on
//! the CPU, for the sizes of the built-in demonstration and of the paper.
//!
//! `cargo run -p sslight-models --example network_speed [-- FILTER]`

use std::time::Instant;

use burn::backend::Autodiff;
use burn::tensor::{Distribution, Tensor};
use burn_flex::Flex;
use sslight_models::nn::ParamInit;
use sslight_models::{BackboneKind, BatchMode, UnavailableBackbone};

type B = Autodiff<Flex>;

const PASSES: usize = 5;

fn main() -> Result<(), UnavailableBackbone> {
    let filter = std::env::args().nth(1).unwrap_or_default();
    for kind in [BackboneKind::ResNet18, BackboneKind::MobileNetV2] {
        for (small_input, batch, px) in [
            (false, 64, 32),
            (false, 64, 18),
            (true, 64, 32),
            (true, 64, 18),
            (false, 8, 224),
        ] {
            let name = format!("{kind:?} {batch}x{px}px small_input={small_input}");
            if name.contains(&filter) {
                measure(&name, kind, small_input, batch, px)?;
            }
        }
    }
    Ok(())
}

fn measure(
    name: &str,
    kind: BackboneKind,
    small_input: bool,
    batch: usize,
    px: usize,
) -> Result<(), UnavailableBackbone> {
    let device = Default::default();
    let net = kind.init::<B>(small_input, &mut ParamInit::new(0, &device))?;
    let images = Tensor::<B, 4>::random([batch, 3, px, px], Distribution::Default, &device);
    let mut passes: Vec<[f64; 2]> = (0..PASSES)
        .map(|_| {
            let start = Instant::now();
            let features = net.forward(images.clone(), BatchMode::Batch);
            let forward = start.elapsed().as_secs_f64();
            features.powi_scalar(2).sum().backward();
            [start.elapsed().as_secs_f64(), forward]
        })
        .collect();
    passes.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let [total, forward] = passes[PASSES / 2];
    println!(
        "{name:45} forward {forward:.3} s, with backward {total:.3} s, {:.1} images/s",
        batch as f64 / total
    );
    Ok(())
}
