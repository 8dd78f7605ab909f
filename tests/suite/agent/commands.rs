//! Commands: each is obeyed or refused, and answered by its id.

use serde_json::json;

use super::stage::{Stage, document, sources};
use crate::support::scratch::fresh;
use crate::support::wait::until;

#[test]
fn commands_are_obeyed_or_refused_by_their_id() {
    let mut stage = Stage::new();
    stage.start();
    stage.presence("online");
    let refused = stage.command(&json!({"id": "0", "verb": "pause"}));
    assert_eq!(refused["error"]["code"], "not-running");
    stage.desire(&document(1, sources(&[0, 1])));
    stage.phase(1, "applied");

    let pong = stage.command(&json!({"id": "1", "verb": "ping"}));
    assert_eq!(
        (&pong["ok"], &pong["data"]["device"]),
        (&true.into(), &"box-1".into())
    );
    let logs = stage.command(&json!({"id": "2", "verb": "logs", "args": {"lines": 5}}));
    assert_eq!(logs["data"]["processor"].as_array().map(Vec::len), Some(5));
    let restarted =
        stage.command(&json!({"id": "3", "verb": "restart-source", "args": {"source": 1}}));
    assert_eq!(restarted["ok"], true, "{restarted}");
    for (command, code) in [
        (json!({"id": "4", "verb": "dance"}), "unknown-verb"),
        (
            json!({"id": "5", "verb": "ping", "args": {"lines": 1}}),
            "unknown-field",
        ),
        (json!({"id": "6", "verb": "reboot"}), "missing-field"),
        (
            json!({"id": "7", "verb": "reboot", "device": "box-1", "expires": "2040-01-01T00:00:00Z"}),
            "unsigned",
        ),
        (
            json!({"id": "8", "verb": "ping", "device": "box-2"}),
            "wrong-device",
        ),
        (json!({"id": "9", "verb": "identify"}), "not-running"),
        (
            json!({"id": "10", "verb": "restart-source", "args": {"source": 9}}),
            "not-supported",
        ),
        (
            json!({"id": "11", "verb": "restart", "args": {"role": "wall"}}),
            "not-running",
        ),
    ] {
        let answer = stage.command(&command);
        assert_eq!(answer["ok"], false, "{answer}");
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    stage.send(br#"{"id": "1", "verb": "ping"}"#);
    stage.next("response", |text| text.contains("duplicate"));
    let before = stage.role_process();
    let restarted = stage.command(&json!({"id": "12", "verb": "restart"}));
    assert_eq!(restarted["data"]["restarted"], json!(["processor"]));
    until("another process", super::FIRST, || {
        stage
            .find_role_process()
            .filter(|process| *process != before)
    });
    stage.flows(0);
}

#[test]
fn a_paused_source_says_so_and_has_no_events_until_it_is_resumed() {
    let stage = Stage::applied(&[0, 1]);
    let states = stage.broker.observe("nvr/sources/1");
    let paused = stage.command(&json!({"id": "1", "verb": "pause", "args": {"source": 1}}));
    assert_eq!(
        paused["data"]["processor"]["paused"],
        json!([1]),
        "{paused}"
    );
    states.out().find("the state", super::FIRST, |line| {
        line.contains("\"state\":\"paused\"")
    });
    let (events, others) = (
        stage.broker.observe("nvr/detections/1"),
        stage.broker.observe("nvr/detections/0"),
    );
    until("ten events of the other source", super::FIRST, || {
        (others.out().all().len() >= 10).then_some(())
    });
    assert_eq!(events.out().all(), Vec::<String>::new());
    let resumed = stage.command(&json!({"id": "2", "verb": "resume"}));
    assert_eq!(
        resumed["data"]["processor"]["paused"],
        json!([]),
        "{resumed}"
    );
    events.out().find("an event", super::FIRST, |line| {
        line.contains("\"detections\"")
    });
}

#[test]
fn a_signed_reboot_is_obeyed() {
    use nvr::fleet::{Envelope, PayloadType, PrivateKey};
    let key = PrivateKey::from_seed([3; 32]).expect("a key");
    let mut stage = Stage::new();
    stage.write_device(&format!("keys = [\"{}\"]", key.public()));
    let mark = fresh();
    let touch = format!("touch {}", mark.display());
    stage.start_with(&["--reboot-command", &touch]);
    stage.presence("online");
    let command =
        json!({"id": "1", "verb": "reboot", "device": "box-1", "expires": "2040-01-01T00:00:00Z"});
    let text = command.to_string();
    let signed = Envelope::sign(PayloadType::Command, text.as_bytes(), &[&key]).to_json();
    stage.send(&signed);
    let answer = stage.answer("1");
    // A device whose clock is not synchronised can't tell the age of the command.
    if answer["ok"] == true {
        assert!(mark.exists());
    } else {
        assert_eq!(answer["error"]["code"], "clock-unknown", "{answer}");
        assert!(!mark.exists());
    }
}

#[test]
fn a_wall_shows_pauses_and_its_name_and_gives_a_picture() {
    let mut stage = Stage::new();
    stage.start();
    let mut both = document(1, sources(&[0]));
    both["role"] = "both".into();
    both["wall"] = json!({
        "camera": [{"id": 0, "uri": "test-pattern:?width=320&height=240&fps=5"}],
        "wall": {"output": "headless"},
    });
    stage.desire(&both);
    stage.phase(1, "applied");
    let text = || {
        stage
            .control("wall", &["status"])
            .map(|status| status["state"]["tiles"][0]["text"].clone())
    };
    until("no fault", super::FIRST, || {
        text().filter(|text| *text == "")
    });
    stage.command(&json!({"id": "1", "verb": "pause", "args": {"source": 0}}));
    until("the pause", super::FIRST, || {
        text().filter(|text| *text == "PAUSED")
    });
    stage.command(&json!({"id": "2", "verb": "resume"}));
    until("no fault", super::FIRST, || {
        text().filter(|text| *text == "")
    });
    let size = |id: &str| {
        let answer = stage.command(&json!({"id": id, "verb": "snapshot"}));
        assert_eq!(
            answer["data"]["wall"]["media_type"], "image/jpeg",
            "{answer}"
        );
        answer["data"]["wall"]["base64"]
            .as_str()
            .map_or(0, str::len)
    };
    let before = size("3");
    assert!(before > 1000 && before < 350_000, "{before}");
    let shown = stage.command(&json!({"id": "4", "verb": "identify", "args": {"limit": "1h"}}));
    assert_eq!(shown["data"]["wall"]["shown_s"], 3600, "{shown}");
    // A name on an even ground is a smaller file than a picture with boxes.
    let mut number = 5;
    until("the name", super::FIRST, || {
        number += 1;
        (size(&number.to_string()) < before / 2).then_some(())
    });
    let one = stage.command(&json!({"id": "99", "verb": "snapshot", "args": {"source": 0}}));
    // The wall has it without boxes, at the size of the test pattern or smaller.
    assert_eq!(one["data"]["wall"]["media_type"], "image/jpeg", "{one}");
    assert_eq!(one["data"]["processor"], serde_json::Value::Null);
}

#[test]
fn a_processor_gives_the_picture_of_a_source() {
    use base64::Engine as _;
    let stage = Stage::applied(&[3]);
    let snapshot = |id: &str, args: serde_json::Value| {
        stage.command(&json!({"id": id, "verb": "snapshot", "args": args}))
    };
    let answer = snapshot("1", json!({"source": 3}));
    let text = answer["data"]["processor"]["base64"].as_str();
    let text = text.unwrap_or_else(|| panic!("{answer}"));
    let jpeg = base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("base64");
    assert!(jpeg.len() <= 256 * 1024, "{}", jpeg.len());
    let picture = image::load_from_memory(&jpeg).expect("a JPEG");
    assert_eq!((picture.width(), picture.height()), (320, 240));
    for (id, args, reason) in [
        ("2", json!({"source": 9}), "runs no source 9"),
        ("3", json!({}), "name a source"),
    ] {
        let refused = snapshot(id, args);
        assert_eq!(refused["error"]["code"], "not-supported", "{refused}");
        assert!(
            refused["error"]["message"].to_string().contains(reason),
            "{refused}"
        );
    }
}

#[test]
fn an_led_blinks_at_identify_and_is_restored_after_a_crash_of_the_agent() {
    let mut stage = Stage::new();
    stage.write_device("identify_led = \"green:status\"");
    let sys = fresh();
    let led = sys.join("class/leds/green:status");
    std::fs::create_dir_all(&led).expect("a folder");
    let trigger = led.join("trigger");
    // A kernel marks the active one itself.
    let mark = || std::fs::write(&trigger, "none [heartbeat] timer\n").expect("written");
    mark();
    std::fs::write(led.join("brightness"), "1\n").expect("written");
    let now = || std::fs::read_to_string(&trigger).expect("it is there");
    let sys = sys.display().to_string();
    stage.start_with(&["--sys-dir", &sys]);
    stage.presence("online");
    let shown = stage.command(&json!({"id": "1", "verb": "identify", "args": {"limit": "1h"}}));
    let expected = json!({"led": {"name": "green:status", "blinks_s": 3600}});
    assert_eq!(shown["data"], expected, "{shown}");
    assert_eq!(now(), "timer");
    stage.agent().kill();
    stage.start_with(&["--sys-dir", &sys]);
    until("the former trigger", super::FIRST, || {
        (now() == "heartbeat").then_some(())
    });
    stage.presence("online");
    mark();
    stage.command(&json!({"id": "2", "verb": "identify", "args": {"limit": "1s"}}));
    until("the former trigger", super::FIRST, || {
        (now() == "heartbeat").then_some(())
    });
    mark();
    stage.command(&json!({"id": "3", "verb": "identify"}));
    assert_eq!(now(), "timer");
    stage.agent().signal("TERM");
    stage.agent().end(crate::support::wait::SOON);
    assert_eq!(now(), "heartbeat");
}
