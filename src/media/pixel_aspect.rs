//! The pixel aspect ratio of a still image. JPEG and PNG files state it as a density along each side; scanners and
//! recorders with half the lines write it.

/// Width and height of a pixel; (1, 1) if the file states none.
pub(super) fn pixel_of_file(bytes: &[u8]) -> (u32, u32) {
    // A higher density along a side means shorter pixels.
    jfif(bytes)
        .or_else(|| png(bytes))
        .filter(|(across, down)| *across > 0 && *down > 0)
        .map_or((1, 1), |(across, down)| (down, across))
}

/// The densities in the APP0 segment at the start of a JFIF file (ITU-T T.871), in any unit.
fn jfif(bytes: &[u8]) -> Option<(u32, u32)> {
    let segment = bytes.strip_prefix(b"\xff\xd8\xff\xe0")?;
    let (_, segment) = segment.split_at_checked(2)?;
    let densities = segment.strip_prefix(b"JFIF\0")?.get(3..7)?;
    let number = |at: usize| u32::from(u16::from_be_bytes([densities[at], densities[at + 1]]));
    Some((number(0), number(2)))
}

/// The densities in the pHYs chunk of a PNG file, which comes before its pixels.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut chunks = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    loop {
        let (head, rest) = chunks.split_at_checked(8)?;
        let length =
            usize::try_from(u32::from_be_bytes([head[0], head[1], head[2], head[3]])).ok()?;
        match &head[4..] {
            b"pHYs" => {
                let chunk: [u8; 8] = rest.get(..8)?.try_into().ok()?;
                let [a, b, c, d, e, f, g, h] = chunk;
                return Some((
                    u32::from_be_bytes([a, b, c, d]),
                    u32::from_be_bytes([e, f, g, h]),
                ));
            }
            b"IDAT" => return None,
            // And its checksum.
            _ => chunks = rest.get(length.checked_add(4)?..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png_with(chunk: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend([0; 13 + 4]);
        bytes.extend(chunk);
        bytes
    }

    #[test]
    fn densities_become_the_shape_of_a_pixel() {
        let jfif = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\x00\x00\x01\x00\x02\0\0";
        assert_eq!(pixel_of_file(jfif), (2, 1));
        let png = png_with(b"\0\0\0\x09pHYs\0\0\x0b\x12\0\0\x05\x89\x01");
        assert_eq!(pixel_of_file(&png), (0x589, 0xb12));
    }

    #[test]
    fn a_file_without_density_has_square_pixels() {
        for bytes in [
            &b""[..],
            b"\xff\xd8\xff\xe1\0\x10Exif\0\0",
            b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\x00\x00\x00\x00\x00\0\0",
            b"\xff\xd8\xff\xe0\0",
            b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffjunk",
            &png_with(b"\0\0\0\0IDAT"),
            &png_with(b"\0\0\0\x09pHYs\0"),
        ] {
            assert_eq!(pixel_of_file(bytes), (1, 1), "{bytes:?}");
        }
    }
}
