//! Tests of reports.

use proptest::prelude::*;

use super::*;
use crate::fleet::{PrivateKey, codes};

fn reported() -> Reported {
    let key = PrivateKey::from_seed([1; 32]).expect("a key").public();
    let error = |code| DocumentError::new("processor.camera[2].uri", code, "scheme must be rtsp");
    Reported {
        generation: Some(17),
        sha256: Some(DocumentHash::of(b"17")),
        applied: Some(16),
        applied_sha256: Some(DocumentHash::of(b"16")),
        last_known_good: Some(16),
        phase: Phase::Reverted,
        warnings: vec![error(codes::PLAIN_SECRET)],
        errors: vec![error(codes::BAD_SCHEME)],
        log: vec!["no frame".to_owned()],
        models: vec![ModelState {
            id: "yolov8n-640".to_owned(),
            phase: ModelPhase::Failed,
            error: Some(DocumentError::new("", "http-404", "not found")),
        }],
        recording: Some(RecordingEstimate {
            cameras: 12,
            bytes_per_day: 536_000_000_000,
            kept_s: Some(803_520),
        }),
        keys: vec![key.id()],
        ..Reported::new(Firmware {
            version: "0.1.0".to_owned(),
            ..Firmware::default()
        })
    }
}

#[test]
fn a_report_reads_back() {
    let read = Reported::from_json(&reported().to_json()).expect("own JSON is good");
    assert_eq!(read, reported());
}

#[test]
fn a_report_has_the_published_fields() {
    let firmware = Firmware {
        version: "0.1.0".to_owned(),
        ..Firmware::default()
    };
    assert_eq!(
        String::from_utf8(Reported::new(firmware).to_json()).expect("JSON is text"),
        concat!(
            r#"{"schema":1,"generation":null,"sha256":null,"applied":null,"applied_sha256":null,"last_known_good":null,"#,
            r#""phase":"waiting","warnings":[],"errors":[],"firmware":{"version":"0.1.0"}}"#
        )
    );
}

#[test]
fn a_report_of_newer_firmware_and_one_that_knows_little_are_read() {
    let newer = br#"{"schema":2,"phase":"simmering","errors":[{"code":"too-hot","celsius":90}],
        "models":[{"id":"a","phase":"thawing"}],"mood":"good"}"#;
    let read = Reported::from_json(newer).expect("a reader is lenient");
    assert_eq!((read.schema, read.phase), (2, Phase::Unknown));
    assert_eq!(read.errors, [DocumentError::new("", "too-hot", "")]);
    assert_eq!(read.models[0].phase, ModelPhase::Unknown);
    Reported::from_json(br#"{"phase":"applied"}"#).expect_err("no schema");
}

#[test]
fn phases_have_their_words_and_some_are_final() {
    for phase in [
        "waiting",
        "applying",
        "probation",
        "applied",
        "rejected",
        "conflict",
        "reverted",
    ] {
        let read: Phase = serde_json::from_value(phase.into()).expect("a phase");
        assert_eq!(read.as_str(), phase);
        let is_final = !["waiting", "applying", "probation"].contains(&phase);
        assert_eq!(read.is_final(), is_final, "{phase}");
    }
}

#[test]
fn long_lists_and_texts_are_cut() {
    let long = "ä".repeat(5_000);
    let error = DocumentError {
        path: long.clone(),
        code: long.clone().into(),
        message: long.clone(),
    };
    let mut written = reported();
    written.errors = vec![error; 10];
    written.warnings = vec![DocumentError::new("", "a", ""); 300];
    written.log = vec![long; 25];
    let read = Reported::from_json(&written.to_json()).expect("under 1 MiB");
    let first = &read.errors[0];
    let lengths = [first.path.len(), first.code.len(), first.message.len()];
    assert_eq!(lengths, [WORD_BYTES, WORD_BYTES, TEXT_BYTES]);
    assert_eq!(
        (read.warnings.len(), read.log.len()),
        (MOST_ENTRIES, MOST_LINES)
    );
    assert_eq!(read.log[0].len(), TEXT_BYTES);
}

#[test]
fn an_estimate_of_recordings_is_absent_or_has_its_fields() {
    let text = |recording: Option<RecordingEstimate>| {
        let written = Reported {
            recording,
            ..Reported::new(Firmware::default())
        };
        let text = String::from_utf8(written.to_json()).expect("JSON is text");
        let begin = text.find(r#""recording""#)?;
        Some(text[begin..].to_owned())
    };
    let mut estimate = reported().recording.expect("it has one");
    assert_eq!(text(None), None);
    assert_eq!(
        text(Some(estimate)).as_deref(),
        Some(r#""recording":{"cameras":12,"bytes_per_day":536000000000,"kept_s":803520}}"#)
    );
    estimate.kept_s = None;
    assert_eq!(
        text(Some(estimate)).as_deref(),
        Some(r#""recording":{"cameras":12,"bytes_per_day":536000000000}}"#)
    );
    let newer = br#"{"schema":2,"phase":"applied","recording":{"cameras":3,"tapes":2}}"#;
    let read = Reported::from_json(newer).expect("a reader is lenient");
    let expected = RecordingEstimate {
        cameras: 3,
        ..RecordingEstimate::default()
    };
    assert_eq!(read.recording, Some(expected));
}

proptest! {
    #[test]
    fn every_estimate_reads_back(
        cameras in any::<u32>(),
        bytes_per_day in any::<u64>(),
        kept_s in any::<Option<u64>>(),
    ) {
        let written = Reported {
            recording: Some(RecordingEstimate { cameras, bytes_per_day, kept_s }),
            ..reported()
        };
        let read = Reported::from_json(&written.to_json());
        prop_assert_eq!(read.expect("own JSON is good"), written);
    }

    #[test]
    fn random_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = Reported::from_json(&payload);
        let _ = crate::fleet::DeviceCapabilities::from_json(&payload);
        let _ = crate::fleet::Response::from_json(&payload);
    }
}
