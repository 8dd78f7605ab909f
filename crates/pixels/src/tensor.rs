//! Between pictures and the numbers of a network.

/// How the byte of a colour becomes a number: `byte × factor + offset`.
#[derive(Debug, Clone, Copy)]
pub struct Normalization {
    /// The factor.
    pub factor: f32,
    /// The offset.
    pub offset: f32,
}

impl Normalization {
    #[inline]
    fn apply(self, byte: u8) -> f32 {
        f32::from(byte) * self.factor + self.offset
    }
}

/// Writes the colours of the RGB pixels to the planes of red, green and blue.
pub fn rgb_to_planes(rgb: &[u8], planes: [&mut [f32]; 3], colors: [Normalization; 3]) {
    let [red, green, blue] = planes;
    let pixels = rgb.as_chunks::<3>().0.iter();
    // One pass over the bytes with three streams of output: the compiler turns this into wide shuffles.
    for (((pixel, red), green), blue) in pixels.zip(red).zip(green).zip(blue) {
        *red = colors[0].apply(pixel[0]);
        *green = colors[1].apply(pixel[1]);
        *blue = colors[2].apply(pixel[2]);
    }
}

/// Writes the colours of the RGB pixels pixel by pixel, blue first if `is_bgr`.
pub fn rgb_to_interleaved(
    rgb: &[u8],
    numbers: &mut [f32],
    colors: [Normalization; 3],
    is_bgr: bool,
) {
    let (red, blue) = if is_bgr { (2, 0) } else { (0, 2) };
    let pixels = rgb.as_chunks::<3>().0.iter();
    for (pixel, numbers) in pixels.zip(numbers.as_chunks_mut::<3>().0) {
        numbers[red] = colors[0].apply(pixel[0]);
        numbers[1] = colors[1].apply(pixel[1]);
        numbers[blue] = colors[2].apply(pixel[2]);
    }
}

/// Puts into `best` the largest number of each column of `table`, whose rows are as long as `best`, or 0 if all are less. Numbers
/// that are none (NaN) do not count.
pub fn column_maxima(table: &[f32], best: &mut [f32]) {
    best.fill(0.0);
    // Row by row in memory order: the compiler vectorises this.
    for row in table.chunks_exact(best.len().max(1)) {
        for (best, number) in best.iter_mut().zip(row) {
            *best = best.max(*number);
        }
    }
}
