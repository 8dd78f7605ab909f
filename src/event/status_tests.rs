//! Presences and statuses: what is written, and what is read of strangers' documents.

use proptest::prelude::*;

use super::*;

fn status() -> SourceStatus {
    SourceStatus {
        source_id: SourceId(3),
        instance_id: "dock-box-1".into(),
        session: SessionId("00c0ffee00c0ffee".to_owned()),
        state: SourceState::Failed,
        since: "2025-10-25T10:30:00.5Z".parse().expect("a time"),
        reason: Some(SourceReason {
            code: "unauthorized".to_owned(),
            message: "camera 3 answers 401".to_owned(),
        }),
        uri: "rtsp://10.0.0.20:554/1".to_owned(),
        recording: None,
        metrics: SourceMetrics {
            codec: Some("h264".to_owned()),
            width: Some(1280),
            height: Some(720),
            fps_in: Some(24.987),
            clock: Some(CaptureClock::Ntp),
            dropped: 15,
            reconnects: 2,
            ..SourceMetrics::default()
        },
    }
}

#[test]
fn a_status_has_all_its_fields_at_its_first_level() {
    assert_eq!(
        String::from_utf8(status().to_json()).expect("JSON is text"),
        concat!(
            r#"{"source_id":3,"instance_id":"dock-box-1","session":"00c0ffee00c0ffee","state":"failed","#,
            r#""since":"2025-10-25T10:30:00.500Z","reason":{"code":"unauthorized","message":"camera 3 answers 401"},"#,
            r#""uri":"rtsp://10.0.0.20:554/1","codec":"h264","width":1280,"height":720,"fps_in":24.99,"#,
            r#""fps_inferred":null,"decoder":null,"clock":"ntp","dropped":15,"reconnects":2}"#
        )
    );
    let read = SourceStatus::from_json(&status().to_json()).expect("own JSON is good");
    assert_eq!(read.to_json(), status().to_json());
}

#[test]
fn a_status_of_a_newer_writer_and_one_that_knows_little_are_read() {
    let text = br#"{"source_id":3,"instance_id":"a","session":"s","state":"live","since":"2025-10-25T12:30:00+02:00",
        "uri":"rtsp://a","clock":"ptp","shutter":"1/50"}"#;
    let read = SourceStatus::from_json(text).expect("a reader is lenient");
    assert_eq!(read.metrics, SourceMetrics::default());
    assert_eq!(read.since.to_string(), "2025-10-25T10:30:00Z");
}

#[test]
fn a_negative_rate_is_refused() {
    let text = String::from_utf8(status().to_json()).expect("JSON is text");
    let error = SourceStatus::from_json(text.replace("24.99", "-1").as_bytes());
    assert_eq!(
        error.expect_err("no rate is negative").to_string(),
        "`fps_in` is -1; it must not be negative"
    );
}

#[test]
fn texts_of_strangers_are_cut_and_names_that_are_none_are_refused() {
    let long = "ä".repeat(20_000);
    let mut written = status();
    written.uri = long.clone();
    written.metrics.codec = Some(long.clone());
    written.reason = Some(SourceReason {
        code: long.clone(),
        message: long.clone(),
    });
    let read = SourceStatus::from_json(&written.to_json()).expect("a status");
    assert_eq!(read.uri, "ä".repeat(TEXT_BYTES / 2));
    let reason = read.reason.expect("it has one");
    assert_eq!((reason.code.len(), reason.message.len()), (64, 1024));
    assert_eq!(read.metrics.codec.map(|codec| codec.len()), Some(64));
    for name in ["", "a/b", "+", "a#", long.as_str()] {
        let written = SourceStatus {
            instance_id: name.into(),
            ..status()
        };
        let error = SourceStatus::from_json(&written.to_json()).expect_err("no name");
        assert!(
            error.to_string().starts_with("`instance_id` of "),
            "{error}"
        );
        let presence = Presence::now(PresenceState::Online, &SessionId(name.to_owned()));
        Presence::from_json(&presence.to_json()).expect_err("no session");
    }
}

#[test]
fn an_error_quotes_only_a_part_of_what_a_stranger_wrote() {
    let text = String::from_utf8(status().to_json()).expect("JSON is text");
    let text = text.replace("\"failed\"", &format!("\"{}\"", "x".repeat(100_000)));
    let error = SourceStatus::from_json(text.as_bytes()).expect_err("no state");
    let told = error.to_string();
    assert!(told.len() < 300, "{} bytes", told.len());
    assert!(told.contains("at `state`: unknown variant `xxx"), "{told}");
    assert!(told.contains("at line 1 column"), "{told}");
}

#[test]
fn presence_reads_back_and_names_its_session() {
    let presence = Presence::now(PresenceState::Online, &SessionId("ab".to_owned()));
    let read = Presence::from_json(&presence.to_json()).expect("own JSON is good");
    assert_eq!(read, presence);
    let text = String::from_utf8(presence.to_json()).expect("JSON is text");
    assert!(
        text.starts_with(r#"{"state":"online","session":"ab","since":""#),
        "{text}"
    );
}

#[test]
fn the_classes_of_a_model_are_told_unless_they_are_too_long() {
    let presence = Presence::now(PresenceState::Online, &SessionId("ab".to_owned()));
    let text = String::from_utf8(presence.to_json()).expect("JSON is text");
    assert!(!text.contains("classes"), "{text}");
    let classes = ["person", "forklift"].map(Arc::from);
    let told = presence.clone().with_classes(&classes);
    let text = String::from_utf8(told.to_json()).expect("JSON is text");
    assert!(
        text.ends_with(r#""classes":["person","forklift"]}"#),
        "{text}"
    );
    let read = Presence::from_json(text.as_bytes()).expect("own JSON is good");
    assert_eq!(read.classes.as_deref(), Some(&classes[..]));
    let many = vec![Arc::from("thirteen byte"); CLASSES_BYTES / 16];
    let presence = presence.with_classes(&many);
    assert_eq!(presence.classes.as_ref(), Some(&many));
    let more = [&many[..], &[Arc::from("")]].concat();
    assert_eq!(presence.clone().with_classes(&more).classes, None);
    let written = Presence {
        classes: Some(more),
        ..presence
    };
    let read = Presence::from_json(&written.to_json()).expect("the rest is good");
    assert_eq!(read.classes, None);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = Presence::from_json(&payload);
        let _ = SourceStatus::from_json(&payload);
    }
}
