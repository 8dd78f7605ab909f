//! Pixel formats of planes with their tilings, from the property IN_FORMATS.

/// 32 bits, blue first, the last byte ignored.
pub(super) const XRGB8888: u32 = code(*b"XR24");
/// 32 bits, blue first, alpha last.
pub(super) const ARGB8888: u32 = code(*b"AR24");
/// The modifier of linear memory, without tiling.
pub(super) const LINEAR: u64 = 0;

/// A format that a plane takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    pub fourcc: u32,
    /// Tilings. Empty if the driver does not list them, which counts as linear.
    pub modifiers: Vec<u64>,
}

const fn code(text: [u8; 4]) -> u32 {
    u32::from_le_bytes(text)
}

/// The name of a format, such as `XR24`.
pub(super) fn name(fourcc: u32) -> String {
    let text = fourcc.to_le_bytes();
    if text
        .iter()
        .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
    {
        String::from_utf8_lossy(&text).trim().to_owned()
    } else {
        format!("{fourcc:#x}")
    }
}

/// Whether a linear buffer of this format can be shown.
pub(super) fn takes_linear(formats: &[Format], fourcc: u32) -> bool {
    formats.iter().any(|format| {
        let modifiers = &format.modifiers;
        format.fourcc == fourcc && (modifiers.is_empty() || modifiers.contains(&LINEAR))
    })
}

/// Parses `struct drm_format_modifier_blob`. `None` if it is inconsistent.
pub(super) fn parse_in_formats(blob: &[u8]) -> Option<Vec<Format>> {
    const MODIFIER_BYTES: usize = 24;
    let word = |at: usize| Some(u32::from_ne_bytes(blob.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_ne_bytes(blob.get(at..at + 8)?.try_into().ok()?));
    let (count, at) = (word(8)? as usize, word(12)? as usize);
    if count > blob.len() {
        return None;
    }
    let mut formats = (0..count)
        .map(|index| {
            Some(Format {
                fourcc: word(at + index * 4)?,
                modifiers: Vec::new(),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let (count, at) = (word(16)? as usize, word(20)? as usize);
    if count > blob.len() {
        return None;
    }
    for entry in 0..count {
        let entry = at + entry * MODIFIER_BYTES;
        let (mask, first, modifier) = (long(entry)?, word(entry + 8)? as usize, long(entry + 16)?);
        for bit in (0..64).filter(|bit| mask >> bit & 1 == 1) {
            if let Some(format) = formats.get_mut(first.saturating_add(bit)) {
                format.modifiers.push(modifier);
            }
        }
    }
    Some(formats)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NV12: u32 = code(*b"NV12");

    fn blob(formats: &[u32], modifiers: &[(u64, u32, u64)]) -> Vec<u8> {
        let modifiers_at = 24 + formats.len() * 4;
        let words = [
            1,
            0,
            formats.len() as u32,
            24,
            modifiers.len() as u32,
            modifiers_at as u32,
        ];
        let mut blob: Vec<u8> = words
            .iter()
            .chain(formats)
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        for (mask, first, modifier) in modifiers {
            blob.extend(mask.to_ne_bytes());
            blob.extend(first.to_ne_bytes());
            blob.extend([0; 4]);
            blob.extend(modifier.to_ne_bytes());
        }
        blob
    }

    #[test]
    fn each_format_gets_its_own_modifiers() {
        let tiled = 0x0700_0000_0000_0004;
        let read = parse_in_formats(&blob(
            &[XRGB8888, ARGB8888, NV12],
            &[(0b011, 0, LINEAR), (0b1, 2, tiled)],
        ));
        let read = read.expect("a blob");
        assert!(takes_linear(&read, XRGB8888));
        assert!(takes_linear(&read, ARGB8888));
        assert!(!takes_linear(&read, NV12));
        assert_eq!(read[2].modifiers, [tiled]);
    }

    #[test]
    fn a_truncated_blob_is_refused() {
        let whole = blob(&[XRGB8888, NV12], &[(0b11, 0, LINEAR)]);
        for end in 0..whole.len() {
            assert_eq!(parse_in_formats(&whole[..end]), None, "{end}");
        }
        let mut huge = whole;
        huge[8..12].fill(0xff);
        assert_eq!(parse_in_formats(&huge), None);
    }

    #[test]
    fn a_driver_without_modifiers_takes_plain_rows() {
        let formats = [Format {
            fourcc: XRGB8888,
            modifiers: Vec::new(),
        }];
        assert!(takes_linear(&formats, XRGB8888));
    }

    #[test]
    fn formats_have_their_usual_names() {
        assert_eq!(name(XRGB8888), "XR24");
        assert_eq!(name(1), "0x1");
    }
}
