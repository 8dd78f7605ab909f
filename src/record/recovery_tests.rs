use std::io;

use super::*;
use crate::base::Checksum;
use crate::media::CodedUnit;
use crate::record::model_disk::ModelDisk;
use crate::record::mp4::FileHead;
use crate::record::testing::{Camera, STARTED_UNIX};

const DIR: &str = "/rec";
const PATH: &str = "/rec/7/2026-11-28/08/20261128T083000.123Z.mp4";
const MARK: &str = "/rec/.nvr-open/7_20261128T083000.123Z";

fn fragment(sequence: u32, units: &[CodedUnit]) -> Vec<u8> {
    mp4::fragment(1, sequence, 0, units, None)
        .expect("good units")
        .bytes
}

/// A head and three fragments.
fn blocks() -> [Vec<u8>; 4] {
    let mut camera = Camera::new();
    let head = mp4::head(&FileHead {
        id: 1,
        source: SourceId(7),
        started_unix: STARTED_UNIX,
        format: (*camera.format).clone(),
    });
    let fragments = [1, 2, 3].map(|sequence| fragment(sequence, &camera.group(3)));
    let [first, second, third] = fragments;
    [head, first, second, third]
}

/// A disk with one file that is marked as open.
fn disk(content: &[u8]) -> ModelDisk {
    let disk = ModelDisk::new(Path::new(DIR));
    disk.put(Path::new(PATH), content);
    disk.put(Path::new(MARK), b"");
    disk
}

fn outcome(disk: &ModelDisk) -> Option<RecoveryOutcome> {
    let mut recovered = recover(disk, Path::new(DIR)).expect("marks can be read");
    assert!(recovered.len() <= 1);
    let found = recovered.pop()?;
    assert_eq!(
        (found.source, found.path.as_path()),
        (SourceId(7), Path::new(PATH))
    );
    Some(found.outcome)
}

fn is_closed(disk: &ModelDisk, fragments: usize) -> bool {
    let content = disk.content(Path::new(PATH)).unwrap_or_default();
    mp4::read(&mut content.as_slice()).is_ok_and(|reading| {
        reading.ending == FileEnding::Closed && reading.fragments.len() == fragments
    })
}

#[test]
fn a_sound_file_is_closed() {
    let blocks = blocks().concat();
    let disk = disk(&blocks);
    let bytes = blocks.len() as u64;
    assert_eq!(outcome(&disk), Some(RecoveryOutcome::Closed { bytes }));
    assert!(is_closed(&disk, 3));
    assert_eq!(disk.content(Path::new(MARK)), None);
    assert_eq!(outcome(&disk), None);
}

#[test]
fn a_damaged_end_is_cut_and_reported() {
    let blocks = blocks();
    let mut content = blocks.concat();
    let kept = blocks[..3].concat().len();
    content[kept + 200] ^= 1;
    let disk = disk(&content);
    let Some(RecoveryOutcome::Cut {
        kept_bytes,
        cut_bytes,
        reason,
    }) = outcome(&disk)
    else {
        panic!("it is cut");
    };
    assert_eq!(
        (kept_bytes, cut_bytes),
        (kept as u64, blocks[3].len() as u64)
    );
    assert!(reason.starts_with(&format!("byte {kept}: ")), "{reason}");
    assert!(is_closed(&disk, 2));
}

#[test]
fn a_file_is_cut_wherever_it_is_torn() {
    let blocks = blocks();
    let content = blocks.concat();
    let mut ends = vec![blocks[0].len()];
    for block in &blocks[1..] {
        ends.push(ends[ends.len() - 1] + block.len());
    }
    for length in (0..content.len()).step_by(7).chain(ends.clone()) {
        let disk = disk(&content[..length]);
        let fragments = ends[1..].iter().filter(|end| **end <= length).count();
        let found = outcome(&disk);
        if fragments == 0 {
            assert!(
                matches!(found, Some(RecoveryOutcome::Removed { bytes, .. }) if bytes == length as u64),
                "{length}"
            );
            assert_eq!(disk.files().len(), 0);
        } else {
            assert!(is_closed(&disk, fragments), "{length}");
        }
    }
}

#[test]
fn a_tail_is_not_trusted_when_what_it_follows_is_damaged() {
    let sound = disk(&blocks().concat());
    outcome(&sound);
    let mut content = sound.content(Path::new(PATH)).expect("it is there");
    let blocks = blocks();
    let kept = blocks[..2].concat().len();
    content[kept + 4096.min(blocks[2].len() / 2)] ^= 0x55;
    let disk = disk(&content);
    assert!(
        matches!(outcome(&disk), Some(RecoveryOutcome::Cut { kept_bytes, .. }) if kept_bytes == kept as u64)
    );
    assert!(is_closed(&disk, 1));
}

/// A file whose head says something else in the place of `text`, `skipped` bytes after it, and is sealed like that.
fn of_another_version(text: &[u8], skipped: usize, says: &[u8]) -> Vec<u8> {
    let [mut head, first, ..] = blocks();
    let found = head.windows(text.len()).position(|window| window == text);
    let at = found.expect("the head has it") + text.len() + skipped;
    head[at..][..says.len()].copy_from_slice(says);
    let crc_at = head.len() - 4;
    let crc = Checksum::of(&head[..crc_at]);
    head[crc_at..].copy_from_slice(&crc.to_be_bytes());
    [head, first].concat()
}

#[test]
fn a_file_of_another_version_of_the_program_is_left_to_it() {
    let version = of_another_version(b"uuid", 16, &[2]);
    let codec = of_another_version(b"stsd", 12, b"av01");
    for (content, why) in [
        (version, "the seal has version 2; this program reads 1"),
        (codec, "`moov` has no H.264 or H.265 track"),
    ] {
        let disk = disk(&content);
        for _ in 0..2 {
            let Some(RecoveryOutcome::Left { bytes, reason }) = outcome(&disk) else {
                panic!("it is left: {why}");
            };
            assert_eq!(bytes, content.len() as u64);
            assert!(reason.ends_with(why), "{reason}");
            assert_eq!(disk.content(Path::new(PATH)), Some(content.clone()));
            assert!(disk.content(Path::new(MARK)).is_some());
        }
    }
}

#[test]
fn a_file_whose_head_is_damaged_is_removed() {
    let content = blocks().concat();
    let head_bytes = blocks()[0].len();
    for at in (0..head_bytes).step_by(3) {
        let mut damaged = content.clone();
        damaged[at] ^= 0x10;
        let disk = disk(&damaged);
        assert!(
            matches!(outcome(&disk), Some(RecoveryOutcome::Removed { .. })),
            "{at}"
        );
        assert_eq!(disk.files().len(), 0, "{at}");
    }
}

#[test]
fn files_without_a_mark_and_strange_marks_are_left_alone() {
    let disk = ModelDisk::new(Path::new(DIR));
    disk.put(Path::new(PATH), b"not ours");
    disk.put(Path::new("/rec/.nvr-open/notes.txt"), b"");
    disk.put(Path::new("/rec/.nvr-open/8_20261128T083000.123Z"), b"");
    assert_eq!(outcome(&disk), None);
    let left: Vec<_> = disk.files().into_keys().collect();
    assert_eq!(left, ["/rec/.nvr-open/notes.txt", PATH].map(PathBuf::from));
}

#[test]
fn a_file_that_the_disk_refuses_keeps_its_mark() {
    for action in [
        "read",
        "size",
        "open",
        "truncate",
        "append",
        "sync",
        "sync folder",
    ] {
        let disk = disk(&blocks().concat());
        disk.refuse(move |asked, _| (asked == action).then(|| io::Error::from_raw_os_error(5)));
        let found = outcome(&disk);
        assert!(
            matches!(&found, Some(RecoveryOutcome::Failed { reason }) if reason.contains("check the disk")),
            "{action}: {found:?}"
        );
        assert!(disk.content(Path::new(MARK)).is_some(), "{action}");
        disk.heal();
        assert!(
            matches!(
                outcome(&disk),
                Some(RecoveryOutcome::Closed { .. } | RecoveryOutcome::Cut { .. })
            ),
            "{action}"
        );
        assert!(is_closed(&disk, 3), "{action}");
    }
}

proptest::proptest! {
    /// No bytes make it panic, and the mark is always served.
    #[test]
    fn any_damage_is_survived(at in 0usize..4000, value: u8, length in 0usize..4000) {
        let mut content = blocks().concat();
        let at = at % content.len();
        content[at] = value;
        content.truncate(content.len().saturating_sub(length / 2));
        let disk = disk(&content);
        outcome(&disk);
        let closed = (1..=3).any(|fragments| is_closed(&disk, fragments));
        proptest::prop_assert!(closed || disk.content(Path::new(PATH)).is_none());
        proptest::prop_assert!(disk.content(Path::new(MARK)).is_none());
    }
}

#[test]
fn recovery_begins_again_when_it_is_interrupted() {
    let content = blocks().concat();
    let mut random = fastrand::Rng::with_seed(3);
    for after in 0..6 {
        let disk = disk(&content);
        outcome(&disk);
        let lost = disk.lose_power(after.min(disk.operations()), &mut random);
        outcome(&lost);
        assert!(is_closed(&lost, 3), "{after}");
    }
}
