//! Logins in addresses, as makers want them there, and every place in which an address is shown.

use std::collections::BTreeMap;
use std::io::Read;

use nvr::media::testcam::Testcam;

use crate::doctor::Machine;
use crate::support::broker::{Broker, Kind, free_port};
use crate::support::process::{Running, nvr};
use crate::support::stage::{documents, page, pattern_cameras, processor};
use crate::support::wait::{SOON, until, until_true};

const PASSWORD: &str = "hunter2pw";
/// Of `admin:hunter2pw`.
const BASIC: &str = "YWRtaW46aHVudGVyMnB3";

/// What follows the host in makers' addresses.
const SPELLINGS: [&str; 16] = [
    "cam/realmonitor?channel=1&authbasic=YWRtaW46aHVudGVyMnB3",
    "live?loginuse=admin&loginpas=hunter2pw",
    "live?u=admin&p=hunter2pw",
    "live?userpwd=admin:hunter2pw",
    "live?psw=hunter2pw",
    "live?login=admin&pw=hunter2pw",
    "live?secret=hunter2pw",
    "live?access_token=hunter2pw",
    "live?key=hunter2pw",
    "live?password%3Dhunter2pw",
    "live?channel=hunter2pw",
    "live?hunter2pw",
    "user=admin_password=hunter2pw_channel=1_stream=0.sdp?real_stream",
    "user=admin&password=hunter2pw&channel=1&stream=0.sdp",
    "0/admin:hunter2pw/main",
    "user%3Dadmin%26password%3Dhunter2pw%26channel%3D1",
];

fn leaks(text: &str) -> bool {
    text.contains(PASSWORD) || text.contains(BASIC)
}

#[test]
fn no_login_in_an_address_is_shown_logged_or_published() {
    let broker = Broker::start(Kind::Mosquitto);
    let reader = broker.observe("nvr/#");
    let server = Testcam::start(&pattern_cameras(1)).expect("cameras start");
    let gone = free_port();
    // The server knows none of these paths: what it answers is told with the path.
    let address = |id: usize| {
        let port = if id.is_multiple_of(2) {
            server.port()
        } else {
            gone
        };
        let before = if id == 0 { "admin:hunter2pw@" } else { "" };
        format!("rtsp://{before}127.0.0.1:{port}/{}", SPELLINGS[id])
    };
    let sources: Vec<String> = (0..SPELLINGS.len())
        .flat_map(|id| ["--source".to_owned(), format!("{id}={}", address(id))])
        .collect();

    for format in ["toml", "json"] {
        let shown = nvr()
            .args(["config", "show", "--format", format])
            .args(&sources)
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&shown.stdout);
        assert!(
            shown.status.success() && text.contains("channel=1"),
            "{text}"
        );
        assert!(!leaks(&text), "{text}");
    }

    let http = format!("127.0.0.1:{}", free_port());
    let port = broker.port().to_string();
    let mut arguments = vec!["processor", "--backend", "scripted", "--http", &http];
    arguments.extend(["--mqtt-port", &port, "--instance-id", "addresses"]);
    arguments.extend(sources.iter().map(String::as_str));
    let running = processor(&arguments);
    for id in 0..SPELLINGS.len() {
        let status = until("a failed status", SOON * 2, || {
            documents(&reader, &format!("nvr/sources/{id}"))
                .into_iter()
                .find(|status| status["state"] == "failed")
        });
        assert!(!leaks(&status.to_string()), "{status}");
    }
    let metrics = page(&http, "/metrics");
    assert!(
        metrics.contains("source_live") && !leaks(&metrics),
        "{metrics}"
    );
    for line in running.err().all().iter().chain(&reader.out().all()) {
        assert!(!leaks(line), "{line}");
    }
    drop(running);

    for format in ["text", "json"] {
        let probed = nvr()
            .args(["camera", "probe", "--format", format, &address(12)])
            .env("NVR_LOG", "debug")
            .output()
            .expect("it runs");
        let text = [probed.stdout, probed.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("_channel=1_stream=0.sdp"), "{text}");
        assert!(!leaks(&text), "{text}");
    }
}

#[test]
fn nor_packed_in_a_bundle() {
    let machine = Machine::new(&[]);
    let file = machine.path("nvr.toml");
    let cameras: String = SPELLINGS
        .iter()
        .enumerate()
        .map(|(id, spelling)| {
            format!("[[camera]]\nid = {id}\nuri = \"rtsp://10.0.0.{id}/{spelling}\"\n")
        })
        .collect();
    let text = format!("instance_id = \"dock\"\n[mqtt]\nport = 1\n{cameras}");
    std::fs::write(&file, &text).expect("written");
    let bundle = |name: &str| {
        let target = machine.path(name);
        let mut command = machine.here();
        command.arg("--config").arg(&file);
        command.arg("--bundle").arg(&target);
        command.output().expect("it runs");
        let packed = std::fs::File::open(&target).expect("it is there");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
        let mut members = BTreeMap::new();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("whole");
            let name = entry.path().expect("a name").to_string_lossy().into_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("text");
            assert!(!leaks(&text), "{name}:\n{text}");
            members.insert(name, text);
        }
        members
    };
    let members = bundle("whole.tar.gz");
    assert!(
        members
            .keys()
            .any(|name| name.ends_with("effective-wall.toml"))
    );
    // One that is no TOML is packed too.
    std::fs::write(&file, text + "[[camera\n").expect("written");
    let members = bundle("broken.tar.gz");
    let kept = members
        .iter()
        .find(|(name, _)| name.ends_with("config/file.toml"));
    assert!(kept.is_some_and(|(_, text)| text.contains("channel=1")));
}

#[test]
fn a_wall_shows_none_on_its_page() {
    let broker = Broker::start(Kind::Mosquitto);
    let gone = free_port();
    let sources: Vec<String> = (0..SPELLINGS.len())
        .flat_map(|id| {
            let address = format!("rtsp://127.0.0.1:{gone}/{}", SPELLINGS[id]);
            ["--source".to_owned(), format!("{id}={address}")]
        })
        .collect();
    let http = format!("127.0.0.1:{}", free_port());
    let port = broker.port().to_string();
    let mut command = nvr();
    command
        .args(["wall", "--output", "headless", "--http", &http])
        .args(["--mqtt-port", &port, "--instance-id", "addresses-wall"])
        .args(&sources);
    let mut wall = Running::start(command);
    until("its page is served", SOON * 2, || {
        assert!(!wall.has_ended(), "{:#?}", wall.err().all());
        std::net::TcpStream::connect(&http).ok()
    });
    until_true("every camera has failed", SOON * 2, || {
        page(&http, "/state.json").matches("unreachable").count() >= SPELLINGS.len()
    });
    for path in ["/state.json", "/metrics", "/"] {
        let answer = page(&http, path);
        assert!(!leaks(&answer), "{path}: {answer}");
    }
    for line in wall.err().all() {
        assert!(!leaks(&line), "{line}");
    }
}
