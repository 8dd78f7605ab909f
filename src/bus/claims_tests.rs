//! Tests of `claims.rs`.

use super::*;
use crate::event::{SourceMetrics, SourceState};

const SOURCE: SourceId = SourceId(3);

fn topics() -> Topics {
    Topics::new("nvr", "nvr/detections")
}

fn presence(instance: &str, state: PresenceState, session: &str) -> Message {
    Message {
        topic: topics()
            .presence(ClientRole::Processor, instance)
            .expect("it has one"),
        payload: Presence::now(state, &SessionId(session.to_owned())).to_json(),
        retained: true,
    }
}

fn status(instance: &str, session: &str) -> Message {
    Message {
        topic: topics().source(SOURCE),
        payload: SourceStatus {
            source_id: SOURCE,
            instance_id: instance.into(),
            session: SessionId(session.to_owned()),
            state: SourceState::Live,
            since: "2025-10-25T10:30:00Z".parse().expect("a time"),
            reason: None,
            uri: "rtsp://a".to_owned(),
            recording: None,
            metrics: SourceMetrics::default(),
        }
        .to_json(),
        retained: true,
    }
}

fn after(messages: &[Message]) -> Option<String> {
    let mut claims = Claims::default();
    for message in messages {
        claims.take(&topics(), message).expect("good messages");
    }
    claims
        .held_by_another(SOURCE, "me")
        .map(|holder| holder.instance_id)
}

#[test]
fn an_online_processor_holds_its_sources() {
    let online = presence("other", PresenceState::Online, "s1");
    assert_eq!(
        after(&[online.clone(), status("other", "s1")]),
        Some("other".to_owned())
    );
    assert_eq!(
        after(&[status("other", "s1"), online]),
        Some("other".to_owned()),
        "in whichever order they come"
    );
}

#[test]
fn a_dead_a_stopped_and_an_unknown_processor_hold_nothing() {
    for state in [PresenceState::Offline, PresenceState::Stopped] {
        assert_eq!(
            after(&[presence("other", state, "s1"), status("other", "s1")]),
            None
        );
    }
    assert_eq!(after(&[status("other", "s1")]), None);
}

#[test]
fn a_status_of_an_older_session_is_void() {
    let online = presence("other", PresenceState::Online, "s2");
    assert_eq!(after(&[online, status("other", "s1")]), None);
}

#[test]
fn own_sources_are_not_held_by_another() {
    let online = presence("me", PresenceState::Online, "s1");
    assert_eq!(after(&[online, status("me", "s1")]), None);
}

#[test]
fn of_two_that_started_at_once_the_later_run_lets_go() {
    let mut claims = Claims::default();
    let online = presence("other", PresenceState::Online, "s1");
    let theirs = Presence::from_json(&online.payload)
        .expect("own JSON is good")
        .since;
    for message in [online, status("other", "s1")] {
        claims.take(&topics(), &message).expect("good messages");
    }
    let second = jiff::SignedDuration::from_secs(1);
    assert!(
        claims
            .held_by_older(SOURCE, "me", theirs + second)
            .is_some()
    );
    assert_eq!(claims.held_by_older(SOURCE, "me", theirs - second), None);
    assert!(
        claims.held_by_older(SOURCE, "zebra", theirs).is_some(),
        "by name, where the moment is the same"
    );
    assert_eq!(claims.held_by_older(SOURCE, "alpha", theirs), None);
}

#[test]
fn a_cleared_topic_frees_the_source() {
    let cleared = Message {
        payload: Vec::new(),
        ..status("other", "s1")
    };
    let online = presence("other", PresenceState::Online, "s1");
    assert_eq!(after(&[online, status("other", "s1"), cleared]), None);
}

#[test]
fn claims_of_certain_sources_keep_nothing_else_and_name_their_topics() {
    let mut claims = Claims::of([SOURCE, SourceId(9)]);
    assert_eq!(claims.topics(&topics()), ["nvr/sources/3", "nvr/sources/9"]);
    let mut take = |message: &Message| claims.take(&topics(), message).expect("a good message");
    let online = presence("other", PresenceState::Online, "s1");
    assert!(!take(&online), "nobody has named it yet");
    assert!(take(&status("other", "s1")));
    assert!(!take(&status("other", "s1")), "it is named already");
    assert!(!take(&online));
    for id in 100..200 {
        let stranger = Message {
            topic: topics().source(SourceId(id)),
            ..status("stranger", "s1")
        };
        assert!(!take(&stranger));
        assert!(!take(&presence(
            &format!("p{id}"),
            PresenceState::Online,
            "s1"
        )));
    }
    assert_eq!(
        claims.topics(&topics()),
        ["nvr/sources/3", "nvr/sources/9", "nvr/processors/other"]
    );
    assert!(claims.holder(SOURCE).is_some());
    assert_eq!((claims.sources().len(), claims.processors().len()), (1, 1));
    assert_eq!(claims.left_out(), 201);
    claims.set_sources([SourceId(9)]);
    assert_eq!((claims.sources().len(), claims.processors().len()), (0, 0));
    assert_eq!(claims.topics(&topics()), ["nvr/sources/9"]);
}

#[test]
fn claims_of_all_sources_are_a_few_thousand_at_most() {
    let mut claims = Claims::default();
    for id in 0..KEPT_LIMIT as u32 + 3 {
        let message = Message {
            topic: topics().source(SourceId(id)),
            ..status("other", "s1")
        };
        claims.take(&topics(), &message).expect("a good message");
    }
    assert_eq!((claims.sources().len(), claims.left_out()), (KEPT_LIMIT, 3));
}

#[test]
fn classes_are_known_while_every_processor_of_the_sources_tells_them() {
    let online = |instance: &str, classes: Option<&[&str]>| {
        let named = presence(instance, PresenceState::Online, "s1");
        let presence = Presence::from_json(&named.payload).expect("own JSON is good");
        let classes = classes.map(|classes| classes.iter().map(|class| (*class).into()).collect());
        Message {
            payload: Presence {
                classes,
                ..presence
            }
            .to_json(),
            ..named
        }
    };
    let of = |source: u32, instance: &str| {
        let named = status(instance, "s1");
        let status = SourceStatus::from_json(&named.payload).expect("own JSON is good");
        let source_id = SourceId(source);
        Message {
            topic: topics().source(source_id),
            payload: SourceStatus {
                source_id,
                ..status
            }
            .to_json(),
            ..named
        }
    };
    let mut claims = Claims::of([0, 1, 2].map(SourceId));
    let mut after = |message: Message| {
        claims.take(&topics(), &message).expect("good messages");
        let classes = claims.classes()?;
        Some(classes.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let told = |classes: &[&str]| Some(classes.iter().map(|class| (*class).to_owned()).collect());
    assert_eq!(after(of(0, "a")), None, "its processor may be away");
    assert_eq!(
        after(online("a", Some(&["car", "dog"]))),
        told(&["car", "dog"])
    );
    assert_eq!(after(of(1, "b")), None);
    assert_eq!(
        after(online("b", Some(&["bus", "car"]))),
        told(&["bus", "car", "dog"])
    );
    assert_eq!(after(of(2, "a")), told(&["bus", "car", "dog"]));
    assert_eq!(after(online("b", None)), None, "an older version");
    assert_eq!(after(presence("b", PresenceState::Offline, "s1")), None);
}

#[test]
fn a_malformed_message_changes_nothing() {
    let mut claims = Claims::default();
    for message in [
        presence("other", PresenceState::Online, "s1"),
        status("other", "s1"),
    ] {
        claims.take(&topics(), &message).expect("good messages");
    }
    let malformed = Message {
        payload: b"{".to_vec(),
        ..status("other", "s1")
    };
    claims
        .take(&topics(), &malformed)
        .expect_err("half a document");
    assert!(claims.holder(SOURCE).is_some());
}
