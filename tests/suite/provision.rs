//! `nvr provision`, and an agent that waits for it, through the program. Nothing outside the folder of the test is touched.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

use image::RgbaImage;
use serde_json::json;

use crate::support::broker::{Broker, Kind, free_port};
use crate::support::process::{Running, nvr};
use crate::support::scratch::fresh;
use crate::support::wait::{SOON, until};

/// A box before its provisioning: a stick, the folder of its state, and the root of its system.
struct Bare {
    stick: PathBuf,
    config: PathBuf,
    state: PathBuf,
    root: PathBuf,
}

impl Bare {
    fn new() -> Self {
        let (stick, config, state, root) = (fresh(), fresh(), fresh(), fresh());
        for folder in [&stick, &config, &root.join("etc")] {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        Self {
            stick,
            config,
            state,
            root,
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.stick.join(name), text).expect("written");
    }

    fn provision(&self) -> Output {
        let mut command = nvr();
        command.arg("provision").arg("--from").arg(&self.stick);
        command.arg("--state-dir").arg(&self.state);
        command.arg("--root").arg(&self.root);
        command.output().expect("it runs")
    }

    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }
}

fn log(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn good(broker: u16) -> String {
    format!(
        "device = \"gate-box\"\r\n[mqtt]\r\nhost = \"127.0.0.1\"\r\nport = {broker}\r\nusername = \"gate\"\r\n\
         password = {{ file = \"mqtt-password\" }}\r\n[files]\r\nmqtt-password = \"hunter2\"\r\n\
         [network]\r\ninterface = \"eth0\"\r\naddress = \"10.0.0.5/24\"\r\ngateway = \"10.0.0.1\"\r\ndns = \"10.0.0.1\"\r\n\
         [time]\r\nzone = \"Europe/Berlin\"\r\nntp = \"10.0.0.1\"\r\n"
    )
}

#[test]
fn a_file_of_a_stick_becomes_the_identity_the_network_and_the_time() {
    let bare = Bare::new();
    // As Windows saves it.
    bare.write("nvr-provision.toml.txt", &format!("\u{feff}{}", good(1883)));
    let done = bare.provision();
    assert!(done.status.success(), "{}", log(&done));
    assert_eq!(std::fs::read_dir(&bare.stick).expect("listed").count(), 0);
    for name in ["device.toml", "mqtt-password", "system.json"] {
        let found = std::fs::metadata(bare.state.join(name)).expect(name);
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let network = bare
        .read("run/systemd/network/10-nvr-wired.network")
        .expect("a network");
    assert!(
        network.contains("Name=eth0") && network.contains("Address=10.0.0.5/24"),
        "{network}"
    );
    let time = bare
        .read("run/systemd/timesyncd.conf.d/20-nvr.conf")
        .expect("a time");
    assert_eq!(time, "[Time]\nNTP=10.0.0.1\n");
    let zone = std::fs::read_link(bare.root.join("etc/localtime")).expect("a zone");
    assert!(zone.ends_with("Europe/Berlin"), "{zone:?}");
    assert!(!log(&done).contains("hunter2"), "{}", log(&done));

    // The next start of the machine: /run is empty, and no stick is there.
    std::fs::remove_dir_all(bare.root.join("run")).expect("removed");
    assert!(bare.provision().status.success());
    assert_eq!(
        bare.read("run/systemd/network/10-nvr-wired.network"),
        Some(network)
    );
}

#[test]
fn every_problem_is_logged_and_kept_for_the_monitor_and_nothing_changes() {
    let bare = Bare::new();
    let bad = "device = \"a/b\"\n[mqtt]\nport = 0\n[network]\naddress = \"10.0.0.5\"\n[time]\nzone = \"Moon/Base\"\n[clock]\n";
    bare.write("nvr-provision.toml", bad);
    let refused = bare.provision();
    assert_eq!(refused.status.code(), Some(2), "{}", log(&refused));
    let kept = bare.read("run/nvr-provision/problems").expect("problems");
    for wanted in [
        "device: ",
        "mqtt.port: ",
        "network.address: ",
        "time.zone: ",
        "clock: unknown key",
    ] {
        let line = format!("nvr-provision.toml: {wanted}");
        assert!(
            kept.lines().any(|found| found.starts_with(&line)),
            "{line} in {kept}"
        );
        assert!(log(&refused).contains(&line), "{line} in {}", log(&refused));
    }
    assert!(bare.stick.join("nvr-provision.toml").exists());
    assert!(!bare.state.join("device.toml").exists());

    // A name that is not read is said, too.
    std::fs::rename(
        bare.stick.join("nvr-provision.toml"),
        bare.stick.join("nvr-provision (1).toml"),
    )
    .expect("renamed");
    assert_eq!(bare.provision().status.code(), Some(2));
    let kept = bare.read("run/nvr-provision/problems").expect("problems");
    assert!(kept.contains("rename it nvr-provision.toml"), "{kept}");

    // A corrected file ends the problems.
    std::fs::remove_file(bare.stick.join("nvr-provision (1).toml")).expect("removed");
    bare.write("nvr-provision.toml", &good(1883));
    assert!(bare.provision().status.success());
    assert_eq!(bare.read("run/nvr-provision/problems"), None);
}

#[test]
fn the_agent_is_stopped_before_its_identity_changes_and_started_after_all() {
    let bare = Bare::new();
    bare.write("nvr-provision.toml", &good(1883));
    // Stands in for systemd: notes what it is asked for, and whether there is an identity at that moment.
    let (programs, asked) = (fresh(), fresh());
    std::fs::create_dir_all(&programs).expect("a folder");
    let (systemctl, identity) = (programs.join("systemctl"), bare.state.join("device.toml"));
    let (identity, asked) = (identity.display(), asked.with_extension("asked"));
    let script = format!(
        "#!/bin/sh\n[ -e {identity} ] && state=new || state=none\necho \"$state $*\" >>{}\n[ \"$1\" != show ] || echo active\n",
        asked.display()
    );
    std::fs::write(&systemctl, script).expect("written");
    std::fs::set_permissions(&systemctl, PermissionsExt::from_mode(0o755)).expect("set");
    let mut path = programs.into_os_string();
    path.push(":/usr/bin:/bin");
    let mut command = nvr();
    command.args(["provision", "--restart-services", "--from"]);
    command.arg(&bare.stick).arg("--state-dir").arg(&bare.state);
    command.arg("--root").arg(&bare.root).env("PATH", path);
    let mut provision = || command.output().expect("it runs");
    let done = provision();
    assert!(done.status.success(), "{}", log(&done));
    let read = || std::fs::read_to_string(&asked).expect("asked");
    let all = "none show --value --property ActiveState nvr-agent.service\n\
               none stop nvr-agent.service\n\
               new --no-block try-restart systemd-networkd.service systemd-timesyncd.service systemd-resolved.service\n\
               new --no-block start nvr-agent.service\n";
    assert_eq!(read(), all);
    // A file with faults stops nothing.
    bare.write("nvr-provision.toml", "device = \"a/b\"\n");
    assert_eq!(provision().status.code(), Some(2));
    assert_eq!(read(), all);
}

/// Number of rows of a picture on which something is written.
fn written_rows(picture: &RgbaImage) -> usize {
    let bright = |pixel: &image::Rgba<u8>| pixel.0[..3].iter().all(|part| *part > 160);
    picture.rows().filter(|row| row.clone().any(bright)).count()
}

/// The picture of the wall's page.
fn shown(address: &str) -> Option<RgbaImage> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET /wall.jpg HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let at = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    Some(image::load_from_memory(&answer[at + 4..]).ok()?.to_rgba8())
}

#[test]
fn a_box_that_is_not_set_up_says_so_on_its_monitor_until_a_stick_comes() {
    let bare = Bare::new();
    let broker = Broker::start(Kind::Mosquitto);
    let observer = broker.observe("nvr/fleet/#");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = nvr();
    command.arg("agent").arg("--setup-notice");
    command.arg("--setup-root").arg(&bare.root);
    command.arg("--sys-dir").arg(bare.root.join("sys"));
    command.arg("--config-dir").arg(&bare.config);
    command.arg("--state-dir").arg(&bare.state);
    // The notice's wall has a page, as every wall.
    command.env("NVR_HTTP", &address);
    let agent = Running::start(command);
    agent
        .err()
        .find("the notice", SOON, |line| line.contains("NOT SET UP"));
    let first = until("the notice is shown", SOON * 3, || {
        let rows = written_rows(&shown(&address)?);
        (rows > 0).then_some(rows)
    });

    // Wrong provisioning is said there, and takes more lines.
    bare.write("nvr-provision.toml", "device = \"a/b\"\n[mqtt]\nport = 0\n");
    assert_eq!(bare.provision().status.code(), Some(2));
    agent.err().find("the problem", SOON, |line| {
        line.contains("problem: nvr-provision.toml: mqtt.port")
    });
    until("the problems are shown", SOON, || {
        (written_rows(&shown(&address)?) > first).then_some(())
    });

    // A good file is taken over by the running box.
    bare.write("nvr-provision.toml", &good(broker.port()));
    assert!(bare.provision().status.success());
    until("the box joins its fleet", SOON * 2, || {
        let lines = observer.out().all();
        let online = |line: &String| {
            line.starts_with("nvr/fleet/gate-box/presence ") && line.contains("online")
        };
        lines.iter().any(online).then_some(())
    });
    until("the notice has ended", SOON, || {
        TcpStream::connect(&address).is_err().then_some(())
    });
    assert!(!bare.stick.join("nvr-provision.toml").exists());
}

/// Whether the last rows of a picture have the ground of a notice, and no camera.
fn has_notice(picture: &RgbaImage) -> bool {
    const GROUND: [u8; 3] = [16, 24, 32];
    let is_ground = |pixel: &image::Rgba<u8>| {
        let parts = pixel.0[..3].iter().zip(GROUND);
        parts
            .into_iter()
            .all(|(part, wanted)| part.abs_diff(wanted) < 10)
    };
    let mut last = picture.rows().rev().take(3);
    last.all(|row| row.into_iter().all(is_ground))
}

/// The upper half of a picture, where a notice never is.
fn upper_half(picture: &RgbaImage) -> Vec<u8> {
    let all = picture.as_raw();
    all[..all.len() / 2].to_vec()
}

#[test]
fn a_refused_file_is_said_below_the_cameras_of_a_box_that_is_set_up() {
    let bare = Bare::new();
    let broker = Broker::start(Kind::Mosquitto);
    bare.write("nvr-provision.toml", &good(broker.port()));
    assert!(bare.provision().status.success());
    let address = format!("127.0.0.1:{}", free_port());
    let document = json!({
        "schema": 1,
        "generation": 1,
        "role": "wall",
        "wall": {
            "camera": [{"id": 0, "uri": "test-pattern:?width=320&height=240&fps=5"}],
            "wall": {"output": "headless", "http": address},
        },
    });
    let topic = "nvr/fleet/gate-box/desired";
    broker.publish(topic, document.to_string().as_bytes(), true);
    let mut command = nvr();
    command.arg("agent").arg("--setup-notice");
    command.arg("--setup-root").arg(&bare.root);
    command.arg("--sys-dir").arg(bare.root.join("sys"));
    command.arg("--config-dir").arg(&bare.config);
    command.arg("--state-dir").arg(&bare.state);
    let _agent = Running::start(command);
    let wait_for = |what: &str, wanted: bool| {
        until(what, SOON * 3, || {
            let picture = shown(&address)?;
            (has_notice(&picture) == wanted).then_some(picture)
        })
    };
    wait_for("the cameras alone", false);

    bare.write("nvr-provision.toml", "device = \"a/b\"\n[mqtt]\nport = 0\n");
    assert_eq!(bare.provision().status.code(), Some(2));
    let told = wait_for("the notice", true);
    // The camera goes on above it.
    until("another frame", SOON, || {
        let picture = shown(&address)?;
        (has_notice(&picture) && upper_half(&picture) != upper_half(&told)).then_some(())
    });

    // A good file ends it.
    bare.write("nvr-provision.toml", &good(broker.port()));
    assert!(bare.provision().status.success());
    wait_for("the cameras alone", false);
}
