//! Rows of a rotated picture of 32-bit pixels.

/// Writes the pixels of `from` to `to` in reverse order.
pub fn reverse_row(from: &[u8], to: &mut [u8]) {
    let from = from.as_chunks::<4>().0.iter().rev();
    for (to, from) in to.as_chunks_mut::<4>().0.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Writes a column of a picture to the row `to`, from the top, or from the bottom if `upwards`. `picture` starts with the topmost
/// pixel of the column, and has a pixel every `stride` bytes for each pixel of `to`.
///
/// # Panics
/// When `picture` is shorter than that.
pub fn column_to_row(picture: &[u8], stride: usize, to: &mut [u8], upwards: bool) {
    let to = to.as_chunks_mut::<4>().0;
    let rows = to.len();
    for (index, to) in to.iter_mut().enumerate() {
        let row = if upwards { rows - 1 - index } else { index };
        to.copy_from_slice(&picture[row * stride..][..4]);
    }
}
