//! Documents that add, remove and change sources: the others have every frame. Measured by the events that a box publishes.

use nvr::media::testcam::Testcam;
use serde_json::{Value, json};

use super::stage::{Stage, document};
use crate::support::continuity::{dropped, is_unbroken, misses_only};
use crate::support::process::Running;
use crate::support::stage::{PATTERN, documents, pattern_cameras};
use crate::support::wait::{SOON, until};

/// A body with these sources, each with the number of its camera.
fn body(cameras: &Testcam, sources: &[(u32, usize)], confidence: f64) -> Value {
    let camera = |(id, camera): &(u32, usize)| json!({"id": id, "uri": cameras.url(*camera)});
    json!({
        "camera": sources.iter().map(camera).collect::<Vec<_>>(),
        "processor": {"backend": "scripted", "confidence": confidence},
    })
}

fn events(reader: &Running, source: u32) -> Vec<Value> {
    documents(reader, &format!("nvr/detections/{source}"))
}

#[test]
fn documents_that_change_other_sources_cost_no_frame() {
    let mut stage = Stage::new();
    stage.start();
    let cameras = Testcam::start(&pattern_cameras(5)).expect("cameras start");
    let reader = stage.broker.observe("nvr/#");
    let first = [(0, 0), (1, 1), (2, 2), (3, 3)];
    let apply = |generation, sources: &[(u32, usize)], confidence| {
        let mut document = document(generation, body(&cameras, sources, confidence));
        document["probation"]["limit"] = "2s".into();
        stage.desire(&document);
        stage.phase(generation, "applied");
    };
    apply(1, &first, 0.25);
    let count = |source| events(&reader, source).len();
    let flows = || {
        let before = [0, 1, 2, 3].map(count);
        until("events of the four sources", SOON, || {
            let is_more = |id: usize| count(id as u32) >= before[id] + 10;
            (0..4).all(is_more).then_some(())
        });
    };
    let are_unbroken = |ids: &[u32], start: [usize; 4]| {
        for id in ids {
            let events = events(&reader, *id);
            is_unbroken(*id, PATTERN.fps, &events[start[*id as usize] - 1..]);
            let status = stage.control("processor", &["status"]);
            let status = status.expect("its status");
            misses_only(*id, &events, dropped(&status, *id));
        }
    };
    flows();
    let start = [0, 1, 2, 3].map(count);
    // A fifth one; none of it any more; another confidence.
    apply(2, &[&first[..], &[(4, 4)]].concat(), 0.25);
    until("events of the fifth", SOON, || (count(4) > 3).then_some(()));
    apply(3, &first, 0.25);
    apply(4, &first, 0.5);
    flows();
    are_unbroken(&[0, 1, 2, 3], start);
    // Another address of one of them.
    let start = [0, 1, 2, 3].map(count);
    apply(5, &[(0, 0), (1, 1), (2, 2), (3, 4)], 0.5);
    until("the other camera", SOON, || {
        let status = documents(&reader, "nvr/sources/3").pop()?;
        let is_other = status["uri"] == cameras.url(4).as_str() && status["state"] == "live";
        is_other.then_some(())
    });
    flows();
    are_unbroken(&[0, 1, 2], start);
}
