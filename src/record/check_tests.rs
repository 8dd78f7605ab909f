//! Real files in a real folder, written block by block.

use tempfile::TempDir;

#[path = "check_list_tests.rs"]
mod lists;

use super::*;
use crate::media::CodedUnit;
use crate::record::mp4::FileHead;
use crate::record::testing::{Camera, STARTED_UNIX};

/// The name of the recording that most tests write, and the number of its frames, in two fragments.
const NAME: &str = "7/2026-11-28/08/20261128T083000.323Z.mp4";
const FRAMES: u64 = 10;

/// A finding without the folder: path, byte, kind and reason.
type Told = (String, Option<u64>, FindingKind, String);

/// A folder of recordings.
struct Folder(TempDir);

/// The blocks of a file: head, fragments, tail.
fn blocks(source: u32, units: &[Vec<CodedUnit>]) -> Vec<Vec<u8>> {
    let first = &units[0][0];
    let id = 7 + first.captured_unix.as_millis() as u64;
    let mut blocks = vec![mp4::head(&FileHead {
        id,
        source: SourceId(source),
        started_unix: first.captured_unix,
        format: (*first.format).clone(),
    })];
    for (sequence, units) in (1..).zip(units) {
        let fragment = mp4::fragment(id, sequence, first.pts_ns, units, None);
        blocks.push(fragment.expect("a fragment").bytes);
    }
    let places = places(&blocks.concat());
    blocks.push(mp4::tail(id, places.len() as u32 + 1, &places));
    blocks
}

fn places(file: &[u8]) -> Vec<FragmentPlace> {
    mp4::read(&mut &*file).expect("a head").fragments
}

/// The blocks of the recording with [`NAME`].
fn usual() -> Vec<Vec<u8>> {
    let mut camera = Camera::new();
    blocks(7, &[camera.group(5), camera.group(5)])
}

impl Folder {
    /// Empty, as the recorder makes it.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(folder.path(".nvr-open")).expect("a folder");
        let more = [
            ".nvr-index.sqlite",
            ".nvr-index.sqlite-wal",
            ".nvr-signing-key.pem",
        ];
        for name in [".nvr-recording", ".nvr-locks/x.json"].iter().chain(&more) {
            folder.write(name, b"");
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.with_file_name("")).expect("folders");
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// Marks the recording with [`NAME`] as open.
    fn mark(&self) {
        self.write(".nvr-open/7_20261128T083000.323Z", b"");
    }

    fn findings(&self) -> Vec<Told> {
        self.checked(None).0
    }

    /// There is one finding, and it is of [`NAME`].
    fn has_only(&self, byte: u64, kind: FindingKind, reason: &str) {
        let expected = (NAME.to_owned(), Some(byte), kind, reason.to_owned());
        assert_eq!(self.findings(), [expected]);
    }

    fn checked(&self, source: Option<u32>) -> (Vec<Told>, CheckSummary) {
        let mut findings = Vec::new();
        let summary = check(self.0.path(), source.map(SourceId), &mut |found| {
            let name = found.path.strip_prefix(self.0.path()).expect("in it");
            let name = name.to_str().expect("UTF-8").to_owned();
            findings.push((name, found.byte, found.kind, found.reason));
        });
        (findings, summary.expect("a readable folder"))
    }

    fn listed(&self) -> Vec<Result<ListedRecording, Finding>> {
        let mut listed = Vec::new();
        list(self.0.path(), None, &mut |one| listed.push(one)).expect("a readable folder");
        listed
    }

    fn recordings(&self) -> Vec<ListedRecording> {
        let listed = self.listed().into_iter();
        listed.map(|one| one.expect("a recording")).collect()
    }
}

/// A finding without a byte.
fn told(name: &str, kind: FindingKind, reason: &str) -> Told {
    (name.to_owned(), None, kind, reason.to_owned())
}

#[test]
fn a_sound_folder_has_no_findings() {
    let folder = Folder::new();
    let file = usual().concat();
    folder.write(NAME, &file);
    let other = blocks(12, &[Camera::new().group(3)]).concat();
    folder.write(&NAME.replace("7/2026", "12/2026"), &other);
    let sums = CheckSummary {
        files: 2,
        frames: FRAMES + 3,
        duration: Duration::from_millis(200 * (FRAMES + 3)),
        bytes: (file.len() + other.len()) as u64,
        ..CheckSummary::default()
    };
    assert_eq!(folder.checked(None), (vec![], sums));
    let (findings, sums) = folder.checked(Some(12));
    assert_eq!((findings, sums.files, sums.frames), (vec![], 1, 3));
    assert_eq!(folder.checked(Some(8)), (vec![], CheckSummary::default()));
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let missing = Folder::new().path("missing");
    let fault = check(&missing, None, &mut |_| ()).expect_err("no folder");
    assert_eq!(fault.source.kind(), ErrorKind::NotFound);
    let fault = list(&missing, None, &mut |_| ()).expect_err("no folder");
    assert_eq!((fault.action, fault.path), ("read", missing));
}

#[test]
fn a_flipped_bit_is_found_at_its_block() {
    let folder = Folder::new();
    let blocks = usual();
    let mut file = blocks.concat();
    let second = places(&file)[1].offset;
    file[second as usize + 400] ^= 4;
    folder.write(NAME, &file);
    let end = second + blocks[2].len() as u64;
    let reason = format!("wrong checksum of bytes {second} to {end}");
    folder.has_only(second, FindingKind::Damaged, &reason);
    let sums = folder.checked(None).1;
    assert_eq!((sums.files, sums.damaged, sums.frames), (1, 1, FRAMES / 2));
    // In the head nothing is left to read.
    file[100] ^= 1;
    folder.write(NAME, &file);
    let reason = format!("wrong checksum of bytes 0 to {}", blocks[0].len());
    folder.has_only(0, FindingKind::Damaged, &reason);
}

#[test]
fn a_cut_tail_is_found() {
    let folder = Folder::new();
    let mut file = usual().concat();
    let tail = file.len() - usual()[3].len();
    folder.write(NAME, &file[..file.len() - 1]);
    let at = file.len() as u64 - 16;
    let reason = "the file ends within `mfro`, at byte 15 of 16";
    folder.has_only(at, FindingKind::Damaged, reason);
    file.truncate(tail);
    folder.write(NAME, &file);
    let reason = "it has no tail, and no mark in .nvr-open, so no recorder closes it";
    folder.has_only(tail as u64, FindingKind::NotClosed, reason);
}

#[test]
fn a_tail_that_lists_other_fragments_is_found() {
    let folder = Folder::new();
    let mut blocks = usual();
    let mut listed = places(&blocks.concat());
    listed[0].frames += 1;
    let id = mp4::read_head(&mut &*blocks[0]).expect("a head").id;
    blocks[3] = mp4::tail(id, 3, &listed);
    folder.write(NAME, &blocks.concat());
    let reason = "the tail lists other fragments than those of the file";
    let at = listed[1].offset + listed[1].bytes;
    folder.has_only(at, FindingKind::Damaged, reason);
}

#[test]
fn frames_of_a_sealed_fragment_must_parse() {
    let folder = Folder::new();
    let mut blocks = usual();
    let second = &mut blocks[2];
    let run = second.windows(4).position(|kind| kind == b"trun");
    // The size of the first frame: after the type, version and flags, count, offset and duration.
    second[run.expect("a run") + 4 + 4 + 4 + 4 + 4 + 3] += 1;
    let sealed = second.len() - 4;
    let crc = crc32fast::hash(&second[..sealed]).to_be_bytes();
    second[sealed..].copy_from_slice(&crc);
    folder.write(NAME, &blocks.concat());
    // The damage is at `moof`, after `prft`.
    let at = (blocks[0].len() + blocks[1].len() + 28) as u64;
    let reason = "`trun` is for 501 bytes, `mdat` has 500";
    folder.has_only(at, FindingKind::Damaged, reason);
}

#[test]
fn a_file_with_the_path_of_another_source_or_start_is_found() {
    use FindingKind::{WrongName, WrongSource};
    let of_start = format!("by its start its name is {NAME}");
    for (part, other, kind, reason) in [
        ("7/2026", "8/2026", WrongSource, "it is of source 7, not 8"),
        ("323", "324", WrongName, &of_start),
        ("/08/", "/09/", WrongName, &of_start),
    ] {
        let path = &NAME.replace(part, other);
        let folder = Folder::new();
        folder.write(path, &usual().concat());
        let (findings, sums) = folder.checked(None);
        assert_eq!(findings, [told(path, kind, reason)]);
        assert_eq!((sums.files, sums.damaged, sums.frames), (1, 1, FRAMES));
    }
}

#[test]
fn files_of_the_same_start_have_numbers() {
    let folder = Folder::new();
    let in_order = ["", "-1", "-2", "-10"].map(|number| {
        let name = NAME.replace(".mp4", &format!("{number}.mp4"));
        folder.write(&name, &usual().concat())
    });
    assert_eq!(folder.findings(), []);
    let listed = folder.recordings().into_iter();
    assert!(listed.map(|one| one.path).eq(in_order));
}

#[test]
fn a_copy_in_another_hour_is_not_the_file_of_the_mark() {
    let folder = Folder::new();
    folder.write(&NAME.replace("/08/", "/09/"), &usual()[..3].concat());
    folder.mark();
    let kinds = folder.findings().into_iter().map(|found| found.2);
    assert!(kinds.eq([FindingKind::NotClosed, FindingKind::WrongName]));
}

#[test]
fn names_of_others_are_counted_and_not_read() {
    let folder = Folder::new();
    folder.write(NAME, &usual().concat());
    for foreign in [
        "notes.txt",
        "07/2026-11-28/08/20261128T083000.323Z.mp4",
        "7/exports/08/20261128T083000.323Z.mp4",
        "7/2026-11-28/8/20261128T083000.323Z.mp4",
        "7/2026-11-28/08/film.mp4",
    ] {
        folder.write(foreign, b"not ours");
    }
    std::os::unix::fs::symlink(folder.path(NAME), folder.path("8")).expect("a link");
    fs::create_dir(folder.path(&NAME.replace("323", "325"))).expect("a folder");
    let (findings, sums) = folder.checked(None);
    assert_eq!(findings, []);
    assert_eq!((sums.files, sums.ignored), (1, 7));
}

#[test]
fn an_open_file_is_judged_by_its_sound_part() {
    let folder = Folder::new();
    let file = usual()[..3].concat();
    let sound = places(&file)[1].offset;
    folder.write(NAME, &file[..file.len() - 100]);
    folder.mark();
    let reason = "sound fragments: 1; the file ends within `uuid`, at byte 37 of 137";
    folder.has_only(sound, FindingKind::Open, reason);
    let sums = folder.checked(None).1;
    assert_eq!((sums.open, sums.damaged, sums.frames), (1, 0, FRAMES / 2));
    // Not even a head.
    folder.write(NAME, b"");
    let reason = "its head is not sound: the file is empty";
    folder.has_only(0, FindingKind::Open, reason);
}

/// The system's error after the bytes of a file.
struct Fault;

impl Read for Fault {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(5))
    }
}

#[test]
fn a_file_that_the_disk_refuses_is_a_finding() {
    let file = usual().concat();
    let dir = Path::new("/rec");
    let found = Found {
        place: Place::new(SourceId(7), STARTED_UNIX + Duration::from_millis(200), 0),
        number: 0,
        path: dir.join(NAME),
        is_open: false,
        bytes: file.len() as u64,
    };
    for read in [0, 100, file.len() - 30] {
        let (fragments, findings) = check_file(dir, &found, &mut file[..read].chain(Fault));
        assert_eq!(fragments, []);
        let error = io::Error::from_raw_os_error(5);
        assert_eq!(findings, [unreadable(&found.path, &error)]);
    }
}

#[test]
fn a_mark_that_cannot_be_looked_up_is_a_finding_and_the_rest_is_checked() {
    let folder = Folder::new();
    folder.write(NAME, &usual().concat());
    folder.write(&NAME.replace("7/2026", "8/2026"), b"");
    // A file in the place of the folder of marks: every look-up fails.
    fs::remove_dir(folder.path(".nvr-open")).expect("removed");
    folder.write(".nvr-open", b"");
    let (findings, sums) = folder.checked(None);
    let names = [NAME, &NAME.replace("7/2026", "8/2026")];
    let reason = "Not a directory (os error 20)";
    let unreadable = names.map(|name| told(name, FindingKind::Unreadable, reason));
    assert_eq!(findings, unreadable);
    assert_eq!((sums.files, sums.damaged), (0, 2));
    assert!(folder.listed().iter().all(Result::is_err));
}
