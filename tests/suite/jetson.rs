//! Both roles as they are on a Jetson, as far as doubles reach: its decoder, its scaler and memory that nothing else can read.

use std::cell::Cell;

use nvr::base::{Letterbox, Pattern, PatternCode, Size};
use nvr::config::TestPattern;
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use serde_json::Value;

use crate::support::broker::{Broker, Kind};
use crate::support::doubles;
use crate::support::process::{Running, nvr};
use crate::support::stage::{arguments, documents};
use crate::support::wait::{SOON, until};
use crate::support::wall::{SOONER, TILE, Wall, WallOptions};

const L4T: &str = "nvv4l2decoder:surfaces=6,nvvidconv";

/// Twice as large as the scripted detector's input.
const SHOWN: TestPattern = TestPattern {
    size: Size::new(1280, 720),
    fps: 10.0,
    objects: 2,
};

/// How much is logged: the pipelines, too.
const TOLD: &str = "nvr=debug";

/// Waits until a pipeline with this end was opened.
fn opened_with(process: &Running, end: &str) {
    process.err().find(end, SOON * 2, |line| {
        line.contains("decoder opens") && line.contains(end)
    });
}

fn camera(shown: TestPattern) -> Testcam {
    Testcam::start(&TestcamOptions {
        cameras: vec![CameraOptions::new(Feed::Pattern(shown))],
        ..TestcamOptions::default()
    })
    .expect("the camera starts")
}

/// Whether some frame of the pattern has its objects where `event` says they are, in the camera's own pixels.
fn is_of_the_pattern(event: &Value, shown: TestPattern) -> bool {
    let pattern = Pattern::new(shown.size, shown.objects).expect("a pattern");
    let found = event["detections"].as_array().expect("a list");
    let at = |one: &Value, key: &str| one["bbox"][key].as_f64().unwrap_or(-1.0);
    (0..40_000).any(|number| {
        pattern.objects(number).iter().all(|object| {
            found.iter().any(|one| {
                // Two of the camera's pixels are one of the model's.
                let near = |key: &str, value: f32| (at(one, key) - f64::from(value)).abs() <= 2.0;
                one["class_name"] == *object.class_name
                    && near("x", object.bbox.x)
                    && near("y", object.bbox.y)
                    && near("width", object.bbox.width)
                    && near("height", object.bbox.height)
            })
        })
    })
}

#[test]
fn a_processor_tells_boxes_in_the_camera_s_pixels_though_hardware_scaled_them() {
    let (broker, cameras) = (Broker::start(Kind::Mosquitto), camera(SHOWN));
    let reader = broker.observe("nvr/#");
    let mut command = nvr();
    command
        .args(arguments(&broker, &cameras))
        .args(["--max-fps", "5"])
        .env("NVR_LOG", TOLD)
        .envs(doubles::environment(L4T));
    let processor = Running::start(command);
    // Half of the pictures are dropped by the decoder, the others halved by the scaler.
    opened_with(
        &processor,
        "nvv4l2decoder enable-max-performance=true disable-dpb=true drop-frame-interval=2 \
         ! nvvidconv ! video/x-raw,format=NV12,width=640,height=360 ! appsink",
    );
    // Each frame that the decoder leaves is inferred. The first ones come in a burst, of which the rate limit drops some.
    let events = until("events of five frames in a row", SOON * 2, || {
        let events = documents(&reader, "nvr/detections/0");
        let id = |event: &Value| event["frame_id"].as_u64();
        let is_row = |five: &&[Value]| {
            five.windows(2)
                .all(|two| id(&two[1]) == id(&two[0]).map(|id| id + 1))
        };
        events.windows(5).find(is_row).map(<[Value]>::to_vec)
    });
    for event in &events {
        assert_eq!(
            (&event["frame_width"], &event["frame_height"]),
            (&1280.into(), &720.into())
        );
        assert_eq!(event["detections"].as_array().map(Vec::len), Some(2));
        assert!(is_of_the_pattern(event, SHOWN), "{event}");
    }
    // The decoder may be told before its first picture.
    until("a live source with its decoder", SOON * 2, || {
        documents(&reader, "nvr/sources/0")
            .into_iter()
            .find(|status| status["decoder"] == "nvv4l2decoder" && status["state"] == "live")
    });
}

/// A Jetson's scaler makes no picture of this width.
#[test]
fn a_picture_whose_width_the_scaler_can_not_make_is_scaled_to_one_that_it_can() {
    let narrow = TestPattern {
        size: Size::new(500, 376),
        ..SHOWN
    };
    let (broker, cameras) = (Broker::start(Kind::Mosquitto), camera(narrow));
    let reader = broker.observe("nvr/#");
    let mut command = nvr();
    command
        .args(arguments(&broker, &cameras))
        .env("NVR_LOG", TOLD)
        .envs(doubles::environment(L4T));
    let processor = Running::start(command);
    opened_with(
        &processor,
        "! nvvidconv ! video/x-raw,format=NV12,width=496,height=376 ! appsink",
    );
    let event = until("an event with both objects", SOON * 2, || {
        let events = documents(&reader, "nvr/detections/0").into_iter();
        let has_both = |event: &Value| event["detections"].as_array().map(Vec::len) == Some(2);
        events.rev().find(has_both)
    });
    assert_eq!(
        (&event["frame_width"], &event["frame_height"]),
        (&500.into(), &376.into())
    );
    assert!(is_of_the_pattern(&event, narrow), "{event}");
}

#[test]
fn a_wall_shows_what_hardware_scaled_to_its_tile() {
    let (broker, cameras) = (Broker::start(Kind::Mosquitto), camera(SHOWN));
    let file = format!("{SOONER}[[camera]]\nid = 0\nuri = \"{}\"\n", cameras.url(0));
    let settings = WallOptions {
        file: &file,
        environment: doubles::environment(L4T)
            .into_iter()
            .map(|(name, value)| (name, value.into_string().expect("text")))
            .chain([("NVR_LOG", TOLD.to_owned())])
            .collect(),
        ..WallOptions::of(broker.port())
    };
    let wall = Wall::start_with(&settings, &[]);
    opened_with(
        &wall.process,
        "! nvvidconv ! video/x-raw,format=NV12,width=320,height=180 ! appsink",
    );
    let placed = Letterbox::fit(SHOWN.size, TILE);
    let mut seen: Vec<u32> = Vec::new();
    while seen.len() < 3 {
        let now = Cell::new(None);
        wall.until_shown(0, |tile| {
            let rgb = image::DynamicImage::from(tile.clone()).into_rgb8();
            match PatternCode::read_rgb(&rgb, &placed) {
                Some(code) if seen.last() != Some(&code.frame_number) => {
                    now.set(Some(code.frame_number));
                    Ok(())
                }
                Some(_) => Err("the same picture".to_owned()),
                None => Err("no code that can be read".to_owned()),
            }
        });
        seen.extend(now.get());
    }
    assert!(seen.is_sorted(), "{seen:?}");
    let tile = wall.camera(0);
    assert_eq!(tile["video"]["state"], "live", "{tile:#}");
}
