//! The section of the broker: each step to a real one, its failures, and the clocks of other machines.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use nvr::doctor::{Report, State};
use serde_json::json;

use super::{Machine, examined, is, line};
use crate::support::broker::{Broker, Kind, Setup, free_port};

/// `nvr doctor` with a configuration of this `[mqtt]` table.
fn with_broker(mqtt: &str) -> Report {
    let machine = Machine::new(&[]);
    let text =
        format!("instance_id = \"box\"\ncamera = []\n[mqtt]\nhost = \"localhost\"\n{mqtt}\n");
    let file = machine.path("nvr.toml");
    std::fs::write(&file, text).expect("written");
    let mut command = machine.there();
    command
        .env_remove("NVR_MQTT_PORT")
        .arg("--config")
        .arg(&file);
    examined(&mut command).1
}

#[test]
fn a_broker_is_reached_step_by_step_and_clocks_are_compared() {
    let broker = Broker::start(Kind::Mosquitto);
    let mut events = broker.stream("nvr/detections/0");
    let event = |ahead_s: f64, instance: &str| {
        let now = nvr::base::unix_now().as_secs_f64() + ahead_s;
        let time = jiff::Timestamp::from_millisecond((now * 1e3) as i64).expect("a time");
        json!({
            "source_id": 0, "frame_id": 1, "timestamp": time.to_string(), "model_id": "m", "inference_time_ms": 1,
            "detections": [], "latency_ms": 0, "instance_id": instance, "clock": "arrival",
        })
    };
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let port = broker.port();
    let publisher = std::thread::spawn(move || {
        while is_done.try_recv().is_err() {
            for line in [
                event(0.0, "near"),
                event(90.0, "ahead"),
                event(-7.0, "behind"),
            ] {
                events.type_in(format!("{line}\n").as_bytes());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let report = with_broker(&format!("port = {port}"));
    done.send(()).expect("it publishes");
    publisher.join().expect("it published");
    for step in ["name", "TCP", "login", "subscription"] {
        let line = line(&report, "broker", &format!("broker: {step}"));
        assert_eq!(line.state, State::Ok, "{line:?}");
    }
    is(
        &report,
        "broker",
        "Ok | on the broker | online: 0 processors, 0 walls",
    );
    let near = line(&report, "broker", "clock of near");
    assert_eq!(near.state, State::Ok, "{near:?}");
    assert!(near.figures["behind_ms"].abs() < 1000.0, "{near:?}");
    for (who, behind_ms) in [("ahead", -90_000.0), ("behind", 7_000.0)] {
        let far = line(&report, "broker", &format!("clock of {who}"));
        assert_eq!(far.state, State::Warning, "{far:?}");
        assert!(
            (far.figures["behind_ms"] - behind_ms).abs() < 1000.0,
            "{far:?}"
        );
    }
}

#[test]
fn each_failure_to_reach_a_broker_has_a_distinct_line() {
    let setup = Setup {
        login: Some(("box", "right")),
        ..Setup::default()
    };
    let guarded = Broker::start_with(Kind::Mosquitto, setup);
    let port = guarded.port();
    let ends_with = |mqtt: &str| {
        let report = with_broker(mqtt);
        let section = report.section("broker").expect("a section");
        let last = section.lines.last().expect("a line").clone();
        assert_eq!(last.state, State::Fault, "{section:#?}");
        (last.what, last.found)
    };
    let (what, found) = ends_with(&format!(
        "port = {port}\nusername = \"box\"\npassword = \"wrong\""
    ));
    assert_eq!(what, "broker: login");
    assert!(
        found.contains("refuses the login (not authorised)"),
        "{found}"
    );
    let (what, found) = ends_with(&format!("port = {}", free_port()));
    assert_eq!(what, "broker: TCP");
    assert!(found.contains("Connection refused"), "{found}");
    let (what, found) = ends_with(&format!("port = {port}\ntls = {{}}"));
    assert_eq!(what, "broker: TLS");
    assert!(found.starts_with("TLS fails: "), "{found}");
    let right = with_broker(&format!(
        "port = {port}\nusername = \"box\"\npassword = \"right\""
    ));
    is_login(&right, "the broker accepts the login, ");
}

fn is_login(report: &Report, found: &str) {
    let login = line(report, "broker", "broker: login");
    assert_eq!(login.state, State::Ok, "{login:?}");
    assert!(login.found.starts_with(found), "{login:?}");
}

/// A broker that accepts every login and refuses subscriptions. Mosquitto instead accepts such subscriptions and delivers nothing.
fn forbidding_broker() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("it has one").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                // The doctor first only tests whether the port is open.
                let mut packet = [0; 1024];
                while let Ok(length @ 1..) = stream.read(&mut packet) {
                    let answer = match packet[0] >> 4 {
                        1 => vec![0x20, 2, 0, 0],
                        // Less than 128 bytes remain, so their number is one byte.
                        8 => [&[0x90, 6], &packet[2..4], &[0x80; 4]].concat(),
                        _ => return,
                    };
                    assert!(length > 4 && stream.write_all(&answer).is_ok());
                }
            });
        }
    });
    port
}

#[test]
fn a_broker_that_refuses_subscriptions_is_a_fault() {
    let report = with_broker(&format!("port = {}", forbidding_broker()));
    is_login(&report, "the broker accepts connections without a login, ");
    is(
        &report,
        "broker",
        "Fault | broker: subscription | the broker does not permit reading nvr/processors/+, nvr/walls/+, nvr/sources/+, nvr/detections/+",
    );
}
