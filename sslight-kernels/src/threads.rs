//! The threads of a process that trains.

/// Makes the calling thread one of the threads that kernels run on, instead of one that waits for them: 2 % of a step, in
/// which threads took turns 3,500 times (MobileNetV2, batch 8).
///
/// To be called once, before any kernel, by the thread that is going to train. Where another pool is there already it stays.
/// With a single thread nothing changes, so that kernels that other threads call never wait for this one.
pub fn join_kernels() {
    let threads = ["RAYON_NUM_THREADS", "RAYON_RS_NUM_CPUS"]
        .iter()
        .filter_map(|name| std::env::var(name).ok()?.parse().ok())
        .find(|threads| *threads > 0)
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from));
    if let Some(threads) = threads.filter(|threads| *threads > 1) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        // An error says that there is a pool, or that the system gave no thread; then kernels run on this one alone.
        let _ = pool.use_current_thread().build_global();
    }
}
