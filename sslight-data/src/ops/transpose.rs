//! Rows of bytes to columns, and back: filters run along the axis that vectors lie across.

/// Rows and bytes that are turned as one.
const SIDE: usize = 8;
/// Blocks of [`SIDE`] bytes that are turned side by side.
const BLOCKS: usize = 8;
/// Bytes of a row that are turned at a time.
pub(super) const STEP: usize = SIDE * BLOCKS;

/// [`SIDE`] rows of [`STEP`] bytes, each block of a row as one number.
type Tile = [[u64; BLOCKS]; SIDE];

/// Turns the rows of `source`, one every `stride` bytes and the last perhaps shorter, into the rows of `out`, one every
/// `out_stride` bytes: byte x of row y becomes byte y of row x. Of each row `width` bytes are taken, and there are `height` rows.
///
/// `out_stride` is at least `height`, rounded up to a multiple of [`SIDE`]; bytes between the two are overwritten.
#[inline(always)]
pub(super) fn transpose(
    source: &[u8],
    stride: usize,
    [width, height]: [usize; 2],
    out: &mut [u8],
    out_stride: usize,
) {
    // In squares, so that what is written is whole lines of the cache.
    for band in (0..height).step_by(STEP) {
        for left in (0..width).step_by(STEP) {
            for top in (band..height.min(band + STEP)).step_by(SIDE) {
                let mut tile = [[0; BLOCKS]; SIDE];
                let columns = STEP.min(width - left);
                for (y, into) in tile.iter_mut().enumerate() {
                    let from = (top + y).min(height - 1) * stride + left;
                    *into = line(source, from, columns);
                }
                turn(&mut tile);
                let mut at = left * out_stride + top;
                if columns == STEP {
                    // Checked once: where the stride is a constant, no write is checked again.
                    let out = &mut out[at..at + (STEP - 1) * out_stride + SIDE];
                    for block in 0..BLOCKS {
                        for (number, line) in tile.iter().enumerate() {
                            let to = (SIDE * block + number) * out_stride;
                            out[to..to + SIDE].copy_from_slice(&line[block].to_le_bytes());
                        }
                    }
                } else {
                    for column in 0..columns {
                        let eight = tile[column % SIDE][column / SIDE];
                        out[at..at + SIDE].copy_from_slice(&eight.to_le_bytes());
                        at += out_stride;
                    }
                }
            }
        }
    }
}

/// [`STEP`] bytes, of which the first few are wanted.
#[inline(always)]
fn line(source: &[u8], from: usize, wanted: usize) -> [u64; BLOCKS] {
    match source[from..].first_chunk() {
        Some(bytes) => numbers(bytes),
        None => {
            let mut bytes = [0; STEP];
            bytes[..wanted].copy_from_slice(&source[from..from + wanted]);
            numbers(&bytes)
        }
    }
}

#[inline(always)]
fn numbers(bytes: &[u8; STEP]) -> [u64; BLOCKS] {
    let mut numbers = [0; BLOCKS];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<SIDE>().0) {
        *number = u64::from_le_bytes(*bytes);
    }
    numbers
}

/// Turns all blocks: the bytes off the diagonal change places, first in squares of four, then of two, then one by one.
#[inline(always)]
fn turn(tile: &mut Tile) {
    let [a, b, c, d, e, f, g, h] = tile;
    exchange::<32>(a, e, 0x0000_0000_FFFF_FFFF);
    exchange::<32>(b, f, 0x0000_0000_FFFF_FFFF);
    exchange::<32>(c, g, 0x0000_0000_FFFF_FFFF);
    exchange::<32>(d, h, 0x0000_0000_FFFF_FFFF);
    exchange::<16>(a, c, 0x0000_FFFF_0000_FFFF);
    exchange::<16>(b, d, 0x0000_FFFF_0000_FFFF);
    exchange::<16>(e, g, 0x0000_FFFF_0000_FFFF);
    exchange::<16>(f, h, 0x0000_FFFF_0000_FFFF);
    exchange::<8>(a, b, 0x00FF_00FF_00FF_00FF);
    exchange::<8>(c, d, 0x00FF_00FF_00FF_00FF);
    exchange::<8>(e, f, 0x00FF_00FF_00FF_00FF);
    exchange::<8>(g, h, 0x00FF_00FF_00FF_00FF);
}

/// The upper row's bits under the mask shifted up by `BITS` change places with the lower row's bits under the mask.
#[inline(always)]
fn exchange<const BITS: u32>(upper: &mut [u64; BLOCKS], lower: &mut [u64; BLOCKS], mask: u64) {
    for (upper, lower) in upper.iter_mut().zip(lower) {
        let swap = (*upper >> BITS ^ *lower) & mask;
        *lower ^= swap;
        *upper ^= swap << BITS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_finds_its_place() {
        for (width, height) in [(1, 1usize), (8, 8), (64, 8), (65, 9), (200, 31), (7, 130)] {
            let stride = width + 5;
            let source: Vec<u8> = (0..stride * height - 5)
                .map(|i| (i * 37 % 251) as u8)
                .collect();
            let out_stride = height.next_multiple_of(SIDE);
            let mut out = vec![0; width * out_stride];
            transpose(&source, stride, [width, height], &mut out, out_stride);
            for y in 0..height {
                for x in 0..width {
                    assert_eq!(out[x * out_stride + y], source[y * stride + x], "{x} {y}");
                }
            }
        }
    }
}
