//! Tests of commands.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fleet::PrivateKey;

fn read(command: Value) -> Result<Command, CommandRefused> {
    Command::read(command.to_string().as_bytes())
}

/// Path and code of each problem.
fn problems(command: Value) -> Vec<(String, String)> {
    match read(command) {
        Ok(_) => Vec::new(),
        Err(refused) => refused
            .errors
            .iter()
            .map(|error| (error.path.clone(), error.code.to_string()))
            .collect(),
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn each_verb_reads_back() {
    for verb in Verb::ALL {
        let command = Command {
            device: Some("box".to_owned()),
            expires: Some(time("2026-01-01T00:00:00Z")),
            args: CommandArgs {
                source: (verb == Verb::RestartSource).then_some(SourceId(3)),
                ..CommandArgs::default()
            },
            ..Command::new("7", verb)
        };
        assert_eq!(Command::read(&command.to_json()), Ok(command.clone()));
        let word = serde_json::to_value(verb).expect("JSON");
        assert_eq!(word, verb.as_str());
    }
    let ping = Command::new("7", Verb::Ping).to_json();
    assert_eq!(ping, br#"{"id":"7","verb":"ping"}"#);
}

#[test]
fn arguments_are_those_of_the_verb() {
    let logs = read(json!({"id": "a", "verb": "logs", "args": {"lines": 20, "role": "wall"}}));
    let args = logs.expect("a good command").args;
    assert_eq!((args.lines, args.role), (Some(20), Some(RoleName::Wall)));
    let found = problems(json!({
        "id": "a", "verb": "logs", "args": {"lines": 0, "source": 1, "limit": "2h"},
    }));
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("args.source", "unknown-field"),
            ("args.limit", "unknown-field"),
            ("args.lines", "bad-value"),
            ("args.limit", "bad-value"),
        ]
    );
    let found = problems(json!({"id": "a", "verb": "restart-source"}));
    assert_eq!(
        found,
        [("args.source".to_owned(), "missing-field".to_owned())]
    );
}

#[test]
fn an_unknown_verb_is_refused_with_the_id_and_the_known_ones() {
    let refused = read(json!({"id": "7", "verb": "dance", "tempo": 3})).expect_err("unknown");
    assert_eq!(refused.id.as_deref(), Some("7"));
    assert_eq!(
        refused.errors.to_string(),
        "verb: this firmware does not know it; it knows ping, identify, snapshot, pause, resume, restart-source, \
         restart, logs, doctor, reboot (unknown-verb)"
    );
}

#[test]
fn unreadable_commands_are_refused_and_answered_where_they_have_an_id() {
    for (payload, id, code) in [
        ("x", None, "not-json"),
        (r#"{"verb":"ping"}"#, None, "missing-field"),
        (r#"{"id":"a/b","verb":"ping"}"#, None, "bad-value"),
        (r#"{"id":"7"}"#, Some("7"), "missing-field"),
        (
            r#"{"id":"7","verb":"ping","loud":true}"#,
            Some("7"),
            "unknown-field",
        ),
        (r#"{"id":"7","verb":3}"#, Some("7"), "wrong-type"),
        (
            r#"{"id":"7","verb":"ping","args":[]}"#,
            Some("7"),
            "wrong-type",
        ),
        (
            r#"{"id":"7","verb":"ping","args":{"lines":"3"}}"#,
            Some("7"),
            "wrong-type",
        ),
    ] {
        let refused = Command::read(payload.as_bytes()).expect_err(payload);
        assert_eq!(refused.id.as_deref(), id, "{payload}");
        assert!(refused.errors.has(code), "{payload}: {}", refused.errors);
    }
}

#[test]
fn commands_end_and_are_for_one_device() {
    let ping = Command {
        device: Some("box".to_owned()),
        expires: Some(time("2026-01-01T12:00:00Z")),
        ..Command::new("7", Verb::Ping)
    };
    let (before, after) = (time("2026-01-01T12:00:00Z"), time("2026-01-01T12:00:01Z"));
    let code = |device, now, synchronised| match ping.permit(device, &[], now, synchronised) {
        Ok(()) => "good".to_owned(),
        Err(error) => error.code.into_owned(),
    };
    assert_eq!(code("box", before, true), "good");
    assert_eq!(code("box", after, true), "expired");
    assert_eq!(code("box", after, false), "good");
    assert_eq!(code("other", before, true), "wrong-device");
    let endless = Command::new("7", Verb::Ping);
    assert_eq!(endless.permit("any", &[], after, true), Ok(()));
}

#[test]
fn a_reboot_is_signed_for_one_device_and_one_time() {
    let found = problems(json!({"id": "7", "verb": "reboot"}));
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["device", "expires"]);
    let (before, after) = (time("2026-01-01T12:00:00Z"), time("2026-01-01T12:00:01Z"));
    let reboot = Command {
        device: Some("box".to_owned()),
        expires: Some(before),
        ..Command::new("7", Verb::Reboot)
    };
    let signers = [PrivateKey::from_seed([1; 32]).expect("a key").public().id()];
    let code = |signers: &[KeyId], now, synchronised| match reboot.permit(
        "box",
        signers,
        now,
        synchronised,
    ) {
        Ok(()) => "good".to_owned(),
        Err(error) => error.code.into_owned(),
    };
    assert_eq!(code(&signers, before, true), "good");
    assert_eq!(code(&[], before, true), "unsigned");
    assert_eq!(code(&signers, after, true), "expired");
    assert_eq!(code(&signers, before, false), "clock-unknown");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = Command::read(&payload);
    }
}
