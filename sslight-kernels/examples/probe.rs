use std::time::Instant;
fn rate(m: usize, n: usize, k: usize, tl: bool, tr: bool) {
    let a = vec![1.0f32; m * k];
    let b = vec![1.0f32; k * n];
    let mut c = vec![0.0f32; m * n];
    let mut best = f64::MAX;
    for _ in 0..12 {
        let t = Instant::now();
        let (ars, acs) = if tl { (1, m as isize) } else { (k as isize, 1) };
        let (brs, bcs) = if tr { (1, k as isize) } else { (n as isize, 1) };
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c.as_mut_ptr(),
                1,
                n as isize,
                false,
                a.as_ptr(),
                acs,
                ars,
                b.as_ptr(),
                bcs,
                brs,
                1.0f32,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            )
        };
        best = best.min(t.elapsed().as_secs_f64());
    }
    println!(
        "{m:5} {n:5} {k:5} tl={tl} tr={tr} {:.1} GF/s",
        2.0 * (m * n * k) as f64 / best / 1e9
    );
}
fn main() {
    rate(1024, 1024, 1024, false, false);
    for (m, n, k) in [
        (64, 256, 576),
        (64, 2048, 576),
        (128, 256, 1152),
        (512, 256, 4608),
        (512, 64, 4608),
        (96, 256, 16),
        (16, 256, 96),
        (64, 64, 384),
        (64, 256, 384),
        (384, 256, 64),
    ] {
        rate(m, n, k, false, false);
    }
    println!("dx");
    for (m, n, k) in [(576, 256, 64), (1152, 256, 128), (4608, 256, 512)] {
        rate(m, n, k, true, false);
    }
    println!("dw");
    for (m, n, k) in [
        (64, 576, 256),
        (64, 576, 2048),
        (128, 1152, 256),
        (512, 4608, 256),
    ] {
        rate(m, n, k, false, true);
    }
}
