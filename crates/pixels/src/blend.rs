//! Blends rows of 32-bit pixels: blue, green, red, alpha; premultiplied, so that `over` (Porter and Duff, 1984) is the same formula
//! for all four channels.

/// `value × alpha / 255`, rounded. Computed in 16 bits, because a SIMD register holds twice as many of them; the sums stay below
/// 65,536.
#[inline]
pub fn scaled(value: u8, alpha: u8) -> u8 {
    let product = u16::from(value) * u16::from(alpha) + 128;
    ((product + (product >> 8)) >> 8) as u8
}

/// Sets every pixel of `row`.
pub fn fill_row(row: &mut [u8], color: [u8; 4]) {
    row.as_chunks_mut().0.fill(color);
}

/// Blends `color` over every pixel of `row`.
pub fn cover_row(row: &mut [u8], color: [u8; 4]) {
    for pixel in row.as_chunks_mut().0 {
        *pixel = over(color, *pixel);
    }
}

/// Blends `color` over the pixels of `row`; `coverage` has the opacity of each, 0–255.
pub fn cover_run(row: &mut [u8], coverage: &[u8], color: [u8; 4]) {
    for (pixel, share) in row.as_chunks_mut().0.iter_mut().zip(coverage) {
        match share {
            0 => {}
            share => *pixel = over(color.map(|channel| scaled(channel, *share)), *pixel),
        }
    }
}

/// Blends the pixels of `above` over those of `row`.
pub fn lay_row(row: &mut [u8], above: &[u8]) {
    let above = above.as_chunks().0;
    // Without a branch for opaque pixels: the formula gives the same result for them, and the loop stays vectorised.
    for (pixel, above) in row.as_chunks_mut().0.iter_mut().zip(above) {
        *pixel = over(*above, *pixel);
    }
}

#[inline]
fn over(above: [u8; 4], below: [u8; 4]) -> [u8; 4] {
    let through = 255 - above[3];
    std::array::from_fn(|channel| above[channel].saturating_add(scaled(below[channel], through)))
}
