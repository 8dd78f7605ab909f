//! Single files in gzip.

use std::io::{self, Read};

use flate2::read::GzDecoder;

/// The content of `gzip`. For files inside the program: the length of the content is not limited.
///
/// # Errors
/// If it is damaged.
pub fn unzipped(gzip: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut content)?;
    Ok(content)
}
