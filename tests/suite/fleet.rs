//! `nvr fleet` against a real mosquitto in its default configuration, with simulated devices.

mod halts;
mod interruptions;
mod pauses;
mod updates;

use std::process::Command;

use nvr::base::SessionId;
use nvr::bus::{ClientRole, FleetTopic, Link, LinkOptions, Topics};
use nvr::config::{Environment, MqttFlags};
use serde_json::Value;

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::process::nvr;
use crate::support::site::{ROLLOUT, Site};
use crate::support::wait::{SOON, until, until_true};

const FAST: [&str; 4] = ["--soak", "0s", "--timeout", "30s"];

fn apply<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["apply"], &FAST[..], more].concat()
}

#[test]
fn lint_tells_every_problem_with_its_line() {
    let site = Site::new(2, "gate");
    let (code, text) = site.run(&["lint"]);
    assert_eq!(
        (code, text.as_str()),
        (0, "2 devices, every document is valid\n")
    );
    let good = std::fs::read_to_string(site.file()).expect("text");
    let bad = good
        .replace("rtsp://{host}", "http://{host}")
        .replace("name =", "nam =");
    std::fs::write(site.file(), bad).expect("written");
    let (code, text) = site.run(&["lint"]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("error: d1 and d2: processor.camera[0].uri: "),
        "{text}"
    );
    assert!(
        text.contains(
            "error: d1 and d2: processor.camera[0].nam: unknown key; did you mean `name`?"
        ),
        "{text}"
    );
    assert!(text.contains("fleet.toml:11:1]"), "{text}");
    std::fs::write(site.file(), good.replace("[broker]", "[broke]")).expect("written");
    let (code, text) = site.run(&["plan"]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("broke: unknown key; did you mean `broker`?"),
        "{text}"
    );
}

#[test]
fn what_has_changed_is_planned_applied_in_stages_and_shown() {
    let site = Site::new(3, "gate");
    let (code, text) = site.run(&["status"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.ends_with("0 of 3 answered, 0 online\n"), "{text}");
    let _devices = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "100ms"]);
    let (code, text) = site.run(&apply(&["--batch", "2", "--dry-run"]));
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("3 to change, 0 unchanged\n"), "{text}");
    let (code, text) = site.run(&apply(&["--batch", "2"]));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\nstage 1: 1 device: d1\n"), "{text}");
    assert!(text.contains("\nstage 2: 2 devices: d2, d3\n"), "{text}");
    assert!(text.contains("\n3 applied after "), "{text}");
    let (code, text) = site.run(&["status", "--format", "json"]);
    let status: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &status["online"]), (0, &3.into()), "{text}");
    for row in status["rows"].as_array().expect("rows") {
        assert_eq!(
            (&row["applied"], &row["phase"]),
            (&1.into(), &"applied".into()),
            "{text}"
        );
        assert_eq!((&row["live"], &row["fps"]), (&1.into(), &25.0.into()));
    }
    assert!(
        site.run(&["plan"])
            .1
            .ends_with("0 to change, 3 unchanged\n")
    );
    site.write("yard");
    let (_, text) = site.run(&["plan"]);
    assert!(text.contains("d1: generation 1 → generation 2\n    ~ processor.camera[id=1].name: \"gate\" → \"yard\"\n"), "{text}");
    assert_eq!(site.run(&apply(&["--batch", "100%"])).0, 0);
    let (code, text) = site.run(&["rollback", "--soak", "0s", "--batch", "100%"]);
    assert_eq!(code, 0, "{text}");
    let document = &site.retained("d2")["desired"]["document"];
    assert_eq!(
        (
            &document["generation"],
            &document["processor"]["camera"][0]["name"]
        ),
        (&3.into(), &"gate".into())
    );
    let audit = std::fs::read_to_string(site.dir.path().join("fleet-audit.jsonl")).expect("text");
    let published = audit
        .lines()
        .filter(|line| line.contains("\"act\":\"publish\""))
        .count();
    assert_eq!(published, 9, "{audit}");
}

#[test]
fn commands_are_answered_and_a_removed_device_leaves_nothing() {
    let site = Site::new(2, "gate");
    let device = site.simulate(&["d1"], &[]);
    assert_eq!(
        site.run(&["command", "d1", "ping"]),
        (0, "d1: done\n".to_owned())
    );
    let (code, text) = site.run(&["command", "d1", "doctor"]);
    assert_eq!(code, 1, "{text}");
    let (code, text) = site.run(&["command", "d2", "ping"]);
    assert_eq!(code, 3, "{text}");
    let (code, text) = site.run(&["command", "d1", "ping", "lines=3"]);
    assert_eq!(code, 2, "{text}");
    let (code, text) = site.run(&["remove", "d1"]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("is online and would publish its topics again"),
        "{text}"
    );
    drop(device);
    until_true("d1 is offline", SOON, || {
        site.retained("d1")["presence"]["state"] != "online"
    });
    let (code, text) = site.run(&["remove", "d1"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(site.retained("d1")["presence"], Value::Null);
    assert_eq!(site.run(&["show", "d1"]).0, 3);
}

#[test]
fn documents_are_signed_with_a_new_key() {
    let site = Site::new(1, "gate");
    let key = site.dir.path().join("fleet.key");
    let key = key.to_str().expect("text");
    let mut keygen = nvr();
    keygen.args(["fleet", "keygen", key]);
    assert!(keygen.status().expect("it runs").success());
    let _device = site.simulate(&["d1"], &["--apply-time", "0s"]);
    let (code, text) = site.run(&apply(&["--key", key]));
    assert_eq!(code, 0, "{text}");
    let signers = site.retained("d1")["desired"]["signed_by"].clone();
    assert_eq!(signers.as_array().map(Vec::len), Some(1), "{signers}");
    site.write("yard");
    assert_eq!(site.run(&apply(&["--key", key])).0, 0);
    let (code, text) = site.run(&["halt", "--revert-applied"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("name the key with --key"), "{text}");
    let (code, text) = site.run(&["halt", "--revert-applied", "--key", key]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("taken back: 1; "), "{text}");
}

#[test]
fn an_access_list_keeps_devices_apart() {
    let plain = Site::new(2, "gate");
    let (code, acl) = plain.run(&["export-acl", "--operator", "op"]);
    assert_eq!(code, 0, "{acl}");
    let setup = Setup {
        acl: Some(Box::leak(acl.into_boxed_str())),
        ..Setup::default()
    };
    let broker = Broker::start_with(Kind::Mosquitto, setup);
    let port = broker.port().to_string();
    let publish = |user: &str, topic: &str| {
        let mut command = Command::new("mosquitto_pub");
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-u",
            user,
            "-q",
            "1",
            "-r",
            "-t",
            topic,
            "-m",
            user,
        ]);
        assert!(
            command
                .status()
                .expect("mosquitto_pub is installed")
                .success()
        );
    };
    for user in ["d1", "d2", "op"] {
        publish(user, "nvr/fleet/d1/reported");
        publish(user, "nvr/detections/1");
        publish(user, &format!("nvr/fleet/{user}/desired"));
    }
    let read = |user: &str| {
        let mut command = Command::new("mosquitto_sub");
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-u",
            user,
            "-t",
            "nvr/#",
            "-W",
            "2",
            "-F",
            "%t=%p",
        ]);
        let output = command.output().expect("mosquitto_sub is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        read("op"),
        [
            "nvr/detections/1=op",
            "nvr/fleet/d1/reported=op",
            "nvr/fleet/op/desired=op"
        ]
    );
    assert_eq!(read("d2"), Vec::<String>::new());
}

#[test]
fn five_thousand_retained_topics_on_a_default_mosquitto_lose_none() {
    const DEVICES: usize = 1250;
    let site = Site::new(DEVICES, "gate");
    let text = std::fs::read_to_string(site.file()).expect("text");
    let fleet = nvr::fleet::desk::FleetFile::parse(&text, &site.file()).expect("valid");
    let mqtt = fleet
        .broker(&MqttFlags::default(), &Environment::default())
        .expect("valid");
    let topics = Topics::of(&mqtt);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let session = SessionId("s".to_owned());
    let options = LinkOptions::new(mqtt, ClientRole::Watch, "x", &session);
    let link = Link::start(options, runtime.handle(), None).expect("a link");
    for number in 1..=DEVICES {
        let device = format!("d{number}");
        let presence = r#"{"state":"online","session":"s","since":"2026-01-01T00:00:00Z"}"#;
        let report = r#"{"schema":1,"generation":7,"applied":7,"phase":"applied"}"#;
        let document = r#"{"schema":1,"generation":7,"role":"processor","processor":{}}"#;
        for (topic, payload) in [
            (FleetTopic::Presence, presence),
            (FleetTopic::Reported, report),
            (FleetTopic::Desired, document),
            (FleetTopic::Capabilities, "{}"),
        ] {
            link.retain(&topics.fleet(&device, topic), payload.as_bytes().to_vec());
        }
    }
    until_true("the broker is connected", SOON, || {
        link.counters().connected
    });
    let (code, text) = until("every device has answered", ROLLOUT, || {
        Some(site.run(&["status", "--format", "json"])).filter(|(code, _)| *code == 0)
    });
    let status: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (code, &status["answered"], &status["online"]),
        (0, &DEVICES.into(), &DEVICES.into())
    );
    let rows = status["rows"].as_array().expect("rows");
    assert!(
        rows.iter()
            .all(|row| row["desired"] == 7 && row["applied"] == 7),
        "{text}"
    );
    runtime.block_on(link.stop(SOON));
}
