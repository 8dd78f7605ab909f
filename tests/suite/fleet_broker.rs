//! The mosquitto of a site, `board/common/mosquitto/nvr.conf`: TLS, logins and the access rules of `nvr fleet export-acl`.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use tempfile::TempDir;

use crate::support::ports::free_port;
use crate::support::process::{Running, nvr};
use crate::support::wait::{SOON, until};

const READY: &str = include_str!("../../board/common/mosquitto/nvr.conf");

/// A certificate for `localhost` and its authority.
fn certify(dir: &Path) {
    let called = |name: &str| {
        let mut called = DistinguishedName::new();
        called.push(DnType::CommonName, name);
        called
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = called("authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.distinguished_name = called("localhost");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    for (name, text) in [
        ("ca.pem", issuer.pem()),
        ("broker.pem", certificate.pem()),
        ("broker.key", key.serialize_pem()),
    ] {
        fs::write(dir.join(name), text).expect("written");
    }
}

fn fleet(dir: &Path, port: u16) {
    let text = format!(
        r#"
[broker]
host = "mqtts://localhost"
port = {port}
username = "alice"
password = "secret-alice"
[broker.tls]
ca = "ca.pem"
[defaults]
role = "processor"
probation = {{ limit = "1s" }}
[defaults.processor.processor]
backend = "scripted"
[[device]]
id = "d1"
processor.camera = [{{ id = 1, uri = "test-pattern:" }}]
[[device]]
id = "d2"
processor.camera = [{{ id = 2, uri = "test-pattern:" }}]
"#
    );
    fs::write(dir.join("fleet.toml"), text).expect("written");
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = nvr();
    command.arg("fleet").args(args).arg("--file");
    command.arg(dir.join("fleet.toml"));
    command
}

fn run(mut command: Command) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code().unwrap_or(-1), text(&stdout) + &text(&stderr))
}

/// The ready configuration with the folders of a test.
fn mosquitto(dir: &Path, port: u16) -> Running {
    let here = dir.display().to_string();
    let config = READY
        .replace("/etc/mosquitto/nvr", &here)
        .replace("/var/lib/mosquitto", &here)
        .replace("listener 8883", &format!("listener {port} 127.0.0.1"));
    let file = dir.join("nvr.conf");
    fs::write(&file, format!("user root\n{config}")).expect("written");
    let mut command = Command::new("/usr/sbin/mosquitto");
    command.arg("-c").arg(file);
    let running = Running::start(command);
    until("the broker listens", SOON, || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    });
    running
}

#[test]
fn the_ready_configuration_serves_a_fleet_and_keeps_it_over_a_restart() {
    let dir = TempDir::new().expect("a folder");
    let (dir, port) = (dir.path(), free_port());
    certify(dir);
    fleet(dir, port);
    let (code, acl) = run(command(dir, &["export-acl", "--operator", "alice"]));
    assert_eq!(code, 0, "{acl}");
    fs::write(dir.join("acl"), acl).expect("written");
    for (index, user) in ["alice", "d1", "d2"].into_iter().enumerate() {
        let mut passwd = Command::new("mosquitto_passwd");
        passwd.args((index == 0).then_some("-c"));
        passwd.arg("-b").arg(dir.join("passwords"));
        passwd.args([user, &format!("secret-{user}")]);
        assert!(passwd.status().expect("it is installed").success());
    }
    let mut broker = mosquitto(dir, port);
    let devices = ["d1", "d2"].map(|device| {
        let mut simulate = command(dir, &["simulate", "--device", device]);
        simulate
            .env("MQTT_USERNAME", device)
            .env("MQTT_PASSWORD", format!("secret-{device}"));
        Running::start(simulate)
    });
    for device in &devices {
        device.out().find("it is connected", SOON, |line| {
            line == "1 of 1 device connected"
        });
    }
    let apply = ["apply", "--soak", "0s", "--timeout", "30s"];
    let (code, text) = run(command(dir, &apply));
    assert_eq!(code, 0, "{text}");
    let mut wrong = command(dir, &["status"]);
    wrong.env("MQTT_PASSWORD", "wrong");
    let (code, text) = run(wrong);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("error: no connection to the broker localhost:"),
        "{text}"
    );
    drop(devices);
    broker.signal("TERM");
    broker.end(Duration::from_secs(20));
    let _broker = mosquitto(dir, port);
    let (code, text) = run(command(dir, &["plan"]));
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("0 to change, 2 unchanged\n"), "{text}");
}
