//! A guest that records cameras of this machine to a disk, and the recordings that it leaves there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nvr::config::TestPattern;
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::recording::pictures_in;
use crate::support::broker::{Broker, Kind};
use crate::support::process::Running;
use crate::support::stage::{arguments, documents, processor};
use crate::support::vm::{Gpu, HOST, Job, PATIENCE, Vm, from_guest};
use crate::support::wait::until;

/// The number of cameras, from 0 on.
pub(super) const CAMERAS: u32 = 4;
/// The directory of the recordings in the guest. Its disk is mounted at the parent.
pub(super) const DIR: &str = "/mnt/rec";

/// How the guest records.
pub(super) struct Options<'a> {
    /// The name of the guest.
    pub(super) name: &'a str,
    /// What the cameras show.
    pub(super) pattern: TestPattern,
    /// The size of its disk.
    pub(super) disk_bytes: u64,
    /// Options of mke2fs.
    pub(super) file_system: &'a [&'a str],
    /// A line of shell that mounts `/dev/vda` at `/mnt`.
    pub(super) mount: &'a str,
    /// Keys of `[record]`, besides the directory.
    pub(super) record: &'a str,
    /// Further options of the processor.
    pub(super) processor: &'a [&'a str],
}

/// Cameras and broker on this machine, and a processor that records in a guest.
pub(super) struct GuestRecorder {
    pub(super) broker: Broker,
    pub(super) cameras: Testcam,
    /// Receives the statuses of the sources.
    pub(super) statuses: Running,
    pub(super) vm: Vm,
    pub(super) processor: Job,
    /// The folder of [`GuestRecorder::image`].
    pub(super) dir: TempDir,
}

impl GuestRecorder {
    /// Boots the guest, and waits until all cameras are recorded.
    pub(super) fn start(options: &Options<'_>) -> Self {
        let camera = CameraOptions::new(Feed::Pattern(options.pattern));
        let cameras = Testcam::start(&TestcamOptions {
            cameras: vec![camera; CAMERAS as usize],
            ..TestcamOptions::default()
        })
        .expect("cameras start");
        let broker = Broker::start(Kind::Mosquitto);
        let statuses = broker.observe("nvr/sources/#");
        let dir = tempfile::tempdir().expect("a folder");
        let image = image(&dir);
        make_file_system(&image, options);
        let vm = Vm::boot_with_disk(options.name, Gpu::Absent, &image);
        vm.ok(&format!("mkdir -p /mnt && {}", options.mount));
        vm.share(
            "nvr.toml",
            &format!(
                "[record]\ndir = \"{DIR}\"\nmin_free = \"0 B\"\n{}",
                options.record
            ),
        );
        let processor = start_processor(&vm, &broker, &cameras, options.processor);
        let guest = Self {
            broker,
            cameras,
            statuses,
            vm,
            processor,
            dir,
        };
        guest.until_all("are recorded", PATIENCE * 2, |recording| {
            recording["state"] == "recording"
        });
        guest
    }

    /// Waits until `wanted` accepts the object `recording` in the last status of each camera.
    pub(super) fn until_all(&self, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) {
        until(&format!("all cameras {what}"), limit, || {
            let code = self.processor.code();
            assert_eq!(code, None, "{}", self.processor.err());
            (0..CAMERAS)
                .all(|id| {
                    let last = documents(&self.statuses, &format!("nvr/sources/{id}")).pop();
                    last.is_some_and(|status| wanted(&status["recording"]))
                })
                .then_some(())
        });
    }
}

/// The disk of the guest.
pub(super) fn image(dir: &TempDir) -> PathBuf {
    dir.path().join("disk.img")
}

/// The recordings on a disk whose guest is gone, after the journal was replayed as at the next mount, and after the recovery of the
/// next recorder.
pub(super) fn recovered(dir: &TempDir, broker: &Broker, cameras: &Testcam) -> PathBuf {
    let found = files_of(&image(dir), &dir.path().join("files"));
    let mut command = arguments(broker, cameras);
    // Other cameras: what was recorded stays as it is.
    let names: Vec<usize> = (0..command.len())
        .filter(|at| command[*at] == "--source")
        .collect();
    for (number, at) in names.into_iter().enumerate() {
        command[at + 1] = format!("{}={}", 100 + number, cameras.url(number));
    }
    command.extend(["--record".to_owned(), found.display().to_string()]);
    let next = processor(&command);
    next.err()
        .find("the recorder has started", PATIENCE, |line| {
            line.contains("recording dir=")
        });
    next.signal("TERM");
    found
}

/// The capture time of the first picture of a recording, by its name, and that of the end of the last one, since the Unix epoch.
pub(super) fn shows(file: &Path, fps: f64) -> (Duration, Duration) {
    let from = started(file);
    let shown = Duration::from_secs_f64(f64::from(pictures_in(file)) / fps);
    (from, from + shown)
}

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

fn start_processor(vm: &Vm, broker: &Broker, cameras: &Testcam, options: &[&str]) -> Job {
    let (host, port) = (HOST.to_string(), broker.port().to_string());
    let mut words: Vec<String> = [
        "processor",
        "--instance-id",
        "guest",
        "--mqtt-host",
        &host,
        "--mqtt-port",
        &port,
        "--start-limit",
        "60s",
        "--stall-limit",
        "20s",
        "--config",
        "/run/share/nvr.toml",
    ]
    .map(str::to_owned)
    .into();
    words.extend(options.iter().map(|&word| word.to_owned()));
    for id in 0..CAMERAS {
        let url = from_guest(cameras.url(id as usize));
        words.extend(["--source".to_owned(), format!("{id}={url}")]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    vm.nvr(&words)
}

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
fn make_file_system(image: &Path, options: &Options<'_>) {
    let file = File::create(image).expect("created");
    file.set_len(options.disk_bytes).expect("sparse");
    let place = image.to_str().expect("a plain path");
    run(
        "mke2fs",
        &[&["-q", "-t", "ext4"][..], options.file_system, &[place]].concat(),
    );
}

fn files_of(image: &Path, to: &Path) -> PathBuf {
    let image = image.to_str().expect("a plain path");
    run("e2fsck", &["-fy", image]);
    fs::create_dir(to).expect("a new folder");
    run(
        "debugfs",
        &["-R", &format!("rdump /rec {}", to.display()), image],
    );
    to.join("rec")
}
