//! `nvr broker` as a process.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use crate::support::process::{Running, nvr};
use crate::support::wait::SOON;

fn broker(arguments: &[&str]) -> Running {
    let mut command = nvr();
    command.arg("broker").args(arguments);
    Running::start(command)
}

/// Waits for its end. Returns exit code and output.
fn failed(mut process: Running) -> (Option<i32>, String) {
    let status = process.end(SOON);
    let said = process
        .err()
        .find("an error", SOON, |line| line.starts_with("error: "));
    (status.code(), said)
}

#[test]
fn it_says_where_it_listens_and_ends_when_told() {
    let mut process = broker(&["--port", "0"]);
    let line = process.out().find("the address", SOON, |line| {
        line.starts_with("broker listens on ")
    });
    assert!(line.starts_with("broker listens on 127.0.0.1:"), "{line}");
    process.signal("TERM");
    assert_eq!(process.end(SOON).code(), Some(0));
    assert_eq!(process.err().all(), Vec::<String>::new());
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = taken.local_addr().expect("it has one");
    let (code, said) = failed(broker(&["--port", &address.port().to_string()]));
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        format!(
            "error: can't listen on {address}: another program, perhaps a broker, uses this port; use that broker, stop the \
             program, or choose another port: Address already in use (os error 98)"
        )
    );
}

#[test]
fn half_a_login_is_a_clear_error() {
    let (code, said) = failed(broker(&["--port", "0", "--username", "nvr"]));
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        "error: --username needs a password: name a file with --password-file, or set MQTT_PASSWORD"
    );
}

#[test]
fn a_missing_certificate_is_a_clear_error() {
    let (code, said) = failed(broker(&[
        "--port",
        "0",
        "--tls-cert",
        "/nowhere/broker.pem",
        "--tls-key",
        "/nowhere/broker.key",
    ]));
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        "error: can't read certificate /nowhere/broker.pem: No such file or directory (os error 2)"
    );
}

/// A broker on a free port, and its port.
fn listening(arguments: &[&str]) -> (Running, String) {
    let process = broker(&[&["--port", "0"], arguments].concat());
    let line = process.out().find("the address", SOON, |line| {
        line.starts_with("broker listens on ")
    });
    let port = line.rsplit(':').next().expect("a port").to_owned();
    (process, port)
}

fn client(program: &str, port: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(["-h", "127.0.0.1", "-p", port])
        .args(arguments);
    command
}

/// Publishes `count` retained messages with QoS 1, each to a separate topic `{topic}/{number}`.
fn retain_each(port: &str, topic: &str, count: usize) {
    let script = "
import sys
import paho.mqtt.client as mqtt
port, topic, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.max_queued_messages_set(0)
client.connect('127.0.0.1', port)
client.loop_start()
sent = [client.publish(f'{topic}/{i}', 'y', qos=1, retain=True) for i in range(count)]
for one in sent:
    one.wait_for_publish(60)
    assert one.is_published()
client.disconnect()
client.loop_stop()
";
    python(script, &[port, topic, &count.to_string()]);
}

/// Runs a script with the Python of `make setup`, and returns its output.
fn python(script: &str, arguments: &[&str]) -> String {
    let python = nvr::base::cache_dir().join("python/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run `tools/setup tests`",
        python.display()
    );
    let output = Command::new(python)
        .args(["-c", script])
        .args(arguments)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn ten_thousand_retained_messages_reach_every_new_subscription() {
    let (_broker, port) = listening(&[]);
    retain_each(&port, "nvr/sources", 10_000);
    for qos in ["0", "1", "2"] {
        let mut reader = Running::start(client(
            "mosquitto_sub",
            &port,
            &[
                "-q",
                qos,
                "-t",
                "nvr/sources/#",
                "-C",
                "10000",
                "-F",
                "%t %r",
            ],
        ));
        assert!(reader.end(SOON * 4).success(), "quality {qos}");
        let mut lines = reader.out().settled();
        assert!(
            lines.iter().all(|line| line.ends_with(" 1")),
            "they are retained"
        );
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), 10_000);
    }
}

#[test]
fn a_client_beyond_the_limit_and_a_message_beyond_the_store_are_told_with_what_to_set() {
    let (broker, port) = listening(&["--clients", "1", "--retained-mib", "1"]);
    let publisher = client(
        "mosquitto_pub",
        &port,
        &["-q", "1", "-r", "-t", "large/one", "-l"],
    );
    let mut publisher = Running::interactive(publisher);
    publisher.type_in(b"small\n");
    let line = [vec![b'x'; 1024 * 1024 - 100], vec![b'\n']].concat();
    publisher.type_in(&line);
    let refused = broker.err().find("the refusal", SOON, |line| {
        line.contains("a retained message is refused")
    });
    assert!(
        refused.contains("large/one")
            && refused.contains("limit_mib=1")
            && refused.contains("--retained-mib"),
        "{refused}"
    );
    let mut other = Running::start(client("mosquitto_sub", &port, &["-t", "#"]));
    assert_eq!(other.end(SOON).code(), Some(3), "server unavailable");
    let refused = broker.err().find("the refusal", SOON, |line| {
        line.contains("a client is refused")
    });
    assert!(
        refused.contains("limit=1") && refused.contains("--clients"),
        "{refused}"
    );
    publisher.close_input();
    assert!(publisher.end(SOON).success());
    let former = client("mosquitto_sub", &port, &["-t", "large/#", "-C", "1"]);
    let mut former = Running::start(former);
    assert!(former.end(SOON).success());
    assert_eq!(former.out().settled(), ["small"], "the former one stays");
}

#[test]
fn a_client_of_mqtt_5_is_told_that_its_version_is_not_spoken() {
    let (broker, port) = listening(&[]);
    let mut five = Running::start(client(
        "mosquitto_pub",
        &port,
        &["-V", "5", "-t", "t", "-m", "x"],
    ));
    assert!(!five.end(SOON).success());
    five.err().find("the reason", SOON, |line| {
        line.contains("Unsupported Protocol Version")
    });
    broker.err().find("the refusal", SOON, |line| {
        line.contains("it does not speak MQTT 3.1.1") && line.contains("version=5")
    });
}

#[test]
fn a_fast_publisher_reaches_two_subscribers_of_qos_1_without_loss() {
    let (_broker, port) = listening(&[]);
    let script = "
import sys, threading
import paho.mqtt.client as mqtt
port, count = int(sys.argv[1]), int(sys.argv[2])
def client():
    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    made.max_queued_messages_set(0)
    made.max_inflight_messages_set(1000)
    return made
got, ready = [[], []], threading.Semaphore(0)
readers = []
for at in range(2):
    reader = client()
    reader.on_connect = lambda c, *_: c.subscribe('load/#', 1)
    reader.on_subscribe = lambda *_: ready.release()
    reader.on_message = lambda c, u, m, at=at: got[at].append(int(m.payload))
    reader.connect('127.0.0.1', port)
    reader.loop_start()
    readers.append(reader)
for _ in range(2):
    assert ready.acquire(timeout=20)
publisher = client()
publisher.connect('127.0.0.1', port)
publisher.loop_start()
last = None
for number in range(count):
    last = publisher.publish('load/%d' % (number % 16), str(number), qos=1)
last.wait_for_publish(60)
for _ in range(600):
    if all(len(one) >= count for one in got):
        break
    threading.Event().wait(0.1)
for one in got:
    assert one == list(range(count)), (len(one), one[:5])
";
    python(script, &[&port, "20000"]);
}

#[test]
fn acknowledged_messages_reach_a_reader_that_was_absent() {
    let (_broker, port) = listening(&[]);
    let session = ["-i", "lasting", "-c", "-q", "1", "-t", "news/#"];
    let mut reader = Running::start(client(
        "mosquitto_sub",
        &port,
        &[&session[..], &["-E"]].concat(),
    ));
    assert!(reader.end(SOON).success());
    let mut publisher = Running::start(client(
        "mosquitto_pub",
        &port,
        &["-q", "1", "-t", "news/a", "-m", "while you were away"],
    ));
    assert!(publisher.end(SOON).success());
    let mut reader = Running::start(client(
        "mosquitto_sub",
        &port,
        &[&session[..], &["-C", "1"]].concat(),
    ));
    assert!(reader.end(SOON).success());
    assert_eq!(reader.out().settled(), ["while you were away"]);
}
