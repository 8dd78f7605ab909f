//! Encodes pictures as JPEG.

use jpeg_encoder::{ColorType, Encoder};

/// A picture that can't be encoded: a side is empty or longer than 65,535 pixels, or bytes are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JpegError(String);

impl std::fmt::Display for JpegError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JpegError {}

/// Encodes rows of blue, green, red and an ignored byte, without gaps between them. `quality` is 1 to 100.
///
/// # Errors
/// When JPEG can't tell the size, or `bytes` are fewer than it requires.
pub fn bgra_to_jpeg(
    bytes: &[u8],
    width: u32,
    height: u32,
    quality: u8,
) -> Result<Vec<u8>, JpegError> {
    let refused = |error: &dyn std::fmt::Display| {
        JpegError(format!(
            "{width}x{height} can't be encoded as JPEG: {error}"
        ))
    };
    let side = |length: u32| u16::try_from(length).map_err(|error| refused(&error));
    let (columns, rows) = (side(width)?, side(height)?);
    // A scene of 1920x1080 has about 200 kB.
    let mut file = Vec::with_capacity(bytes.len() / 16);
    Encoder::new(&mut file, quality)
        .encode(bytes, columns, rows, ColorType::Bgra)
        .map_err(|error| refused(&error))?;
    Ok(file)
}
