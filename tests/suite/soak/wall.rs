//! A wall whose cameras flap: each fault of the field in turn, and at the end it holds what it held at the beginning.

use std::time::{Duration, Instant};

use nvr::media::testcam::Testcam;

use super::Held;
use crate::support::broker::{Broker, Kind};
use crate::support::stage::{arguments, pattern_cameras, processor};
use crate::support::wait::{SOON, until};
use crate::support::wall::Wall;

/// Cameras, and with them sessions that a fault may hit.
const CAMERAS: usize = 4;
/// From fault to fault.
const BEAT: Duration = Duration::from_secs(1);

/// How long cameras flap, and how alike the end has to be to the beginning.
struct Run {
    /// Until caches and pools have their size.
    warm_up: Duration,
    lasting: Duration,
    /// There are as many threads for so long: those of pools that nobody needs end after a while.
    settled_after: Duration,
    /// Whether the end `is` what the beginning `was`.
    is_same: fn(is: f64, was: f64) -> bool,
}

/// A wall with everything that feeds it.
struct Flapping {
    cameras: Option<Testcam>,
    port: u16,
    wall: Wall,
    faults: usize,
}

impl Flapping {
    /// One fault after the other, `lasting` so long; the last of them is over when this returns.
    fn flap(&mut self, lasting: Duration) {
        let start = Instant::now();
        while start.elapsed() < lasting {
            let until_next = Instant::now() + BEAT;
            self.fault();
            until("the next fault is due", BEAT * 2, || {
                (Instant::now() >= until_next).then_some(())
            });
        }
        for id in 0..CAMERAS {
            self.cameras().silence(id, false);
        }
        for id in 0..CAMERAS as u32 {
            self.wall.until_says(id, "");
        }
    }

    fn fault(&mut self) {
        let id = self.faults / 4 % CAMERAS;
        match self.faults % 4 {
            0 => self.cameras().silence(id, true),
            1 => self.cameras().drop_clients(),
            2 => {
                self.cameras().silence(id, false);
                self.cameras = None;
            }
            _ => {
                let again = super::pattern_cameras_at(self.port, CAMERAS);
                self.cameras = Some(again);
            }
        }
        self.faults += 1;
        if self.faults.is_multiple_of(20) {
            println!(
                "after {} faults: {:?}",
                self.faults,
                Held::by(&self.wall.process)
            );
        }
    }

    fn cameras(&mut self) -> &Testcam {
        let port = self.port;
        self.cameras
            .get_or_insert_with(|| super::pattern_cameras_at(port, CAMERAS))
    }

    /// What it holds once all sessions stand again and none of the ended ones is still being taken down.
    fn settled(&self, after: Duration) -> Held {
        let mut held = Held::by(&self.wall.process);
        let mut since = Instant::now();
        until("as many threads for a while", after + SOON * 3, || {
            let now = Held::by(&self.wall.process);
            if now.threads != held.threads {
                since = Instant::now();
            }
            held = now;
            (since.elapsed() >= after).then_some(())
        });
        held
    }
}

fn flaps(run: &Run) {
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = Testcam::start(&pattern_cameras(CAMERAS)).expect("cameras start");
    let shown: Vec<String> = (0..CAMERAS)
        .flat_map(|id| ["--source".to_owned(), format!("{id}={}", cameras.url(id))])
        .collect();
    let options: Vec<&str> = shown.iter().map(String::as_str).collect();
    let mut arguments = arguments(&broker, &cameras);
    arguments.extend(["--max-fps".to_owned(), "5".to_owned()]);
    let _processor = processor(arguments);
    let mut site = Flapping {
        port: cameras.port(),
        cameras: Some(cameras),
        wall: Wall::start(broker.port(), &options),
        faults: 0,
    };
    site.flap(run.warm_up);
    let before = site.settled(run.settled_after);
    site.flap(run.lasting);
    let after = site.settled(run.settled_after);
    println!("{} faults: {before:?}, then {after:?}", site.faults);
    let pairs = [
        (after.resident_mb, before.resident_mb),
        (after.threads as f64, before.threads as f64),
        (after.files as f64, before.files as f64),
    ];
    assert!(
        pairs.iter().all(|(is, was)| (run.is_same)(*is, *was)),
        "{before:?}, then {after:?}"
    );
    let log = site.wall.process.err().all();
    assert!(
        log.iter().all(|line| !line.contains("panicked")),
        "{log:#?}"
    );
}

#[test]
fn ten_seconds_of_flapping_cameras_leave_nothing_behind() {
    flaps(&Run {
        warm_up: Duration::from_secs(8),
        lasting: Duration::from_secs(10),
        settled_after: Duration::from_secs(3),
        // Too short for caches to have their size, and for idle threads to end: this is for what leaks fast.
        is_same: |is, was| is <= was * 1.1,
    });
}

#[test]
#[ignore = "takes minutes: `make test-long` runs it"]
fn two_minutes_of_flapping_cameras_leave_nothing_behind() {
    flaps(&Run {
        warm_up: Duration::from_secs(60),
        lasting: Duration::from_secs(120),
        settled_after: Duration::from_secs(20),
        is_same: |is, was| (is - was).abs() <= was * 0.05,
    });
}
