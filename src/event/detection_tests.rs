//! The published bytes, and arbitrary input.

use proptest::prelude::*;

use super::super::testing::{PUBLISHED, any_event, example};
use super::*;

#[test]
fn the_published_example_is_read_as_it_stands() {
    let event = DetectionEvent::from_json(PUBLISHED.as_bytes()).expect("the example is good");
    assert_eq!(event, example());
}

#[test]
fn what_is_written_has_every_published_field_and_rounded_numbers() {
    let mut event = example();
    event.detections[0].confidence = 0.923_456_7;
    event.detections[0].bbox.x = 100.126;
    event.instance_id = Some("dock-box-1".into());
    event.frame_width = Some(1280);
    event.frame_height = Some(720);
    event.ntp_ns = Some(1_761_388_200_123_456_789);
    event.clock = Some(CaptureClock::Ntp);
    assert_eq!(
        String::from_utf8(event.to_json()).expect("JSON is text"),
        concat!(
            r#"{"source_id":0,"frame_id":12345,"timestamp":"2025-10-25T10:30:00.123Z","#,
            r#""model_id":"yolov8x-640","inference_time_ms":45.2,"detections":[{"class_name":"person","#,
            r#""confidence":0.9235,"bbox":{"x":100.13,"y":150,"width":80,"height":200},"tracker_id":42}],"#,
            r#""fps":25.3,"latency_ms":120.5,"instance_id":"dock-box-1","frame_width":1280,"frame_height":720,"#,
            r#""ntp_ns":"1761388200123456789","clock":"ntp"}"#
        )
    );
}

#[test]
fn a_detection_without_a_track_has_no_tracker_id() {
    let mut event = example();
    event.detections[0].tracker_id = None;
    assert!(!String::from_utf8_lossy(&event.to_json()).contains("tracker_id"));
}

#[test]
fn a_summary_counts_classes_the_most_numerous_first() {
    let mut event = example();
    let person = event.detections[0].clone();
    let of = |class_name: &str| DetectedObject {
        class_name: class_name.into(),
        ..person.clone()
    };
    event.detections = vec![of("car"), of("person"), of("bus"), of("person")];
    assert_eq!(event.summary(), "2 person, 1 bus, 1 car");
    event.detections.clear();
    assert_eq!(event.summary(), "nothing");
}

#[test]
fn an_event_has_the_data_of_its_frame() {
    let frame = FrameMeta {
        frame_id: 7,
        size: crate::base::Size::new(640, 360),
        colorimetry: crate::base::Colorimetry::assumed(crate::base::Size::new(640, 360)),
        pts: None,
        arrival: Duration::ZERO,
        captured_unix: Duration::from_micros(1_761_388_200_123_999),
        clock: CaptureClock::Arrival,
        ntp_ns: Some(5),
    };
    let event = DetectionEvent::new(
        &Observation {
            source_id: SourceId(3),
            frame: &frame,
            model_id: &"yolo12n-640".into(),
            inference_time: Duration::from_micros(45_200),
            fps: 10.0,
            latency: Duration::from_millis(80),
            instance_id: &"box".into(),
        },
        Vec::new(),
    );
    assert_eq!(
        String::from_utf8(event.to_json()).expect("JSON is text"),
        concat!(
            r#"{"source_id":3,"frame_id":7,"timestamp":"2025-10-25T10:30:00.123Z","model_id":"yolo12n-640","#,
            r#""inference_time_ms":45.2,"detections":[],"fps":10,"latency_ms":80,"instance_id":"box","#,
            r#""frame_width":640,"frame_height":360,"ntp_ns":"5","clock":"arrival"}"#
        )
    );
}

#[test]
fn any_offset_is_read_as_the_same_moment() {
    for written in [
        "2025-10-25T10:30:00.123Z",
        "2025-10-25T12:30:00.123+02:00",
        "2025-10-25T05:00:00.123456-05:30",
    ] {
        let text = PUBLISHED.replace("2025-10-25T10:30:00.123Z", written);
        let event = DetectionEvent::from_json(text.as_bytes()).expect(written);
        assert_eq!(event.timestamp, example().timestamp, "{written}");
    }
}

#[test]
fn unknown_fields_nulls_and_an_unknown_clock_are_no_error() {
    let text = PUBLISHED
        .replacen('{', r#"{"zone": {"a": [1]}, "clock": "ptp", "#, 1)
        .replace("25.3", "null")
        .replace("120.5", "null");
    let event = DetectionEvent::from_json(text.as_bytes()).expect("a reader is lenient");
    assert_eq!(
        (event.fps, event.latency_ms, event.clock),
        (None, None, None)
    );
}

#[test]
fn ntp_time_is_read_from_text_and_from_a_number() {
    for written in [r#""1761388200123456789""#, "1761388200123456789"] {
        let text = PUBLISHED.replacen('{', &format!(r#"{{"ntp_ns": {written}, "#), 1);
        let event = DetectionEvent::from_json(text.as_bytes()).expect(written);
        assert_eq!(event.ntp_ns, Some(1_761_388_200_123_456_789));
    }
}

fn refusal(from: &str, to: &str) -> String {
    let text = PUBLISHED.replace(from, to);
    assert_ne!(text, PUBLISHED, "{from} is in the example");
    DetectionEvent::from_json(text.as_bytes())
        .expect_err(to)
        .to_string()
}

#[test]
fn impossible_values_are_refused_by_name() {
    assert_eq!(
        refusal("0.92", "1.5"),
        "`detections[0].confidence` is 1.5; a confidence must be between 0 and 1"
    );
    assert_eq!(
        refusal(r#""width": 80"#, r#""width": -80"#),
        "`detections[0].bbox.width` is -80; it must not be negative"
    );
    assert_eq!(
        refusal(r#""x": 100"#, r#""x": 1e39"#),
        "`detections[0].bbox.x` is not a finite number"
    );
    assert_eq!(
        refusal("45.2", "-1"),
        "`inference_time_ms` is -1; it must not be negative"
    );
    assert!(
        refusal("0.92", "NaN")
            .starts_with("payload does not follow the schema at `detections[0].confidence`")
    );
    assert!(refusal("12345", "-1").starts_with("payload does not follow the schema at `frame_id`"));
    assert!(
        refusal("2025-10-25T10:30:00.123Z", "2025-10-25T10:30:00")
            .starts_with("payload does not follow the schema at `timestamp`"),
        "a time without an offset is no moment"
    );
}

#[test]
fn a_payload_over_the_limit_is_refused_before_it_is_read() {
    let payload = vec![b' '; crate::event::PAYLOAD_LIMIT_BYTES + 1];
    assert!(matches!(
        DetectionEvent::from_json(&payload),
        Err(DecodeError::TooLarge { bytes: 1_048_577 })
    ));
    assert!(matches!(
        DetectionEvent::from_postcard(&payload),
        Err(DecodeError::TooLarge { bytes: 1_048_577 })
    ));
}

proptest! {
    #[test]
    fn json_gives_back_what_it_was_given_up_to_rounding(event in any_event()) {
        let read = DetectionEvent::from_json(&event.to_json()).expect("own JSON is good");
        prop_assert_eq!(read.to_json(), event.to_json());
        prop_assert_eq!(read.timestamp, event.timestamp);
        prop_assert_eq!(read.detections.len(), event.detections.len());
        for (read, written) in read.detections.iter().zip(&event.detections) {
            prop_assert!((read.confidence - written.confidence).abs() <= 0.000_051);
            prop_assert!((read.bbox.x - written.bbox.x).abs() <= 0.0051 + written.bbox.x.abs() * f32::EPSILON);
        }
    }

    #[test]
    fn random_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = DetectionEvent::from_json(&payload);
    }

    #[test]
    fn damaged_json_never_panics(at in 0..PUBLISHED.len(), byte: u8) {
        let mut payload = PUBLISHED.as_bytes().to_vec();
        payload[at] = byte;
        let _ = DetectionEvent::from_json(&payload);
    }
}
