//! A whole set-up: broker, cameras, a processor as a child process, and a subscriber.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use nvr::config::TestPattern;
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use serde_json::Value;

use super::broker::{Broker, Kind, free_port};
use super::process::{Running, nvr};
use super::wait::{SOON, until};

/// A small pattern, cheap to encode: 320×240 at 10 fps.
pub(crate) const PATTERN: TestPattern = TestPattern {
    size: nvr::base::Size::new(320, 240),
    fps: 10.0,
    objects: 2,
};

/// Cameras that show the small pattern.
pub(crate) fn pattern_cameras(count: usize) -> TestcamOptions {
    TestcamOptions {
        // Theirs also while they are gone, until they come back.
        port: free_port(),
        cameras: vec![CameraOptions::new(Feed::Pattern(PATTERN)); count],
        ..TestcamOptions::default()
    }
}

/// The parts of a processor's test.
pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) cameras: Testcam,
    pub(crate) reader: Running,
    pub(crate) processor: Running,
}

/// A processor's file for the cameras `ids`; `camera` is added to the table of each.
pub(crate) fn configuration(
    broker: &Broker,
    cameras: &Testcam,
    ids: &[usize],
    camera: &str,
) -> String {
    let mut text = format!(
        "instance_id = \"box-{0}\"\n[mqtt]\nport = {0}\n[processor]\nbackend = \"scripted\"\n",
        broker.port()
    );
    for id in ids {
        text += &format!(
            "[[camera]]\nid = {id}\nuri = \"{}\"\n{camera}\n",
            cameras.url(*id)
        );
    }
    text
}

/// `nvr processor` on the cameras' streams, with short waits.
pub(crate) fn arguments(broker: &Broker, cameras: &Testcam) -> Vec<String> {
    let mut arguments = vec![
        "processor".to_owned(),
        "--mqtt-port".to_owned(),
        broker.port().to_string(),
        "--instance-id".to_owned(),
        format!("box-{}", broker.port()),
        "--backend".to_owned(),
        "scripted".to_owned(),
        "--stall-limit".to_owned(),
        "2s".to_owned(),
        "--start-limit".to_owned(),
        "8s".to_owned(),
    ];
    for id in 0..cameras.cameras() {
        arguments.push("--source".to_owned());
        arguments.push(format!("{id}={}", cameras.url(id)));
    }
    arguments
}

/// Starts `nvr` with these arguments.
pub(crate) fn processor<S: AsRef<std::ffi::OsStr>>(
    arguments: impl IntoIterator<Item = S>,
) -> Running {
    let mut command = nvr();
    command.args(arguments);
    Running::start(command)
}

impl Stage {
    /// A mosquitto, `count` pattern cameras and a processor on all of them.
    pub(crate) fn start(count: usize, extra: &[&str]) -> Self {
        Self::with(Kind::Mosquitto, &pattern_cameras(count), extra)
    }

    /// The same with the given broker and cameras.
    pub(crate) fn with(kind: Kind, cameras: &TestcamOptions, extra: &[&str]) -> Self {
        let broker = Broker::start(kind);
        let cameras = Testcam::start(cameras).expect("cameras start");
        let reader = broker.observe("nvr/#");
        let mut arguments = arguments(&broker, &cameras);
        if extra.contains(&"--backend") {
            // An option is given once.
            let place = arguments.iter().position(|word| word == "--backend");
            arguments.drain(place.map_or(0..0, |place| place..place + 2));
        }
        let processor = processor(
            arguments
                .iter()
                .map(String::as_str)
                .chain(extra.iter().copied()),
        );
        Self {
            broker,
            cameras,
            reader,
            processor,
        }
    }

    /// All documents that were published on `topic` so far, in order.
    pub(crate) fn published(&self, topic: &str) -> Vec<Value> {
        documents(&self.reader, topic)
    }

    /// Waits for a document on `topic`.
    pub(crate) fn wait_for(
        &self,
        topic: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        until(what, SOON * 2, || {
            self.published(topic)
                .into_iter()
                .find(|value| wanted(value))
        })
    }

    /// Waits for a status of source `id` with the state `state`, and returns it.
    pub(crate) fn status(&self, id: u32, state: &str) -> Value {
        let what = format!("source {id} becomes {state}");
        self.wait_for(&format!("nvr/sources/{id}"), &what, |status| {
            status["state"] == state
        })
    }

    /// Waits for `count` more events of source `id`, and returns them.
    pub(crate) fn events(&self, id: u32, count: usize) -> Vec<Value> {
        let topic = format!("nvr/detections/{id}");
        let before = self.published(&topic).len();
        until(&format!("{count} events of source {id}"), SOON * 2, || {
            let events = self.published(&topic);
            (events.len() >= before + count).then(|| events[before..].to_vec())
        })
    }

    /// Waits for a line of the processor's log.
    pub(crate) fn logged(&self, words: &str) -> String {
        self.processor
            .err()
            .find(words, SOON * 2, |line| line.contains(words))
    }
}

/// The documents that `reader` received on `topic`.
pub(crate) fn documents(reader: &Running, topic: &str) -> Vec<Value> {
    let parse = |line: &String| {
        let mut parts = line.splitn(3, ' ');
        if parts.next()? != topic {
            return None;
        }
        serde_json::from_str(parts.nth(1)?).ok()
    };
    reader.out().all().iter().filter_map(parse).collect()
}

/// The whole answer to a GET.
pub(crate) fn page(address: &str, path: &str) -> String {
    try_page(address, path).unwrap_or_else(|error| panic!("{address}{path}: {error}"))
}

/// The whole answer to a GET, if there is one.
pub(crate) fn try_page(address: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
