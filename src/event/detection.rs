//! The event of one inferred frame: the published schema.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::NAME_LIMIT_BYTES;
use super::{DecodeError, json};
use crate::base::{BBox, CaptureClock, FrameMeta, SourceId};

/// The detections in one frame. Published for every inferred frame, also without detections.
///
/// The fields up to `latency_ms` are those of the original schema. The later fields are optional additions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectionEvent {
    /// Id of the source.
    pub source_id: SourceId,
    /// Number of the decoded frame, counted per source since the processor's start, including frames that are not inferred.
    pub frame_id: u64,
    /// Capture time, RFC 3339 in UTC with milliseconds.
    #[serde(with = "json::timestamp")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub timestamp: Timestamp,
    /// Id of the model.
    pub model_id: Arc<str>,
    /// Time of the inference in milliseconds; for a batch, the time of the whole batch.
    #[serde(serialize_with = "json::hundredths")]
    #[schemars(range(min = 0))]
    pub inference_time_ms: f32,
    /// The detected objects, in descending order of confidence.
    pub detections: Vec<DetectedObject>,
    /// Frames of this source inferred in the last second.
    #[serde(default, serialize_with = "json::maybe_hundredths")]
    #[schemars(range(min = 0))]
    pub fps: Option<f32>,
    /// Time from the frame's arrival to the publication, in milliseconds.
    #[serde(default, serialize_with = "json::maybe_hundredths")]
    #[schemars(range(min = 0))]
    pub latency_ms: Option<f32>,
    /// Instance id of the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<Arc<str>>,
    /// Width in pixels of the frame to which the boxes refer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_width: Option<u32>,
    /// Height of that frame in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_height: Option<u32>,
    /// The frame's RTCP NTP time as Unix nanoseconds, in JSON a decimal string. It is a key that identifies the frame in all
    /// sessions, to be matched within half a frame interval; it is not a clock.
    #[serde(
        default,
        with = "json::nanoseconds",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>", regex(pattern = r"^[0-9]+$"))]
    pub ntp_ns: Option<u64>,
    /// The clock of `timestamp`: the camera's (`ntp`) or the processor's (`arrival`).
    #[serde(
        default,
        deserialize_with = "json::known_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub clock: Option<CaptureClock>,
}

/// A detected object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectedObject {
    /// Its class name, from the model's labels.
    pub class_name: Arc<str>,
    /// Score, 0–1.
    #[serde(serialize_with = "json::confidence")]
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f32,
    /// Its box: centre and full size, in pixels of the source frame.
    #[serde(with = "WrittenBox")]
    #[schemars(with = "WrittenBox")]
    pub bbox: BBox,
    /// Number of its track; absent if tracking is off or the object has no confirmed track.
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

/// The data of an inferred frame at its publication.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Id of the source.
    pub source_id: SourceId,
    /// The frame's number, size and times.
    pub frame: &'a FrameMeta,
    /// Id of the model.
    pub model_id: &'a Arc<str>,
    /// Time of the inference.
    pub inference_time: Duration,
    /// Frames of this source inferred in the last second.
    pub fps: f32,
    /// Time from the frame's arrival to the publication, by the monotonic clock.
    pub latency: Duration,
    /// Instance id of the processor.
    pub instance_id: &'a Arc<str>,
}

impl DetectionEvent {
    /// The event of a frame with its detections.
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

    /// A text with the number of objects per class: `3 person, 1 car`, in descending order; `nothing` without objects.
    pub fn summary(&self) -> String {
        summary(&self.counts())
    }

    /// The number of objects of each class.
    pub fn counts(&self) -> BTreeMap<Arc<str>, usize> {
        let mut counts = BTreeMap::new();
        for object in &self.detections {
            *counts.entry(object.class_name.clone()).or_default() += 1;
        }
        counts
    }

    /// Encodes to JSON. Numbers are rounded to their precision.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: an event has string keys and no failing field")
    }

    /// Decodes JSON. Unknown fields are ignored; any RFC 3339 offset is accepted.
    ///
    /// # Errors
    /// When the payload is over 1 MiB, violates the schema, or has a value out of range.
    pub fn from_json(payload: &[u8]) -> Result<Self, DecodeError> {
        json::decode::<Self>(payload)?.checked()
    }

    /// Refuses values out of range, and cuts names to a limited length.
    pub(super) fn checked(mut self) -> Result<Self, DecodeError> {
        let ids = [Some(&mut self.model_id), self.instance_id.as_mut()];
        let classes = self.detections.iter_mut().map(|one| &mut one.class_name);
        for name in ids.into_iter().flatten().chain(classes) {
            json::cut_shared(name, NAME_LIMIT_BYTES);
        }
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

/// A text with the number of objects per class, in descending order; `nothing` without objects.
pub fn summary(counts: &BTreeMap<Arc<str>, usize>) -> String {
    if counts.is_empty() {
        return "nothing".to_owned();
    }
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(**count));
    let words: Vec<String> = counts
        .into_iter()
        .map(|(class_name, count)| format!("{count} {class_name}"))
        .collect();
    words.join(", ")
}

/// Converts a wall-clock time to a timestamp, truncated to milliseconds.
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
#[path = "detection_tests.rs"]
mod tests;
