use super::*;

/// 2026-11-28T08:30:01Z.
const MODIFIED: Duration = Duration::from_secs(1_795_854_601);

fn archive(files: &[(&str, &[u8], u64)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Vec::new(), MODIFIED);
    for (name, content, most_bytes) in files {
        zip.begin(name, *most_bytes).expect("memory");
        for piece in content.chunks(3) {
            zip.write(piece).expect("memory");
        }
    }
    zip.finish().expect("memory")
}

/// What `python3 -m zipfile` or `unzip` would find, by the end of the archive: name, place and length.
fn directory(archive: &[u8]) -> Vec<(String, u64, u64)> {
    let u16_at = |at: usize| u64::from(u16::from_le_bytes([archive[at], archive[at + 1]]));
    let u32_at = |at: usize| u16_at(at) | u16_at(at + 2) << 16;
    let u64_at = |at: usize| u32_at(at) | u32_at(at + 4) << 32;
    let end = archive.len() - 22;
    assert_eq!(u32_at(end), u64::from(END));
    let (mut count, mut at) = (u16_at(end + 8), u32_at(end + 16));
    if at == u64::from(IN_EXTRA) {
        assert_eq!(u32_at(end - 20), u64::from(LOCATOR_64));
        let end = u64_at(end - 20 + 8) as usize;
        assert_eq!(u32_at(end), u64::from(END_64));
        (count, at) = (u64_at(end + 24), u64_at(end + 48));
    }
    let mut at = at as usize;
    let entry = |_| {
        assert_eq!(u32_at(at), u64::from(CENTRAL));
        let (name, extra) = (u16_at(at + 28) as usize, u16_at(at + 30) as usize);
        let text = String::from_utf8_lossy(&archive[at + 46..][..name]).into_owned();
        let (mut bytes, mut place) = (u32_at(at + 24), u32_at(at + 42));
        let mut next = at + 46 + name + 4;
        if bytes == u64::from(IN_EXTRA) {
            bytes = u64_at(next);
            next += 16;
        }
        if place == u64::from(IN_EXTRA) {
            place = u64_at(next);
        }
        at += 46 + name + extra;
        (text, place, bytes)
    };
    (0..count).map(entry).collect()
}

#[test]
fn the_bytes_are_those_of_the_standard() {
    let found = archive(&[("a.txt", b"123456789", 9)]);
    let mut wanted = Vec::new();
    let mut add = |hex: &str| {
        let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
        wanted.extend(digits.chunks(2).map(|two| {
            let two = std::str::from_utf8(two).expect("digits");
            u8::from_str_radix(two, 16).expect("hexadecimal")
        }));
    };
    // 08:30:00, and 46 years, month 11, day 28.
    add("504b0304 1400 0808 0000 c043 7c5d 00000000 00000000 00000000 0500 0000");
    add("612e747874 313233343536373839");
    add("504b0708 2639f4cb 09000000 09000000");
    add("504b0102 1403 1400 0808 0000 c043 7c5d 2639f4cb 09000000 09000000 0500 0000 0000");
    add("0000 0000 00008081 00000000 612e747874");
    add("504b0506 0000 0000 0100 0100 33000000 3c000000 0000");
    assert_eq!(found, wanted);
}

#[test]
fn every_file_is_found_by_the_directory() {
    let files: [(&str, &[u8], u64); 3] = [
        ("video.mp4", b"pictures", u64::MAX),
        ("empty", b"", 0),
        ("manifest.json", b"{}", 2),
    ];
    let archive = archive(&files);
    let found = directory(&archive);
    let sizes: Vec<_> = found
        .iter()
        .map(|(name, _, bytes)| (name.as_str(), *bytes))
        .collect();
    assert_eq!(
        sizes,
        [("video.mp4", 8), ("empty", 0), ("manifest.json", 2)]
    );
    for ((_, at, _), (name, content, most_bytes)) in found.iter().zip(files) {
        // The lengths before a file are in the extra field, as the descriptor's are of 64 bits.
        let extra = if most_bytes == u64::MAX { 20 } else { 0 };
        let start = *at as usize + 30 + name.len() + extra;
        assert_eq!(&archive[start..][..content.len()], content);
    }
}

/// Keeps the first bytes of each write, with their places.
#[derive(Default)]
struct Sparse {
    at: u64,
    kept: Vec<(u64, Vec<u8>)>,
}

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.kept
            .push((self.at, bytes[..bytes.len().min(200)].to_vec()));
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_large_file_and_what_follows_it_have_numbers_of_64_bits() {
    let (piece, pieces) = (vec![0; 64 << 20], 65_u64);
    let bytes = pieces * piece.len() as u64;
    let mut zip = ZipWriter::new(Sparse::default(), MODIFIED);
    zip.begin("video.mp4", bytes).expect("a sink");
    for _ in 0..pieces {
        zip.write(&piece).expect("a sink");
    }
    zip.begin("manifest.json", 2).expect("a sink");
    zip.write(b"{}").expect("a sink");
    let sparse = zip.finish().expect("a sink");
    // The file without what the large one holds.
    let start = sparse.kept[0].1.len() as u64;
    let after = start + bytes;
    let mut end: Vec<u8> = Vec::new();
    let rest = sparse.kept.iter().filter(|(at, _)| *at >= after);
    rest.for_each(|(_, kept)| end.extend(kept));
    let number = |at: usize| {
        let eight = end[at..at + 8].try_into().expect("eight bytes");
        u64::from_le_bytes(eight)
    };
    // The descriptor of the first one.
    assert_eq!((number(8), number(16)), (bytes, bytes));
    let directory_64 = end.len() - 22 - 20 - 56;
    let directory_at = number(directory_64 + 48);
    assert_eq!(number(directory_64 + 24), 2);
    assert_eq!(number(end.len() - 22 - 20 + 8), after + directory_64 as u64);
    let first = (directory_at - after) as usize;
    let extra = first + 46 + "video.mp4".len() + 4;
    assert_eq!((number(extra), number(extra + 8)), (bytes, bytes));
    let second = extra + 16;
    assert_eq!(end[second..][..4], CENTRAL.to_le_bytes());
    assert_eq!(end[second + 24..][..4], 2_u32.to_le_bytes());
    let extra = second + 46 + "manifest.json".len() + 4;
    assert_eq!(number(extra), after + 24);
}

#[test]
fn more_than_was_announced_is_an_error() {
    let mut zip = ZipWriter::new(Sparse::default(), MODIFIED);
    let refused = zip.write(b"x").expect_err("no file");
    assert_eq!(refused.to_string(), "no file of the archive is begun");
    zip.begin("boxes.jsonl", 1000).expect("a sink");
    let piece = vec![0; 1 << 30];
    for _ in 0..3 {
        zip.write(&piece).expect("a sink");
    }
    let refused = zip.write(&piece).expect_err("too much");
    assert_eq!(
        refused.to_string(),
        "boxes.jsonl would have 4294967296 bytes (limit 4 GiB)"
    );
}

#[test]
fn an_archive_that_is_not_finished_has_no_directory() {
    let mut out = Vec::new();
    let mut zip = ZipWriter::new(&mut out, MODIFIED);
    zip.begin("video.mp4", 100).expect("memory");
    zip.write(b"pictures").expect("memory");
    zip.begin("manifest.json", 100).expect("memory");
    drop(zip);
    let has = |signature: u32| out.windows(4).any(|four| four == signature.to_le_bytes());
    assert!(has(DESCRIPTOR) && !has(CENTRAL) && !has(END));
}

#[test]
fn times_stay_within_those_of_the_format() {
    let of = |seconds| dos_time(Duration::from_secs(seconds));
    assert_eq!(of(0), (0, 1 << 5 | 1));
    assert_eq!(
        of(1_795_854_601),
        (8 << 11 | 30 << 5, 46 << 9 | 11 << 5 | 28)
    );
    assert_eq!(of(u64::MAX).1 >> 9, 127);
}
