//! The objects of the analysed frames, as lines of JSON.

use std::time::Duration;

use serde::Serialize;

use super::super::scene::{Scene, SceneObject};
use super::moments::shown;

/// Makes a line of each scene in some times.
#[derive(Debug)]
pub(super) struct BoxLines {
    /// First and last capture time of each video.
    times: Vec<(Duration, Duration)>,
    /// The scenes of the fragment before. After a failed write a scene is recorded twice.
    before: Vec<Scene>,
    /// Number of lines.
    pub lines: u64,
}

/// A line. Times are RFC 3339 in UTC.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    /// As a text: it has more digits than numbers of JavaScript.
    ntp_ns: Option<String>,
    width: u32,
    height: u32,
    objects: Vec<Object<'a>>,
}

/// An object. Left, top, width and height in pixels of the frame.
#[derive(Serialize)]
struct Object<'a> {
    class: &'a str,
    confidence: f32,
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    track: Option<u64>,
}

impl BoxLines {
    /// Of scenes between the first and the last capture time of any of these videos.
    pub(super) fn new(times: Vec<(Duration, Duration)>) -> Self {
        Self {
            times,
            before: Vec::new(),
            lines: 0,
        }
    }

    /// The lines of the scenes of the next fragment.
    pub(super) fn of(&mut self, scenes: Vec<Scene>) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, scene) in scenes.iter().enumerate() {
            let at = scene.captured_unix;
            let is_in = |&(first, last): &(Duration, Duration)| first <= at && at <= last;
            let is_again = self.before.contains(scene) || scenes[..index].contains(scene);
            if !is_again && self.times.iter().any(is_in) {
                serde_json::to_writer(&mut out, &line(scene))
                    .expect("invariant: memory takes all bytes, and keys are texts");
                out.push(b'\n');
                self.lines += 1;
            }
        }
        if !scenes.is_empty() {
            self.before = scenes;
        }
        out
    }
}

fn line(scene: &Scene) -> Line<'_> {
    Line {
        time: shown(scene.captured_unix),
        ntp_ns: scene.ntp_ns.map(|ntp| ntp.to_string()),
        width: scene.frame_size.width,
        height: scene.frame_size.height,
        objects: scene.objects.iter().map(object).collect(),
    }
}

fn object(object: &SceneObject) -> Object<'_> {
    let [left, top, _, _] = object.bbox.corners();
    Object {
        class: &object.class_name,
        confidence: object.confidence,
        x: left,
        y: top,
        width: object.bbox.width,
        height: object.bbox.height,
        track: object.track,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{BBox, Size};

    fn scene(unix_ms: u64) -> Scene {
        let person = SceneObject {
            class_name: "person".into(),
            confidence: 0.5,
            bbox: BBox::from_corners(10.0, 20.0, 30.0, 60.0),
            track: Some(17),
        };
        Scene {
            captured_unix: Duration::from_millis(unix_ms),
            ntp_ns: Some(1_795_854_600_123_456_789),
            frame_size: Size::new(640, 480),
            objects: vec![person],
        }
    }

    #[test]
    fn a_line_has_the_time_and_the_corner_of_each_box() {
        let mut boxes = BoxLines::new(vec![(Duration::ZERO, Duration::MAX)]);
        let lines = boxes.of(vec![scene(1_795_854_600_123)]);
        assert_eq!(
            String::from_utf8(lines).expect("UTF-8"),
            r#"{"time":"2026-11-28T08:30:00.123Z","ntp_ns":"1795854600123456789","width":640,"height":480,"objects":[{"class":"person","confidence":0.5,"x":10.0,"y":20.0,"width":20.0,"height":40.0,"track":17}]}"#
                .to_owned()
                + "\n"
        );
    }

    #[test]
    fn scenes_outside_of_the_videos_and_repeated_ones_are_left_out() {
        let time = Duration::from_millis;
        let mut boxes = BoxLines::new(vec![(time(100), time(200)), (time(300), time(300))]);
        let mut lines = |times: &[u64]| {
            let scenes = times.iter().map(|&at| scene(at)).collect();
            let lines = boxes.of(scenes);
            lines.iter().filter(|&&byte| byte == b'\n').count()
        };
        assert_eq!(lines(&[99, 100, 200, 201]), 2);
        assert_eq!(lines(&[]), 0);
        assert_eq!(lines(&[200, 250, 300, 301, 300]), 1);
        assert_eq!(boxes.lines, 3);
    }
}
