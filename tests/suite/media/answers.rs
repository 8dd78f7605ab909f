//! Cameras whose answers other players understand: an ordinary server behind a proxy that changes its answers.

use super::*;
use crate::support::quirky_camera::{Quirk, QuirkyCamera};

const PATH: &str = "/live0.stream";

/// Changes the answers to one method.
#[derive(Clone, Copy)]
struct Changed(&'static str, fn(&str) -> String);

impl Quirk for Changed {
    fn answer(&mut self, method: &str, answer: String) -> String {
        if method != self.0 {
            return answer;
        }
        let changed = (self.1)(&answer);
        assert_ne!(changed, answer, "there was nothing to change");
        changed
    }
}

fn camera_with(testcam: &Testcam, quirk: impl Quirk + Clone + 'static) -> QuirkyCamera {
    QuirkyCamera::before(testcam.port(), move || quirk.clone())
}

#[test]
fn descriptions_in_unusual_forms_are_read() {
    let testcam = cameras(vec![pattern()]);
    let forms: [fn(&str) -> String; 4] = [
        |answer| answer.replacen("m=video 0 RTP/AVP 96", "m=Video 554 RTP/AVP/TCP 96", 1),
        |answer| answer.replacen("a=rtpmap:96 H264/90000", "a=rtpmap: 96  H264/0", 1),
        |answer| answer.replacen("a=rtpmap:96 H264", "a=rtpmap:96\tH264", 1),
        |answer| {
            let section = "m=video 0 RTP/AVP 96\r\n";
            answer.replacen(section, &format!("{section}c=IN IP4 239.1.2.3/127\r\n"), 1)
        },
    ];
    for form in forms {
        let camera = camera_with(&testcam, Changed("DESCRIBE", form));
        Session::start(&settings(&camera.url(PATH))).frames(5);
    }
}
