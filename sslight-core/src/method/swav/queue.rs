//! The queue of past embeddings, and the codes that are computed with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::tensor::{ElementConversion, Tensor};
use sslight_models::backend::Backend;
use sslight_models::nn::Buffer;

use crate::loss::GLOBAL_VIEWS;
use crate::loss::queue::push_front;
use crate::loss::swav::{Assignment, codes};

/// Past embeddings of each global view, newest first.
#[derive(Module, Debug)]
pub struct SwavQueue<B: Backend> {
    /// `[2, length, out_dim]`, zeros where nothing has been pushed yet.
    pub rows: Buffer<B, 3>,
    /// Whether it has been seen to be full, which it then stays.
    #[module(skip)]
    seen_full: Arc<AtomicBool>,
}

impl<B: Backend> SwavQueue<B> {
    /// An empty queue of `length` embeddings of `dim` numbers for each of `views`.
    pub fn new(views: usize, length: usize, dim: usize, device: &B::Device) -> Self {
        Self {
            rows: Buffer::new(Tensor::zeros([views, length, dim], device)),
            seen_full: Arc::default(),
        }
    }

    /// Whether the last row holds an embedding, which is when the reference begins to use it.
    ///
    /// The rows tell it, not a count of steps: a run that continues with another batch or start has filled another
    /// part of them. They are looked at, which waits for the device, until they are full for the first time.
    pub fn is_full(&self) -> bool {
        if self.seen_full.load(Ordering::Relaxed) {
            return true;
        }
        let rows = self.rows.value();
        let [views, length, _] = rows.dims();
        let last = rows.narrow(0, views - 1, 1).narrow(1, length - 1, 1);
        let full = last.not_equal_elem(0.0).any().into_scalar().elem::<bool>();
        self.seen_full.store(full, Ordering::Relaxed);
        full
    }

    /// Pushes the embeddings of the global views of a batch, which comes in parts: view-major `[views b, dim]`
    /// each, without gradient.
    pub fn push(&self, parts: &[Tensor<B, 2>]) {
        let queue = self.rows.value();
        let [views, _, _] = queue.dims();
        let pushed = (0..views)
            .map(|view| {
                let rows = parts.iter().map(|part| {
                    let batch = part.dims()[0] / views;
                    part.clone().narrow(0, view * batch, batch)
                });
                let rows = Tensor::cat(rows.collect(), 0);
                push_front(of_view(&queue, view), rows).unsqueeze::<3>()
            })
            .collect();
        self.rows.set(Tensor::cat(pushed, 0));
    }
}

/// `[views, length, dim]` to `[length, dim]`.
fn of_view<B: Backend>(queue: &Tensor<B, 3>, view: usize) -> Tensor<B, 2> {
    queue.clone().narrow(0, view, 1).squeeze_dim(0)
}

/// The codes of the global views, each together with its own queue. Nothing may carry a gradient.
///
/// # Shapes
/// scores `[views b, k]`, view-major, of which the first two views count; prototypes `[k, dim]` to `[2 b, k]`.
pub fn codes_of_views<B: Backend>(
    scores: Tensor<B, 2>,
    prototypes: Tensor<B, 2>,
    queue: Option<&SwavQueue<B>>,
    batch: usize,
    assignment: Assignment,
) -> Tensor<B, 2> {
    let queue = queue.map(|queue| queue.rows.value());
    let views = (0..GLOBAL_VIEWS)
        .map(|view| {
            let queued = queue
                .as_ref()
                .map(|queue| of_view(queue, view).matmul(prototypes.clone().transpose()));
            let own = scores.clone().narrow(0, view * batch, batch);
            codes(own, queued, assignment)
        })
        .collect();
    Tensor::cat(views, 0)
}
