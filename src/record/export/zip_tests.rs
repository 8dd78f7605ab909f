//! Exports into an archive.

use std::fs;
use std::io;

use super::super::testing::{Folder, blocks, captured, groups, milliseconds, two_formats};
use super::super::verify::verify;
use super::*;
use crate::media::CodedUnit;
use crate::record::testing::{Camera, scene_of};

/// The names and the contents of an archive of files that are not large, in order: each file has its descriptor behind it.
fn unpacked(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let number = |at: usize, bytes: usize| {
        let digits = archive[at..at + bytes].iter().rev();
        digits.fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let end = archive.len() - 22;
    assert_eq!(archive[end..][..4], *b"PK\x05\x06");
    let mut at = number(end + 16, 4);
    let file = |_| {
        assert_eq!(archive[at..][..4], *b"PK\x01\x02");
        let (crc, length) = (number(at + 16, 4), number(at + 24, 4));
        let (name, extra) = (number(at + 28, 2), number(at + 30, 2));
        let local = number(at + 42, 4);
        let text = String::from_utf8(archive[at + 46..][..name].to_vec());
        let content = local + 30 + number(local + 26, 2) + number(local + 28, 2);
        let content = archive[content..][..length].to_vec();
        assert_eq!(crate::base::Checksum::of(&content) as usize, crc);
        at += 46 + name + extra;
        (text.expect("UTF-8"), content)
    };
    (0..number(end + 8, 2)).map(file).collect()
}

fn write_all(dir: &Path, files: &[(String, Vec<u8>)]) {
    for (name, content) in files {
        fs::write(dir.join(name), content).expect("a file");
    }
}

/// A folder with a recording, and a request for all of it.
fn recorded(scenes: usize) -> (Folder, ExportRequest) {
    let folder = Folder::new();
    let mut camera = Camera::new();
    let units = groups(&mut camera, 3);
    let analysed: Vec<_> = units[0].iter().take(scenes).map(scene_of).collect();
    let bytes = blocks(&units, &analysed).concat();
    folder.write(&units[0][0], &bytes);
    let last: &CodedUnit = &units[2][4];
    let request = ExportRequest {
        output: "gate.mp4".into(),
        ..folder.request(captured(&units[0][0]), captured(last) + milliseconds(1))
    };
    (folder, request)
}

#[test]
fn an_archive_has_the_files_of_an_export_which_verify() {
    let (folder, request) = recorded(4);
    let mut archive = Vec::new();
    let exported = export_zip(&request, &mut archive, &Stop::default()).expect("an export");
    let files = unpacked(&archive);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = [
        "gate.boxes.jsonl",
        "gate.mp4",
        "gate.json.sig",
        "gate.pub.pem",
        "gate.json",
    ];
    assert_eq!(names, wanted);
    assert_eq!((exported.frames, exported.analysed), (15, 4));
    // The video and the boxes are those of an export to files.
    folder
        .export(request.from, request.until)
        .expect("an export");
    for (name, content) in &files[..2] {
        assert_eq!(*content, folder.exported(name), "{name}");
    }
    let dir = tempfile::tempdir().expect("a folder");
    write_all(dir.path(), &files);
    let manifest = dir.path().join("gate.json");
    let verified = verify(&manifest, None).expect("a manifest");
    assert_eq!(verified.problems, vec![]);
    let mut video = files[1].1.clone();
    let middle = video.len() / 2;
    video[middle] ^= 1;
    fs::write(dir.path().join("gate.mp4"), video).expect("a file");
    let verified = verify(&manifest, None).expect("a manifest");
    let problems: Vec<_> = verified.problems.iter().map(|one| &one.path).collect();
    assert_eq!(problems, [&dir.path().join("gate.mp4")]);
}

#[test]
fn all_videos_are_in_the_archive() {
    let folder = Folder::new();
    let [first, second] = two_formats(&folder);
    let request = folder.request(captured(&first[0][0]), captured(&second[1][4]));
    let mut archive = Vec::new();
    export_zip(&request, &mut archive, &Stop::default()).expect("an export");
    let names: Vec<String> = unpacked(&archive)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    // Without the folder of the request.
    assert_eq!(names[..3], ["gate.boxes.jsonl", "gate.mp4", "gate-2.mp4"]);
    assert_eq!(folder.names(), [""; 0]);
}

/// Takes so many bytes and then no more. Keeps what it took.
struct Narrow {
    kept: Vec<u8>,
    room: usize,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        self.kept.extend(&bytes[..taken]);
        self.room -= taken;
        match taken {
            0 => Err(io::ErrorKind::BrokenPipe.into()),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_export_that_ends_early_leaves_no_whole_archive() {
    let (folder, request) = recorded(1);
    let mut whole = Vec::new();
    export_zip(&request, &mut whole, &Stop::default()).expect("an export");
    for room in [0, 10, 200, 1000, whole.len() - 60] {
        let kept = Vec::new();
        let mut narrow = Narrow { kept, room };
        let error = export_zip(&request, &mut narrow, &Stop::default()).expect_err("no room");
        assert!(matches!(error, ExportError::Output(_)), "{error}");
        assert!(!narrow.kept.windows(4).any(|four| four == b"PK\x05\x06"));
    }
    let stop = Stop::default();
    stop.raise();
    let mut archive = Vec::new();
    let error = export_zip(&request, &mut archive, &stop).expect_err("stopped");
    assert!(matches!(error, ExportError::Stopped), "{error}");
    assert!(archive.is_empty());
    // An error before the first byte.
    fs::write(folder.dir().join(".nvr-signing-key.pem"), "").expect("a file");
    let error = export_zip(&request, &mut archive, &Stop::default()).expect_err("no key");
    assert!(matches!(error, ExportError::Key(_)), "{error}");
    assert!(archive.is_empty());
    let error = check_export(&request).expect_err("no key");
    assert!(matches!(error, ExportError::Key(_)), "{error}");
}

#[test]
fn a_check_tells_early_what_can_not_be_exported() {
    let (folder, request) = recorded(0);
    check_export(&request).expect("it can be exported");
    assert!(!folder.dir().join(".nvr-signing-key.pem").exists());
    let later = ExportRequest {
        from: request.until + milliseconds(1000),
        until: request.until + milliseconds(2000),
        ..request.clone()
    };
    let error = check_export(&later).expect_err("nothing");
    assert_eq!(
        error.to_string(),
        "nothing of source 3 was recorded from 2026-11-28T08:30:04.124Z to 2026-11-28T08:30:05.124Z; its recordings go from 2026-11-28T08:30:00.323Z to 2026-11-28T08:30:03.323Z"
    );
    let other = ExportRequest {
        source: SourceId(4),
        ..request
    };
    let error = check_export(&other).expect_err("nothing");
    assert!(matches!(error, ExportError::NoSource { .. }), "{error}");
}

/// Changes a class in a recording until the changed one comes.
struct Changing<'a> {
    path: &'a Path,
    sound: &'a [u8],
    has_come: bool,
}

impl Write for Changing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut recording = self.sound.to_vec();
        self.has_come |= bytes.windows(6).any(|six| six == b"pexson");
        if !self.has_come {
            let at = recording.windows(6).position(|six| six == b"person");
            recording[at.expect("a class") + 2] = b'x';
        }
        fs::write(self.path, recording)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn objects_that_are_not_those_of_sound_fragments_end_the_export() {
    let (folder, request) = recorded(4);
    let path = folder
        .dir()
        .join("3/2026-11-28/08/20261128T083000.323Z.mp4");
    let sound = fs::read(&path).expect("a recording");
    let out = Changing {
        path: &path,
        sound: &sound,
        has_come: false,
    };
    let error = export_zip(&request, out, &Stop::default()).expect_err("changed");
    let wanted = format!(
        "the recording {} was changed or deleted during the export (its scenes were others before); export again",
        path.display()
    );
    assert_eq!(error.to_string(), wanted);
}
