use burn::tensor::{Tensor, backend::{Backend as _}};
use burn::module::Module;
use sslight_models::*;
use sslight_models::nn::ParamInit;
type B = burn::backend::Autodiff<burn_flex::Flex>;
fn run(name: &str, kind: BackboneKind, small: bool, batch: usize, px: usize) {
    let device = Default::default();
    let net = kind.init::<B>(small, &mut ParamInit::new(0, &device)).unwrap();
    let x = Tensor::<B,4>::random([batch,3,px,px], burn::tensor::Distribution::Default, &device);
    for it in 0..3 {
        let t = std::time::Instant::now();
        let y = net.forward(x.clone(), BatchMode::Batch);
        let f = t.elapsed();
        let g = y.powi_scalar(2).sum().backward();
        let total = t.elapsed();
        drop(g);
        if it == 2 { println!("{name} small={small} {batch}x{px}: fwd {:.3} total {:.3} s -> {:.1} img/s", f.as_secs_f64(), total.as_secs_f64(), batch as f64 / total.as_secs_f64()); }
    }
    let _ = (net.num_params(), B::name(&device));
}
fn main() {
    for small in [false, true] { for px in [32, 18] {
        run("r18", BackboneKind::ResNet18, small, 64, px);
        run("mnv2", BackboneKind::MobileNetV2, small, 64, px);
    } }
}
