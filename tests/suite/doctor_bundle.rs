//! `nvr doctor --bundle`: the bundle has the parts that a support call needs, and none of the planted secrets.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Output;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use nvr::doctor::State;

use crate::doctor::{Machine, examined, line};
use crate::support::broker::{Broker, Kind};
use crate::support::process::{Running, nvr};
use crate::support::wait::{SOON, until};

/// The secrets, each in a different place.
const MQTT_PASSWORD: &str = "Mq!tt pass/word+1";
const CAMERA_PASSWORD: &str = "c@mera:geheim?\"x";
const URI_PASSWORD: &str = "URIsecret77";
const SUB_URI_PASSWORD: &str = "SubUri#Secret";
const QUERY_PASSWORD: &str = "xiongmai-Pw9";
const WALL_TOKEN: &str = "wall-token-0123456789abcdef";
const FILE_SECRET: &str = "of-a-credential-file";
const OLD_PASSWORD: &str = "commented-out-old-one";
const USER: &str = "siteviewer";
const TOKEN_OF_ENVIRONMENT: &str = "token-of-the-environment";
const KEY_LINE: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgplantedkeyplanted";

fn config() -> String {
    format!(
        r#"# A comment that is useful.
instance_id = "dock-box-1"
[mqtt]
host = "localhost"
port = 1
username = {{ env = "MQTT_USERNAME" }}
# password = "{OLD_PASSWORD}"
password = {{ file = "mqtt-password" }}
[[camera]]
id = 0
name = "Loading dock"
uri = "rtsp://{USER}:{URI_PASSWORD}@10.0.0.20:554/Streaming/Channels/101"
sub_uri = "rtsp://{USER}:{}@10.0.0.20:554/Streaming/Channels/102"
[[camera]]
id = 1
uri = "rtsp://10.0.0.21/user=admin&password={QUERY_PASSWORD}&channel=1&stream=0.sdp"
[[camera]]
id = 2
uri = "rtsp://10.0.0.22/live"
username = "{USER}"
password = '{CAMERA_PASSWORD}'
[wall]
http = "127.0.0.1:0"
http_token = "{WALL_TOKEN}"
[processor]
no_such_key = """
-----BEGIN EC PRIVATE KEY-----
{KEY_LINE}
-----END EC PRIVATE KEY-----
"""
"#,
        utf8_percent_encode(SUB_URI_PASSWORD, NON_ALPHANUMERIC)
    )
}

/// The log of a program that prints secrets.
fn kept_log() -> String {
    format!(
        "connecting to rtsp://{USER}:{URI_PASSWORD}@10.0.0.20/x\nAuthorization: Basic {}\nDESCRIBE sent, {}\n",
        STANDARD.encode(format!("{USER}:{CAMERA_PASSWORD}")),
        utf8_percent_encode(MQTT_PASSWORD, NON_ALPHANUMERIC)
    )
}

/// The forms in which a text may contain a secret.
fn encodings(secret: &str) -> Vec<String> {
    let inner = |before: &str| {
        let encoded = STANDARD_NO_PAD.encode(format!("{before}{secret}"));
        let first = (before.len() * 8).div_ceil(6);
        let last = (before.len() + secret.len()) * 8 / 6;
        encoded[first..last].to_owned()
    };
    let json = serde_json::to_string(secret).expect("JSON");
    vec![
        secret.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC)
            .to_string()
            .to_lowercase(),
        json.trim_matches('"').to_owned(),
        STANDARD.encode(secret),
        URL_SAFE.encode(secret),
        inner(""),
        inner("a"),
        inner("ab"),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ]
}

/// The members of an archive, by name without the archive's folder.
fn unpacked(path: &Path) -> BTreeMap<String, String> {
    let file = std::fs::File::open(path).expect("it is there");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut members = BTreeMap::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("whole");
        let name = entry.path().expect("a name").to_string_lossy().into_owned();
        let (folder, name) = name.split_once('/').expect("all lie in one folder");
        assert!(folder.starts_with("nvr-doctor-"), "{folder}");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        members.insert(name.to_owned(), text);
    }
    members
}

/// A machine whose configuration, credentials, environment and logs have every secret.
struct Leaking {
    machine: Machine,
    target: PathBuf,
}

impl Leaking {
    fn new() -> Self {
        let machine = Machine::new(&[]);
        std::fs::write(machine.path("nvr.toml"), config()).expect("written");
        let credentials = machine.path("credentials");
        std::fs::create_dir(&credentials).expect("a folder");
        std::fs::write(
            credentials.join("mqtt-password"),
            format!("{MQTT_PASSWORD}\n"),
        )
        .expect("written");
        std::fs::write(credentials.join("other"), FILE_SECRET).expect("written");
        let target = machine.path("bundle.tar.gz");
        let leaking = Self { machine, target };
        leaking.add_programs();
        leaking
    }

    /// Programs that print secrets with the logs.
    fn add_programs(&self) {
        let programs = self.machine.path("programs");
        std::fs::create_dir(&programs).expect("a folder");
        std::fs::write(self.machine.path("log"), kept_log()).expect("written");
        for program in ["journalctl", "dmesg"] {
            use std::os::unix::fs::PermissionsExt;
            let script = format!(
                "#!/bin/sh\necho 'useful: {program} '\"$*\"\necho 'leaked {FILE_SECRET}'\ncat {}\n",
                self.machine.path("log").display()
            );
            let path = programs.join(program);
            std::fs::write(&path, script).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
        }
    }

    fn bundle(&self, force: bool) -> Output {
        let machine = &self.machine;
        let mut command = machine.here();
        command
            .env_remove("NVR_MQTT_PORT")
            .arg("--config")
            .arg(machine.path("nvr.toml"));
        command.arg("--bundle").arg(&self.target);
        if force {
            command.arg("--force");
        }
        command.env("CREDENTIALS_DIRECTORY", machine.path("credentials"));
        command.env("MQTT_USERNAME", USER);
        command.env("NVR_HTTP_TOKEN", TOKEN_OF_ENVIRONMENT);
        // A desktop session has both variables. They are not secret, and part of every path.
        command
            .env("USERNAME", "bundle")
            .env("PWD", machine.path("tmp"));
        let path = std::env::var("PATH").unwrap_or_default();
        let programs = machine.path("programs");
        command.env("PATH", format!("{}:{path}", programs.display()));
        command.output().expect("it runs")
    }
}

fn have_no_secret(members: &BTreeMap<String, String>) {
    let secrets = [
        MQTT_PASSWORD,
        CAMERA_PASSWORD,
        URI_PASSWORD,
        SUB_URI_PASSWORD,
        QUERY_PASSWORD,
        WALL_TOKEN,
        FILE_SECRET,
        OLD_PASSWORD,
        USER,
        KEY_LINE,
        TOKEN_OF_ENVIRONMENT,
    ];
    for (name, text) in members {
        for secret in secrets {
            for form in encodings(secret) {
                assert!(
                    !text.contains(&form),
                    "{name} has {secret} as {form}:\n{text}"
                );
            }
        }
    }
}

#[test]
fn a_bundle_has_the_useful_parts_and_no_secret() {
    let leaking = Leaking::new();
    let output = leaking.bundle(false);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        err.contains("bundle.tar.gz; read it before you send it"),
        "{err}"
    );
    // The configuration has an unknown key.
    assert_eq!(output.status.code(), Some(1), "{err}");

    let members = unpacked(&leaking.target);
    have_no_secret(&members);
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "README.txt",
            "config/file.toml",
            "logs/journal.txt",
            "logs/kernel.txt",
            "report.json",
            "report.txt",
            "version.txt",
        ]
    );
    let cache = leaking.machine.path("cache").display().to_string();
    for (name, useful) in [
        ("report.txt", "\nDecoders\n"),
        ("report.txt", &*cache),
        ("report.json", "\"id\": \"decoders\""),
        ("version.txt", std::env::consts::ARCH),
        ("config/file.toml", "# A comment that is useful."),
        (
            "config/file.toml",
            "uri = \"rtsp://***@10.0.0.20:554/Streaming/Channels/101\"",
        ),
        ("config/file.toml", "&channel=1&stream=0.sdp\""),
        (
            "config/file.toml",
            "password = { file = \"mqtt-password\" }",
        ),
        ("config/file.toml", "# password = \"***\""),
        ("config/file.toml", "-----BEGIN EC PRIVATE KEY-----***"),
        (
            "logs/journal.txt",
            "useful: journalctl --unit=nvr-* --since=-2d --lines=20000",
        ),
        ("logs/journal.txt", "connecting to rtsp://***@10.0.0.20/x\n"),
        ("logs/journal.txt", "DESCRIBE sent, ***"),
        ("logs/kernel.txt", "useful: dmesg"),
        ("README.txt", "config/effective-processor.toml is missing: "),
    ] {
        let text = &members[name];
        assert!(text.contains(useful), "{name} lacks {useful:?}:\n{text}");
    }
    serde_json::from_str::<nvr::doctor::Report>(&members["report.json"]).expect("still a report");

    let refused = leaking.bundle(false);
    assert_eq!(refused.status.code(), Some(2));
    let err = String::from_utf8_lossy(&refused.stderr);
    assert!(
        err.contains("already exists; choose another name, or replace it with --force"),
        "{err}"
    );
    assert_eq!(leaking.bundle(true).status.code(), Some(1));
}

#[test]
fn a_bundle_of_a_good_configuration_has_the_effective_settings() {
    let machine = Machine::new(&[]);
    let file = machine.path("nvr.toml");
    let text = format!(
        "instance_id = \"dock\"\n[mqtt]\nport = 1\nusername = \"nvr\"\npassword = \"{MQTT_PASSWORD}\"\n[[camera]]\nid = 4\nuri = \"rtsp://{USER}:{URI_PASSWORD}@10.0.0.4/x\"\n"
    );
    std::fs::write(&file, text).expect("written");
    let target = machine.path("b.tar.gz");
    let mut command = machine.here();
    command
        .env_remove("NVR_MQTT_PORT")
        .arg("--config")
        .arg(&file)
        .arg("--bundle")
        .arg(&target);
    let output = command.output().expect("it runs");
    let members = unpacked(&target);
    for role in ["processor", "wall"] {
        let shown = &members[&format!("config/effective-{role}.toml")];
        assert!(shown.contains("instance_id = \"dock\""), "{shown}");
        assert!(shown.contains("password = \"***\""), "{shown}");
        assert!(shown.contains("uri = \"rtsp://10.0.0.4/x\""), "{shown}");
    }
    // A user name equal to the program's name does not remove the program's name from every line.
    let page = &members["report.txt"];
    assert!(page.starts_with("nvr "), "{page}");
    assert!(!page.contains(MQTT_PASSWORD) && !page.contains(URI_PASSWORD));
    assert_eq!(output.status.code(), Some(1), "nothing listens at port 1");
}

#[test]
fn running_roles_are_asked_and_their_answers_are_packed() {
    let broker = Broker::start(Kind::Mosquitto);
    let machine = Machine::new(&[]);
    let port = broker.port().to_string();
    let mut command = nvr();
    command.env("NVR_RUNTIME_DIR", machine.path("run"));
    command.args(["processor", "--backend", "scripted", "--no-watchdog"]);
    command.args(["--instance-id", "dock", "--mqtt-port", &port]);
    command.args(["--source", "4=test-pattern:?width=320&height=240&fps=5"]);
    let mut processor = Running::start(command);
    let target = machine.path("bundle.tar.gz");
    // The source is live and the broker is connected soon after the start.
    let report = until("the processor is well", 4 * SOON, || {
        assert!(!processor.has_ended(), "{:#?}", processor.err().all());
        let mut doctor = machine.here();
        doctor
            .env("NVR_MQTT_PORT", &port)
            .arg("--bundle")
            .arg(&target)
            .arg("--force");
        let (_, report) = examined(&mut doctor);
        let roles = report.section("roles").expect("a section");
        let whats: Vec<&str> = roles.lines.iter().map(|line| &*line.what).collect();
        // The processor may still be starting.
        assert!(
            ["processor-dock", "running roles"].contains(&whats[0]) && whats.len() == 1,
            "{roles:#?}"
        );
        let is_well = whats == ["processor-dock"] && roles.lines[0].state == State::Ok;
        is_well.then_some(report)
    });
    let line = line(&report, "roles", "processor-dock");
    assert!(
        line.found
            .ends_with(", 1 of 1 camera live, broker: connected"),
        "{line:?}"
    );
    // Its events carry the time of its own clock, which is the clock of this machine.
    let clock = crate::doctor::line(&report, "broker", "clock of dock");
    assert_eq!(clock.state, State::Ok, "{clock:?}");
    let members = unpacked(&target);
    let status: serde_json::Value =
        serde_json::from_str(&members["roles/processor-dock-status.json"]).expect("JSON");
    assert_eq!(status["instance_id"], "dock");
    assert_eq!(status["sources"][0]["state"], "live");
    assert!(members.contains_key("roles/processor-dock-capabilities.json"));
}
