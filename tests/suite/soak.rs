//! Fault after fault, in one process: it comes back each time, and does not grow.
#![expect(
    clippy::print_stdout,
    reason = "the figures are what the long runs are for"
)]

mod fleet;
mod wall;

use std::fs;
use std::time::Duration;

use nvr::media::testcam::{Testcam, TestcamOptions};

use crate::support::broker::{Broker, Kind};
use crate::support::process::{Running, nvr};
use crate::support::stage::{arguments, documents, pattern_cameras};
use crate::support::wait::{SOON, until};

/// Cameras, and with them sessions that a fault may hit.
const CAMERAS: usize = 2;
/// Faults until caches and pools have their size.
const WARM_UP: usize = 8;
/// What allocators keep, not what is leaked: a leaked session would be 3 MB a fault.
const GROWTH_LIMIT_MB: f64 = 24.0;

/// What a process holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) resident_mb: f64,
    pub(crate) threads: usize,
    pub(crate) files: usize,
}

impl Held {
    pub(crate) fn by(process: &Running) -> Self {
        let of = |name: &str| format!("/proc/{}/{name}", process.id());
        let count = |name: &str| fs::read_dir(of(name)).expect("it runs").count();
        let status = fs::read_to_string(of("status")).expect("it runs");
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next())
            .and_then(|number| number.parse::<f64>().ok())
            .expect("the kernel says it");
        Self {
            resident_mb: resident / 1024.0,
            threads: count("task"),
            files: count("fd"),
        }
    }
}

/// Starts `nvr` as `board/common/systemd/nvr-processor.service` does. Each session has threads of its own, and the C library gives
/// them arenas of their own, which fill with holes: without the limit, 400 faults cost some 40 MB, with it 8.
fn as_its_unit_does(words: Vec<String>) -> Running {
    let mut command = nvr();
    command.args(words).env("MALLOC_ARENA_MAX", "2");
    Running::start(command)
}

/// Pattern cameras where others were before.
fn pattern_cameras_at(port: u16, count: usize) -> Testcam {
    let again = TestcamOptions {
        port,
        ..pattern_cameras(count)
    };
    Testcam::start(&again).expect("the port is free again")
}

fn comes_back_from(faults: usize) {
    let mut broker = Broker::start(Kind::Mosquitto);
    let mut cameras = Testcam::start(&pattern_cameras(CAMERAS)).expect("cameras start");
    let port = cameras.port();
    let mut words = arguments(&broker, &cameras);
    // A file, so that SIGHUP has something to read.
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("nvr.toml");
    let waits = "[processor]\nretry_first = \"100ms\"\nretry_longest = \"500ms\"\n";
    fs::write(&file, waits).expect("written");
    words.extend(["--config".to_owned(), file.display().to_string()]);
    let running = as_its_unit_does(words);
    let all_deliver = |broker: &Broker| {
        let reader = broker.observe("nvr/detections/#");
        for id in 0..CAMERAS {
            let topic = format!("nvr/detections/{id}");
            until(&topic, SOON * 2, || documents(&reader, &topic).pop());
        }
    };
    all_deliver(&broker);
    let mut before = None;
    for fault in 0..faults {
        match fault % 4 {
            0 => cameras.drop_clients(),
            1 => {
                cameras.stop();
                cameras = pattern_cameras_at(port, CAMERAS);
            }
            2 => {
                broker.kill();
                broker.up();
            }
            _ => running.signal("HUP"),
        }
        all_deliver(&broker);
        if fault + 1 == WARM_UP {
            before = Some(Held::by(&running));
        }
        if (fault + 1) % 20 == 0 {
            println!("after {} faults: {:?}", fault + 1, Held::by(&running));
        }
    }
    let before = before.expect("there are more faults than that");
    // What a session held is given back a little after the next one delivers.
    until("nothing is left over", SOON, || {
        let after = Held::by(&running);
        let grown = after.resident_mb - before.resident_mb;
        (after.threads <= before.threads && after.files <= before.files && grown <= GROWTH_LIMIT_MB)
            .then_some(())
    });
    let after = Held::by(&running);
    println!("{faults} faults: {before:?}, then {after:?}");
    let panics = running.err().all();
    assert!(
        panics.iter().all(|line| !line.contains("panicked")),
        "{panics:#?}"
    );
}

#[test]
fn a_dozen_faults_leave_nothing_behind() {
    comes_back_from(WARM_UP + 4);
}

#[test]
#[ignore = "takes minutes: `make test-long` runs it"]
fn hundreds_of_faults_leave_nothing_behind() {
    comes_back_from(400);
}

#[test]
#[ignore = "takes minutes: `make test-long` runs it"]
fn minutes_of_work_do_not_make_it_grow() {
    const WATCHED: Duration = Duration::from_secs(600);
    let broker = Broker::start(Kind::Ours);
    let cameras = Testcam::start(&pattern_cameras(4)).expect("cameras start");
    let running = as_its_unit_does(arguments(&broker, &cameras));
    let reader = broker.observe("nvr/detections/3");
    let events = |count: usize, limit| {
        until("events", limit, || {
            (reader.out().all().len() >= count).then_some(())
        });
    };
    events(100, SOON * 2);
    let before = Held::by(&running);
    // Ten a second: as many as the time gives, none lost for longer than a wait of a test.
    let expected = 100 + WATCHED.as_secs() as usize * 10;
    events(expected, WATCHED + SOON);
    let after = Held::by(&running);
    println!("{WATCHED:?}: {before:?}, then {after:?}");
    assert!(after.threads <= before.threads && after.files <= before.files);
    assert!(
        after.resident_mb - before.resident_mb <= 8.0,
        "{before:?}, then {after:?}"
    );
}
