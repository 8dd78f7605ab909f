use super::super::testing::{ID, file_head};
use super::*;

#[test]
fn a_head_is_read_as_it_was_written() {
    for codec in [Codec::H264, Codec::H265] {
        let mut written = file_head(ID);
        written.format.codec = codec;
        let bytes = head(&written);
        assert_eq!(
            read_head(&mut bytes.as_slice()).expect("a sound head"),
            written
        );
    }
}

#[test]
fn a_head_has_the_boxes_that_players_need() {
    let bytes = head(&file_head(ID));
    let moov = find(&bytes, b"moov").expect("a movie");
    assert!(find(moov, b"mvex").is_some_and(|mvex| find(mvex, b"trex").is_some()));
    let trak = find(moov, b"trak").expect("a track");
    assert_eq!(find(trak, b"edts"), None);
    let kinds: Vec<_> = std::iter::successors(split_box(&bytes), |(_, _, rest)| split_box(rest))
        .map(|(kind, _, _)| kind)
        .collect();
    assert_eq!(kinds, [b"ftyp", b"moov", b"uuid"]);
}

#[test]
fn other_files_are_no_recordings() {
    let reason = |bytes: &[u8]| {
        let error = read_head(&mut &*bytes).expect_err("no head");
        error.to_string()
    };
    assert_eq!(
        reason(b""),
        "the recording is damaged at byte 0: the file is empty"
    );
    assert_eq!(
        reason(&[0; 100]),
        "the recording is damaged at byte 0: zeros in the place of a box"
    );
    assert_eq!(
        reason(b"\0\0\0\x08free"),
        "the recording is damaged at byte 0: `free` in the place of `ftyp`"
    );
    assert_eq!(
        reason(b"\xff\xff\xff\xffftyp"),
        "the recording is damaged at byte 0: `ftyp` claims 4294967295 bytes (8 to 67108864 are possible)"
    );
    assert_eq!(
        reason(b"\0\0\x10\0ftypiso6"),
        "the recording is damaged at byte 0: the file ends within `ftyp`, at byte 12 of 4096"
    );
}
