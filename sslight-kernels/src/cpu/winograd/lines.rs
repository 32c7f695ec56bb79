//! Sixteen channels side by side, and the way there from images and back.

use pulp::{Simd, bytemuck};

use crate::cpu::buffer::unset;

/// Channels of a line.
pub(super) const LANES: usize = 16;
/// Channels of a row.
pub(super) const ROW: usize = 64;

/// One position of sixteen channels.
pub(super) type Line = [f32; LANES];
/// One position of a panel of channels.
pub(super) type Row = [f32; ROW];

/// A buffer that grows to what is asked for and starts on a cache line.
#[derive(Default)]
pub(super) struct Buffer(Vec<f32>);

impl Buffer {
    /// `len` times `N` values that are to be written before they are read; until then they are whatever lies there.
    pub(super) fn take<const N: usize>(&mut self, len: usize) -> &mut [[f32; N]] {
        const LINE: usize = 64;
        let spare = LINE / size_of::<f32>();
        let values = len * N;
        if self.0.len() < values + spare {
            self.0 = unset(values + spare);
        }
        let skip = self.0.as_ptr().align_offset(LINE).min(spare);
        self.0[skip..skip + values].as_chunks_mut().0
    }
}

/// A vector of consecutive values, number `part` of `values`.
#[inline(always)]
pub(super) fn load<S: Simd>(values: &[f32], part: usize) -> S::f32s {
    let values = &values[part * S::F32_LANES..(part + 1) * S::F32_LANES];
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(values))
}

/// Writes what [`load`] reads.
#[inline(always)]
pub(super) fn store<S: Simd>(vector: S::f32s, values: &mut [f32], part: usize) {
    values[part * S::F32_LANES..(part + 1) * S::F32_LANES]
        .copy_from_slice(bytemuck::cast_slice(std::slice::from_ref(&vector)));
}

/// Sixteen sequences, `stride` apart, to the lines of their positions.
#[inline(always)]
pub(super) fn gather(source: &[f32], stride: usize, lines: &mut [Line]) {
    let len = lines.len();
    let (blocks, rest) = lines.as_chunks_mut::<4>();
    for quad in 0..LANES / 4 {
        let mut rows = [&source[..len]; 4];
        for (lane, row) in rows.iter_mut().enumerate() {
            *row = &source[(quad * 4 + lane) * stride..][..len];
        }
        let [first, second, third, fourth] = rows.map(|row| row.as_chunks::<4>().0);
        let rows = first.iter().zip(second).zip(third.iter().zip(fourth));
        for (block, ((first, second), (third, fourth))) in blocks.iter_mut().zip(rows) {
            let turned = transpose([*first, *second, *third, *fourth]);
            for (line, values) in block.iter_mut().zip(turned) {
                line[quad * 4..quad * 4 + 4].copy_from_slice(&values);
            }
        }
    }
    for (line, position) in rest.iter_mut().zip(len / 4 * 4..) {
        for (lane, value) in line.iter_mut().enumerate() {
            *value = source[lane * stride + position];
        }
    }
}

/// Lines of positions to the first values of sixteen sequences, given one by one.
#[inline(always)]
pub(super) fn scatter<'a>(lines: &[Line], mut sequence: impl FnMut(usize) -> &'a mut [f32]) {
    let (blocks, rest) = lines.as_chunks::<4>();
    for quad in 0..LANES / 4 {
        let [first, second, third, fourth] =
            [0, 1, 2, 3].map(|lane| &mut sequence(quad * 4 + lane)[..lines.len()]);
        let [
            (first, last0),
            (second, last1),
            (third, last2),
            (fourth, last3),
        ] = [first, second, third, fourth].map(|values| values.as_chunks_mut::<4>());
        let rows = first.iter_mut().zip(second);
        let rows = rows.zip(third.iter_mut().zip(fourth));
        for (block, ((first, second), (third, fourth))) in blocks.iter().zip(rows) {
            let mut values = [[0.0; 4]; 4];
            for (values, line) in values.iter_mut().zip(block) {
                values.copy_from_slice(&line[quad * 4..quad * 4 + 4]);
            }
            [*first, *second, *third, *fourth] = transpose(values);
        }
        for (lane, last) in [last0, last1, last2, last3].into_iter().enumerate() {
            for (value, line) in last.iter_mut().zip(rest) {
                *value = line[quad * 4 + lane];
            }
        }
    }
}

/// The transpose of four by four values.
#[inline(always)]
fn transpose(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{
            __m128, _mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
        };
        let [a, b, c, d] = rows.map(pulp::cast::<[f32; 4], __m128>);
        // SAFETY: SSE is part of every x86-64.
        #[allow(unused_unsafe)]
        let turned = unsafe {
            let low = [_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d)];
            let high = [_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d)];
            [
                _mm_movelh_ps(low[0], low[1]),
                _mm_movehl_ps(low[1], low[0]),
                _mm_movelh_ps(high[0], high[1]),
                _mm_movehl_ps(high[1], high[0]),
            ]
        };
        turned.map(pulp::cast::<__m128, [f32; 4]>)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let mut turned = [[0.0; 4]; 4];
        for (y, row) in rows.iter().enumerate() {
            for (x, value) in row.iter().enumerate() {
                turned[x][y] = *value;
            }
        }
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_one_position_of_each_channel() {
        for len in [1, 3, 4, 9, 16, 21] {
            let stride = len + 2;
            let source: Vec<f32> = (0..LANES * stride).map(|i| i as f32).collect();
            let mut lines = vec![[0.0; LANES]; len];
            gather(&source, stride, &mut lines);
            for (position, line) in lines.iter().enumerate() {
                for (lane, value) in line.iter().enumerate() {
                    assert_eq!(*value, source[lane * stride + position]);
                }
            }
            let mut back = vec![-1.0; source.len()];
            let mut sequences: Vec<_> = back.chunks_mut(stride).map(Some).collect();
            scatter(&lines, |lane| sequences[lane].take().unwrap_or_default());
            for (index, value) in back.iter().enumerate() {
                let inside = index % stride < len;
                assert_eq!(*value, if inside { source[index] } else { -1.0 });
            }
        }
    }
}
