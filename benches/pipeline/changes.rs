//! Four untouched cameras, while a fifth is added and removed and a setting of all is changed, again and again: the rate at which
//! the processor analyses them and the wall shows them, compared with the time before. The tests check that no frame is
//! lost; how many a busy machine leaves out depends on its speed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nvr::base::Size;
use serde_json::Value;

use crate::cameras::{Cameras, WARM_UP};
use crate::process::{Process, broker, figure, free_port, nvr};
use crate::table::Table;

const CAMERA: Size = Size::new(320, 240);
const FPS: f64 = 25.0;
/// The untouched cameras; one more comes and goes.
const UNTOUCHED: u32 = 4;
/// How long each part is watched.
const WINDOW: Duration = Duration::from_secs(20);
/// From one change to the next.
const INTERVAL: Duration = Duration::from_secs(2);

/// Prints the rates of untouched cameras before and during changes.
pub(crate) fn compare() {
    let cameras = Cameras::pattern(UNTOUCHED + 1, CAMERA);
    println!(
        "{UNTOUCHED} cameras, {CAMERA}, {FPS} fps; a change every {} s for {} s\n",
        INTERVAL.as_secs(),
        WINDOW.as_secs()
    );
    let mut table = Table::default();
    of_processor(&cameras, &mut table);
    of_wall(&cameras, &mut table);
    table.print();
}

/// The program's file: a setting that changes, what stands before and behind it, and the cameras.
struct File<'a> {
    cameras: &'a Cameras,
    file: tempfile::NamedTempFile,
    before: String,
    /// The setting with each of the two values that it takes in turn.
    setting: [&'static str; 2],
    behind: &'static str,
}

impl<'a> File<'a> {
    /// A file without the fifth camera.
    fn new(
        cameras: &'a Cameras,
        before: String,
        setting: [&'static str; 2],
        behind: &'static str,
    ) -> Self {
        let file = Self {
            cameras,
            file: tempfile::NamedTempFile::new().expect("a file"),
            before,
            setting,
            behind,
        };
        file.write(0);
        file
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    /// Writes the file as it is after `step` changes: the fifth camera comes, goes, and the setting changes.
    fn write(&self, step: usize) {
        let setting = self.setting[step / 3 % 2];
        let mut text = format!("{}{setting}\n{}", self.before, self.behind);
        for id in 0..UNTOUCHED + u32::from(step % 3 == 1) {
            let url = self.cameras.url(id);
            let _ = writeln!(text, "[[camera]]\nid = {id}\nuri = \"{url}\"");
        }
        std::fs::write(self.path(), text).expect("it can be written");
    }

    /// Changes the file of a running program until the window is over.
    fn change(&self, program: &Process) {
        let end = Instant::now() + WINDOW;
        for step in 1.. {
            self.write(step);
            program.reload();
            std::thread::sleep(INTERVAL);
            if Instant::now() >= end {
                return;
            }
        }
    }
}

fn of_processor(cameras: &Cameras, table: &mut Table) {
    let (_broker, mqtt) = broker();
    let mut listener = Process::start(
        Command::new("mosquitto_sub")
            .args(["-p", &mqtt.to_string(), "-t", "nvr/detections/#"])
            .stdout(Stdio::piped()),
    );
    let analysed = Analysed::read(listener.output().expect("its output is piped"));
    let file = File::new(
        cameras,
        format!("[mqtt]\nport = {mqtt}\n[processor]\nbackend = \"scripted\"\n"),
        ["confidence = 0.25", "confidence = 0.5"],
        "",
    );
    let processor = Process::start(
        nvr()
            .args(["processor", "--config"])
            .arg(file.path())
            .env("NVR_LOG", "warn"),
    );
    std::thread::sleep(WARM_UP);
    analysed.take();
    std::thread::sleep(WINDOW);
    let still = analysed.take();
    file.change(&processor);
    let changing = analysed.take();
    println!(
        "processor: {:.1} % of frames analysed before, {:.1} % meanwhile",
        share(&still) * 100.0,
        share(&changing) * 100.0
    );
    assert!(!still.is_empty(), "no events came");
    table.at_most(
        "processor: frames left out one after the other",
        longest(&changing),
        2.0,
    );
    table.at_least(
        "processor: share analysed / before",
        share(&changing) / share(&still),
        0.98,
    );
}

fn of_wall(cameras: &Cameras, table: &mut Table) {
    let (_broker, mqtt) = broker();
    let http = free_port();
    let file = File::new(
        cameras,
        format!("[mqtt]\nport = {mqtt}\n[wall]\noutput = \"headless\"\n"),
        ["box_thickness = 2", "box_thickness = 3"],
        // A screen for all five.
        "[[wall.head]]\nmode = \"1280x720\"\n",
    );
    let wall = Process::start(
        nvr()
            .args(["wall", "--http", &format!("127.0.0.1:{http}"), "--config"])
            .arg(file.path())
            .env("NVR_LOG", "warn")
            .stdout(Stdio::null()),
    );
    let shown = || {
        let of = |id| {
            figure(
                http,
                &format!("nvr_wall_frames_shown_total{{source_id=\"{id}\"}}"),
            )
        };
        (0..UNTOUCHED).map(of).collect::<Vec<_>>()
    };
    std::thread::sleep(WARM_UP);
    // The lowest share of a camera's frames.
    let least = |during: &dyn Fn()| {
        let (before, start) = (shown(), Instant::now());
        during();
        let due = start.elapsed().as_secs_f64() * FPS;
        let pairs = before.iter().zip(shown());
        let shares = pairs.map(|(before, after)| (after - before) / due);
        shares.fold(f64::INFINITY, f64::min)
    };
    let still = least(&|| std::thread::sleep(WINDOW));
    let changing = least(&|| file.change(&wall));
    println!(
        "wall:      {:.1} % of frames shown before, {:.1} % meanwhile, of the camera with the fewest",
        still * 100.0,
        changing * 100.0
    );
    table.at_least("wall: share shown / before", changing / still, 0.98);
}

/// The numbers of the analysed frames of each source, in order.
#[derive(Default, Clone)]
struct Analysed(Arc<Mutex<BTreeMap<u64, Vec<u64>>>>);

impl Analysed {
    /// Collects the events that a subscriber writes until it ends.
    fn read(output: ChildStdout) -> Self {
        let analysed = Self::default();
        let collected = analysed.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let event: Value = serde_json::from_str(&line).expect("an event");
                let of = |key: &str| event[key].as_u64().expect("a number");
                let (source, frame) = (of("source_id"), of("frame_id"));
                if source < u64::from(UNTOUCHED) {
                    collected.lock().entry(source).or_default().push(frame);
                }
            }
        });
        analysed
    }

    /// Those since the last call.
    fn take(&self) -> BTreeMap<u64, Vec<u64>> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Share of the frames that were analysed.
fn share(events: &BTreeMap<u64, Vec<u64>>) -> f64 {
    let analysed: usize = events.values().map(Vec::len).sum();
    let span = |frames: &Vec<u64>| Some(frames.last()? - frames.first()? + 1);
    let all: u64 = events.values().filter_map(span).sum();
    analysed as f64 / all as f64
}

/// The most frames between two analysed ones.
fn longest(events: &BTreeMap<u64, Vec<u64>>) -> f64 {
    let pairs = events.values().flat_map(|frames| frames.windows(2));
    // A new session counts from the beginning. The tests check that there is none.
    let between = pairs.map(|pair| pair[1].saturating_sub(pair[0] + 1));
    between.max().unwrap_or_default() as f64
}
