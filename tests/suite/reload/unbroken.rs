//! Four cameras flow, and others are added, removed and changed: the four have every frame.

use super::Site;
use crate::support::continuity::{dropped, is_unbroken, misses_only};
use crate::support::stage::{PATTERN, configuration, documents};
use crate::support::wait::{SOON, until};

impl Site {
    fn counts(&self) -> [usize; 4] {
        [0, 1, 2, 3].map(|id| self.events(id).len())
    }

    /// Waits for further events of the four cameras.
    fn until_all_flow(&self) {
        let before = self.counts();
        until("events of the four cameras", SOON * 2, || {
            let now = self.counts();
            (0..4).all(|id| now[id] >= before[id] + 10).then_some(())
        });
    }

    /// Checks the events of these cameras after the first ones.
    fn are_unbroken(&self, ids: &[u32], start: [usize; 4]) {
        for id in ids {
            let events = self.events(*id);
            is_unbroken(*id, PATTERN.fps, &events[start[*id as usize] - 1..]);
            misses_only(*id, &events, dropped(&self.status(), *id));
        }
    }
}

#[test]
fn four_flowing_cameras_lose_no_frame_while_others_come_go_and_change() {
    let site = Site::start(5);
    site.reload(&[0, 1, 2, 3], "");
    site.until_all_flow();
    let start = site.counts();
    site.reload(&[0, 1, 2, 3, 4], "");
    site.until_events(4, 5);
    site.reload(&[0, 1, 2, 3], "");
    site.reader.out().find("the cleared status", SOON, |line| {
        line.starts_with("nvr/sources/4 0 ") && line.ends_with(' ')
    });
    // Another confidence, of all of them.
    let text = configuration(&site.broker, &site.cameras, &[0, 1, 2, 3], "");
    let text = text.replace("[processor]", "[processor]\nconfidence = 0.99");
    std::fs::write(site.file(), text).expect("written");
    let (code, _, err) = site.control(&["apply", &site.file().display().to_string()]);
    assert_eq!(code, 0, "{err}");
    site.until_all_flow();
    site.are_unbroken(&[0, 1, 2, 3], start);

    // Another address of one of them.
    let start = site.counts();
    let text = configuration(&site.broker, &site.cameras, &[0, 1, 2, 3], "")
        .replace(site.cameras.url(3).as_str(), site.cameras.url(4).as_str());
    std::fs::write(site.file(), text).expect("written");
    site.processor.signal("HUP");
    until("the other camera", SOON * 2, || {
        let states = documents(&site.reader, "nvr/sources/3");
        let is_other = |status: &serde_json::Value| {
            status["uri"] == site.cameras.url(4).as_str() && status["state"] == "live"
        };
        states.iter().any(is_other).then_some(())
    });
    site.until_all_flow();
    site.are_unbroken(&[0, 1, 2], start);
}
