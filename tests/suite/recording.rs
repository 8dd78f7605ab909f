//! Recordings of real RTSP cameras by the processor as a process, read back by other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nvr::base::Size;
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::broker::{Broker, Kind};
use crate::support::cameras::make_clip;
use crate::support::namespaces::Namespaces;
use crate::support::process::{Running, nvr};
use crate::support::stage::{
    Stage, arguments, configuration, documents, pattern_cameras, processor,
};
use crate::support::wait::{SOON, until};

const SIZE: Size = Size::new(320, 240);
const FRAMES: u32 = 60;
const FPS: u32 = 20;

/// The recordings of a source, oldest first.
pub(crate) fn recordings(dir: &Path, source: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.join(source.to_string())];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; `tools/setup tests` installs it"))
}

/// The coded pictures of a file, as another program reads them: one piece for each NAL unit that has a part of one.
fn pictures(file: &Path, codec: &str) -> Vec<Vec<u8>> {
    let filter = format!("{codec}_mp4toannexb");
    let format = if codec == "h264" { "h264" } else { "hevc" };
    let path = file.to_str().expect("a plain path");
    let read = run(
        "ffmpeg",
        &[
            "-v", "error", "-i", path, "-c", "copy", "-bsf:v", &filter, "-f", format, "-",
        ],
    );
    assert!(read.status.success(), "{path}: {read:?}");
    assert_eq!(words(&read), [""; 0], "{path}");
    let times = decode_times(file);
    assert!(
        times.is_sorted_by(|one, other| one < other),
        "{path}: {times:?}"
    );
    let mut units: Vec<Vec<u8>> = Vec::new();
    let mut rest = read.stdout.as_slice();
    let start = |bytes: &[u8]| bytes.windows(3).position(|three| three == [0, 0, 1]);
    while let Some(at) = start(rest) {
        rest = &rest[at + 3..];
        let end = start(rest).unwrap_or(rest.len());
        let unit = &rest[..end];
        // The zeros before the next start code.
        let length = unit
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        units.push(unit[..length].to_vec());
    }
    units.retain(|unit| match codec {
        "h264" => (1..=5).contains(&(unit[0] & 31)),
        _ => (unit[0] >> 1) & 63 < 32,
    });
    units
}

/// What ffmpeg says, without remarks on the file that it writes itself: it rounds times to frames there, so two frames of a camera that
/// has stalled may get the same time.
fn words(said: &Output) -> Vec<String> {
    let words = String::from_utf8_lossy(&said.stderr);
    words
        .lines()
        .filter(|line| !line.contains("non monotonically increasing dts"))
        .map(str::to_owned)
        .collect()
}

/// The decode times of the pictures in a file in the order in which they stand there, as another program reads them.
fn decode_times(file: &Path) -> Vec<i64> {
    let path = file.to_str().expect("a plain path");
    let listed = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-show_entries",
            "packet=dts",
            "-of",
            "csv=p=0",
            path,
        ],
    );
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let times = text
        .lines()
        .map(|line| line.trim_end_matches(',').parse().ok());
    let times = times.collect::<Option<Vec<_>>>();
    let times = times.filter(|times| !times.is_empty());
    times.unwrap_or_else(|| panic!("{path}: {listed:?}"))
}

/// Checks that a file is played by other programs without a word.
pub(crate) fn plays(file: &Path) {
    let path = file.to_str().expect("a plain path");
    let played = run("ffmpeg", &["-v", "warning", "-i", path, "-f", "null", "-"]);
    assert!(played.status.success(), "{path}: {played:?}");
    assert_eq!(words(&played), [""; 0], "{path}");
    let found = run("gst-discoverer-1.0", &[path]);
    assert!(found.status.success(), "{path}: {found:?}");
}

/// The number of pictures in a file, as another program counts them.
pub(crate) fn pictures_in(file: &Path) -> u32 {
    decode_times(file).len() as u32
}

/// Runs `nvr record fsck` on a directory: its exit code and what it says.
pub(crate) fn fsck(dir: &Path) -> (Option<i32>, String) {
    let mut command = nvr();
    let checked = command.args(["record", "fsck"]).arg(dir).output();
    let checked = checked.expect("nvr runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    (checked.status.code(), said)
}

fn recording(status: &Value, state: &str) -> bool {
    status["recording"]["state"] == state
}

/// A processor that records what cameras show.
struct Recorded {
    stage: Stage,
    dir: TempDir,
}

impl Recorded {
    fn start(cameras: &TestcamOptions, extra: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rec").display().to_string();
        let record = ["--backend", "none", "--record", &path];
        let stage = Stage::with(Kind::Mosquitto, cameras, &[&record[..], extra].concat());
        Self { stage, dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("rec")
    }
}

#[test]
fn what_cameras_send_is_recorded_bit_by_bit() {
    let clips = tempfile::tempdir().expect("a folder");
    let codecs = ["h264", "hevc"];
    let files = codecs.map(|codec| clips.path().join(format!("{codec}.mp4")));
    make_clip(&files[0], "h264", SIZE, FPS, FRAMES);
    make_clip(&files[1], "h265", SIZE, FPS, FRAMES);
    let cameras = TestcamOptions {
        cameras: files
            .iter()
            .map(|file| CameraOptions::new(Feed::File(file.clone())))
            .collect(),
        ..TestcamOptions::default()
    };
    let mut recorded = Recorded::start(&cameras, &[]);
    for id in 0..2 {
        recorded
            .stage
            .wait_for(&format!("nvr/sources/{id}"), "it is recorded", |status| {
                recording(status, "recording")
            });
    }
    // Through the clip and its seam, and into it again.
    until("both cameras are recorded for two rounds", SOON * 3, || {
        (0..2)
            .all(|id| {
                let files = recordings(&recorded.path(), id);
                files
                    .first()
                    .is_some_and(|file| pictures_in(file) > 2 * FRAMES)
            })
            .then_some(())
    });
    recorded.stage.processor.signal("TERM");
    assert!(recorded.stage.processor.end(SOON).success());
    for (id, codec) in (0..).zip(codecs) {
        let sent = pictures(&files[id as usize], codec);
        let found = recordings(&recorded.path(), id);
        let [file] = found.as_slice() else {
            panic!("one file, not {found:?}");
        };
        plays(file);
        let kept = pictures(file, codec);
        assert!(kept.len() > sent.len(), "{} of {codec}", kept.len());
        let first = sent.iter().position(|picture| *picture == kept[0]);
        let first = first.expect("the first picture is one of the clip");
        let expected = sent.iter().cycle().skip(first);
        let differs = std::iter::zip(&kept, expected).position(|(is, wanted)| is != wanted);
        assert_eq!(differs, None, "of {} pictures in {codec}", kept.len());
    }
    let (code, said) = fsck(&recorded.path());
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_killed_processor_leaves_files_that_the_next_one_closes() {
    let mut recorded = Recorded::start(&pattern_cameras(2), &[]);
    let written = |recorded: &Recorded| {
        let files = (0..2).flat_map(|id| recordings(&recorded.path(), id));
        let sizes: Vec<u64> = files
            .map(|file| file.metadata().map_or(0, |it| it.len()))
            .collect();
        (sizes.len() == 2 && sizes.iter().all(|bytes| *bytes > 20_000)).then_some(())
    };
    until("both files have some fragments", SOON * 2, || {
        written(&recorded)
    });
    recorded.stage.processor.kill();
    let before: Vec<(PathBuf, Vec<u8>)> = (0..2)
        .flat_map(|id| recordings(&recorded.path(), id))
        .map(|file| (file.clone(), std::fs::read(file).expect("it can be read")))
        .collect();
    // As a power cut leaves one of them: half a fragment, then zeros.
    let torn = [&before[0].1[before[0].1.len() - 700..], &[0; 5000]].concat();
    let mut file = std::fs::File::options()
        .append(true)
        .open(&before[0].0)
        .expect("it is there");
    std::io::Write::write_all(&mut file, &torn).expect("written");
    let path = recorded.path().display().to_string();
    let mut again = arguments(&recorded.stage.broker, &recorded.stage.cameras);
    again.extend(["--record".to_owned(), path]);
    recorded.stage.processor = processor(&again);
    recorded.stage.logged("cut");
    for (file, was) in &before {
        let closed = until("it is closed", SOON, || {
            let now = std::fs::read(file).expect("it can be read");
            (now.len() > was.len() && is_closed(&now)).then_some(now)
        });
        assert!(closed.starts_with(was), "nothing that was whole is lost");
        plays(file);
    }
    until("both are recorded again", SOON * 2, || {
        (0..2)
            .all(|id| recordings(&recorded.path(), id).len() == 2)
            .then_some(())
    });
    let (code, said) = fsck(&recorded.path());
    assert_eq!(code, Some(0), "{said}");
}

/// Whether a file ends with the last box of a closed one.
pub(crate) fn is_closed(file: &[u8]) -> bool {
    let last = file.len().saturating_sub(16);
    file[last..].get(4..8) == Some(b"mfro")
}

#[test]
fn a_disk_that_refuses_stops_nothing_else_and_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    // A file where the folder is to be.
    let in_the_way = dir.path().join("disk");
    std::fs::write(&in_the_way, "").expect("written");
    let path = in_the_way.join("rec").display().to_string();
    let stage = Stage::start(1, &["--record", &path]);
    let status = stage.wait_for("nvr/sources/0", "it is told", |status| {
        recording(status, "failing")
    });
    let reason = status["recording"]["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(reason.contains(&path), "{reason}");
    stage.events(0, 10);
    std::fs::remove_file(&in_the_way).expect("removed");
    stage.wait_for("nvr/sources/0", "it is recorded after all", |status| {
        recording(status, "recording")
    });
    assert_eq!(recordings(Path::new(&path), 0).len(), 1);
    // A second process keeps its hands off, and works otherwise.
    let mut other = arguments(&stage.broker, &stage.cameras);
    let name = other
        .iter()
        .position(|word| word == "--instance-id")
        .expect("a name");
    other[name + 1] = "other".to_owned();
    let sources = other
        .iter()
        .position(|word| word == "--source")
        .expect("a source");
    other[sources + 1] = format!("7={}", stage.cameras.url(0));
    other.extend(["--record".to_owned(), path.clone()]);
    let _other = processor(&other);
    let status = until("the other one tells it", SOON * 2, || {
        documents(&stage.reader, "nvr/sources/7")
            .into_iter()
            .find(|status| recording(status, "failing"))
    });
    let reason = status["recording"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("in use"), "{reason}");
}

#[test]
fn a_full_disk_stops_nothing_else_and_is_used_again() {
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = Testcam::start(&pattern_cameras(1)).expect("cameras start");
    let reader = broker.observe("nvr/#");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().display();
    let disk = Namespaces::new(
        &["--mount"],
        &format!("mount -t tmpfs -o size=40m disk {path}"),
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    let record = format!(
        "[record]\ndir = \"{path}/rec\"\nmin_free = \"0 B\"\nfile_length = \"2s\"\ndurable_every = \"1s\"\n"
    );
    let text = configuration(&broker, &cameras, &[0], "") + &record;
    std::fs::write(file.path(), text).expect("written");
    let mut command = nvr();
    command.arg("processor").arg("--config").arg(file.path());
    let _processor = Running::start(disk.inside(&command));
    let told = |state: &str| {
        until(&format!("it is {state}"), SOON * 3, || {
            let status = documents(&reader, "nvr/sources/0").pop()?;
            recording(&status, state).then_some(status)
        })
    };
    let events = || documents(&reader, "nvr/detections/0").len();
    told("recording");
    // Somebody else fills the disk.
    disk.run(&format!("head -c 50M /dev/zero >{path}/other || true"));
    let status = told("failing");
    let reason = status["recording"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("free"), "{reason}");
    let before = events();
    until("ten more events", SOON, || {
        (events() >= before + 10).then_some(())
    });
    disk.run(&format!("rm {path}/other"));
    told("recording");
    disk.run(&format!(
        "{} record fsck {path}/rec",
        env!("CARGO_BIN_EXE_nvr")
    ));
}
