//! One inferred frame of one source: the published schema, field by field.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DecodeError, json, postcard};
use crate::base::{BBox, CaptureClock, FrameMeta, SourceId};

/// What was found in one frame; published for every inferred frame, also when nothing was found.
///
/// The fields up to `latency_ms` are those of the published schema; the ones behind it are additions that a reader may
/// ignore and a writer may leave out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectionEvent {
    /// Which camera.
    pub source_id: SourceId,
    /// Which decoded frame of this source, counted since the processor's start, inferred or not.
    pub frame_id: u64,
    /// Capture time, RFC 3339 in UTC with milliseconds.
    #[serde(with = "json::timestamp")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub timestamp: Timestamp,
    /// The model that looked.
    pub model_id: Arc<str>,
    /// How long it looked, in milliseconds; a batch's time is each of its frames' time.
    #[serde(serialize_with = "json::hundredths")]
    #[schemars(range(min = 0))]
    pub inference_time_ms: f32,
    /// What it found, the most confident first.
    pub detections: Vec<DetectedObject>,
    /// Frames of this source inferred in the last second.
    #[serde(default, serialize_with = "json::maybe_hundredths")]
    #[schemars(range(min = 0))]
    pub fps: Option<f32>,
    /// Publication less the frame's arrival, in milliseconds.
    #[serde(default, serialize_with = "json::maybe_hundredths")]
    #[schemars(range(min = 0))]
    pub latency_ms: Option<f32>,
    /// Who published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<Arc<str>>,
    /// Width in pixels of the frame that the boxes are measured in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_width: Option<u32>,
    /// Its height in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_height: Option<u32>,
    /// The frame's RTCP NTP time as Unix nanoseconds, in JSON a decimal string. A key that matches frames of two
    /// sessions, to be compared within half a frame interval; no clock.
    #[serde(
        default,
        with = "json::nanoseconds",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>", regex(pattern = r"^[0-9]+$"))]
    pub ntp_ns: Option<u64>,
    /// Which clock told `timestamp`: the camera's (`ntp`) or the processor's (`arrival`).
    #[serde(
        default,
        deserialize_with = "json::known_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub clock: Option<CaptureClock>,
}

/// One object in the frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectedObject {
    /// Its class, by the model's labels.
    pub class_name: Arc<str>,
    /// Score, 0–1.
    #[serde(serialize_with = "json::confidence")]
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f32,
    /// Where it is: centre and full size, in pixels of the source frame.
    #[serde(with = "WrittenBox")]
    #[schemars(with = "WrittenBox")]
    pub bbox: BBox,
    /// Its track; absent where tracking is off or the object has no track yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracker_id: Option<u64>,
}

/// A box: **x and y are its centre**, width and height its full size, in pixels of the source frame.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "BBox")]
#[schemars(rename = "BBox")]
struct WrittenBox {
    /// Centre, pixels from the left edge.
    #[serde(serialize_with = "json::hundredths")]
    x: f32,
    /// Centre, pixels from the top edge.
    #[serde(serialize_with = "json::hundredths")]
    y: f32,
    /// Full width in pixels.
    #[serde(serialize_with = "json::hundredths")]
    #[schemars(range(min = 0))]
    width: f32,
    /// Full height in pixels.
    #[serde(serialize_with = "json::hundredths")]
    #[schemars(range(min = 0))]
    height: f32,
}

/// What a processor knows of an inferred frame when it publishes.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Which camera.
    pub source_id: SourceId,
    /// The frame's number, size and times.
    pub frame: &'a FrameMeta,
    /// The model that looked.
    pub model_id: &'a Arc<str>,
    /// How long it looked.
    pub inference_time: Duration,
    /// Frames of this source inferred in the last second.
    pub fps: f32,
    /// Publication less the frame's arrival, both monotonic.
    pub latency: Duration,
    /// Who publishes.
    pub instance_id: &'a Arc<str>,
}

impl DetectionEvent {
    /// The event of a frame in which `detections` were found.
    pub fn new(seen: &Observation<'_>, detections: Vec<DetectedObject>) -> Self {
        let frame = seen.frame;
        Self {
            source_id: seen.source_id,
            frame_id: frame.frame_id,
            timestamp: unix_time(frame.captured_unix),
            model_id: seen.model_id.clone(),
            inference_time_ms: milliseconds(seen.inference_time),
            detections,
            fps: Some(seen.fps),
            latency_ms: Some(milliseconds(seen.latency)),
            instance_id: Some(seen.instance_id.clone()),
            frame_width: Some(frame.size.width),
            frame_height: Some(frame.size.height),
            ntp_ns: frame.ntp_ns,
            clock: Some(frame.clock),
        }
    }

    /// What was found, for people: `3 person, 1 car`, the most numerous first; `nothing`.
    pub fn summary(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for object in &self.detections {
            *counts.entry(&object.class_name).or_default() += 1;
        }
        if counts.is_empty() {
            return "nothing".to_owned();
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| Reverse(*count));
        let words: Vec<String> = counts
            .into_iter()
            .map(|(class_name, count)| format!("{count} {class_name}"))
            .collect();
        words.join(", ")
    }

    /// JSON, as the published schema has it; numbers are rounded to what they mean.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: an event has string keys and no failing field")
    }

    /// Reads JSON. Unknown fields are skipped, any RFC 3339 offset is read.
    ///
    /// # Errors
    /// When the payload is over 1 MiB, is not of the schema, or holds a value that no event can have.
    pub fn from_json(payload: &[u8]) -> Result<Self, DecodeError> {
        json::decode::<Self>(payload)?.checked()
    }

    /// Postcard behind its version byte.
    pub fn to_postcard(&self) -> Vec<u8> {
        postcard::encode(self)
    }

    /// Reads postcard.
    ///
    /// # Errors
    /// When the payload is over 1 MiB, of another version, no event, or holds a value that no event can have.
    pub fn from_postcard(payload: &[u8]) -> Result<Self, DecodeError> {
        postcard::decode(payload)?.checked()
    }

    /// Refuses what the encodings could carry and no event may hold.
    fn checked(self) -> Result<Self, DecodeError> {
        not_negative("inference_time_ms", self.inference_time_ms)?;
        for (field, value) in [("fps", self.fps), ("latency_ms", self.latency_ms)] {
            if let Some(value) = value {
                not_negative(field, value)?;
            }
        }
        for (index, object) in self.detections.iter().enumerate() {
            let field = |name: &str| format!("detections[{index}].{name}");
            let bbox = object.bbox;
            finite("confidence", object.confidence, field)?;
            if !(0.0..=1.0).contains(&object.confidence) {
                return Err(DecodeError::Confidence {
                    field: field("confidence"),
                    value: object.confidence,
                });
            }
            finite("bbox.x", bbox.x, field)?;
            finite("bbox.y", bbox.y, field)?;
            for (name, value) in [("bbox.width", bbox.width), ("bbox.height", bbox.height)] {
                finite(name, value, field)?;
                if value < 0.0 {
                    return Err(DecodeError::Negative {
                        field: field(name),
                        value,
                    });
                }
            }
        }
        Ok(self)
    }
}

/// A wall-clock time, cut to the milliseconds that are published.
pub fn unix_time(since_epoch: Duration) -> Timestamp {
    i64::try_from(since_epoch.as_millis())
        .ok()
        .and_then(|unix_ms| Timestamp::from_millisecond(unix_ms).ok())
        .unwrap_or(Timestamp::MAX)
}

fn milliseconds(time: Duration) -> f32 {
    time.as_secs_f32() * 1e3
}

fn finite(name: &str, value: f32, field: impl Fn(&str) -> String) -> Result<(), DecodeError> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(DecodeError::NotFinite { field: field(name) })
    }
}

pub(super) fn not_negative(name: &str, value: f32) -> Result<(), DecodeError> {
    finite(name, value, str::to_owned)?;
    if value < 0.0 {
        return Err(DecodeError::Negative {
            field: name.to_owned(),
            value,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
    fn an_event_tells_a_frame_as_the_processor_knows_it() {
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
            "`detections[0].confidence` is 1.5, a confidence lies between 0 and 1"
        );
        assert_eq!(
            refusal(r#""width": 80"#, r#""width": -80"#),
            "`detections[0].bbox.width` is -80, it can't be negative"
        );
        assert_eq!(
            refusal(r#""x": 100"#, r#""x": 1e39"#),
            "`detections[0].bbox.x` is not a finite number"
        );
        assert_eq!(
            refusal("45.2", "-1"),
            "`inference_time_ms` is -1, it can't be negative"
        );
        assert!(
            refusal("0.92", "NaN")
                .starts_with("payload does not follow the schema at `detections[0].confidence`")
        );
        assert!(
            refusal("12345", "-1").starts_with("payload does not follow the schema at `frame_id`")
        );
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
}
