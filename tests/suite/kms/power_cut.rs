//! A machine that records and loses its power: QEMU is killed, with a disk that it writes past this machine's cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use nvr::base::Size;
use nvr::config::TestPattern;
use nvr::media::testcam::{CameraOptions, Feed, TestcamOptions};

use crate::recording::{fsck, pictures_in, plays, recordings};
use crate::support::broker::Kind;
use crate::support::stage::{Stage, arguments, processor};
use crate::support::vm::{Gpu, HOST, PATIENCE, Vm, from_guest};
use crate::support::wait::until;

const CAMERAS: u32 = 4;
const PATTERN: TestPattern = TestPattern {
    size: Size::new(320, 240),
    fps: 10.0,
    objects: 2,
};
/// How the guest records.
const DURABLE_EVERY: Duration = Duration::from_secs(2);
/// What may be missing besides: a fragment of 2 s, and the delays of an emulated machine.
const SLACK: Duration = Duration::from_secs(6);

/// Runs one of the programs for ext4, which Debian keeps out of an ordinary user's path.
fn run(program: &str, arguments: &[&str]) -> String {
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    // e2fsck: 1 says that it has corrected something, as it is to do.
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{program}: {output:?}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes a disk with an empty file system.
fn disk(path: &Path) {
    let file = File::create(path).expect("created");
    file.set_len(256 << 20).expect("sparse");
    run(
        "mke2fs",
        &["-q", "-t", "ext4", path.to_str().expect("a plain path")],
    );
}

/// The files of a disk, after the journal was replayed as at the next mount.
fn files_of(disk: &Path, to: &Path) -> PathBuf {
    let disk = disk.to_str().expect("a plain path");
    run("e2fsck", &["-fy", disk]);
    fs::create_dir(to).expect("a new folder");
    run(
        "debugfs",
        &["-R", &format!("rdump /rec {}", to.display()), disk],
    );
    to.join("rec")
}

/// Four cameras are recorded in a guest until its power is cut after `after`. All that is older than the promise is there.
fn survives(name: &str, after: Duration) {
    let camera = CameraOptions::new(Feed::Pattern(PATTERN));
    let cameras = TestcamOptions {
        cameras: vec![camera; CAMERAS as usize],
        ..TestcamOptions::default()
    };
    let mut site = Stage::with(Kind::Mosquitto, &cameras, &[]);
    // The recorder on this machine comes later.
    site.processor.kill();
    let dir = tempfile::tempdir().expect("a folder");
    let image = dir.path().join("disk.img");
    disk(&image);
    let vm = Vm::boot_with_disk(name, Gpu::Absent, &image);
    vm.ok("mkdir -p /mnt && mount -t ext4 /dev/vda /mnt");
    let (host, port) = (HOST.to_string(), site.broker.port().to_string());
    let mut words: Vec<String> = [
        "processor",
        "--instance-id",
        "guest",
        "--mqtt-host",
        &host,
        "--mqtt-port",
        &port,
        "--backend",
        "none",
        "--start-limit",
        "60s",
        "--stall-limit",
        "20s",
        "--config",
        "/run/share/nvr.toml",
    ]
    .map(str::to_owned)
    .into();
    vm.share(
        "nvr.toml",
        &format!(
            "[record]\ndir = \"/mnt/rec\"\nmin_free = \"0 B\"\nfile_length = \"8s\"\ndurable_every = \"{}s\"\n",
            DURABLE_EVERY.as_secs()
        ),
    );
    for id in 0..CAMERAS {
        let url = from_guest(site.cameras.url(id as usize));
        words.extend(["--source".to_owned(), format!("{id}={url}")]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let recorder = vm.nvr(&words);
    until("all are recorded", PATIENCE * 2, || {
        assert_eq!(recorder.code(), None, "{}", recorder.err());
        (0..CAMERAS)
            .all(|id| {
                let statuses = site.published(&format!("nvr/sources/{id}"));
                let last = statuses.last();
                last.is_some_and(|status| status["recording"]["state"] == "recording")
            })
            .then_some(())
    });
    std::thread::sleep(after);
    let cut_at = SystemTime::now();
    drop(vm);

    let found = files_of(&image, &dir.path().join("files"));
    let mut command = arguments(&site.broker, &site.cameras);
    // Other cameras: what was recorded stays as it is.
    let names: Vec<usize> = (0..command.len())
        .filter(|at| command[*at] == "--source")
        .collect();
    for (number, at) in names.into_iter().enumerate() {
        let url = site.cameras.url(number);
        command[at + 1] = format!("{}={url}", 100 + number);
    }
    command.extend(["--record".to_owned(), found.display().to_string()]);
    let next = processor(&command);
    next.err()
        .find("the recorder has started", PATIENCE, |line| {
            line.contains("recording dir=")
        });
    next.signal("TERM");
    let (code, said) = fsck(&found);
    assert_eq!(code, Some(0), "{said}");
    for id in 0..CAMERAS {
        let files = recordings(&found, id);
        let last = files
            .last()
            .unwrap_or_else(|| panic!("camera {id} has no recording"));
        files.iter().for_each(|file| plays(file));
        let shown = Duration::from_secs_f64(f64::from(pictures_in(last)) / PATTERN.fps);
        let ends = started(last) + shown;
        let cut = cut_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970");
        let lost = cut.saturating_sub(ends);
        assert!(
            lost <= DURABLE_EVERY + SLACK,
            "camera {id} lost {lost:?}; {files:?}"
        );
    }
}

/// The start of a recording, by its name.
fn started(file: &Path) -> Duration {
    let stem = file
        .file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let time = jiff::fmt::strtime::parse("%Y%m%dT%H%M%S%.fZ", &stem).expect("a time");
    let time = time
        .to_datetime()
        .expect("a date")
        .to_zoned(jiff::tz::TimeZone::UTC)
        .expect("UTC");
    Duration::from_millis(u64::try_from(time.timestamp().as_millisecond()).expect("after 1970"))
}

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn what_was_recorded_survives_a_power_cut() {
    // `tools/test power_cuts` sets it to 200.
    let cuts = std::env::var("NVR_TEST_POWER_CUTS").ok();
    let cuts: u32 = cuts.map_or(1, |cuts| {
        cuts.parse().expect("NVR_TEST_POWER_CUTS is a number")
    });
    for _ in 0..cuts {
        let after = Duration::from_millis(11_000 + fastrand::u64(..5_000));
        survives("power-cut", after);
    }
}
