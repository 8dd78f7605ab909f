//! Reads maker and name of a monitor from the base block of its EDID (VESA E-EDID 1.4).

const BLOCK: usize = 128;
const HEADER: [u8; 8] = [0, 255, 255, 255, 255, 255, 255, 0];
/// Position of the four descriptors of 18 bytes.
const DESCRIPTORS: std::ops::Range<usize> = 54..126;

/// `DEL DELL U2412M`. `None` if the bytes are not an EDID.
pub(super) fn monitor_name(edid: &[u8]) -> Option<String> {
    let block = edid.get(..BLOCK)?;
    let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if block[..8] != HEADER || sum != 0 {
        return None;
    }
    let packed = u16::from_be_bytes([block[8], block[9]]);
    let maker: String = [10, 5, 0]
        .map(|shift| char::from(b'@' + (packed >> shift & 31) as u8))
        .iter()
        .collect();
    let name = block[DESCRIPTORS]
        .chunks_exact(18)
        .find(|descriptor| descriptor[..5] == [0, 0, 0, 0xfc, 0])
        .map(|descriptor| {
            let text = descriptor[5..].split(|byte| *byte == b'\n').next();
            String::from_utf8_lossy(text.unwrap_or_default())
                .trim()
                .to_owned()
        });
    Some(match name {
        Some(name) if !name.is_empty() => format!("{maker} {name}"),
        _ => format!("{maker} {:04x}", u16::from_le_bytes([block[10], block[11]])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edid(name: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..8].copy_from_slice(&HEADER);
        block[8..12].copy_from_slice(&[0x10, 0xac, 0x78, 0x40]);
        if !name.is_empty() {
            block[72..77].copy_from_slice(&[0, 0, 0, 0xfc, 0]);
            block[77..77 + name.len()].copy_from_slice(name);
        }
        let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        block[127] = 0_u8.wrapping_sub(sum);
        block
    }

    #[test]
    fn a_name_is_read_and_without_one_the_product_number() {
        assert_eq!(
            monitor_name(&edid(b"DELL U2412M\n ")),
            Some("DEL DELL U2412M".to_owned())
        );
        assert_eq!(monitor_name(&edid(b"")), Some("DEL 4078".to_owned()));
    }

    #[test]
    fn garbage_says_nothing() {
        let mut broken = edid(b"DELL\n");
        broken[20] ^= 1;
        assert_eq!(monitor_name(&broken), None);
        assert_eq!(monitor_name(&[0; 12]), None);
        assert_eq!(monitor_name(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_monitor_sends_is_read_without_a_panic(
            mut block in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
            is_whole in proptest::bool::ANY,
        ) {
            // Random bytes alone would never get past the header and the sum.
            if is_whole && block.len() >= BLOCK {
                block[..8].copy_from_slice(&HEADER);
                block[127] = 0;
                let sum = block[..BLOCK].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
                block[127] = 0_u8.wrapping_sub(sum);
                proptest::prop_assert!(monitor_name(&block).is_some());
            } else {
                let _ = monitor_name(&block);
            }
        }
    }
}
