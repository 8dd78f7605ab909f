//! The binary encoding: one version byte, then postcard.
//!
//! Postcard has no field names and can't skip fields. Therefore the wire format has separate structs, and a change of a field
//! needs a new version byte. Format: <https://postcard.jamesmunns.com/wire-format>.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DecodeError, DetectedObject, DetectionEvent, PAYLOAD_LIMIT_BYTES};
use crate::base::{BBox, CaptureClock, SourceId};

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Event<'a> {
    source_id: u32,
    frame_id: u64,
    timestamp_unix_ms: i64,
    model_id: &'a str,
    inference_time_ms: f32,
    #[serde(borrow)]
    detections: Vec<Object<'a>>,
    fps: Option<f32>,
    latency_ms: Option<f32>,
    instance_id: Option<&'a str>,
    frame_width: Option<u32>,
    frame_height: Option<u32>,
    ntp_ns: Option<u64>,
    clock: Option<Clock>,
}

#[derive(Serialize, Deserialize)]
struct Object<'a> {
    class_name: &'a str,
    confidence: f32,
    /// Centre x, centre y, width, height.
    bbox: [f32; 4],
    tracker_id: Option<u64>,
}

#[derive(Serialize, Deserialize)]
enum Clock {
    Ntp,
    Arrival,
}

impl DetectionEvent {
    /// Encodes to postcard, with the version byte.
    pub fn to_postcard(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes postcard.
    ///
    /// # Errors
    /// When the payload is over 1 MiB, of another version, malformed, or has a value out of range.
    pub fn from_postcard(payload: &[u8]) -> Result<Self, DecodeError> {
        decode(payload)?.checked()
    }
}

fn encode(event: &DetectionEvent) -> Vec<u8> {
    let wire = Event {
        source_id: event.source_id.0,
        frame_id: event.frame_id,
        timestamp_unix_ms: event.timestamp.as_millisecond(),
        model_id: &event.model_id,
        inference_time_ms: event.inference_time_ms,
        detections: event
            .detections
            .iter()
            .map(|object| Object {
                class_name: &object.class_name,
                confidence: object.confidence,
                bbox: [
                    object.bbox.x,
                    object.bbox.y,
                    object.bbox.width,
                    object.bbox.height,
                ],
                tracker_id: object.tracker_id,
            })
            .collect(),
        fps: event.fps,
        latency_ms: event.latency_ms,
        instance_id: event.instance_id.as_deref(),
        frame_width: event.frame_width,
        frame_height: event.frame_height,
        ntp_ns: event.ntp_ns,
        clock: event.clock.map(|clock| match clock {
            CaptureClock::Ntp => Clock::Ntp,
            CaptureClock::Arrival => Clock::Arrival,
        }),
    };
    postcard::to_extend(&wire, vec![VERSION])
        .expect("invariant: every length in an event is known before it is written")
}

fn decode(payload: &[u8]) -> Result<DetectionEvent, DecodeError> {
    if payload.len() > PAYLOAD_LIMIT_BYTES {
        return Err(DecodeError::TooLarge {
            bytes: payload.len(),
        });
    }
    let Some((&VERSION, body)) = payload.split_first() else {
        return Err(DecodeError::Version {
            found: payload.first().copied(),
            known: VERSION,
        });
    };
    let (wire, rest) = postcard::take_from_bytes::<Event<'_>>(body)
        .map_err(|cause| DecodeError::Postcard { cause })?;
    if !rest.is_empty() {
        return Err(DecodeError::Trailing { bytes: rest.len() });
    }
    let unix_ms = wire.timestamp_unix_ms;
    Ok(DetectionEvent {
        source_id: SourceId(wire.source_id),
        frame_id: wire.frame_id,
        timestamp: Timestamp::from_millisecond(unix_ms)
            .map_err(|_| DecodeError::Timestamp { unix_ms })?,
        model_id: wire.model_id.into(),
        inference_time_ms: wire.inference_time_ms,
        detections: wire
            .detections
            .into_iter()
            .map(|object| {
                let [x, y, width, height] = object.bbox;
                DetectedObject {
                    class_name: object.class_name.into(),
                    confidence: object.confidence,
                    bbox: BBox {
                        x,
                        y,
                        width,
                        height,
                    },
                    tracker_id: object.tracker_id,
                }
            })
            .collect(),
        fps: wire.fps,
        latency_ms: wire.latency_ms,
        instance_id: wire.instance_id.map(Into::into),
        frame_width: wire.frame_width,
        frame_height: wire.frame_height,
        ntp_ns: wire.ntp_ns,
        clock: wire.clock.map(|clock| match clock {
            Clock::Ntp => CaptureClock::Ntp,
            Clock::Arrival => CaptureClock::Arrival,
        }),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{any_event, example, full_example};
    use super::*;

    /// Version 1 on the wire. These bytes must not change: another format needs a new version byte, and decoders of both.
    const PUBLISHED_HEX: &str = include_str!("golden/postcard-v1-published.hex");
    const FULL_HEX: &str = include_str!("golden/postcard-v1-full.hex");

    fn bytes(hex: &str) -> Vec<u8> {
        hex.split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
            .collect()
    }

    fn hex_of(bytes: &[u8]) -> String {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.join(" ")
    }

    #[test]
    fn the_golden_bytes_are_written_and_read() {
        for (hex, event) in [(PUBLISHED_HEX, example()), (FULL_HEX, full_example())] {
            assert_eq!(hex_of(&encode(&event)), hex.trim());
            assert_eq!(decode(&bytes(hex)).expect("golden bytes are good"), event);
        }
    }

    #[test]
    fn another_version_is_refused_by_its_number() {
        let mut payload = encode(&example());
        payload[0] = 2;
        assert_eq!(
            decode(&payload).expect_err("from the future").to_string(),
            "postcard payload of version Some(2), this build reads version 1"
        );
        assert!(matches!(
            decode(&[]),
            Err(DecodeError::Version { found: None, .. })
        ));
    }

    #[test]
    fn every_cut_of_a_good_payload_is_refused() {
        let payload = encode(&full_example());
        for length in 0..payload.len() {
            decode(&payload[..length]).expect_err("a part is no whole");
        }
    }

    #[test]
    fn bytes_behind_the_event_are_refused() {
        let mut payload = encode(&example());
        payload.push(0);
        assert!(matches!(
            decode(&payload),
            Err(DecodeError::Trailing { bytes: 1 })
        ));
    }

    #[test]
    fn a_confidence_that_is_not_a_number_is_refused() {
        let mut event = example();
        event.detections[0].confidence = f32::NAN;
        assert!(matches!(
            DetectionEvent::from_postcard(&encode(&event)),
            Err(DecodeError::NotFinite { field }) if field == "detections[0].confidence"
        ));
    }

    proptest! {
        #[test]
        fn postcard_gives_back_what_it_was_given(event in any_event()) {
            prop_assert_eq!(DetectionEvent::from_postcard(&event.to_postcard()).expect("own bytes are good"), event);
        }

        #[test]
        fn random_bytes_behind_a_version_never_panic(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            let mut payload = vec![VERSION];
            payload.extend(body);
            let _ = DetectionEvent::from_postcard(&payload);
        }

        #[test]
        fn damaged_events_never_panic(at: prop::sample::Index, byte: u8) {
            let mut payload = encode(&full_example());
            let at = at.index(payload.len());
            payload[at] = byte;
            let _ = DetectionEvent::from_postcard(&payload);
        }
    }
}
