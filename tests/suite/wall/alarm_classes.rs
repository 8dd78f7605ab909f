//! Alarm classes that no model has: named by the wall until a model has them, and once in its log.

use nvr::base::{PATTERN_CLASSES, SourceId};
use nvr::event::{SourceMetrics, SourceState, SourceStatus};
use serde_json::{Value, json};

use super::sources;
use crate::support::stage::{PATTERN, Stage};
use crate::support::wait::{SOON, until};
use crate::support::wall::{Wall, painted};

/// The text of the warning.
const WARNING: &str = "so it raises no alarm";

fn until_missing(wall: &Wall, wanted: Value) {
    until(&format!("{wanted} are missing"), SOON * 2, || {
        (wall.state()["alarm_classes_missing"] == wanted).then_some(())
    });
}

fn warnings(wall: &Wall) -> Vec<String> {
    let log = wall.process.err().all();
    log.into_iter()
        .filter(|line| line.contains(WARNING))
        .collect()
}

/// The state is ahead of the log by a second at most.
fn until_warned(wall: &Wall, count: usize) -> Vec<String> {
    until(&format!("{count} warnings"), SOON, || {
        let warnings = warnings(wall);
        assert!(warnings.len() <= count, "{warnings:#?}");
        (warnings.len() == count).then_some(warnings)
    })
}

#[test]
fn an_alarm_class_that_no_model_has_is_named_until_one_has_it() {
    let stage = Stage::start(1, &[]);
    // The presence tells the classes once the model is there.
    let classes = until("the classes of the processor", SOON, || {
        let read = stage.reader.out().all();
        let mut presences = read
            .iter()
            .filter(|line| line.starts_with("nvr/processors/"));
        let (_, payload) = presences.next_back()?.split_once('{')?;
        let presence: Value = serde_json::from_str(&format!("{{{payload}")).ok()?;
        presence.get("classes").cloned()
    });
    assert_eq!(classes, json!(PATTERN_CLASSES));

    let shown = [format!("0={}", stage.cameras.url(0)), painted(1, &PATTERN)];
    let mut options = sources(&shown);
    options.extend(["--alarm-classes", "person,persn,forklift"]);
    let wall = Wall::start(stage.broker.port(), &options);
    until_missing(&wall, json!(["forklift", "persn"]));
    let told = until_warned(&wall, 2);
    let of = |class: &str| told.iter().find(|line| line.contains(class));
    assert!(of("forklift").is_some(), "{told:#?}");
    let nearest = of("persn").filter(|line| line.contains("nearest") && line.contains("person"));
    assert!(nearest.is_some(), "{told:#?}");

    // A processor with another model analyses the other camera.
    let runtime = crate::bus::runtime();
    let settings = crate::bus::settings(stage.broker.port());
    let options = nvr::bus::LinkOptions {
        instance_id: "other".to_owned(),
        ..crate::bus::retrying_quickly(settings)
    };
    let session = options.session.clone();
    let other = crate::bus::start(&runtime, options);
    let status = SourceStatus {
        source_id: SourceId(1),
        instance_id: "other".into(),
        session,
        state: SourceState::Live,
        since: jiff::Timestamp::now(),
        reason: None,
        uri: "test-pattern:".to_owned(),
        recording: None,
        metrics: SourceMetrics::default(),
    };
    other.retain("nvr/sources/1", status.to_json());
    // It does not tell its classes, so it may have these.
    until_missing(&wall, json!([]));
    other.set_classes(&["forklift".into()]);
    until_missing(&wall, json!(["persn"]));
    assert_eq!(warnings(&wall).len(), 2);
    other.set_classes(&["forklift".into(), "persn".into()]);
    until_missing(&wall, json!([]));
    other.set_classes(&["persn".into()]);
    until_missing(&wall, json!(["forklift"]));
    // Its model changed, so that this is news.
    until_warned(&wall, 3);
}
