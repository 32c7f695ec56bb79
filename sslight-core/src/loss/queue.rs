//! Queues of past embeddings: value in, value out.

use burn::tensor::Tensor;
use sslight_models::backend::Backend;

/// The queue with `rows` in front; as many rows fall off its end (SwAV).
///
/// # Shapes
/// queue `[n, d]`, rows `[b, d]` to `[n, d]`.
///
/// # Panics
/// If the rows are wider or more than the queue's.
pub fn push_front<B: Backend>(queue: Tensor<B, 2>, rows: Tensor<B, 2>) -> Tensor<B, 2> {
    let [length, dim] = queue.dims();
    let [count, width] = rows.dims();
    assert!(
        count <= length && dim == width,
        "push_front: rows [{count}, {width}] do not fit a queue [{length}, {dim}]"
    );
    if count == length {
        return rows;
    }
    Tensor::cat(vec![rows, queue.narrow(0, 0, length - count)], 0)
}

/// The queue with `keys` written into its columns from `pointer` on, from the first column again behind the
/// last one (MoCo).
///
/// # Shapes
/// queue `[d, n]`, keys `[b, d]` to `[d, n]`.
///
/// # Panics
/// If the keys are wider or more than the queue's columns, or the pointer is behind its end.
pub fn write_ring<B: Backend>(
    queue: Tensor<B, 2>,
    keys: Tensor<B, 2>,
    pointer: usize,
) -> Tensor<B, 2> {
    let [dim, length] = queue.dims();
    let [count, width] = keys.dims();
    assert!(
        count <= length && dim == width && pointer < length,
        "write_ring: keys [{count}, {width}] do not fit a queue [{dim}, {length}] at {pointer}"
    );
    let columns = keys.transpose();
    let until_end = count.min(length - pointer);
    let queue = queue.slice_assign(
        [0..dim, pointer..pointer + until_end],
        columns.clone().narrow(1, 0, until_end),
    );
    let rest = count - until_end;
    if rest == 0 {
        return queue;
    }
    queue.slice_assign([0..dim, 0..rest], columns.narrow(1, until_end, rest))
}

/// Where the next keys go.
pub fn advance(pointer: usize, count: usize, length: usize) -> usize {
    (pointer + count) % length.max(1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{tensor, values};
    use super::*;

    #[test]
    fn rows_enter_at_the_front_and_leave_at_the_end() {
        let queue = tensor(&[1.0, 1.0, 2.0, 2.0, 3.0, 3.0], 3);
        let queue = push_front(queue, tensor(&[4.0, 4.0, 5.0, 5.0], 2));
        assert_eq!(values(queue.clone()), [4.0, 4.0, 5.0, 5.0, 1.0, 1.0]);
        let all = tensor(&[7.0, 7.0, 8.0, 8.0, 9.0, 9.0], 3);
        assert_eq!(
            values(push_front(queue, all)),
            [7.0, 7.0, 8.0, 8.0, 9.0, 9.0]
        );
    }

    #[test]
    fn a_ring_that_is_no_multiple_of_the_batch_is_written_around_its_end() {
        let mut queue = tensor(&[0.0; 10], 2);
        let mut pointer = 0;
        for batch in [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]] {
            // A key is (v, -v).
            let keys: Vec<f64> = batch.iter().flat_map(|v| [*v, -*v]).collect();
            queue = write_ring(queue, tensor(&keys, 2), pointer);
            pointer = advance(pointer, 2, 5);
        }
        assert_eq!(pointer, 1);
        let expected = [6.0, 2.0, 3.0, 4.0, 5.0, -6.0, -2.0, -3.0, -4.0, -5.0];
        assert_eq!(values(queue), expected);
    }

    #[test]
    #[should_panic(expected = "rows [3, 2] do not fit a queue [2, 2]")]
    fn more_rows_than_the_queue_has_are_refused() {
        push_front(tensor(&[0.0; 4], 2), tensor(&[0.0; 6], 3));
    }

    #[test]
    #[should_panic(expected = "keys [2, 3] do not fit a queue [2, 4] at 0")]
    fn keys_of_another_width_are_refused() {
        write_ring(tensor(&[0.0; 8], 2), tensor(&[0.0; 6], 2), 0);
    }
}
