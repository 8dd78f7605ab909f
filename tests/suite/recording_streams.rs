//! Both streams of a camera recorded at once: the sub-stream is analysed, and the main stream has its objects.

use std::path::Path;

use nvr::base::Size;
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use serde_json::json;

use crate::recorder_page::{get, json_at};
use crate::recording::{fsck, recordings};
use crate::support::broker::{Broker, Kind};
use crate::support::browser::Browser;
use crate::support::cameras::make_clip;
use crate::support::ports::free_port;
use crate::support::process::{Running, nvr};
use crate::support::stage::{PATTERN, documents};
use crate::support::wait::{SOON, until};

/// The main stream: H.265, which Debian's chromium can't play.
const MAIN: u32 = 1003;

fn configuration(broker: u16, address: &str, record: &Path, cameras: &Testcam) -> String {
    format!(
        "instance_id = \"box\"
[mqtt]
port = {broker}
[processor]
backend = \"scripted\"
http = \"{address}\"
[record]
dir = \"{}\"
[[camera]]
id = 3
name = \"Gate\"
uri = \"{}\"
sub_uri = \"{}\"
main_id = {MAIN}
",
        record.display(),
        cameras.url(0),
        cameras.url(1),
    )
}

/// Waits for objects on frames of both streams, and gives the time of the newest frame that both have.
fn with_objects_on_both(address: &str) -> u64 {
    until("objects are on frames of both", SOON * 6, || {
        let cameras = json_at(address, "/cameras.json")["cameras"].clone();
        let newest_ms = cameras
            .as_array()?
            .iter()
            .map(|it| it["newest_ms"].as_u64());
        let newest_ms = newest_ms.collect::<Option<Vec<_>>>()?.into_iter().min()?;
        let with_objects = |id: u32| {
            let (from, to) = (newest_ms - 2000, newest_ms);
            let path = format!("/scenes.json?source={id}&from={from}&to={to}");
            let frames = json_at(address, &path)["files"][0]["frames"].clone();
            let frames = frames.as_array().cloned().unwrap_or_default();
            let analysed = frames
                .iter()
                .filter(|frame| frame[2].as_array().is_some_and(|it| it.len() == 2));
            analysed.count()
        };
        (with_objects(3) > 5 && with_objects(MAIN) > 5).then_some(newest_ms)
    })
}

/// The main stream is listed as such, and is not analysed.
fn the_sub_stream_alone_is_analysed(address: &str, reader: &Running) {
    let listed = json_at(address, "/cameras.json")["cameras"].clone();
    let [sub, main] = listed.as_array().map_or(&[][..], Vec::as_slice) else {
        panic!("two, not {listed:#}");
    };
    assert_eq!((&sub["source_id"], sub.get("sub")), (&json!(3), None));
    assert_eq!(
        (&main["name"], &main["sub"]),
        (&json!("Gate (main stream)"), &json!(3))
    );
    assert!(documents(reader, &format!("nvr/detections/{MAIN}")).is_empty());
    let metrics = get(address, "/metrics").1;
    assert!(
        metrics.contains("nvr_frames_inferred_total{source_id=\"3\"}"),
        "{metrics}"
    );
    assert!(!metrics.contains(&format!(
        "nvr_frames_inferred_total{{source_id=\"{MAIN}\"}}"
    )));
}

/// Each object is found once among all cameras, and in the main stream where that is asked for.
fn each_object_is_found_once(address: &str) {
    let of = |query: &str| {
        let events = json_at(address, &format!("/events.json?limit=100{query}"))["events"].clone();
        let events = events.as_array().cloned().unwrap_or_default();
        events
            .iter()
            .map(|event| event["source_id"].clone())
            .collect::<Vec<_>>()
    };
    let of_all = of("");
    assert!(
        !of_all.is_empty() && of_all.iter().all(|id| *id == 3),
        "{of_all:?}"
    );
    assert!(of(&format!("&source={MAIN}")).contains(&json!(MAIN)));
}

/// Where the browser can't play the main stream, the page shows the other one. Gives the browser, with the page open.
fn playing_the_sub_stream(address: &str, newest_ms: u64) -> Browser {
    let url = format!("http://{address}/#sources={MAIN}&at={}", newest_ms - 2000);
    let mut browser = Browser::open(&url, Size::new(900, 800));
    browser.expect(json!({ "says": "can't play H.265. Press “Sub-stream”", "in": ".screen p", "within_ms": 30_000 }));
    browser.shot("recorder-streams.png");
    browser.expect(json!({ "press": "figcaption button" }));
    let shown = "nvr.players[0]?.source === 3 && nvr.players[0].shown?.drawn.length === 2";
    browser.expect(json!({ "holds": shown, "within_ms": 30_000 }));
    browser.expect(json!({ "says": "Main stream", "in": "figcaption button" }));
    browser
}

#[test]
fn the_main_stream_is_recorded_with_the_objects_of_the_sub_stream_that_plays_instead() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = dir.path().join("main.mp4");
    make_clip(&clip, "h265", Size::new(384, 256), 10, 60);
    let options = TestcamOptions {
        cameras: vec![
            CameraOptions::new(Feed::File(clip)),
            CameraOptions::new(Feed::Pattern(PATTERN)),
        ],
        ..TestcamOptions::default()
    };
    let cameras = Testcam::start(&options).expect("cameras start");
    let broker = Broker::start(Kind::Mosquitto);
    let reader = broker.observe("nvr/#");
    let rec = dir.path().join("rec");
    let address = format!("127.0.0.1:{}", free_port());
    let file = dir.path().join("box.toml");
    let text = configuration(broker.port(), &address, &rec, &cameras);
    std::fs::write(&file, text).expect("written");
    let mut command = nvr();
    command.arg("processor").arg("--config").arg(&file);
    let mut processor = Running::start(command);
    for id in [3, MAIN] {
        until(&format!("source {id} is recorded"), SOON * 3, || {
            let status = documents(&reader, &format!("nvr/sources/{id}")).pop()?;
            let is_recorded = status["recording"]["state"] == "recording";
            (is_recorded && status["state"] == "live").then_some(())
        });
    }

    // The main stream has the objects of the sub-stream on its own frames, and is not analysed itself.
    let newest_ms = with_objects_on_both(&address);
    the_sub_stream_alone_is_analysed(&address, &reader);
    each_object_is_found_once(&address);
    let _browser = playing_the_sub_stream(&address, newest_ms);

    processor.signal("TERM");
    assert!(processor.end(SOON).success());
    assert!(!recordings(&rec, 3).is_empty() && !recordings(&rec, MAIN).is_empty());
    let (code, said) = fsck(&rec);
    assert_eq!(code, Some(0), "{said}");
}
