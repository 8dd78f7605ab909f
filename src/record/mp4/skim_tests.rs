use std::io::Cursor;

use super::super::seal::write_checksum;
use super::super::testing::{BASE_NS, ID, mutate, places, unit};
use super::super::{FileHead, fragment_with_scenes, head, read_fragment, tail};
use super::*;
use crate::base::{BBox, CaptureClock, Size, SourceId};
use crate::media::CodedUnit;
use crate::record::scene::SceneObject;

/// A file in memory that counts what is read of it.
struct Counting {
    file: Cursor<Vec<u8>>,
    read_bytes: u64,
}

impl Counting {
    fn new(file: &[u8]) -> Self {
        Self {
            file: Cursor::new(file.to_vec()),
            read_bytes: 0,
        }
    }
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read_bytes += read as u64;
        Ok(read)
    }
}

impl Seek for Counting {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

fn scene_of(unit: &CodedUnit, objects: usize) -> Scene {
    let object = |track| SceneObject {
        class_name: if track % 2 == 0 { "person" } else { "car" }.into(),
        confidence: 0.75,
        bbox: BBox {
            x: 320.0,
            y: 200.5,
            width: 40.0,
            height: 120.25,
        },
        track: Some(track as u64),
    };
    Scene {
        captured_unix: unit.captured_unix,
        ntp_ns: Some(1_790_000_000_000_000_000),
        frame_size: Size::new(640, 400),
        objects: (0..objects).map(object).collect(),
    }
}

/// A closed file of fragments of 2 s, 50 frames and this length, of which each has a scene of every third frame.
fn file(fragments: u32, bytes: usize, objects: usize) -> Vec<u8> {
    let mut file = head(&FileHead {
        id: ID,
        source: SourceId(5),
        started_unix: unit(0, true).captured_unix,
        format: (*unit(0, true).format).clone(),
    });
    for number in 0..fragments {
        let mut unit = |frame: u32| CodedUnit {
            data: vec![frame as u8; bytes / 50].into(),
            clock: CaptureClock::Ntp,
            ..unit(u64::from(number * 50 + frame) * 40, frame == 0)
        };
        let units: Vec<_> = (0..50).map(&mut unit).collect();
        let next = unit(50).pts_ns;
        let analysed = units.iter().step_by(3);
        let scenes: Vec<_> = analysed.map(|unit| scene_of(unit, objects)).collect();
        let sequence = number + 1;
        let fragment = fragment_with_scenes(ID, sequence, BASE_NS, &units, Some(next), &scenes);
        file.extend(fragment.expect("a fragment").bytes);
    }
    let places = places(&file);
    file.extend(tail(ID, fragments + 1, &places));
    file
}

fn skim(file: &[u8], place: &FragmentPlace) -> Result<Skimmed, ReadError> {
    skim_fragment(&mut Cursor::new(file), ID, place)
}

fn whole(file: &[u8], place: &FragmentPlace) -> Result<Vec<Scene>, ReadError> {
    let mut input = &file[place.offset as usize..];
    read_fragment(&mut input, ID, place.sequence).map(|content| content.scenes)
}

fn reason(file: &[u8], place: &FragmentPlace) -> String {
    skim(file, place).expect_err("not as listed").to_string()
}

#[test]
fn scenes_are_those_of_the_whole_fragment_and_little_is_read() {
    // 4 Mbit/s.
    let file = file(3, 1_000_000, 3);
    let mut counting = Counting::new(&file);
    for place in places(&file) {
        let before = counting.read_bytes;
        let skimmed = skim_fragment(&mut counting, ID, &place).expect("sound");
        assert_eq!(skimmed.scenes, whole(&file, &place).expect("sound"));
        assert_eq!(skimmed.scenes.len(), 17);
        assert_eq!(counting.read_bytes - before, skimmed.read_bytes);
        assert!(skimmed.read_bytes < 4000, "{} bytes", skimmed.read_bytes);
    }
}

#[test]
fn a_fragment_without_scenes_has_none() {
    let mut file = file(1, 1000, 0);
    let units = [unit(2000, true), unit(2040, false)];
    let bare = fragment_with_scenes(ID, 2, BASE_NS, &units, None, &[]);
    let end = file.len() - tail(ID, 2, &places(&file)).len();
    file.truncate(end);
    file.extend(bare.expect("a fragment").bytes);
    let last = places(&file).remove(1);
    assert_eq!(skim(&file, &last).expect("sound").scenes, []);
}

#[test]
fn the_media_may_be_damaged() {
    let mut file = file(1, 10_000, 1);
    let place = places(&file).remove(0);
    let scenes = whole(&file, &place).expect("sound");
    file[place.offset as usize + 5_000] ^= 1;
    assert!(whole(&file, &place).is_err());
    assert_eq!(skim(&file, &place).expect("as listed").scenes, scenes);
}

#[test]
fn what_does_not_agree_with_the_list_is_told() {
    let file = file(2, 10_000, 1);
    let [first, second] = [0, 1].map(|number| places(&file).remove(number));
    let at = |place: &FragmentPlace| format!("the recording is damaged at byte {}: ", place.offset);
    let with = |change: &dyn Fn(&mut FragmentPlace)| {
        let mut place = first.clone();
        change(&mut place);
        reason(&file, &place)
    };
    let other = "the tail lists another fragment";
    let changes: [&dyn Fn(&mut FragmentPlace); 4] = [
        &|place| place.ticks += 1,
        &|place| place.first_tick += 1,
        &|place| place.captured_unix += Duration::from_nanos(1),
        &|place| place.begins_with_key = false,
    ];
    for change in changes {
        assert_eq!(with(change), at(&first) + other);
    }
    assert_eq!(
        with(&|place| place.sequence = 2),
        at(&first) + "block 1 in the place of block 2"
    );
    assert_eq!(
        with(&|place| place.bytes = LARGEST_BYTES + 1),
        at(&first) + "the tail lists a fragment that is too large"
    );
    assert_eq!(
        with(&|place| place.bytes = u64::MAX),
        at(&first) + "the tail lists a fragment that is too large"
    );
    for bytes in [0, 7, 100, 5000, first.bytes - 1, first.bytes + 1] {
        let found = skim(
            &file,
            &FragmentPlace {
                bytes,
                ..first.clone()
            },
        );
        assert!(matches!(found, Err(ReadError::Damaged { .. })), "{bytes}");
    }
    for frames in [0, 1, 49, 51, u32::MAX] {
        let found = skim(
            &file,
            &FragmentPlace {
                frames,
                ..first.clone()
            },
        );
        assert!(matches!(found, Err(ReadError::Damaged { .. })), "{frames}");
    }
    let foreign = skim_fragment(&mut Cursor::new(&file), ID + 1, &first);
    assert_eq!(
        foreign.expect_err("foreign").to_string(),
        at(&first) + "a block of another file"
    );
    let torn = &file[..(second.offset + second.bytes) as usize - 1];
    assert!(
        reason(torn, &second).ends_with("the file ends within a fragment that the tail lists"),
        "{}",
        reason(torn, &second)
    );
}

#[test]
fn scenes_of_another_time_are_left_to_the_checksum() {
    let units = [unit(100_000, true), unit(100_040, false)];
    for (away_s, is_taken) in [(60, true), (61, false)] {
        let mut scene = scene_of(&units[0], 1);
        scene.captured_unix -= Duration::from_secs(away_s);
        let mut file = file(0, 0, 0);
        file.truncate(file.len() - tail(ID, 1, &[]).len());
        let fragment = fragment_with_scenes(ID, 1, BASE_NS, &units, None, &[scene]);
        file.extend(fragment.expect("a fragment").bytes);
        let place = places(&file).remove(0);
        assert_eq!(skim(&file, &place).is_ok(), is_taken, "{away_s} s");
        assert_eq!(whole(&file, &place).expect("sound").len(), 1);
    }
}

#[test]
fn a_flipped_bit_is_seen_or_changes_a_number_of_a_scene() {
    let file = file(1, 500, 2);
    let place = places(&file).remove(0);
    let sound = whole(&file, &place).expect("sound");
    let (mut unseen, mut changed) = (0, 0);
    for at in place.offset..place.offset + place.bytes {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at as usize] ^= 1 << bit;
            let Ok(skimmed) = skim(&flipped, &place) else {
                continue;
            };
            unseen += 1;
            let mut times = skimmed.scenes.iter().zip(&sound);
            assert_eq!(skimmed.scenes.len(), sound.len());
            assert!(times.all(|(found, was)| {
                let apart = found.captured_unix.abs_diff(was.captured_unix);
                apart <= SCENE_DISTANCE + Duration::from_secs(2)
            }));
            changed += usize::from(skimmed.scenes != sound);
        }
    }
    // The media, the checksum, and what the index does not ask for.
    assert!(unseen > 4000 && changed > 1000, "{unseen}, {changed}");
}

#[test]
fn changed_fragments_do_not_panic_and_sound_ones_keep_their_scenes() {
    let sound = file(2, 500, 2);
    let places = places(&sound);
    let mut random = fastrand::Rng::with_seed(31);
    let mut kept = 0;
    for round in 0..10_000 {
        let mut bytes = sound.clone();
        mutate(&mut bytes, &mut random);
        if round % 4 == 0 && bytes.len() > 4 {
            write_checksum(&mut bytes);
        }
        for place in &places {
            let range = place.offset as usize..(place.offset + place.bytes) as usize;
            let found = skim(&bytes, place);
            if bytes.get(range.clone()) == sound.get(range) {
                let wanted = whole(&sound, place).expect("sound");
                assert_eq!(found.expect("as listed").scenes, wanted);
                kept += 1;
            }
        }
    }
    assert!(kept > 3000, "{kept}");
}
