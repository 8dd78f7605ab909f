//! `nvr fleet` against a real mosquitto in its default configuration, with simulated devices.

mod halts;
mod updates;

use std::process::Command;
use std::time::{Duration, Instant};

use nvr::base::SessionId;
use nvr::bus::{ClientRole, FleetTopic, Link, LinkOptions, Topics};
use nvr::config::{Environment, MqttFlags};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::process::{Running, clean, nvr};
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

const PAUSING: [&str; 6] = [
    "apply",
    "--pause-between-stages",
    "--batch",
    "1",
    "--timeout",
    "30s",
];

#[test]
fn a_rollout_pauses_between_its_stages_and_is_resumed() {
    let site = Site::new(3, "gate");
    let _all = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "100ms"]);
    let (code, text) = site.run(&PAUSING);
    assert_eq!(code, 5, "{text}");
    assert!(
        text.ends_with("or take it back with `nvr fleet halt`\n"),
        "{text}"
    );
    assert_eq!(site.applied(1), 1);
    let (code, text) = site.run(&["apply", "--resume"]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("\nstage 2: 1 device: d2\n"), "{text}");
    assert_eq!(site.applied(1), 2);
    let (code, text) = site.run(&["apply", "--resume"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(site.applied(1), 3);
}

#[test]
fn another_desk_pauses_a_rollout_and_lets_it_go_on() {
    let site = Site::new(3, "gate");
    let (code, text) = site.run(&["pause"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("there is no unfinished rollout"), "{text}");
    let _all = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "100ms"]);
    // Without a pause the second stage would follow five seconds after the first.
    let rollout = ["apply", "--batch", "1", "--soak", "5s", "--timeout", "30s"];
    let mut desk = Running::start(site.command(&rollout));
    desk.out().find("the first stage", ROLLOUT, |line| {
        line.starts_with("stage 1: ")
    });
    let (code, text) = site.run(&["pause", "--by", "ann@office"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("pauses before its next stage"), "{text}");
    desk.out().find("the pause", ROLLOUT, |line| {
        line == "ann@office asks for a pause; the next stage waits for `nvr fleet resume`"
    });
    desk.out().find("the end of the stage", ROLLOUT, |line| {
        line.starts_with("the stage has ended; ")
    });
    let (began, soak) = (Instant::now(), Duration::from_secs(7));
    until_true("the soak is over", ROLLOUT, || began.elapsed() > soak);
    let begun = |line: &String| line.starts_with("stage 2: ");
    assert!(!desk.out().all().iter().any(begun) && !desk.has_ended());
    let (code, text) = site.run(&["resume"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.ends_with("goes on at the desk that runs it\n"),
        "{text}"
    );
    let ended = desk.end(ROLLOUT);
    let told = desk.out().settled().join("\n");
    assert_eq!(ended.code(), Some(0), "{told}");
    assert!(
        told.contains("the pause has ended; the rollout goes on"),
        "{told}"
    );
    assert_eq!(site.applied(1), 3);
    let audit = std::fs::read_to_string(site.dir.path().join("fleet-audit.jsonl")).expect("text");
    for act in [
        "\"who\":\"ann@office\",\"act\":\"pause\"",
        "\"act\":\"resume\"",
    ] {
        assert!(audit.contains(act), "{audit}");
    }
    assert!(!site.dir.path().join("fleet-rollout.pause").exists());
}

#[test]
fn a_pause_outlives_its_desk_and_ends_with_resume() {
    let site = Site::new(2, "gate");
    let _all = site.simulate(&["d1", "d2"], &["--apply-time", "100ms"]);
    let rollout = ["apply", "--batch", "1", "--soak", "1h", "--timeout", "30s"];
    let mut desk = Running::start(site.command(&rollout));
    desk.out().find("the first stage", ROLLOUT, |line| {
        line.starts_with("stage 1: ")
    });
    assert_eq!(site.run(&["pause"]).0, 0);
    let (code, text) = site.run(&["apply", "--resume"]);
    assert_eq!(code, 1, "two desks: {text}");
    desk.out().find("the end of the stage", ROLLOUT, |line| {
        line.starts_with("the stage has ended; ")
    });
    desk.kill();
    let (code, text) = site.run(&["pause"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("no desk works on rollout "), "{text}");
    let (code, text) = site.run(&["resume"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\nstage 2: 1 device: d2\n"), "{text}");
    assert_eq!(site.applied(1), 2);
    let (code, text) = site.run(&["resume"]);
    assert_eq!(code, 2, "{text}");
}

#[test]
fn on_a_terminal_a_pause_ends_with_enter() {
    let site = Site::new(2, "gate");
    let _all = site.simulate(&["d1", "d2"], &["--apply-time", "100ms"]);
    let inside = site.command(&PAUSING);
    let line: Vec<String> = std::iter::once(inside.get_program())
        .chain(inside.get_args())
        .map(|part| format!("'{}'", part.to_string_lossy()))
        .collect();
    let mut command = Command::new("script");
    clean(&mut command);
    command.args(["-qefc", &line.join(" ")]);
    command.arg(site.dir.path().join("typescript"));
    let mut terminal = Running::interactive(command);
    terminal.out().find("the question", ROLLOUT, |line| {
        line.contains("press Enter for the next one")
    });
    assert!(!terminal.has_ended());
    terminal.type_in(b"\n");
    let ended = terminal.end(ROLLOUT);
    let told = terminal.out().settled().join("\n");
    assert_eq!(ended.code(), Some(0), "{told}");
    assert!(told.contains("stage 2: 1 device: d2"), "{told}");
}

#[test]
fn a_failed_stage_is_taken_back_also_from_boxes_that_were_offline() {
    let site = Site::new(4, "gate");
    {
        let _all = site.simulate(&["d1", "d2", "d3", "d4"], &["--apply-time", "100ms"]);
        let (code, text) = site.run(&apply(&["--batch", "100%"]));
        assert_eq!(code, 0, "{text}");
    }
    let _online = site.simulate(
        &["d1", "d2"],
        &["--apply-time", "100ms", "--reverts", "bad"],
    );
    until_true("d3 is offline", SOON, || {
        site.retained("d3")["presence"]["state"] != "online"
    });
    site.write("bad");
    let (code, text) = site.run(&apply(&["--canary", "0", "--batch", "100%"]));
    assert_eq!(code, 4, "{text}");
    assert!(
        text.contains(": reverted: processor.camera[0]: a source that flowed before has stopped"),
        "{text}"
    );
    assert!(
        text.contains("taken back: 4; cleared: 0; kept: 0; verified on the broker"),
        "{text}"
    );
    let _returned = site.simulate(&["d3", "d4"], &["--apply-time", "0s"]);
    for device in ["d1", "d2", "d3", "d4"] {
        let shown = until("the former body is applied again", SOON, || {
            let shown = site.retained(device);
            (shown["reported"]["applied"] == 3 && shown["reported"]["phase"] == "applied")
                .then_some(shown)
        });
        assert_eq!(
            shown["desired"]["document"]["processor"]["camera"][0]["name"], "gate",
            "{device}"
        );
    }
}

#[test]
fn a_desk_that_is_killed_goes_on_or_takes_back() {
    let site = Site::new(4, "gate");
    let devices = ["d1", "d2", "d3", "d4"];
    let _all = site.simulate(&devices, &["--apply-time", "1s"]);
    let mut desk = Running::start(site.command(&apply(&["--batch", "1"])));
    desk.out().find("the second stage", ROLLOUT, |line| {
        line.starts_with("stage 2: ")
    });
    desk.kill();
    let (code, text) = site.run(&apply(&[]));
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("is not finished; go on with `apply --resume`, or take it back with `halt`"),
        "{text}"
    );
    let (code, text) = site.run(&["apply", "--resume"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("4 applied"), "{text}");
    site.write("yard");
    let mut desk = Running::start(site.command(&apply(&["--batch", "1"])));
    desk.out().find("the second stage", ROLLOUT, |line| {
        line.starts_with("stage 2: ")
    });
    desk.kill();
    let (code, text) = site.run(&["halt", "--revert-applied"]);
    assert_eq!(code, 0, "{text}");
    for device in devices {
        let shown = site.retained(device);
        assert_eq!(
            shown["desired"]["document"]["processor"]["camera"][0]["name"], "gate",
            "{device} {text}"
        );
    }
}

#[test]
fn a_halt_after_the_broker_has_lost_everything_restores_the_former_documents() {
    let mut site = Site::new(3, "gate");
    {
        let _all = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "100ms"]);
        let (code, text) = site.run(&apply(&["--batch", "100%"]));
        assert_eq!(code, 0, "{text}");
    }
    until_true("d3 is offline", SOON, || {
        site.retained("d3")["presence"]["state"] != "online"
    });
    site.write("yard");
    let mut desk = Running::start(site.command(&apply(&["--canary", "0", "--batch", "100%"])));
    desk.out().find("the only stage", ROLLOUT, |line| {
        line.starts_with("stage 1: ")
    });
    until_true("the document is published", SOON, || {
        site.retained("d3")["desired"]["generation"] == 2
    });
    desk.kill();
    site.broker.stop();
    site.broker.up();
    assert_eq!(site.retained("d3")["desired"], Value::Null);
    let (code, text) = site.run(&["halt"]);
    assert_eq!(code, 0, "{text}");
    let _returned = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "0s"]);
    for device in ["d1", "d2", "d3"] {
        let shown = until("the former body is applied", SOON, || {
            let shown = site.retained(device);
            (shown["reported"]["phase"] == "applied").then_some(shown)
        });
        let document = &shown["desired"]["document"];
        assert_eq!(document["generation"], 3, "{device} {text}");
        assert_eq!(document["processor"]["camera"][0]["name"], "gate");
    }
}

#[test]
fn a_rollout_waits_for_a_broker_that_restarts() {
    let broker = Broker::start_with(
        Kind::Mosquitto,
        Setup {
            persistence: true,
            ..Setup::default()
        },
    );
    let mut site = Site::on(broker, 3, "gate");
    let _all = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "500ms"]);
    let mut desk = Running::start(site.command(&apply(&["--batch", "1"])));
    desk.out().find("the second stage", ROLLOUT, |line| {
        line.starts_with("stage 2: ")
    });
    site.broker.stop();
    desk.out().find("the desk waits", ROLLOUT, |line| {
        line.starts_with("no connection to the broker ")
    });
    site.broker.up();
    let ended = desk.end(ROLLOUT);
    let told = desk.out().settled().join("\n");
    assert_eq!(ended.code(), Some(0), "{told}");
    assert!(told.contains("3 applied after "), "{told}");
}

#[test]
fn two_desks_conflict_and_the_other_one_is_named() {
    let site = Site::new(2, "gate");
    let _all = site.simulate(&["d1", "d2"], &["--apply-time", "100ms"]);
    let mut desk = Running::start(site.command(&[
        "apply",
        "--soak",
        "5s",
        "--timeout",
        "30s",
        "--max-failures",
        "5",
    ]));
    desk.out().find("the first stage", ROLLOUT, |line| {
        line.starts_with("stage 1: ")
    });
    let other = Site {
        dir: TempDir::new().expect("a folder"),
        broker: Broker::absent(Kind::Mosquitto, Setup::default()),
        devices: 2,
    };
    other.write("other");
    let port = site.broker.port().to_string();
    let aside = [
        "apply",
        "--device",
        "d2",
        "--soak",
        "0s",
        "--timeout",
        "30s",
        "--mqtt-port",
        &port,
        "--by",
        "the other one",
    ];
    let (code, text) = other.run(&aside);
    assert_eq!(code, 0, "{text}");
    let ended = desk.end(ROLLOUT);
    let told = desk.out().settled().join("\n");
    assert_eq!(ended.code(), Some(1), "{told}");
    let conflict = told.lines().find(|line| line.starts_with("d2: conflict: "));
    let conflict = conflict.unwrap_or_else(|| panic!("{told}"));
    assert!(conflict.contains(": generation 1 ("), "{conflict}");
    assert!(
        conflict.contains(", not signed, published by the other one) came between"),
        "{conflict}"
    );
    let shown = site.retained("d2");
    assert_eq!(shown["desired"]["document"]["by"], "the other one");
    let audit = other.dir.path().join("fleet-audit.jsonl");
    let audit = std::fs::read_to_string(audit).expect("text");
    let publish = audit
        .lines()
        .find(|line| line.contains("\"act\":\"publish\""));
    let publish: Value = serde_json::from_str(publish.expect("a line")).expect("JSON");
    assert_eq!(publish["who"], "the other one");
    let name = &site.retained("d2")["desired"]["document"]["processor"]["camera"][0]["name"];
    assert_eq!(name, "other");
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
