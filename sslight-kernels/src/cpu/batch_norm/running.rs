//! Normalisation by statistics that are given: one affine map a channel, one pass.

use std::marker::PhantomData;

use rayon::prelude::*;

use super::{Activate, Affine, Layer, Shape, WIDE_POSITIONS, pre_activation, with_activation};
use crate::cpu::buffer::unset;
use crate::cpu::simd::{Kernel, dispatch};

/// Values that a task should at least write.
const MIN_TASK: usize = 1 << 14;

/// The maps of the channels, once for each value of an image on small maps, so that a loop over the
/// values of an image has no borders inside.
struct Maps {
    mean: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    /// Neighbouring values of an image that share a map.
    run: usize,
}

impl Maps {
    fn new(shape: Shape, layer: &Layer<'_>, mean: &[f32], var: &[f32]) -> Self {
        let wide = shape.positions >= WIDE_POSITIONS;
        let (repeat, run) = if wide {
            (1, shape.positions)
        } else {
            (shape.positions, 1)
        };
        let affine: Vec<Affine> = (0..shape.channels)
            .map(|channel| Affine::new(layer, channel, mean[channel], var[channel]))
            .collect();
        let spread = |value: fn(&Affine) -> f32| {
            affine
                .iter()
                .flat_map(|affine| std::iter::repeat_n(value(affine), repeat))
                .collect()
        };
        Self {
            mean: spread(|affine| affine.mean),
            scale: spread(|affine| affine.scale),
            shift: spread(|affine| affine.shift),
            run,
        }
    }
}

/// Some whole images.
struct Images<'a, A, const ADDED: bool> {
    maps: &'a Maps,
    x: &'a [f32],
    /// What is added before the activation; any values of that length if nothing is.
    shortcut: &'a [f32],
    y: &'a mut [f32],
    activate: PhantomData<A>,
}

#[inline(always)]
fn value<const FMA: bool, A: Activate, const ADDED: bool>(
    x: f32,
    affine: &Affine,
    shortcut: f32,
) -> f32 {
    let pre = pre_activation::<FMA>(x, affine);
    A::value(if ADDED { pre + shortcut } else { pre })
}

impl<A: Activate, const ADDED: bool> Kernel for Images<'_, A, ADDED> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Maps {
            mean,
            scale,
            shift,
            run,
        } = self.maps;
        let len = mean.len();
        let (mean, scale, shift) = (&mean[..len], &scale[..len], &shift[..len]);
        let affine = |at: usize| Affine {
            mean: mean[at],
            scale: scale[at],
            shift: shift[at],
        };
        let (run, image) = (*run, len * *run);
        let operands = self.x.chunks_exact(image);
        let operands = operands.zip(self.shortcut.chunks_exact(image));
        for ((x, shortcut), y) in operands.zip(self.y.chunks_exact_mut(image)) {
            if run == 1 {
                let (x, shortcut, y) = (&x[..len], &shortcut[..len], &mut y[..len]);
                for at in 0..len {
                    y[at] = value::<FMA, A, ADDED>(x[at], &affine(at), shortcut[at]);
                }
                continue;
            }
            let channels = x.chunks_exact(run).zip(shortcut.chunks_exact(run));
            for (at, ((x, shortcut), y)) in channels.zip(y.chunks_exact_mut(run)).enumerate() {
                let affine = affine(at);
                for ((x, shortcut), y) in x.iter().zip(shortcut).zip(y) {
                    *y = value::<FMA, A, ADDED>(*x, &affine, *shortcut);
                }
            }
        }
    }
}

/// `act(weight * (x - mean) / sqrt(var + eps) + bias)`.
pub(crate) fn forward(
    shape: Shape,
    x: &[f32],
    layer: Layer<'_>,
    mean: &[f32],
    var: &[f32],
) -> Vec<f32> {
    by_images::<false>(shape, x, layer, [mean, var], x)
}

/// `act(weight * (x - mean) / sqrt(var + eps) + bias + shortcut)`.
pub(crate) fn added(
    shape: Shape,
    x: &[f32],
    layer: Layer<'_>,
    statistics: [&[f32]; 2],
    shortcut: &[f32],
) -> Vec<f32> {
    by_images::<true>(shape, x, layer, statistics, shortcut)
}

fn by_images<const ADDED: bool>(
    shape: Shape,
    x: &[f32],
    layer: Layer<'_>,
    [mean, var]: [&[f32]; 2],
    shortcut: &[f32],
) -> Vec<f32> {
    let mut y = unset(shape.len());
    if shape.len() == 0 {
        return y;
    }
    let maps = Maps::new(shape, &layer, mean, var);
    let image = shape.channels * shape.positions;
    let task = MIN_TASK.div_ceil(image) * image;
    y.par_chunks_mut(task)
        .zip(x.par_chunks(task).zip(shortcut.par_chunks(task)))
        .for_each(|(y, (x, shortcut))| {
            with_activation!(layer.activation, A => dispatch(Images::<A, ADDED> {
                maps: &maps,
                x,
                shortcut,
                y,
                activate: PhantomData,
            }));
        });
    y
}
